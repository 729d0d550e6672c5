"""The filter `rules`: bounds of one's own over any registered signal.

```yaml
- filter: rules
  rules:
    - {signal: information.compression_ratio, min: 0.3}
    - {signal: text.num_words, min: 50, max: 100000, reason: wrong-length}
```
A signal is `set.signal`, or the signal alone where one set has it. Bounds are inclusive. Without `reason` a bound's
reason is derived from signal and bound: `compression-ratio-below-0-3`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator, model_validator

from curation.errors import PluginError, RecipeError, nearest
from curation.nodes import Node
from curation.recipe import Spec
from curation.sidecars import MAX_REASONS
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.measured import Measured, measured_node
from filters.rules import Rule
from filters.signals import SIGNAL_SETS, signal_set

_REASON = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FILTER_OF_SET = {
    "language": "language",
    "language-second": "language",
    "url": "url-list",
    "toxic": "toxic-words",
    "fertility": "token-fertility",
}
"""Signal sets made from a filter's settings, and that filter."""
_BOUND_WORDS = {"min": "below", "max": "above"}


class OwnRule(Spec):
    """One or two bounds on one signal."""

    signal: str
    """`set.signal`, or the signal's name alone where only one registered set has it."""
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    reason: str | None = None
    """Kebab-case; derived from signal and bound where it is not given."""

    @field_validator("reason")
    @classmethod
    def _is_kebab_case(cls, value: str | None) -> str | None:
        if value is not None and not _REASON.fullmatch(value):
            raise ValueError(f"a reason is kebab-case like `too-short`, got {value!r}")
        return value

    @model_validator(mode="after")
    def _is_a_bound(self) -> OwnRule:
        if self.min is None and self.max is None:
            raise ValueError(f"the rule on `{self.signal}` has no bound; give `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"the rule on `{self.signal}` has min {self.min:g} above max {self.max:g}")
        return self


class OwnRulesSettings(FilterSettings):
    """The rules, in the order in which the first failing one is named."""

    rules: tuple[OwnRule, ...]

    @field_validator("rules")
    @classmethod
    def _is_not_empty(cls, value: tuple[OwnRule, ...]) -> tuple[OwnRule, ...]:
        if not value:
            raise ValueError("no rule is given; each is like {signal: text.num_words, min: 50}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRules:
    """Keeps what passes every rule of its settings."""

    name: str = "rules"
    version: str = "rules@1"
    summary: str = "Bounds of your own over any registered signal."
    settings: type[FilterSettings] = OwnRulesSettings

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node. Raises: RecipeError for an unknown or ambiguous signal, before any work."""
        rules = resolve_rules(settings.rules, f"{where}: filter `{self.name}`")
        sets = [signal_set(name) for name in sorted({rule.signal_set for rule in rules})]
        measured = Measured(name=self.name, version=self.version, rules=rules, sets=sets)
        return measured_node(measured, inputs, settings.scope(inputs))


def resolve_rules(given: Sequence[OwnRule], where: str) -> tuple[Rule, ...]:
    """Return `given` as rules, one a bound, with their sets and reasons.

    Raises: RecipeError for an unknown or ambiguous signal, a reason given twice, or more rules than a verdict holds.
    """
    rules: list[Rule] = []
    for number, item in enumerate(given):
        set_name, signal = find_signal(item.signal, f"{where}: rules[{number}]")
        both = item.min is not None and item.max is not None
        for bound, value in (("min", item.min), ("max", item.max)):
            if value is None:
                continue
            reason = f"{item.reason}-{_BOUND_WORDS[bound]}" if item.reason and both else item.reason
            rules.append(
                Rule(
                    reason=reason or default_reason(signal, bound, value),
                    signal=signal,
                    bound="min" if bound == "min" else "max",
                    value=value,
                    signal_set=set_name,
                )
            )
    reasons = [rule.reason for rule in rules]
    twice = sorted({reason for reason in reasons if reasons.count(reason) > 1})
    if twice:
        raise RecipeError(f"{where}: the reason `{twice[0]}` is given by two rules; give each its own `reason`")
    if len(rules) > MAX_REASONS:
        raise RecipeError(f"{where}: {len(rules)} bounds, at most {MAX_REASONS} in one stage; use two stages")
    return tuple(rules)


def find_signal(name: str, where: str) -> tuple[str, str]:
    """Return the set and the name of the registered signal `set.signal` or `signal`.

    Raises: RecipeError if no set has it (offering the nearest) or several have (listing them).
    """
    set_name, dot, signal = name.rpartition(".")
    known = {each: _signals_of(each, wanted=each == set_name) for each in SIGNAL_SETS.names()}
    if dot:
        if set_name in FILTER_OF_SET:
            raise RecipeError(
                f"{where}: the signals of `{set_name}` depend on settings, so their bounds are those of the filter "
                f"`{FILTER_OF_SET[set_name]}`; sets that `rules` can bound: {', '.join(known)}"
            )
        if set_name not in known:
            raise RecipeError(f"{where}: unknown signal set `{set_name}` in `{name}`; {nearest(set_name, known)}")
        if signal not in known[set_name]:
            raise RecipeError(
                f"{where}: no signal `{signal}` in the set `{set_name}`; {nearest(signal, known[set_name])}"
            )
        return set_name, signal
    holders = [set_name for set_name in known if name in known[set_name]]
    if not holders:
        everything = sorted({signal for signals in known.values() for signal in signals})
        raise RecipeError(f"{where}: unknown signal `{name}`; {nearest(name, everything)}")
    if len(holders) > 1:
        choices = " or ".join(f"`{holder}.{name}`" for holder in holders)
        raise RecipeError(f"{where}: the signal `{name}` is in {len(holders)} sets; write {choices}")
    return holders[0], name


def _signals_of(set_name: str, *, wanted: bool) -> list[str]:
    """Return the signals of a set; none for a plugin that does not load, unless it is the one that is wanted."""
    try:
        return [item.name for item in signal_set(set_name).signals]
    except PluginError:
        if wanted:
            raise
        return []


def default_reason(signal: str, bound: str, value: float) -> str:
    """Return the reason of a bound without one: `num_words`, min, 50 -> `num-words-below-50`."""
    number = f"{abs(value):g}".replace(".", "-").replace("+", "")
    sign = "minus-" if value < 0 else ""
    return f"{signal.replace('_', '-').lower()}-{_BOUND_WORDS[bound]}-{sign}{number}"


OWN_RULES = OwnRules()
