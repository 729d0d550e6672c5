"""The distribution of a signal by slice, and the share of documents that each bound on it drops.

All rows of the pool count, whatever their role, for signals are a property of the pool. Bins are the same for all
slices: equal steps between the 0.5 % and 99.5 % quantile (and every bound), of the logarithm if nine tenths of the
values are above 0, none below, and they (from the 5 % quantile) and the bounds span more than a factor of `LOG_SPAN`;
values outside fall into the first and last bin. NaN is counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.documents_argument import Documents
from curation.errors import RecipeError, nearest
from curation.files import Json
from curation.nodes import Planner
from curation.recipe import StageSpec, validate
from filters.base import find_filter
from filters.judged import Scope, slice_codes
from filters.models.quantile import ClassifierFilter
from filters.own_rules import OwnRules, find_signal, resolve_rules
from filters.rule_filter import RuleFilter
from filters.rules import RULE_SETS, Rule, find_rule_set
from filters.signals import Signal, read_signals, signal_set, signals_node

Values = npt.NDArray[np.float64]

NUM_BINS = 60
LOG_SPAN = 100.0
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One rule on the signal and the share of documents that it drops."""

    of: str
    """The rule set, or the filter."""
    reason: str
    bound: str
    value: float
    dropped: Mapping[str, float]
    """Share of a slice's documents, over the slices that are judged; `all` is over these together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceValues:
    """The values of one slice."""

    name: str
    docs: int
    missing: int
    mean: float | None
    quantiles: Mapping[str, float]
    counts: Sequence[int]
    """Documents by bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A signal over a pool."""

    signal: Signal
    signal_set: str
    log_scale: bool
    edges: Sequence[float]
    slices: Sequence[SliceValues]
    """By number of documents; `all` first."""
    bounds: Sequence[Bound]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedSignal:
    """What is asked for: a signal, the rules on it, and which slices these judge."""

    signal_set: str
    signal: str
    rules: Sequence[tuple[str, Rule, Scope]]


def bounded_signal(name: str, spec: StageSpec | None, documents: Documents, where: str) -> BoundedSignal:
    """Return the signal called `name` with the rules of the filter `spec`, or of every registered rule set.

    Raises: RecipeError for an unknown or ambiguous signal, or a filter without a rule on it.
    """
    if spec is None:
        set_name, signal = find_signal(name, where)
        found = [find_rule_set(each, where) for each in RULE_SETS.names()]
        slice_kinds = documents.inputs.slice_kinds
        rules = [
            (item.full_name, rule, Scope(applies_to=item.applies_to, slice_kinds=slice_kinds))
            for item in found
            for rule in item.rules
            if (rule.signal_set, rule.signal) == (set_name, signal)
        ]
        return BoundedSignal(signal_set=set_name, signal=signal, rules=rules)
    listed, scope = _rules_of(spec, documents, where)
    matching = [rule for rule in listed if name in (rule.signal, rule.column)]
    if not matching:
        known = sorted({rule.signal for rule in listed})
        raise RecipeError(f"{where}: filter `{spec.name}` has no rule on `{name}`; {nearest(name, known)}")
    set_name, signal = find_signal(matching[0].column, where)
    rules = [(spec.name, rule, scope) for rule in matching if rule.column == matching[0].column]
    return BoundedSignal(signal_set=set_name, signal=signal, rules=rules)


def _rules_of(spec: StageSpec, documents: Documents, where: str) -> tuple[Sequence[Rule], Scope]:
    chosen = find_filter(spec.name, where)
    settings = validate(chosen.settings, spec.params, f"{where}: filter `{spec.name}`")
    scope: Scope = settings.scope(documents.inputs) if hasattr(settings, "scope") else Scope()
    if isinstance(chosen, OwnRules):
        return resolve_rules(settings.rules, where), scope
    rules = chosen.rules if isinstance(chosen, ClassifierFilter) else chosen
    if not isinstance(rules, RuleFilter):
        raise RecipeError(f"{where}: filter `{spec.name}` bounds no registered signal by a rule; name one with rules")
    return rules.bounded(settings), scope


def distribution(asked: BoundedSignal, documents: Documents, planner: Planner) -> Distribution:
    """Return the distribution; the signal set's sidecar is built or reused."""
    chosen = signal_set(asked.signal_set)
    artifact = planner.materialise(signals_node(documents.inputs.pool, chosen))
    values: list[Values] = []
    names: list[npt.NDArray[np.object_]] = []
    for part in range(documents.pool.num_parts):
        columns = read_signals(artifact, part, [asked.signal])
        values.append(columns[asked.signal].astype(np.float64))
        slices = slice_codes(documents.pool, part)
        names.append(np.array([*slices.names, ""], object)[slices.codes])
    whole, owners = np.concatenate(values), np.concatenate(names)
    by_slice = {ALL: whole, **{str(name): whole[owners == name] for name in np.unique(owners.astype(str))}}
    edges, log_scale = bin_edges(whole, [rule.value for _, rule, _ in asked.rules])
    counted = [_slice_values(name, found, edges) for name, found in by_slice.items()]
    return Distribution(
        signal=next(item for item in chosen.signals if item.name == asked.signal),
        signal_set=asked.signal_set,
        log_scale=log_scale,
        edges=edges.tolist(),
        slices=[counted[0], *sorted(counted[1:], key=lambda item: (-item.docs, item.name))],
        bounds=[_bound(of, rule, scope, by_slice) for of, rule, scope in asked.rules],
    )


