"""What the name of a DCLM run says: architecture, training settings, seed, token budget and variant.

Names have the form `evaluation_<dataset>-<architecture>-warm=5000-lr=0p003-wd=0p033-cd=3e-05-bs=256-mult=1-seed=124-
tokens=28795904000_heavy.json`; `p` is the decimal point. What follows the settings and is not a known mark of the
evaluation is a variant of the training (`norm=rms_norm`, `zloss=1e-6`) and makes another training recipe (rule 17).
Source: DCLM's published files; the scales' N and D: DCLM (2406.11794), table of scales.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SETTINGS = ("warm", "lr", "wd", "cd", "bs", "mult")
"""Settings that a training recipe fixes, in the order of names; seed and tokens are not among them."""
PARAMS: Mapping[str, int] = MappingProxyType(
    {"d=1024_l=24_h=8": 411_616_256, "open_lm_1b": 1_439_795_200, "open_lm_7b": 6_889_410_560}
)
"""Parameters of the architectures of DCLM's scales; names that go on (`open_lm_1b_swiglutorch`) have the same."""
NOT_PUBLISHED = "settings not published"
TOKENS_PER_PARAM = 20
"""Tokens a parameter of the multiple `1x`."""
_SIZES: Mapping[int, str] = MappingProxyType({411_616_256: "400m", 1_439_795_200: "1b", 6_889_410_560: "7b"})
_NUMBER = r"\d+(?:p\d+|\.\d+)?(?:e-?\d+)?"
_SETTING = re.compile(rf"-(?P<key>warm|lr|wd|cd|bs|mult|seed|tokens)=(?P<value>{_NUMBER})")
_EVALUATION_MARKS = re.compile(r"^_heavy(?:_copy\d*|_2)?$|^_mmlu_and_lowvar$|^_heavy_mmlu_and_lowvar$")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRun:
    """What a run's file name tells; empty or None where it does not."""

    dataset: str
    settings: Mapping[str, str]
    """Training settings by name, decimal points restored."""
    seed: int | None
    tokens: int | None
    variant: str
    """What else was changed in training; empty for the plain recipe."""


def read_name(stem: str, model: str) -> NamedRun:
    """Return what the name of an evaluation file without its ending says of a run of architecture `model`."""
    body = stem.rpartition("/")[2].removeprefix("evaluation_")
    places = list(re.finditer(rf"-{re.escape(model)}(?=[-_.]|$)", body))
    dataset, rest = (body[: places[-1].start()], body[places[-1].end() :]) if places else ("", body)
    found = {one["key"]: one["value"].replace("p", ".") for one in _SETTING.finditer(rest)}
    return NamedRun(
        dataset=dataset,
        settings={key: f"{float(found[key]):g}" for key in SETTINGS if key in found},
        seed=int(found["seed"]) if "seed" in found else None,
        tokens=int(found["tokens"]) if "tokens" in found else None,
        variant=_variant(_SETTING.sub("", rest)) if places else "",
    )


def params_of(model: str) -> int | None:
    """Return the parameters of an architecture of DCLM's scales; None for any other."""
    return next((size for name, size in PARAMS.items() if model == name or model.startswith(f"{name}_")), None)


def tier_of(params: int | None, tokens: int | None) -> str:
    """Return the tier of N parameters and D tokens, `dclm-7b-2x`; `published` when one of them is not known.

    The multiple is D over 20 N, to three digits; other sizes are named by their parameters.
    """
    if not params or not tokens:
        return "published"
    size = _SIZES.get(params) or f"{params / 1e6:.0f}m"
    return f"dclm-{size}-{tokens / (TOKENS_PER_PARAM * params):.3g}x"


def recipe_text(model: str, named: NamedRun) -> str:
    """Return the training recipe in words: what must be equal for two data sets to be compared."""
    settings = " ".join(f"{key}={value}" for key, value in named.settings.items()) or NOT_PUBLISHED
    return " ".join(filter(None, [model, settings, named.variant]))


def short_tier(tier: str) -> str:
    """Return a tier's name without the family: `7b-2x` of `dclm-7b-2x`."""
    return tier.removeprefix("dclm-")


def _variant(rest: str) -> str:
    """Return what of a name's end is no mark of the evaluation."""
    if not rest or _EVALUATION_MARKS.match(rest):
        return ""
    return re.sub(r"_heavy(?:_copy\d*|_2)?$", "", rest).strip("_-")
