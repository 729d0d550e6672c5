"""What a monitor can raise, and what each flag asks to look at first.

Source: the seeds' reading of a loss-against-compute plot, in our words; McCandlish et al. 2018 for batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.files import Json

ADVICE: Mapping[str, str] = {
    "above-early": (
        "already too high early on: look at the optimisation before the data: learning rate, warm-up, an unstable "
        "batch, or a fault in the data loader. Stop and repeat the start; more tokens will not mend it"
    ),
    "above-at-larger-scale": (
        "fine at small scales, too high from here on: what the small models showed may not carry over, or the data's "
        "quality has become the limit. Do not scale up; run one scale between, with the baseline beside it"
    ),
    "flattens-early": (
        "learns less than half of what the law expects at the end: the mixture may be too narrow, too duplicated or "
        "used up. Look at epochs, near-duplicates and unique tokens before spending more"
    ),
    "single-bad-scale": (
        "this scale alone is off while its neighbours are on the curve: suspect its batch size, learning-rate "
        "schedule, implementation (sharding, precision) or the machine. Repeat it with another seed before refitting"
    ),
    "above-band": (
        "several neighbouring scales lie too high although larger ones do not: compare their settings, batch and "
        "learning rate first, with the scales that are on the curve"
    ),
    "residual-outlier": (
        "an earlier run is far from the law that the others share: a bad batch or learning rate can make good data "
        "look bad. Find out why before it enters a forecast; do not drop it silently"
    ),
    "residual-trend": (
        "the residuals keep their sign over long stretches of compute: the law has the wrong form for these runs, or "
        "they are not of one recipe. Do not extrapolate with it; fit another form or fewer runs"
    ),
    "valley-moved": (
        "the best size at this compute left the path of the other budgets: stop until it is known why; check learning "
        "rate and batch at every size of the budget, and the counting of parameters"
    ),
    "valley-flat": (
        "the losses of this budget do not open upward, so it has no best size: the sizes are too close together, one "
        "run is bad, or the tuning differs between sizes. Widen the range before the next budget"
    ),
    "larger-batch-worse": (
        "the same compute with a larger batch gave a higher loss: the batch is beyond what is useful, or its learning "
        "rate was not adapted. Go back to the smaller one, or measure the critical batch size, before judging data"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One thing to look at: what, where, how far off, and since which number."""

    kind: str
    where: str
    """The run, scale, budget or pair, in words."""
    said: str
    """The evidence with its numbers."""
    sigmas: float | None = None

    @property
    def advice(self) -> str:
        """What to do first."""
        return ADVICE[self.kind]

    def as_json(self) -> dict[str, Json]:
        """Return the flag with its advice."""
        return {
            "kind": self.kind,
            "where": self.where,
            "said": self.said,
            "sigmas": self.sigmas,
            "advice": self.advice,
        }
