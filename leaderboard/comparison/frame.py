"""The comparison as a table for notebooks: `from leaderboard import compare; compare("run-1a2b", "run-3c4d")`.

One row a place (tier, checkpoint), level and measure; columns are the fields of `leaderboard.comparison.rows.Row` after
`a_name`, `b_name`, `tier`, `place`, `verdict`. The frame's `attrs` hold `checks`, `reasons` and `notes`.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard.comparison.row import Row

if TYPE_CHECKING:
    import pandas as pd

    from leaderboard.compare_command import Compared

FIRST_COLUMNS = ("a_name", "b_name", "tier", "place", "verdict")


def compare(a: str | Path, b: str | Path | None = None, *, store: Path | None = None, **options: str) -> pd.DataFrame:
    """Return what `curate compare A B --json` says, a row a difference; the same words mean the same sides.

    `b` None: `a` is a study. `options` are `arm`, `against`, `control` of the command.
    Raises: CurateError as the command does.
    """
    from curation.store import Store
    from leaderboard.compare_command import compared

    names = [str(a)] if b is None else [str(a), str(b)]
    return frame(compared(Store.reading(store), names, **options))


def frame(found: list[Compared]) -> pd.DataFrame:
    """Return the rows of all comparisons, regressions not first but in the order of slices and tasks."""
    import pandas as pd

    records = []
    for pair in found:
        for one in pair.outcomes:
            head = {
                "a_name": one.a,
                "b_name": one.b,
                "tier": one.place.tier,
                "place": one.place.label,
                "verdict": one.verdict,
            }
            records += [{**head, **asdict(row)} for row in one.rows]
    columns = [*FIRST_COLUMNS, *(item.name for item in fields(Row))]
    table = pd.DataFrame.from_records(records, columns=columns)
    table.attrs["checks"] = [asdict(check) for pair in found for check in pair.checks]
    table.attrs["reasons"] = [asdict(reason) for pair in found for one in pair.outcomes for reason in one.reasons]
    table.attrs["notes"] = [note for pair in found for one in pair.outcomes for note in one.notes]
    return table
