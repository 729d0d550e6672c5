"""Studies, comparison, noise, reports and the board: scores in, decisions out.

For notebooks: `compare` returns a comparison as a DataFrame. It loads on first use, so importing this costs nothing.
"""

from __future__ import annotations

from typing import Any

__all__ = ["compare"]


def __getattr__(name: str) -> Any:
    if name == "compare":
        from leaderboard.comparison.frame import compare

        return compare
    raise AttributeError(f"module `leaderboard` has no `{name}`; it offers {', '.join(__all__)}")
