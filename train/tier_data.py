"""Measurements shipped with the tiers: MFU by tier and card, and learning-rate sweeps.

`data/measured_mfu.json` is a list of measurements; `data/lr_sweeps/<model>.json` is what `curate lr-sweep` wrote for a
model. Neither decides a result of a run: they say what hours to expect and why a rate is the one that was frozen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import RunError
from curation.files import Json, read_json

FOLDER = Path(__file__).resolve().parent / "data"
MEASURED_MFU = FOLDER / "measured_mfu.json"
LR_SWEEPS = FOLDER / "lr_sweeps"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredMfu:
    """One measurement of a whole step; `mfu` counts all of attention."""

    tier: str
    device: str
    """The driver's name of the card."""
    mfu: float
    mfu_causal: float
    tokens_per_second: float
    date: str
    script: str

    @property
    def said(self) -> str:
        """Where the number comes from."""
        return f"{self.device}, {self.date}, {self.script}"


def measured_mfu(model: str, device: str, path: Path = MEASURED_MFU) -> MeasuredMfu | None:
    """Return the newest measurement of `model` on the card that the driver calls `device`, or None.

    Raises: RunError if the file is not a list of measurements.
    """
    if not path.is_file():
        return None
    try:
        rows = [MeasuredMfu(**row) for row in cast("Sequence[Mapping[str, Any]]", read_json(path))]
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{path}: not a list of measurements ({error}); expected objects with tier, device, mfu, mfu_causal, "
            "tokens_per_second, date, script; restore the file"
        ) from None
    found = [row for row in rows if (row.tier, row.device) == (model, device)]
    return max(found, key=lambda row: row.date, default=None)


def stored_sweep(model: str) -> Mapping[str, Json] | None:
    """Return the learning-rate sweep stored with `model`, or None: not swept."""
    path = LR_SWEEPS / f"{model}.json"
    return cast("Mapping[str, Json]", read_json(path)) if path.is_file() else None
