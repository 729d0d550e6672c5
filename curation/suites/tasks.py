"""What a suite of tasks asks: tables of tasks as versioned data (`core@1`, `small@1`) or a file of the user's.

A task says which file holds its items, how they are laid out, with how many examples they are shown, which metric
counts and what chance would score (baselines in percent, by version). `shots` is a number, or the number by the
smallest evaluation context that has it: `{0: 0, 1024: 5}` shows none below 1,024 tokens.
Source: DCLM (2406.11794), eval/heavy.yaml and eval_meta_data.csv; OLMES (2406.08446).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from curation.errors import RecipeError, nearest, raise_faults
from curation.files import Json, digest_json
from curation.suites.formats import is_readable
from curation.yamlio import load_yaml

RENDERING_VERSION = "task-rendering@1"
"""Enters every digest: other prompts from the same file are another task."""

_SHIPPED = Path(__file__).resolve().parent.parent / "data" / "suites"

FAMILIES = ("knowledge", "reasoning", "math", "code", "multilingual", "target", "long-context", "safety")
"""The last two are seams: declared and empty until a suite brings tasks for them."""

Kind = Literal["mc", "schema", "lm", "gold"]
Metric = Literal[
    "acc_raw", "acc_per_char", "acc_per_byte", "acc_per_token", "acc_uncond", "correct_prob", "correct_prob_per_token",
    "correct_prob_per_char", "norm_correct_prob", "margin", "total_prob", "sum_logits_corr", "bits_per_byte_corr",
]  # fmt: skip
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
Shots = Annotated[dict[int, int], BeforeValidator(lambda value: {0: value} if isinstance(value, int) else value)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(_Table):
    """One task of a suite. Templates hold `{question}`, `{passage}`, `{answer}`, `{choice}` or `{record.FIELD}`."""

    name: str
    family: str
    kind: Kind
    data: Names
    """Names of the file in the directory of data, the preferred first."""
    digest: str | None = None
    """Of the records; None: not pinned, the digest of what is there counts."""
    num_items: int | None = Field(default=None, gt=0)
    """Items that the benchmark has; for people where the file is absent."""
    category: str = ""
    """DCLM's task category, for its aggregates."""
    layout: Literal["icl", "cloze"] = "icl"
    """`icl`: the record's own query and choices, as llm-foundry shows them. `cloze`: the templates below."""
    context: str = "Question: {question}\nAnswer:"
    answer: str = " {choice}"
    """Template of a continuation; `{choice}` is a choice, or the gold answer of a task that has no choices."""
    remove: str = ""
    """Regular expression of what is cut out of answers (calculator marks of GSM8K)."""
    shots: Shots = {0: 0}
    fewshot_seed: int = 1234
    prompt: str = ""
    prelimiter: str = ""
    example_delimiter: str = "\n"
    continuation_delimiter: str = " "
    chain_of_thought: str = ""
    """Delimiter between a record's `chain_of_thought` and its answer, where examples show it."""
    split: str = ""
    """Only records whose `split` is this one are asked."""
    fewshot_split: str = ""
    """Examples come from this split; empty: from the records that are asked, the item itself left out."""
    partition: str = ""
    """Field by which the records are parted: examples come from an item's own part."""
    average: Literal["items", "partitions"] = "items"
    cluster: str = "item"
    """What makes items dependent: `item`, `passage`, `options`, or the name of a field."""
    limit: int | None = Field(default=None, gt=0)
    """At most so many items, the same ones for everybody; None: all."""
    uncond: str | None = None
    accuracy: Metric = "acc_per_token"
    """Which choice counts as the model's."""
    primary: Metric = "bits_per_byte_corr"
    baselines: dict[str, float] = {}
    """Percent that chance (or the majority class) scores, by version of the table."""

    def shots_at(self, context_tokens: int) -> int:
        """Return how many examples an evaluation context of so many tokens shows."""
        fitting = [least for least in self.shots if least <= context_tokens]
        return self.shots[max(fitting)] if fitting else 0

    def baseline(self, version: str) -> float | None:
        """Return what chance scores, a share from 0 to 1; None when the version says nothing."""
        percent = self.baselines.get(version)
        return None if percent is None else 0.01 * percent

    @property
    def chance(self) -> float:
        """What chance scores by the newest baselines, a share; 0 when there are none."""
        return 0.01 * self.baselines[max(self.baselines)] if self.baselines else 0.0

    def asked(self, data_digest: str | None, context_tokens: int) -> str:
        """Return the digest of what is asked of a model: definition, records and number of examples."""
        definition: dict[str, Json] = self.model_dump(mode="json", exclude={"shots", "data", "digest", "num_items"})
        return digest_json([RENDERING_VERSION, definition, data_digest, self.shots_at(context_tokens)])

    @model_validator(mode="after")
    def _known(self) -> Task:
        if self.family not in FAMILIES:
            raise ValueError(f"family `{self.family}`; {nearest(self.family, FAMILIES)}")
        if self.average == "partitions" and not self.partition:
            raise ValueError("`average: partitions` needs `partition: FIELD`")
        if self.accuracy == "acc_uncond" and self.uncond is None:
            raise ValueError("`accuracy: acc_uncond` needs `uncond: TEXT`, the context of the unconditional likelihood")
        re.compile(self.remove)
        return self


