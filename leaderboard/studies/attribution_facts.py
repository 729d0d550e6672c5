"""What a result keeps of an attribution: which of the raised slices a gain comes from, and the contrasts behind it."""

from __future__ import annotations

from dataclasses import dataclass

TOTAL, ADDS, ALONE, INTERACTION = "total", "adds", "alone", "interaction"
NOT_RESOLVED, INSUFFICIENT = "not resolved", "insufficient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One difference of log bits per byte of a slice; below 0 is a gain."""

    kind: str
    """`total`: all raised against none. `adds`: all against all but one. `alone`: one against none. `interaction`: what
    one adds to the other, less what it does alone."""
    of: str
    """The raised slice of `adds` and `alone`; empty for the others."""
    text: str
    """In arms: `plus5 - plus5.without-math`."""
    log_ratio: float
    low: float | None
    high: float | None
    se_seeds: float | None
    se_families: float | None
    degrees: float | None
    num_seeds: int
    side: str
    """`better`, `worse`, `level` (the interval holds zero) or `unknown`."""
    p: float | None
    """None without measured run noise (rule 9), and in slices that are not judged."""
    holm: bool | None
    """Whether it stands among all contrasts of all judged slices; None where `p` is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAttribution:
    """Where the gain of one arm on one slice of the panel comes from."""

    slice: str
    verdict: str
    """`attributed to math alone`, `attributed to math; code not resolved` (or `not tested`, `makes it worse`),
    `attributed to both, code and math`, `not resolved`, or `insufficient`."""
    to: tuple[str, ...]
    """Raised slices that it is attributed to; empty unless something is."""
    by_intervals: str
    """The same by single intervals, without a correction for their number: for orientation."""
    why: str
    """Why nothing is attributed; empty when something is."""
    sentence: str
    contrasts: tuple[Contrast, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """One arm that raises several slices, at one tier, slice by slice of the panel."""

    tier: str
    arm: str
    raised: tuple[str, ...]
    left_out: tuple[str, ...]
    """Raised slices that there is an arm without."""
    seeds: int
    """Fewest that a contrast was taken over."""
    slices: tuple[SliceAttribution, ...]
    tests: int = 0
    """Contrasts that Holm's marks are over, of all judged slices."""
