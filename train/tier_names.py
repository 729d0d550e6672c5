"""Names of tiers, `nano-0.5x@lr2@muon@b2@eval512`: a model, a budget, how it trains otherwise, an evaluation context.

A name shows every digit of its numbers, without exponent, so that it can be typed and means the same tier again. After
the budget, each at most once and in this order: a rate (`@lr2`), an optimizer (`@muon`), a batch (`@b2`), settings
(`@weight_decay=0.05`), a tokenizer (`@tok=ladder-nano.1`, with `.` for the `@` of its version), a context.
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
MAX_SETTING_DECIMALS = 12
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_CHANGE = r"@(?!eval|lr)[a-z0-9_]+(?:[.=][A-Za-z0-9._-]+)?"
_NAME = re.compile(rf"(?P<model>[a-z0-9]+|dclm-[a-z0-9]+)(?:-(?P<multiple>{_NUMBER})x)?(?:@lr(?P<rate>{_NUMBER}))?"
                   rf"(?P<changes>(?:{_CHANGE})*)(?:@eval(?P<context>[0-9]+))?")  # fmt: skip
_BATCH = re.compile(rf"b({_NUMBER})")
_SETTING = re.compile(rf"([a-z0-9_]+)=({_NUMBER})")
_TOKENIZER = "tok="


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedChange:
    """How a tier trains otherwise than its row of the table says, its rate aside; what is empty or 1 stays."""

    optimizer: str = ""
    batch_multiplier: float = 1.0
    settings: tuple[tuple[str, float], ...] = ()
    """Name and value, sorted by name."""
    tokenizer: str = ""

    @property
    def text(self) -> str:
        """The change as names spell it; empty for none."""
        parts = [self.optimizer] if self.optimizer else []
        parts += [f"b{number_text(self.batch_multiplier)}"] if self.batch_multiplier != 1 else []
        parts += [f"{name}={number_text(value)}" for name, value in self.settings]
        parts += [_TOKENIZER + self.tokenizer.replace("@", ".")] if self.tokenizer else []
        return "".join(f"@{part}" for part in parts)


UNCHANGED = NamedChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class TierName:
    """What a name says."""

    model: str
    multiple: float
    lr_multiplier: float
    context: int | None
    """Evaluation context, if the name has one."""
    change: NamedChange = UNCHANGED


def number_text(value: float) -> str:
    """Return the number as names spell it: every digit, no exponent, no zeros at the end."""
    digits = format(Decimal(repr(value)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def parse_name(name: str, models: Collection[str], where: str) -> TierName | None:
    """Return what `name` says; None if it is no name of one of `models`.

    Raises: RunError for a multiple outside (0, 16], a learning rate multiplier outside [0.25, 4], more than six
    decimals in either, or changes that are twice there or out of order.
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
    change = _change(match["changes"].split("@")[1:], place)
    return TierName(model=match["model"], multiple=multiple, lr_multiplier=rate, context=context, change=change)


def _change(parts: list[str], place: str) -> NamedChange:
    optimizer, batch, tokenizer = "", 1.0, ""
    settings: dict[str, float] = {}
    for part in parts:
        if part.startswith(_TOKENIZER):
            tokenizer = tokenizer_of(part.removeprefix(_TOKENIZER))
        elif found := _BATCH.fullmatch(part):
            batch = _exact(found[1], f"{place}: batch multiplier")
        elif found := _SETTING.fullmatch(part):
            settings[found[1]] = _exact(found[2], f"{place}: {found[1]}", MAX_SETTING_DECIMALS)
        else:
            optimizer = part
    change = NamedChange(
        optimizer=optimizer, batch_multiplier=batch, settings=tuple(sorted(settings.items())), tokenizer=tokenizer
    )
    if len(change.text.split("@")) != len(parts) + 1:
        raise RunError(
            f"{place}: names a change twice, or one that changes nothing, expected at most one of a kind: "
            f"`{change.text or 'nothing'}`; mend the name"
        )
    return change


def tokenizer_of(part: str) -> str:
    """Return the name of the tokenizer that a tier's name spells `ladder-nano.1`: the last point was an `@`."""
    head, point, version = part.rpartition(".")
    return f"{head}@{version}" if point and version.isdigit() else part


def _exact(text: str, what: str, most: int = MAX_DECIMALS) -> float:
    if len(text.partition(".")[2].rstrip("0")) > most:
        expected = f"expected at most {most} decimals, since the name shows every digit"
        raise RunError(f"{what} {text}, {expected}; round it")
    return float(text)
