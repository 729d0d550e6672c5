"""The project's own runs as a table for laws: one row a finished run of a store.

N are the parameters that multiply (embedding look-ups cost nothing), C the FLOPs that the tiers count, L the mean
over slices of bits per byte (geometric, rule 5); every slice has a column of its own, `bpb_NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from curation.errors import RunError
from curation.files import Json
from curation.store import load_artifact

OWN_MAPPING = {"N": "N", "D": "D", "C": "C", "L": "L"}
"""What `--runs` maps when `--map` does not say otherwise."""


def read_runs(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of all runs in a store, or of one run directory, in the order of their names.

    Raises: RunError when there is none.
    """
    own = folder / "manifest.json"
    paths = [own] if own.is_file() else sorted(folder.glob("run-*/manifest.json"))
    rows = [_row(path.parent) for path in paths]
    if not rows:
        raise RunError(f"{folder}: holds no finished run (run-*/manifest.json); expected a store; give --runs STORE")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _row(path: Path) -> dict[str, str | float | None]:
    artifact = load_artifact(path)
    if artifact.kind != "run":
        raise RunError(f"{path}: holds a {artifact.kind}, expected a run; give a store or a run")
    summary = artifact.summary
    params = cast("Mapping[str, int]", summary["params"])
    bpb = cast("Mapping[str, float]", summary["bpb"])
    corpus = cast("Mapping[str, Json]", artifact.manifest["inputs"]).get("tokens", "")
    return {
        "name": path.name,
        "run": path.name,
        "tier": str(summary["tier"]),
        "seed": float(cast("int", summary["seed"])),
        "corpus": str(corpus)[:16],
        "panel": str(summary["panel_digest"])[:16],
        "N": float(params["matmul"]),
        "N_non_embedding": float(params["non_embedding"]),
        "N_total": float(params["total"]),
        "D": float(cast("int", summary["tokens_seen"])),
        "C": float(cast("int", summary["flops"])),
        "epochs": float(cast("float", summary["epochs"])),
        "unique_tokens": float(cast("int", summary["unique_tokens"])),
        "final_train_loss": cast("float | None", summary["final_train_loss"]),
        "L": float(np.exp(np.mean(np.log(list(bpb.values()))))) if bpb else None,
        **{f"bpb_{name}": value for name, value in bpb.items()},
    }


def _column(values: list[str | float | None]) -> npt.NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        return np.array(values, object)
    return np.array([np.nan if value is None else value for value in values], np.float64)
