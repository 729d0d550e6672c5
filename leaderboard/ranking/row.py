"""A row of a ranked table, a table, and both as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from curation.files import Json
from leaderboard.ranking.candidates import LeftOut, TableKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recipe at one tier, with its place where it has one."""

    study: str
    study_fingerprint: str
    entry: str
    level: str
    """Verified level, `L0` to `L4`; empty for a study of a store."""
    panel: str
    arm: str
    role: str
    tier: str
    seeds: tuple[int, ...]
    num_seeds: int
    """Runs behind the value."""
    value: float | None
    """The table's metric; None when it is not available."""
    value_low: float | None
    value_high: float | None
    rank: int | None
    unranked: str
    """Why there is no rank; empty when there is one."""
    rank_low: int | None = None
    rank_high: int | None = None
    p_first: float | None = None
    tie_group: int | None = None
    detectable: float | None = None
    """Smallest true difference to the best other row that is found with 80 %: relative for a panel's metric."""
    log_ratio: float | None = None
    """The table's metric against the study's own baseline; None for the baseline itself, for controls, and where the
    study has no difference of that metric over those slices."""
    low: float | None = None
    high: float | None = None
    unique_tokens: int | None = None
    epochs: float | None = None
    verdict: str = ""
    intervened: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that may be compared."""

    key: TableKey
    title: str
    metric: str
    unit: str
    lower_is_better: bool
    rows: tuple[Row, ...]
    """Ranked ones first, best first; the others by value where it is a score, else in their study's order."""
    noise: str
    """Where the run noise is from, or why nothing is ranked."""
    detectable: float | None = None
    """Median over pairs of the smallest detectable difference."""

    @property
    def num_ranked(self) -> int:
        """Rows with a rank."""
        return sum(row.rank is not None for row in self.rows)


CSV_COLUMNS = ("table", "division", "track", "metric", *(name for name in Row.__dataclass_fields__))


def table_json(table: Table) -> dict[str, Json]:
    """Return a table as plain JSON."""
    rows: list[Json] = [_row_json(row) for row in table.rows]
    return {
        "title": table.title,
        "key": table.key.as_json(),
        "metric": table.metric,
        "unit": table.unit,
        "lower_is_better": table.lower_is_better,
        "noise": table.noise,
        "minimum_detectable_effect": table.detectable,
        "num_ranked": table.num_ranked,
        "rows": rows,
    }


def left_json(left: Sequence[LeftOut]) -> list[Json]:
    """Return what stands in no table, and why."""
    return [{"study": one.study, "arm": one.arm, "tier": one.tier, "reason": one.reason} for one in left]


def tables_csv(tables: Sequence[Table]) -> str:
    """Return all tables as one CSV, a line a row; lists are joined by `; `."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        told = {"division": table.key.division, "track": table.key.track, "metric": table.metric}
        for row in table.rows:
            writer.writerow({"table": table.title, **told, **{key: _cell(one) for key, one in _row_json(row).items()}})
    return out.getvalue()


def _row_json(row: Row) -> dict[str, Json]:
    value: dict[str, Json] = asdict(row)
    return {key: list(one) if isinstance(one, tuple) else one for key, one in value.items()}


def _cell(value: Json) -> str | int | float:
    """Return a value for a spreadsheet: text that would start a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, str):
        return value if isinstance(value, int | float) else str(value)
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
