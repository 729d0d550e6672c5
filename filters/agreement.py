"""Agreement of two filters on the same documents: confusion, kappa, and what each drops alone.

Counted are the rows that both filters judge: of slices that both apply to, and training documents only if one of the
two depends on who is alive (controls, fitted filters). Kappa is Cohen's, `(p_o - p_e) / (1 - p_e)`; it is undefined
when both filters do the same to all documents. The share of equal verdicts has Wilson's 95 % interval.
Source: Cohen 1960; Wilson 1927 (`curation.numerics`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.batches import read_table
from curation.documents_argument import Documents
from curation.files import Json
from curation.funnel import SAMPLE_CHARS
from curation.nodes import Node, Planner
from curation.numerics import wilson_interval
from curation.recipe import StageSpec
from curation.sidecars import ROLE_TRAIN, VerdictPart, read_column, read_verdict
from curation.store import Artifact
from filters.judged import slice_codes
from filters.stage import filter_node

SAMPLES_PER_REASON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Documents by the two verdicts."""

    both_keep: int
    only_a_drops: int
    only_b_drops: int
    both_drop: int

    @property
    def docs(self) -> int:
        """All documents compared."""
        return self.both_keep + self.only_a_drops + self.only_b_drops + self.both_drop

    @property
    def equal(self) -> int:
        """Documents with equal verdicts."""
        return self.both_keep + self.both_drop

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where it is undefined."""
        if not self.docs:
            return None
        keep_a, keep_b = self.both_keep + self.only_b_drops, self.both_keep + self.only_a_drops
        chance = (keep_a * keep_b + (self.docs - keep_a) * (self.docs - keep_b)) / self.docs**2
        return None if chance == 1 else (self.equal / self.docs - chance) / (1 - chance)

    def as_json(self) -> dict[str, Json]:
        """Return counts, agreement with its interval, and kappa."""
        interval = wilson_interval(self.equal, self.docs) if self.docs else None
        return {
            "docs": self.docs,
            "both_keep": self.both_keep,
            "only_a_drops": self.only_a_drops,
            "only_b_drops": self.only_b_drops,
            "both_drop": self.both_drop,
            "agreement": self.equal / self.docs if self.docs else None,
            "agreement_low": interval.low if interval else None,
            "agreement_high": interval.high if interval else None,
            "kappa": self.kappa,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AloneSample:
    """A document that one filter drops and the other keeps."""

    id: str
    slice: str
    reason: str
    value: float | None
    text: str

    @property
    def label(self) -> str:
        """Reason, failing value, slice and id in one line."""
        value = "" if self.value is None else f" = {self.value:.4g}"
        return f"{self.reason}{value} [{self.slice}] {self.id}"


@dataclass(slots=True, kw_only=True)
class Side:
    """One of the two filters and what it alone drops."""

    filter: str
    settings: Mapping[str, Json]
    version: str
    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[AloneSample] = field(default_factory=list)

    def top_samples(self, number: int) -> list[AloneSample]:
        """Return samples of the most frequent reasons first, one of each reason before the second of any."""
        order = {reason: place for place, (reason, _) in enumerate(self.reasons.most_common())}
        turns: Counter[str] = Counter()
        keyed = []
        for sample in self.samples:
            keyed.append(((turns[sample.reason], order[sample.reason]), sample))
            turns[sample.reason] += 1
        return [sample for _, sample in sorted(keyed, key=lambda pair: pair[0])][:number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The comparison of two filters."""

    a: Side
    b: Side
    total: Confusion
    by_slice: Mapping[str, Confusion]
    not_compared: Mapping[str, int]
    """Documents of slices that one of the filters does not judge."""
    training_only: bool


