"""What repeated tokens are still worth, and when a mixture should be warned about.

Of D tokens of a slice with U unique ones, D > U, the repeats R = D/U - 1 are worth as much as
U R* (1 - exp(-R/R*)) new tokens, so D' = U + U R* (1 - exp(-R/R*)) and D' = D without repeats; R* = 15.39 repeats.
Four epochs are worth 3.73. `curate fit data-constrained` fits R* to own runs; here it is the authors' on C4.
Source: Muennighoff et al. 2023 (2305.16264), section 3.1 and their published fit. The two bounds are ours: theirs is
that up to 4 epochs cost almost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

R_STAR = 15.387756
MAX_EPOCHS = 4.0
"""Beyond this repeats are worth visibly less than new text (Muennighoff et al. 2023, section 5): it is warned about."""
MIN_EFFECTIVE_FRACTION = 0.9
"""Effective over seen tokens of a whole run, below which it is warned about; four epochs of everything are 0.93."""


def effective_tokens(seen: float, unique: float) -> float:
    """Return how many new tokens `seen` tokens of `unique` different ones are worth; 0 of nothing."""
    if seen <= unique or unique <= 0:
        return max(0.0, seen if unique > 0 else 0.0)
    repeats = seen / unique - 1.0
    return unique * (1.0 - R_STAR * math.expm1(-repeats / R_STAR))


def repeat_warnings(seen: Mapping[str, float], unique: Mapping[str, float]) -> list[str]:
    """Return what the data-constrained law says against reading slices so often; tokens by slice."""
    found = []
    for name in sorted(seen):
        epochs = seen[name] / unique[name] if unique.get(name) else 0.0
        if epochs > MAX_EPOCHS:
            worth = effective_tokens(seen[name], unique[name]) / unique[name]
            found.append(
                f"slice `{name}` is read {epochs:.2f} times, worth {worth:.2f} times as much new text; expected at "
                f"most {MAX_EPOCHS:g} epochs: lower its weight, set `max_epochs`, or add text"
            )
    total = sum(seen.values())
    worth = sum(effective_tokens(seen[name], unique.get(name, 0.0)) for name in seen)
    if total and worth < MIN_EFFECTIVE_FRACTION * total:
        found.append(
            f"{total:,.0f} tokens are worth {worth:,.0f} new ones ({worth / total:.1%}); expected at least "
            f"{MIN_EFFECTIVE_FRACTION:.0%}: repeat less, or add text"
        )
    return found
