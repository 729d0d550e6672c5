"""Rule filters: one or more rule sets over their signal sidecars, judged in one pass, whoever is alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model

from curation.errors import nearest
from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.recipe import Strings
from curation.sidecars import map_parts, part_shards, write_verdict
from curation.stages import StageInputs
from curation.store import Artifact
from filters.base import FilterSettings, Kinds, PartCount, count_part, verdict_summary
from filters.judged import slice_codes
from filters.rules import Rule, RuleSet, check_signals, find_rule_set, judge_rows, with_bounds
from filters.signals import Columns, read_signals, signal_set, signals_node


class RuleFilterSettings(FilterSettings):
    """Settings of every rule filter; each bound is one more field."""

    without: Strings = ()
    """Rule sets that are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFilter:
    """Keeps what passes every rule of its rule sets; every bound is a setting (`min_words: 20`).

    `without` leaves whole rule sets out, for ablations (`without: gopher-repetition`).
    """

    name: str
    summary: str
    rule_set_names: tuple[str, ...]

    @property
    def rule_sets(self) -> tuple[RuleSet, ...]:
        """Its rule sets, in the order in which the first failing rule is sought."""
        return tuple(find_rule_set(name, f"filter `{self.name}`") for name in self.rule_set_names)

    @property
    def version(self) -> str:
        """Full names of its rule sets."""
        return "+".join(rules.full_name for rules in self.rule_sets)

    @property
    def settings(self) -> type[RuleFilterSettings]:
        """One field a bound."""
        return rule_settings(self.rule_set_names)

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; it depends on the documents, the bounds and the slices judged, nothing else."""
        rules = self.bounded(settings)
        check_signals(rules, where)
        scope = settings.scope(inputs)
        set_names = sorted({rule.signal_set for rule in rules})

        def run(context: NodeRun) -> Mapping[str, Json]:
            pool = context.inputs["pool"]

            def judge(part: int) -> PartCount:
                slices = slice_codes(pool, part)
                judged = slices.rows_where(scope)
                verdict = judge_rows(rules, rule_columns(rules, context.inputs, part), judged)
                write_verdict(context.out, part, verdict)
                return count_part(verdict, judged, slices, len(rules))

            counts = map_parts(context, f"filter {self.name}", pool.num_parts, judge, shards=part_shards(context, pool))
            summary = verdict_summary([rule.reason for rule in rules], counts, scope)
            return {**summary, "bounds": {rule.setting: rule.value for rule in rules}}

        return Node(
            kind="verdict",
            version=self.version,
            params={
                "filter": self.name,
                "bounds": {rule.setting: rule.value for rule in rules},
                **scope.as_params(),
            },
            inputs={
                "pool": inputs.pool,
                **{f"signals-{name}": signals_node(inputs.pool, signal_set(name)) for name in set_names},
            },
            run=run,
            label=f"filter {self.name}",
        )

    def bounded(self, settings: RuleFilterSettings) -> tuple[Rule, ...]:
        """Return the rules of the sets that `settings` leave in, with the bounds that they hold."""
        values = settings.model_dump(exclude={"applies_to", "without"})
        used = [rules for rules in self.rule_sets if rules.name not in settings.without]
        return with_bounds([rule for rules in used for rule in rules.rules], values)


def rule_columns(rules: Sequence[Rule], inputs: Mapping[str, Artifact], part: int) -> Columns:
    """Return the columns of one part that `rules` need, from the inputs `signals-SET`."""
    wanted: dict[str, set[str]] = {}
    for rule in rules:
        wanted.setdefault(rule.signal_set, set()).add(rule.signal)
    return {
        f"{name}.{signal}": values
        for name, signals in sorted(wanted.items())
        for signal, values in read_signals(inputs[f"signals-{name}"], part, sorted(signals)).items()
    }


@cache
def rule_settings(rule_set_names: tuple[str, ...]) -> type[RuleFilterSettings]:
    """Return the settings model of rule sets: each bound under its setting's name, with the published default."""
    sets = [find_rule_set(name, "rule settings") for name in rule_set_names]
    names = [rule.setting for rules in sets for rule in rules.rules]
    assert len(set(names)) == len(names), f"two bounds of {', '.join(rule_set_names)} share a setting"
    fields: dict[str, Any] = {
        rule.setting: (float, Field(default=rule.value, ge=0, allow_inf_nan=False))
        for rules in sets
        for rule in rules.rules
    }
    kinds = tuple(sorted({kind for rules in sets for kind in rules.applies_to}))
    fields["applies_to"] = (Kinds, kinds)
    removable = [rules.name for rules in sets] if len(sets) > 1 else []

    def known(names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in removable:
                raise ValueError(f"no rule set `{name}` to leave out; {nearest(name, removable)}")
        return names

    fields["without"] = (Annotated[Strings, AfterValidator(known)], ())
    return create_model("RuleSettings", __base__=RuleFilterSettings, **fields)