def compare_filters(first: StageSpec, second: StageSpec, documents: Documents, planner: Planner) -> Agreement:
    """Return how two filters agree; their verdicts are artifacts of the store, built or reused.

    Raises: RecipeError or PluginError for a filter that cannot be made.
    """
    nodes = [filter_node(spec, documents.inputs, f"filter `{spec.name}`") for spec in (first, second)]
    training_only = any("panel" in node.inputs for node in nodes)
    verdicts = [planner.materialise(node) for node in nodes]
    panel = planner.materialise(documents.inputs.panel) if training_only else None
    sides = [_side(spec, node) for spec, node in zip((first, second), nodes, strict=True)]
    unjudged = {str(name) for verdict in verdicts for name in cast("list[Json]", verdict.summary["unjudged_slices"])}
    counts: Counter[tuple[str, bool, bool]] = Counter()
    left_out: Counter[str] = Counter()
    for part in range(documents.pool.num_parts):
        slices = slice_codes(documents.pool, part)
        names = np.array(slices.names, object)[slices.codes] if slices.names else np.zeros(0, object)
        there = np.ones(len(names), np.bool_)
        if panel is not None:
            there = read_column(panel, part, "role").astype(np.int64) == ROLE_TRAIN
        judged = there & ~np.isin(names, sorted(unjudged))
        left_out.update(names[there & ~judged].tolist())
        kept = [read_verdict(verdict, part) for verdict in verdicts]
        pairs = zip(names[judged].tolist(), kept[0].kept[judged].tolist(), kept[1].kept[judged].tolist(), strict=True)
        counts.update(pairs)
        for number, side in enumerate(sides):
            alone = judged & ~kept[number].kept & kept[1 - number].kept
            _add_alone(side, verdicts[number], kept[number], alone, documents.pool, part)
    by_slice = {name: _confusion(counts, [name]) for name in sorted({name for name, *_ in counts})}
    return Agreement(
        a=sides[0],
        b=sides[1],
        total=_confusion(counts, list(by_slice)),
        by_slice=by_slice,
        not_compared=dict(sorted(left_out.items())),
        training_only=training_only,
    )


def agreement_json(found: Agreement) -> dict[str, Json]:
    """Return the comparison as plain values."""
    return {
        "a": _side_json(found.a),
        "b": _side_json(found.b),
        "total": found.total.as_json(),
        "by_slice": {name: confusion.as_json() for name, confusion in found.by_slice.items()},
        "not_compared": dict(found.not_compared),
        "training_documents_only": found.training_only,
    }


def _side(spec: StageSpec, node: Node) -> Side:
    return Side(filter=spec.name, settings=spec.params, version=node.version)


def _side_json(side: Side) -> dict[str, Json]:
    samples: list[Json] = [
        {"id": s.id, "slice": s.slice, "reason": s.reason, "value": s.value, "text": s.text} for s in side.samples
    ]
    return {
        "filter": side.filter,
        "settings": dict(side.settings),
        "version": side.version,
        "drops_alone": dict(side.reasons.most_common()),
        "samples": samples,
    }


def _confusion(counts: Mapping[tuple[str, bool, bool], int], names: Sequence[str]) -> Confusion:
    def number(keeps_a: bool, keeps_b: bool) -> int:
        return sum(counts.get((name, keeps_a, keeps_b), 0) for name in names)

    return Confusion(
        both_keep=number(True, True),
        only_a_drops=number(False, True),
        only_b_drops=number(True, False),
        both_drop=number(False, False),
    )


def _add_alone(
    side: Side, verdict: Artifact, judged: VerdictPart, alone: npt.NDArray[np.bool_], pool: Artifact, part: int
) -> None:
    """Add one part's documents that only this filter drops; a few of each reason with their text."""
    names = [str(reason) for reason in cast("list[Json]", verdict.summary["reasons"])]
    taken = Counter(sample.reason for sample in side.samples)
    chosen: list[tuple[int, str]] = []
    for code in np.unique(judged.reason[alone]).tolist():
        rows = np.flatnonzero(alone & (judged.reason == code))
        side.reasons[names[code]] += len(rows)
        room = SAMPLES_PER_REASON - taken[names[code]]
        chosen += [(row, names[code]) for row in rows[: max(room, 0)].tolist()]
    if not chosen:
        return
    table = read_table(pool.part_paths()[part], ["id", "slice", "text"]).take([row for row, _ in chosen])
    for record, (row, reason) in zip(table.to_pylist(), chosen, strict=True):
        value = float(judged.value[row])
        shown = value if np.isfinite(value) else None
        text = record["text"][:SAMPLE_CHARS]
        side.samples.append(AloneSample(id=record["id"], slice=record["slice"], reason=reason, value=shown, text=text))