class AggregateSpec(_Table):
    """One number from the scores of several tasks."""

    of: Literal["primary", "accuracy", "centred", "bits_per_byte_corr"]
    baselines: str = "v2"
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    families: Names = ()
    """Only the tasks of these; empty: all of them."""
    tasks: Names = ()


class TaskSuite(_Table):
    """Tasks under a name and version."""

    name: str
    version: int = Field(ge=1)
    title: str = ""
    source: str = ""
    tasks: tuple[Task, ...] = Field(min_length=1)
    aggregates: dict[str, AggregateSpec] = {}
    families: dict[str, AggregateSpec] = {}
    """How a family's tasks are averaged; `default` for those that are not named."""
    notes: dict[str, str] = {}

    @property
    def id(self) -> str:
        """Name and version: `core@1`."""
        return f"{self.name}@{self.version}"

    def family_spec(self, family: str) -> AggregateSpec:
        """Return how the tasks of a family are averaged."""
        return self.families.get(family) or self.families.get("default") or AggregateSpec(of="primary")

    def members(self, aggregate: str) -> tuple[Task, ...]:
        """Return the tasks that an aggregate averages."""
        spec = self.aggregates[aggregate]
        chosen = [task for task in self.tasks if not spec.families or task.family in spec.families]
        return tuple(task for task in chosen if not spec.tasks or task.name in spec.tasks)


def suite_names() -> list[str]:
    """Return the suites of tasks that ship with the project, sorted: `core@1`, `small@1`."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml") if "@" in path.stem)


def load_task_suite(name: str) -> TaskSuite:
    """Return a shipped suite (`core@1`; `core` is its newest version), that of a YAML file, or that of a file of items.

    Raises: RecipeError for an unknown name, or that lists every fault of the file.
    """
    names = suite_names()
    path = Path(name).expanduser()
    if name not in names and path.suffix in (".yaml", ".yml"):
        return parse_suite(load_yaml(path), str(path), path.parent)
    if name not in names and (is_readable(path) or path.is_file()):
        from curation.suites.target import target_suite

        return target_suite(path)
    versions = [int(one.partition("@")[2]) for one in names if one.partition("@")[0] == name]
    shipped = f"{name}@{max(versions)}" if versions else name
    if shipped not in names:
        known = {*names, *(one.partition("@")[0] for one in names)}
        raise RecipeError(f"suite `{name}`: no such suite; {nearest(name, known)} (or give a YAML file of tasks)")
    return parse_suite(load_yaml(_SHIPPED / f"{shipped}.yaml"), shipped)


def parse_suite(value: Any, where: str, folder: Path | None = None) -> TaskSuite:
    """Return the suite that a mapping describes; `defaults` are laid under every task.

    `data` that names a file in `folder` means that file. Raises: RecipeError.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("tasks"), Mapping):
        raise RecipeError(f"{where}: not a suite; expected a mapping with `name`, `version` and `tasks: {{NAME: ...}}`")
    faults: list[str] = []
    tasks = []
    for name, given in value["tasks"].items():
        if not isinstance(given, Mapping):
            faults.append(f"tasks.{name}: {given!r}, expected a mapping of settings")
            continue
        try:
            task = Task(**{**value.get("defaults", {}), "name": str(name), "data": str(name), **given})
            tasks.append(_beside(task, folder))
        except ValidationError as error:
            faults += _faults(error, f"tasks.{name}.", Task)
    raise_faults(RecipeError, where, faults)
    rest = {key: one for key, one in value.items() if key not in ("tasks", "defaults")}
    try:
        suite = TaskSuite(**rest, tasks=tuple(tasks))
    except ValidationError as error:
        raise_faults(RecipeError, where, _faults(error, "", TaskSuite))
        raise
    raise_faults(RecipeError, where, _stray_members(suite))
    return suite


def _beside(task: Task, folder: Path | None) -> Task:
    if folder is None:
        return task
    paths = {name: folder / name for name in task.data}
    data = tuple(str(path.resolve()) if path.exists() else name for name, path in paths.items())
    return task.model_copy(update={"data": data})


def _stray_members(suite: TaskSuite) -> list[str]:
    known = [task.name for task in suite.tasks]
    return [
        f"aggregates.{name}.tasks: `{task}` is no task of the suite; {nearest(task, known)}"
        for name, spec in suite.aggregates.items()
        for task in spec.tasks
        if task not in known
    ]


def _faults(error: ValidationError, prefix: str, model: type[BaseModel]) -> list[str]:
    faults = []
    for item in error.errors():
        place = prefix + ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            faults.append(f"{place}: unknown key; {nearest(str(item['loc'][-1]), model.model_fields)}")
        elif item["type"] == "missing":
            faults.append(f"{place}: missing; it is required")
        else:
            shown = "" if item["type"] == "value_error" else f", got {item['input']!r}"
            faults.append(f"{place.rstrip('.')}: {item['msg'].removeprefix('Value error, ')}{shown}")
    return faults
