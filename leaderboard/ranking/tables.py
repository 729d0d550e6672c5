"""From rows to tables: only equal keys meet, and only what was measured well enough gets a place.

A row has no rank when its tier is a laptop's (rules 9 and 18), when the tier's run noise was never measured (rule 9),
when its study's verdict is `insufficient`, when its document scores are not at hand, when it is a control, or when its
entry was retracted. Such rows are shown with their value, and say why. There is no option that ranks laptop tiers: what
they show is plumbing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from curation.errors import RunError, nearest
from leaderboard.compare_arms import HEADLINE
from leaderboard.noise.find import noise_for
from leaderboard.noise.pack import NoisePack
from leaderboard.ranking.candidates import Against, Candidate, TableKey, merged
from leaderboard.ranking.estimates import Estimate, Places, estimate
from leaderboard.ranking.panel_means import (
    HEADLINE_METRIC,
    PanelRows,
    chosen_slices,
    gathered,
    measured,
    same_documents,
    values_of,
)
from leaderboard.ranking.row import Row, Table

CORE = "Core_v2"
Packs = Sequence[tuple[Path, NoisePack]]
BITS = "bits per byte"


def ranked_tables(candidates: Sequence[Candidate], packs: Packs, metric: str | None = None) -> list[Table]:
    """Return the tables of all rows, by key.

    `metric` is `headline`, a slice, an aggregate or a task; by default the headline of panels and CORE v2 of tasks.
    Raises: RunError for a metric that no table has.
    """
    by_key: dict[TableKey, list[Candidate]] = {}
    for one in merged(tuple(candidates)):
        by_key.setdefault(one.key, []).append(one)
    found = [_table(key, rows, packs, metric) for key, rows in sorted(by_key.items())]
    tables = [one for one in found if one is not None]
    if metric and by_key and not tables:
        known = sorted({name for one in candidates for name in (HEADLINE_METRIC, *one.sums, *_slices(one))})
        raise RunError(
            f"--metric {metric}: no table has it; expected headline, a slice of the panel, an aggregate or a task; "
            f"{nearest(metric, known)}"
        )
    return tables


def _table(key: TableKey, rows: Sequence[Candidate], packs: Packs, metric: str | None) -> Table | None:
    if key.suite:
        return _of_sums(key, rows, metric or CORE)
    return _of_panel(key, rows, packs, metric or HEADLINE_METRIC)


def _of_sums(key: TableKey, rows: Sequence[Candidate], metric: str) -> Table | None:
    """Return a table of scores that are known as sums alone: sorted by value, without ranks."""
    if not any(metric in row.sums or metric in row.lacking for row in rows):
        return None
    shown = [
        _row(
            row,
            row.against.get(metric),
            value=row.sums.get(metric),
            unranked=row.unranked or _why_no_value(row, metric),
        )
        for row in rows
    ]
    return Table(
        key=key,
        title=key.title,
        metric=metric,
        unit="score, higher is better",
        lower_is_better=False,
        rows=tuple(sorted(shown, key=lambda row: (row.value is None, -(row.value or 0.0), row.arm, row.study))),
        noise="sums of one run each: no seeds, no items, so no interval, no rank and no P(rank = 1) (rules 8 and 9)",
    )


def _why_no_value(row: Candidate, metric: str) -> str:
    return "" if metric in row.sums else row.lacking.get(metric, "no score")


def _of_panel(key: TableKey, rows: Sequence[Candidate], packs: Packs, metric: str) -> Table | None:
    with_scores = [row for row in rows if row.runs]
    alike = [row for row in with_scores if same_documents(row, with_scores[0])]
    panel = gathered(alike) if alike else None
    slices, why = chosen_slices(panel, metric) if panel else ((), "")
    if not slices and metric != HEADLINE_METRIC:
        return None
    values = values_of(panel, slices) if panel and slices else {}
    mean = {id(row): float(np.mean(values[label])) for row, label in zip(alike, values, strict=False)}
    reasons = {id(row): row.unranked or _why_not(row, with_scores, alike, why) for row in rows}
    able = [row for row in alike if not reasons[id(row)]]
    places, noise = _places(able, packs, metric, key) if able else (None, why or "no row may be ranked")
    by_row = dict(zip(map(id, able), places.rows, strict=True)) if places else {}
    if places is None:
        reasons |= {id(row): noise for row in able}
    names = tuple(sorted(one.slice for one in slices))
    shown = []
    for row in rows:
        against = _against(row, metric, names if id(row) in mean else ())
        place, why = by_row.get(id(row)), reasons[id(row)]
        shown.append(_panel_row(row, against, mean=mean.get(id(row)), place=place, unranked=why))
    return Table(
        key=key,
        title=key.title,
        metric=metric,
        unit=BITS,
        lower_is_better=True,
        rows=tuple(sorted(shown, key=lambda row: row.rank or len(shown) + 1)),
        noise=noise,
        detectable=_relative(places.detectable) if places else None,
    )


def _why_not(row: Candidate, with_scores: Sequence[Candidate], alike: Sequence[Candidate], why: str) -> str:
    """Return why a row that its study allows to rank cannot be, by its scores; empty when it can."""
    if not row.runs:
        return "its document scores are not here: families cannot be drawn jointly (rule 8)"
    if row not in alike:
        return f"it scored other documents of the panel than {with_scores[0].name} (rule 1)"
    return why


def _places(able: Sequence[Candidate], packs: Packs, metric: str, key: TableKey) -> tuple[Places | None, str]:
    """Return the places of rows that may rank, and where the noise is from; no places and the reason otherwise."""
    if len(able) < 2:
        return None, "alone in its table: nothing to rank it against"
    panel: PanelRows = gathered(able)
    noise = noise_for(panel.runs, panel.scores, packs, panel.selected_for)
    if noise.reason or not (noise.priors or noise.dropped):
        return None, f"{noise.reason or 'run noise was never measured'} (rule 9)"
    key_of_noise = HEADLINE if metric == HEADLINE_METRIC else metric
    if key_of_noise not in noise.priors and key_of_noise not in noise.dropped:
        return None, f"no measured run noise of {metric} that fits these runs (rule 9); {noise.note}"
    slices, _ = chosen_slices(panel, metric)
    found = measured(panel, slices, metric, noise.priors)
    if found is None:
        return None, "fewer than two families: nothing to draw from (rule 8)"
    return estimate(found, f"{key.title} {metric}"), noise.note


def _against(row: Candidate, metric: str, slices: tuple[str, ...]) -> Against | None:
    """Return the row's difference to its study's baseline in the table's metric.

    None where the study has none, or has one over other slices than the row's value. Without a value (no slices) the
    study's own stands.
    """
    found = row.against.get(metric)
    return found if found is None or not slices or found.slices == slices else None


def _panel_row(
    row: Candidate, against: Against | None, *, mean: float | None, place: Estimate | None, unranked: str
) -> Row:
    value = None if mean is None else math.exp(mean)
    if place is None:
        return _row(row, against, value=value, unranked=unranked)
    return _row(
        row,
        against,
        value=value,
        unranked="",
        value_low=math.exp(place.interval.low),
        value_high=math.exp(place.interval.high),
        rank=place.rank,
        rank_low=place.rank_low,
        rank_high=place.rank_high,
        p_first=place.p_first,
        tie_group=place.tie_group,
        detectable=_relative(place.detectable),
    )


def _row(
    row: Candidate, against: Against | None, *, value: float | None, unranked: str, **place: float | int | None
) -> Row:
    known: Mapping[str, float | int | None] = {"rank": None, "value_low": None, "value_high": None, **place}
    return Row(
        study=", ".join(row.studies),
        study_fingerprint=row.fingerprint,
        entry=row.entry,
        level="" if row.level is None else f"L{row.level}",
        panel=row.key.panel,
        arm=row.name,
        role=row.role,
        tier=row.key.tier,
        seeds=row.seeds,
        num_seeds=row.num_runs,
        value=value,
        unranked=unranked,
        log_ratio=against.log_ratio if against else None,
        low=against.low if against else None,
        high=against.high if against else None,
        unique_tokens=row.unique_tokens,
        epochs=row.epochs,
        verdict=row.verdict,
        intervened="intervened" in row.marks,
        marks=row.marks,
        **known,  # type: ignore[arg-type]
    )


def _relative(log_difference: float | None) -> float | None:
    """Return a difference of logarithms as a share of bits per byte."""
    return None if log_difference is None else math.expm1(log_difference)


def _slices(row: Candidate) -> set[str]:
    return set(row.runs[0].documents["slice"].to_pylist()) if row.runs else set()
