"""Recipes: the YAML that says how a corpus is made, checked field by field.

```yaml
name: baseline
version: 1
pool: environment            # or a path, a glob, a list of them, or a mapping with columns
panel: {version: 1}
tokenizer: ladder-nano@1     # counts kept tokens; training uses the tier's own
stages:                      # in this order; a stage is one mapping {kind: name, ...parameters}
  - modify: newlines         # rewrites text; later stages and the corpus see the new text
  - dedup: exact
  - filter: quality_v3
  - dedup: minhash
  - decontaminate: ngram-13
mix: {weights: natural}
```
A bare string where a mapping is expected means its main field: `pool: data/*.jsonl`, `filter: quality_v3`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from curation.bundled import bundled_names, bundled_path
from curation.errors import RecipeError, nearest, raise_faults
from curation.files import Json
from curation.mix_spec import MixSpec as MixSpec
from curation.pool_spec import PoolSpec as PoolSpec
from curation.pool_spec import Strings as Strings
from curation.recipe_changes import STAGE_KINDS as STAGE_KINDS
from curation.recipe_changes import recipe_name, replaced_pool, replacement_note, short_filter, told, with_filter
from curation.slices import Domain, SliceKind
from curation.yamlio import apply_overrides, load_yaml


class Spec(BaseModel):
    """A part of a recipe: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


def _pool(value: object) -> object:
    if value == "environment":
        return {"source": "environment"}
    if isinstance(value, Mapping):  # a published recipe names its pool by content
        return {key: item for key, item in value.items() if key != "fingerprint"}
    return {"path": value} if isinstance(value, (str, list, tuple)) else value


class PanelSpec(Spec):
    """Validation documents, split off by family before anything is fitted (rule 1)."""

    version: int = Field(default=1, ge=1)
    bytes_per_slice: int = Field(default=2_000_000, gt=0)
    """Target UTF-8 bytes of panel text a slice; families are taken whole until it is reached."""
    max_fraction: float = Field(default=0.10, gt=0, lt=1)
    """Target for a slice's share that the panel may take; whole families pass it by at most half (`panel_split`)."""
    reference_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Share of each slice's families set apart for fitting classifiers; in neither panel nor training (rule 2)."""
    max_doc_bytes: int = Field(default=32_768, gt=0)
    """Bytes of a panel document that are scored, cut at a character boundary (rule 5)."""
    targets: dict[TargetName, Annotated[PoolSpec, BeforeValidator(_pool)]] = {}
    """Documents of the user's own domains: slices `target/NAME`; near copies of them leave the pool for all arms."""
    domains: dict[str, Domain] = {}
    """What slices are samples of, where their names do not say (`curation.slices.KNOWN_DOMAINS`)."""


class PublishedSpec(Spec):
    """What somebody else's run of this recipe kept, to stand beside what is measured."""

    kept: float = Field(ge=0, le=1)
    """Share that was left after this stage."""
    unit: Literal["documents", "tokens", "bytes"] = "documents"
    of: str
    """Of what it is a share, in words."""
    since: str | None = None
    """The stage (`kind: name`) whose output that is; none means what the panel split left."""
    source: str


class StageSpec(Spec):
    """One stage: its kind, the component's name and its parameters."""

    kind: str
    name: str
    params: dict[str, Any] = {}
    published: PublishedSpec | None = None
    """Shown in the funnel; decides nothing."""


def _stage(value: object) -> object:
    """Turn `{filter: quality_v3, keep: 0.3}` into kind, name, params."""
    if not isinstance(value, Mapping) or "kind" in value:
        return value
    kinds = [key for key in value if key in STAGE_KINDS]
    if len(kinds) != 1:
        first = next((str(key) for key in value), "")
        hint = nearest(first, STAGE_KINDS)
        raise ValueError(f"a stage is a mapping with one of {', '.join(STAGE_KINDS)}, got keys {list(value)}; {hint}")
    params = {key: item for key, item in value.items() if key not in (kinds[0], "published")}
    return {"kind": kinds[0], "name": value[kinds[0]], "params": params, "published": value.get("published")}


