"""Raw text in, corpora out: sources, store, panel, dedup, decontamination, recipes and the `curate` command.

For notebooks and plugins: `CurateError`, `Store`, `Recipe`, `load_recipe`, `ensure_pool`, `plan_corpus`. Names load
on first use, so importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_FRONT_DOOR = {
    "CurateError": "curation.errors",
    "Planner": "curation.nodes",
    "Recipe": "curation.recipe",
    "Store": "curation.store",
    "ensure_pool": "curation.ingest",
    "load_recipe": "curation.recipe",
    "plan_corpus": "curation.pipeline",
}

__all__ = sorted(_FRONT_DOOR)


def __getattr__(name: str) -> Any:
    if name not in _FRONT_DOOR:
        raise AttributeError(f"module `curation` has no `{name}`; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(_FRONT_DOOR[name]), name)