def bin_edges(values: Values, bounds: Sequence[float]) -> tuple[Values, bool]:
    """Return the ascending edges of `NUM_BINS` bins, and whether they are spaced by the logarithm."""
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, (0.005, 0.995)).tolist() if len(known) else (0.0, 1.0)
    positive = known[known > 0]
    if len(known) and known.min() >= 0 and len(positive) >= 0.9 * len(known) and min(bounds, default=1.0) > 0:
        lowest, usual = np.quantile(positive, (0.005, 0.05)).tolist()
        if max([high, *bounds]) / min([usual, *bounds]) > LOG_SPAN:
            return np.geomspace(min([lowest, *bounds]), max([high, *bounds]), NUM_BINS + 1), True
    low, high = min([low, *bounds]), max([high, *bounds])
    return np.linspace(low, high if high > low else low + 1.0, NUM_BINS + 1), False


def distribution_json(found: Distribution) -> dict[str, Json]:
    """Return the distribution as plain values."""
    return {
        "signal": found.signal.name,
        "signal_set": found.signal_set,
        "unit": found.signal.unit,
        "meaning": found.signal.meaning,
        "log_scale": found.log_scale,
        "edges": list[Json](found.edges),
        "slices": [cast("Json", asdict(item)) for item in found.slices],
        "bounds": [cast("Json", asdict(item)) for item in found.bounds],
    }


def _slice_values(name: str, values: Values, edges: Values) -> SliceValues:
    known = values[np.isfinite(values)]
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    found = np.quantile(known, QUANTILES).tolist() if len(known) else []
    return SliceValues(
        name=name,
        docs=len(values),
        missing=len(values) - len(known),
        mean=float(known.mean()) if len(known) else None,
        quantiles={f"{share:g}": float(value) for share, value in zip(QUANTILES, found, strict=False)},
        counts=counts.tolist(),
    )


def _bound(of: str, rule: Rule, scope: Scope, by_slice: Mapping[str, Values]) -> Bound:
    judged = {name: values for name, values in by_slice.items() if name != ALL and scope.judges(name) and len(values)}
    failing = {
        name: int(((values < rule.value) if rule.bound == "min" else (values > rule.value)).sum())
        for name, values in judged.items()
    }
    dropped = {name: failing[name] / len(values) for name, values in judged.items()}
    total = sum(len(values) for values in judged.values())
    if total:
        dropped[ALL] = sum(failing.values()) / total
    return Bound(of=of, reason=rule.reason, bound=rule.bound, value=rule.value, dropped=dropped)
