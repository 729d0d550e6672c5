"""The board: one row a recipe and tier over all study results in a store, or in the directories given.

Rows of `pico` and `nano` are listed without rank (rule 9). Ranks exist only inside one study, tier and panel, and
only among arms whose verdict is not `insufficient`: other rows cannot be told apart by what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from curation.files import Json
from curation.store import Store
from leaderboard.results import RESULT_FILE, Assessment, StudyResult, read_result
from leaderboard.study import BASELINE
from leaderboard.verdict import is_laptop_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recipe at one tier."""

    study: str
    study_fingerprint: str
    panel: str
    arm: str
    role: str
    tier: str
    rank: int | None
    unranked: str
    """Why there is no rank; empty when there is one."""
    num_seeds: int
    log_ratio: float | None
    """Headline against the study's baseline; None for the baseline itself and for controls without a comparison."""
    low: float | None
    high: float | None
    unique_tokens: int
    epochs: float
    verdict: str
    intervened: bool = False
    """Whether recovery did more to one of its trainings than clipping and skipping steps."""


def load_results(store: Store, directories: Sequence[Path]) -> list[StudyResult]:
    """Return the results in `directories`, or all in the store, by name and fingerprint.

    An empty store has none. Raises: RunError for a directory without a readable result.
    """
    paths = list(directories) or sorted(path.parent for path in store.root.glob(f"study-*/{RESULT_FILE}"))
    return sorted((read_result(path) for path in paths), key=lambda result: (result.name, result.fingerprint))


def board_rows(results: Sequence[StudyResult]) -> list[Row]:
    """Return all rows, by study, tier and the study's order of arms; ranked rows first, best first."""
    rows: list[Row] = []
    for result in results:
        for tier in result.tiers:
            rows += _tier_rows(result, tier)
    return rows


def row_json(row: Row) -> dict[str, Json]:
    """Return a row as plain JSON."""
    value: dict[str, Json] = asdict(row)
    return value


def _tier_rows(result: StudyResult, tier: str) -> list[Row]:
    assessed = {item.arm: item for item in result.assessments if item.tier == tier}
    ranks = _ranks(tier, list(assessed.values()))
    supply = {item.arm: item for item in result.supply if item.tier == tier}
    rows = []
    for arm in (item for item in result.arms if item.name in supply):
        item = assessed.get(arm.name)
        delta = item.total.headline if item else None
        rank = ranks.get(arm.name)
        own = [run for run in result.runs if (run.arm, run.tier) == (arm.name, tier)]
        rows.append(
            Row(
                study=result.name,
                study_fingerprint=result.fingerprint,
                panel=result.panel,
                arm=arm.name,
                role=arm.role,
                tier=tier,
                rank=rank,
                unranked="" if rank else _why_unranked(tier, arm.role, item),
                num_seeds=len({run.seed for run in own}),
                log_ratio=delta.log_ratio if delta else None,
                low=delta.low if delta else None,
                high=delta.high if delta else None,
                unique_tokens=supply[arm.name].unique_tokens,
                epochs=supply[arm.name].epochs,
                verdict=item.verdict if item else "reference" if arm.name == BASELINE else "control",
                intervened=any(run.intervened for run in own),
            )
        )
    return sorted(rows, key=lambda row: row.rank or len(rows) + 1)


def _ranks(tier: str, assessed: Sequence[Assessment]) -> dict[str, int]:
    if is_laptop_tier(tier):
        return {}
    able = [item for item in assessed if item.verdict != "insufficient" and item.total.headline is not None]
    ordered = sorted(able, key=lambda item: item.total.headline.log_ratio if item.total.headline else 0.0)
    return {item.arm: place for place, item in enumerate(ordered, start=1)}


def _why_unranked(tier: str, role: str, item: Assessment | None) -> str:
    if is_laptop_tier(tier):
        return "laptop tier (rule 9)"
    if role != "arm":
        return "the study's reference" if role == "baseline" else "control"
    if item is None:
        return "not compared"
    return "insufficient: " + ", ".join(f"rule {rule}" for rule in sorted({reason.rule for reason in item.reasons}))
