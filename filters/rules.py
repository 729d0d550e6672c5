"""Rules and rule sets: named, versioned tables of bounds over signals, and the verdicts they give.

A rule bounds one signal; `min` and `max` are inclusive, so a value on the bound passes. The setting that overrides a
bound is called after it: `min_words` bounds `num_words` from below. A verdict is the first failing rule in table
order plus the bit mask of all failing rules. A missing or NaN signal is an error, never a pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from curation.errors import PluginError, RecipeError, nearest
from curation.registry import Registry
from curation.sidecars import MAX_REASONS, VerdictPart
from curation.slices import SliceKind
from filters.judged import PROSE
from filters.signals import Columns, compute_signals, signal_set


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One inclusive bound on one signal and the reason given when it fails."""

    reason: str
    signal: str
    bound: Literal["min", "max"]
    value: float
    signal_set: str = "text"

    @property
    def setting(self) -> str:
        """Name of the setting that overrides the bound."""
        return f"{self.bound}_{self.signal.removeprefix('num_')}"

    @property
    def column(self) -> str:
        """`set.signal`: where the value stands among the columns of several signal sets."""
        return f"{self.signal_set}.{self.signal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Rules that belong together, in the order in which the first failing one is named."""

    name: str
    dialect: str
    version: int
    source: str
    summary: str
    rules: tuple[Rule, ...]
    applies_to: tuple[SliceKind, ...] = PROSE
    """Kinds of slices that its rules were made for."""

    @property
    def full_name(self) -> str:
        """`name/dialect@version`, what fingerprints and manifests say."""
        return f"{self.name}/{self.dialect}@{self.version}"


RULE_SETS: Registry[RuleSet] = Registry(
    "rule-set",
    {
        "gopher-quality/curate": "filters.rule_sets.curate:GOPHER_QUALITY",
        "gopher-repetition/curate": "filters.rule_sets.curate:GOPHER_REPETITION",
        "c4-page/curate": "filters.rule_sets.curate:C4_PAGE",
        "fineweb/curate": "filters.rule_sets.curate:FINEWEB_QUALITY",
        "gopher-quality/datatrove": "filters.rule_sets.datatrove:GOPHER_QUALITY",
        "gopher-repetition/datatrove": "filters.rule_sets.datatrove:GOPHER_REPETITION",
        "gopher/datatrove": "filters.rule_sets.datatrove:GOPHER",
        "fineweb/datatrove": "filters.rule_sets.datatrove:FINEWEB",
        "gopher/dclm": "filters.rule_sets.dclm:GOPHER",
        "gopher-quality/dclm": "filters.rule_sets.dclm:GOPHER_QUALITY",
        "gopher-repetition/dclm": "filters.rule_sets.dclm:GOPHER_REPETITION",
        "refinedweb/dclm": "filters.rule_sets.dclm:REFINEDWEB_DCLM",
        "c4/datatrove": "filters.rule_sets.c4:DATATROVE",
        "c4-fineweb/datatrove": "filters.rule_sets.c4:FINEWEB",
        "c4/tfds": "filters.rule_sets.c4:TFDS",
        "c4/dclm": "filters.rule_sets.c4:DCLM",
        "mc4-paragraph/datatrove": "filters.rule_sets.c4:PARAGRAPH",
        "gopher/dolma": "filters.rule_sets.dolma:GOPHER_DOLMA",
        "c4/dolma": "filters.rule_sets.dolma:C4_DOLMA",
        "dolma/1.7": "filters.rule_sets.dolma:DOLMA_1_7",
        "code/the-stack": "filters.rule_sets.code:THE_STACK",
        "code/the-stack-v2": "filters.rule_sets.code:THE_STACK_V2",
        "code/starcoder": "filters.rule_sets.code:STARCODER",
        "code/dolma": "filters.rule_sets.code:DOLMA",
    },
)
"""Rule sets by `name/dialect`."""


def find_rule_set(name: str, where: str) -> RuleSet:
    """Return the rule set `name/dialect` or `name/dialect@version`.

    Raises: RecipeError for an unknown name or a version that is not the installed one.
    """
    plain, _, version = name.partition("@")
    if plain not in RULE_SETS.names():
        raise RecipeError(f"{where}: unknown rule set `{name}`; {nearest(plain, RULE_SETS.names())}")
    found = RULE_SETS.get(plain, where)
    if not isinstance(found, RuleSet):
        raise PluginError(
            f"{where}: rule set `{plain}` ({RULE_SETS.origin(plain)}) is a {type(found).__name__}, expected a RuleSet"
        )
    if version and version != str(found.version):
        raise RecipeError(
            f"{where}: rule set `{name}`: this installation has version {found.version} ({found.full_name}); "
            "leave the version out or install the release that has it"
        )
    return found


def at_least(reason: str, signal: str, value: float, signal_set: str = "text") -> Rule:
    """Return the rule that drops values below `value`."""
    return Rule(reason=reason, signal=signal, bound="min", value=value, signal_set=signal_set)


def at_most(reason: str, signal: str, value: float, signal_set: str = "text") -> Rule:
    """Return the rule that drops values above `value`."""
    return Rule(reason=reason, signal=signal, bound="max", value=value, signal_set=signal_set)


def with_bounds(rules: Sequence[Rule], bounds: Mapping[str, float]) -> tuple[Rule, ...]:
    """Return `rules` with the bounds named by their settings replaced."""
    return tuple(dataclasses.replace(rule, value=bounds.get(rule.setting, rule.value)) for rule in rules)


def check_signals(rules: Sequence[Rule], where: str) -> None:
    """Raise PluginError if a rule names a signal or a set that does not exist: before any work, not after it."""
    for rule in rules:
        names = [signal.name for signal in signal_set(rule.signal_set).signals]
        if rule.signal not in names:
            raise PluginError(
                f"{where}: rule `{rule.reason}`: no signal `{rule.signal}` in the set `{rule.signal_set}`; "
                f"{nearest(rule.signal, names)}"
            )


def judge_rows(rules: Sequence[Rule], columns: Columns, judged: np.ndarray) -> VerdictPart:
    """Return verdicts by `rules` on the rows where `judged` is true; the other rows pass.

    `columns` are keyed by `Rule.column`. Raises: PluginError if a signal is missing or NaN on a judged row.
    """
    assert len(rules) <= MAX_REASONS
    verdict = VerdictPart.keep_all(len(judged))
    for code, rule in enumerate(rules):
        if rule.column not in columns:
            raise PluginError(f"rule `{rule.reason}`: no signal `{rule.column}` among {', '.join(columns)}")
        values = columns[rule.column].astype(np.float64)
        if np.isnan(values[judged]).any():
            raise PluginError(f"rule `{rule.reason}`: signal `{rule.column}` is NaN for a judged document")
        failing = judged & ((values < rule.value) if rule.bound == "min" else (values > rule.value))
        first = failing & verdict.kept
        verdict.reason[first] = code
        verdict.value[first] = values[first]
        verdict.failed[failing] |= np.uint64(1 << code)
        verdict.kept[failing] = False
    return verdict


def compute_columns(rules: Sequence[Rule], table: pa.Table) -> Columns:
    """Return every signal that `rules` need for the documents of `table`, keyed by `Rule.column`; nothing is stored."""
    names = sorted({rule.signal_set for rule in rules})
    return {
        f"{name}.{signal}": values
        for name in names
        for signal, values in compute_signals(signal_set(name), table).items()
    }
