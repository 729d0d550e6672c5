"""A classifier's card: what its model file is, which normalisation it was trained on, and from what.

A classifier is a folder (by custom `NAME.curate-classifier/`) with `model.bin` and `card.json`, or a model file with
`NAME.card.json` beside it. The card names the sha256 of its model, so neither can be swapped. A bare file of a stranger
has no card: its normalisation is the user's word, and `dclm@1` without one, which every summary says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from curation.errors import PluginError, RecipeError, nearest
from curation.files import Json, read_json, write_json
from curation.recipe import Spec, validate
from filters.models.fasttext_file import ModelFile, read_model_file
from filters.models.normalisation import DCLM, Normalisation, find_normalisation

CARD_FILE = "card.json"
MODEL_FILE = "model.bin"
CONTAINER_SUFFIX = ".curate-classifier"


class Card(Spec):
    """What `card.json` holds."""

    format: Literal[1] = 1
    kind: Literal["fasttext"] = "fasttext"
    name: str
    version: int = Field(ge=1)
    normalisation: str
    """`name@version`; the only one it can be applied with."""
    label: str | None = None
    """The label whose probability is the score, unless another is asked for; none for a model of topics."""
    labels: tuple[str, ...]
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    training: dict[str, Any] = Field(default_factory=dict)
    """Settings of training, and digests of the documents it saw."""
    selected_for: tuple[str, ...] = ()
    """Slices that its positives came from; they leave the headline of whatever it judges (rule 2)."""
    held_out: dict[str, Any] = Field(default_factory=dict)
    """How it does on documents that it was not fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """A model file and how it is to be applied."""

    path: Path
    sha256: str
    label: str
    """Whose probability is the score; empty where all count."""
    normalisation: Normalisation
    normalisation_from: str
    """`card`, `setting`, or `assumed` for a bare file without one."""
    card: Card | None

    def as_params(self) -> dict[str, Json]:
        """Return its identity: content, never its path."""
        return {"model_sha256": self.sha256, "label": self.label, "normalisation": self.normalisation.full_name}

    def as_summary(self) -> dict[str, Json]:
        """Return what a result says of it."""
        named: dict[str, Json] = {"classifier": f"{self.card.name}@{self.card.version}"} if self.card else {}
        return {**self.as_params(), "normalisation_from": self.normalisation_from, **named}


def write_card(folder: Path, card: Card) -> None:
    """Write `card.json` into a classifier's folder."""
    write_json(folder / CARD_FILE, card.model_dump(mode="json"))


def read_card(path: Path) -> Card:
    """Return the card in the file `path`. Raises: RecipeError if it is damaged."""
    try:
        value = read_json(path)
    except ValueError as error:
        raise RecipeError(f"{path}: is not JSON ({error}); train the classifier again or restore the file") from None
    card: Card = validate(Card, value, str(path))
    return card


def choose_model(path: Path, where: str, *, label: str | None = None, normalize: str | None = None) -> ChosenModel:
    """Return the classifier at `path`, a folder or a model file, as it will be applied.

    Raises: PluginError for a missing or foreign file or one that is not its card's; RecipeError for another
    normalisation than the model was trained on, or an unknown label.
    """
    found = choose_labels(path, where, normalize=normalize)
    return replace(found, label=_label(label, found.card, inspect_model(found.path), f"{where}: {path}"))


def choose_labels(path: Path, where: str, *, normalize: str | None = None) -> ChosenModel:
    """Return the classifier at `path` for all its labels, none of them chosen. Raises: as `choose_model`."""
    model_path, card_path = _places(path, where)
    file = inspect_model(model_path)
    card = read_card(card_path) if card_path else None
    if card and card.model_sha256 != file.sha256:
        raise PluginError(
            f"{where}: {model_path} (sha256 {file.sha256[:12]}) is not the model of {card_path} "
            f"({card.model_sha256[:12]}); restore the file or train the classifier again"
        )
    asked = find_normalisation(normalize, where) if normalize else None
    trained = find_normalisation(card.normalisation, f"{where}: {card_path}") if card else None
    if asked and trained and asked.full_name != trained.full_name:
        raise RecipeError(
            f"{where}: {path} was trained on text normalised by `{trained.full_name}`, not `{asked.full_name}`; its "
            "scores would mean nothing: leave `normalize` out, or train another classifier"
        )
    return ChosenModel(
        path=model_path,
        sha256=file.sha256,
        label="",
        normalisation=trained or asked or DCLM,
        normalisation_from="card" if trained else "setting" if asked else "assumed",
        card=card,
    )


def inspect_model(path: Path) -> ModelFile:
    """Return the model file without its weights; every size in it is checked. A file at rest is read once.

    Raises: PluginError for a missing, truncated, foreign or unsupervised file.
    """
    if not path.is_file():
        return read_model_file(path)  # which raises
    status = path.stat()
    return _inspected(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=16)
def _inspected(path: Path, *_stamp: int) -> ModelFile:
    return read_model_file(path, weights=False)


def _places(path: Path, where: str) -> tuple[Path, Path | None]:
    """Return the model file and its card, if it has one."""
    if path.is_dir():
        missing = [name for name in (MODEL_FILE, CARD_FILE) if not (path / name).is_file()]
        if missing:
            raise PluginError(
                f"{where}: {path}: no {missing[0]} in this folder; expected a classifier with {MODEL_FILE} and "
                f"{CARD_FILE} (`curate classifier train --out DIR`), or give the path of a model file"
            )
        return path / MODEL_FILE, path / CARD_FILE
    if not path.is_file():
        raise PluginError(f"{where}: {path}: no such file; give the path of a fastText model or a classifier's folder")
    beside = path.parent / CARD_FILE if path.name == MODEL_FILE else path.with_suffix(".card.json")
    return path, beside if beside.is_file() else None


def _label(label: str | None, card: Card | None, file: ModelFile, where: str) -> str:
    shown = ", ".join(file.labels[:20]) + (f" and {len(file.labels) - 20} more" if len(file.labels) > 20 else "")
    chosen = label or (card.label if card else None)
    if chosen is None:
        raise RecipeError(f"{where}: no `label` given and the model names none; its labels are {shown}")
    if chosen not in file.labels:
        raise RecipeError(f"{where}: the model has no label `{chosen}`, it has {shown}; {nearest(chosen, file.labels)}")
    return chosen
