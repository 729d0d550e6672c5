"""N, D and C: the missing one of three from C = 6 N D, always in float64 (6 N D of int64 overflows at 9.2e18)."""

from __future__ import annotations

import numpy as np

from curation.errors import LawError
from leaderboard.laws.law import Columns, Data, Floats

FLOPS_PER_PARAM_TOKEN = 6.0
"""Forward and backward FLOPs of a parameter and token; Kaplan et al. 2020, section 2.1."""


def completed(data: Data, needed: tuple[str, ...], law: str) -> Data:
    """Return the data with each of `needed` (of N, D, C) present, derived from the other two where it was not mapped.

    Rows whose derived value is not finite are dropped and counted.
    Raises: LawError when it cannot be derived.
    """
    for name in needed:
        if name in data.columns:
            continue
        values, formula = derived(data.columns, name)
        if values is None:
            raise LawError(f"{law}: {name} is not mapped and needs two of N, D, C; map it, e.g. --map {name}=COLUMN")
        data = data.with_column(name, values, f"{name} is not mapped: taken as {formula}")
        data = data.keep(np.isfinite(values) & (values > 0), f"{formula} overflows")
    return data


def derived(columns: Columns, name: str) -> tuple[Floats | None, str]:
    """Return `name` from the other two of N, D, C, and the formula; None when they are not both there."""
    with np.errstate(over="ignore"):
        if name == "C" and {"N", "D"} <= set(columns):
            return FLOPS_PER_PARAM_TOKEN * columns["N"] * columns["D"], "C = 6 N D"
        if name in ("N", "D"):
            other = "D" if name == "N" else "N"
            if {"C", other} <= set(columns):
                return columns["C"] / FLOPS_PER_PARAM_TOKEN / columns[other], f"{name} = C / (6 {other})"
    return None, ""
