"""Numbers and findings as words: one spelling for the terminal, the page and the Markdown report."""

from __future__ import annotations

from leaderboard.studies.results import Assessment, Comparison, Delta

MINUS = "−"
VERDICTS = {
    "insufficient": "these runs cannot decide",
    "better": "better than the baseline and than random-matched",
    "reweighting": "better than the baseline, not than random-matched: no document quality",
    "no-difference": "no difference beyond noise",
    "worse": "worse",
    "regression": "better on average, but a protected slice got worse",
}


def percent(share: float | None, digits: int = 2) -> str:
    """Return a signed share as per cent, `+1.20%`; a dash for None."""
    if share is None:
        return "–"
    shown = f"{abs(share) * 100:.{digits}f}"
    sign = "" if float(shown) == 0 else MINUS if share < 0 else "+"
    return f"{sign}{shown}%"


def log_percent(log_ratio: float | None) -> str:
    """Return a log ratio as a relative change in per cent."""
    import math

    return percent(None if log_ratio is None else math.expm1(log_ratio))


def interval(delta: Delta) -> str:
    """Return a difference's 95 % interval as per cent, or why there is none."""
    if delta.low is None or delta.high is None:
        return "unknown"
    shown = f"{log_percent(delta.low)} to {log_percent(delta.high)}"
    return shown if delta.se_seeds is not None else f"{shown} (families only)"


def megabytes(num_bytes: float) -> str:
    """Return bytes as megabytes."""
    return f"{num_bytes / 1e6:,.2f} MB" if num_bytes < 1e7 else f"{num_bytes / 1e6:,.1f} MB"


def seconds_text(seconds: float) -> str:
    """Return a duration, seconds below two minutes."""
    return f"{seconds:.1f} s" if seconds < 120 else f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def side(delta: Delta | None) -> str:
    """Return where a difference lies: `better`, `worse`, `level` (the interval holds zero) or `unknown`."""
    if delta is None or delta.low is None or delta.high is None:
        return "unknown"
    return "better" if delta.high < 0 else "worse" if delta.low > 0 else "level"


def change(delta: Delta) -> str:
    """Return a difference in words: `1.20% fewer bits per byte`."""
    amount = percent(abs(delta.share)).lstrip("+")
    return f"{amount} {'fewer' if delta.log_ratio < 0 else 'more'} bits per byte"


def finding(item: Assessment) -> str:
    """Return the headline of an assessment as one or two sentences."""
    headline = item.total.headline
    if headline is None:
        return f"{item.arm}: no slice is left to average."
    seeds = f"{headline.num_seeds} seed{'s' if headline.num_seeds > 1 else ''}"
    basis = "judged slices" if item.total.headline_judged else "slices, none of which is large enough to be judged"
    first = (
        f"{item.arm}: {change(headline)} than the baseline (95% interval {interval(headline)}), "
        f"mean over {len(item.total.headline_slices)} {basis}, {seeds}."
    )
    return f"{first} {split(item)}".strip()


def split(item: Assessment) -> str:
    """Return how the gain divides into document quality and the rest (rule 3); empty without the control."""
    quality = item.quality.headline if item.quality else None
    rest = item.rest.headline if item.rest else None
    if quality is None or rest is None:
        return ""
    return (
        f"Against random-matched, which keeps as much of every slice: {log_percent(quality.log_ratio)} "
        f"({interval(quality)}); the rest, {log_percent(rest.log_ratio)}, is reweighting of slices and less text."
    )


def regression_rows(comparison: Comparison) -> list[tuple[str, Delta, str]]:
    """Return slices that got worse, worst first: name, difference, and whether it is beyond noise."""
    worse = sorted(
        (item for item in comparison.slices if item.delta.log_ratio > 0), key=lambda item: -item.delta.log_ratio
    )
    return [
        (item.slice, item.delta, "beyond the interval" if side(item.delta) == "worse" else "within the interval")
        for item in worse
    ]