class Recipe(Spec):
    """Everything that determines a corpus."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version: int = Field(default=1, ge=1)
    description: str = ""
    pool: Annotated[PoolSpec, BeforeValidator(_pool)]
    panel: PanelSpec = PanelSpec()
    tokenizer: str = "ladder-nano@1"
    slice_kinds: dict[str, SliceKind] = {}
    stages: tuple[Annotated[StageSpec, BeforeValidator(_stage)], ...] = ()
    mix: MixSpec = MixSpec()
    shard_bytes: int = Field(default=64_000_000, gt=0)
    """Target UTF-8 bytes of text in one published shard."""


def validate(model: type[BaseModel], value: object, where: str) -> Any:
    """Return `value` as `model`.

    Raises: RecipeError that lists every fault with its place, value and what was expected.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise_faults(RecipeError, where, [_fault(model, item) for item in error.errors()])
        raise


def _fault(model: type[BaseModel], item: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        owner: type[BaseModel] = model
        for part in item["loc"][:-1]:
            annotation = owner.model_fields[part].annotation if part in owner.model_fields else None
            inner = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
            annotation = next(iter(inner), annotation)  # of `tuple[Model, ...]` the model
            owner = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else owner
        if model is Recipe and place in STAGE_KINDS:
            return f"{place}: a {place} is a stage; its settings are set as `stages.{place}.SETTING`"
        return f"{place}: unknown key; {nearest(str(item['loc'][-1]), owner.model_fields)}"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{place}: missing; it is required"
    shown = "" if item["type"] == "value_error" else f", got {item['input']!r}"
    return f"{place}: {message}{shown}" if place else f"{message}{shown}"


def read_mapping(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the YAML mapping in `path` with `--set` overrides applied."""
    value = load_yaml(path)
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: holds {type(value).__name__}, expected a mapping of settings")
    return apply_overrides(value, overrides)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecipe:
    """A recipe with a command's changes, and what the user should be told of them."""

    recipe: Recipe
    note: str | None
    """Which of several filters was replaced."""


def load_recipe(
    path: Path | None = None,
    *,
    base: str | None = None,
    pool: str | None = None,
    filter_name: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Recipe:
    """Return the recipe in `path`, or the shipped one called `base` (default `baseline`), with the given changes.

    `pool` replaces where documents come from; `filter_name` replaces the recipe's last filter or adds one (see
    `with_filter`); all stages set at once (`stages=[...]`) are those it replaces or joins. Raises: RecipeError.
    """
    return read_recipe(path, base=base, pool=pool, filter_name=filter_name, overrides=overrides).recipe


def read_recipe(
    path: Path | None, *, base: str | None, pool: str | None, filter_name: str | None, overrides: tuple[str, ...]
) -> ReadRecipe:
    """Return what `load_recipe` does, with a note; name and description say what was changed. Raises: RecipeError."""
    if path is None:
        path = _bundled_recipe(base or "baseline")
    elif base is not None:
        raise RecipeError(f"{path}: both a recipe file and --base {base} given; choose one")
    whole = tuple(override for override in overrides if override.partition("=")[0] == "stages")
    written, value = read_mapping(path), read_mapping(path, whole)
    note = None
    if pool is not None:
        value["pool"] = replaced_pool(value.get("pool"), pool)
    if filter_name is not None:
        stages = value.get("stages") or []
        if isinstance(stages, list):  # `validate` says what is wrong with anything else
            note = replacement_note(stages, filter_name)
            value["stages"] = with_filter(stages, {"filter": filter_name})
        value["name"] = recipe_name(str(value.get("name", "recipe")), short_filter(filter_name))
    single = tuple(override for override in overrides if override not in whole)
    recipe: Recipe = validate(Recipe, apply_overrides(value, single), str(path))
    return ReadRecipe(recipe=recipe.model_copy(update=told(written, as_json(recipe), overrides)), note=note)


def _bundled_recipe(base: str) -> Path:
    """Return the file of the shipped recipe `name` or `name@version`."""
    name, _, version = base.removesuffix(".yaml").partition("@")
    known = bundled_names("recipes")
    if name not in known:
        raise RecipeError(f"unknown base recipe `{name}`; {nearest(name, known)}")
    path = bundled_path("recipes", f"{name}.yaml")
    shipped = read_mapping(path).get("version", 1)
    if version and version != str(shipped):
        raise RecipeError(
            f"base recipe `{base}`: this installation has version {shipped}; leave the version out or install the "
            "release that has it"
        )
    return path


def as_json(spec: BaseModel) -> dict[str, Json]:
    """Return a spec as plain JSON with every default filled in."""
    value: dict[str, Json] = spec.model_dump(mode="json")
    return value
