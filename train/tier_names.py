"""Names of tiers, `nano-0.5x@lr2@eval512`: a model, a budget, a probe of the rate, an evaluation context.

A name shows every digit of its numbers, without exponent, so that it can be typed and means the same tier again.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from curation.errors import RunError

MAX_MULTIPLE = 16.0
MAX_LR_MULTIPLIER = 4.0
MAX_DECIMALS = 6
"""Of a multiple and of a probe's multiplier; more are refused, since rounding would change the budget in silence."""
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_NAME = re.compile(rf"(?P<model>[a-z0-9]+|dclm-[a-z0-9]+)(?:-(?P<multiple>{_NUMBER})x)?(?:@lr(?P<rate>{_NUMBER}))?"
                   r"(?:@eval(?P<context>[0-9]+))?")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TierName:
    """What a name says."""

    model: str
    multiple: float
    lr_multiplier: float
    context: int | None
    """Evaluation context, if the name has one."""


def number_text(value: float) -> str:
    """Return the number as names spell it: every digit, no exponent, no zeros at the end."""
    digits = format(Decimal(repr(value)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def parse_name(name: str, models: Collection[str], where: str) -> TierName | None:
    """Return what `name` says; None if it is no name of one of `models`.

    Raises: RunError for a multiple outside (0, 16], a learning rate multiplier outside [0.25, 4], or more than six
    decimals in either.
    """
    match = _NAME.fullmatch(name)
    if match is None or match["model"] not in models:
        return None
    place = f"{where}: tier `{name}`"
    multiple = _exact(match["multiple"] or "1", f"{place}: multiple")
    rate = _exact(match["rate"] or "1", f"{place}: learning rate multiplier")
    if not 0 < multiple <= MAX_MULTIPLE:
        raise RunError(f"{place}: multiple {multiple:g}, expected more than 0 and at most 16; change it")
    if not 1 / MAX_LR_MULTIPLIER <= rate <= MAX_LR_MULTIPLIER:
        raise RunError(f"{place}: learning rate multiplier {rate:g}, expected 0.25 to 4; change it")
    context = None if match["context"] is None else int(match["context"])
    return TierName(model=match["model"], multiple=multiple, lr_multiplier=rate, context=context)


def _exact(text: str, what: str) -> float:
    if len(text.partition(".")[2].rstrip("0")) > MAX_DECIMALS:
        expected = f"expected at most {MAX_DECIMALS} decimals, since the name shows every digit"
        raise RunError(f"{what} {text}, {expected}; round it")
    return float(text)
