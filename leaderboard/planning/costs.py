"""What a training takes on cards, and the size and shape of a model that decodes fast enough.

Hours: FLOPs / (dense bf16 peak x MFU). The MFU is the one measured of whole steps (`train.tier_data`) on the tier
nearest in size, and assumed (`train.tier_plan.ASSUMED_MFU`) for cards on which nothing was measured. 6 N D leaves out
attention, 12 L d T a token, 6 % on top at 7b and T = 2,048: hours are of the FLOPs that are given.
Decoding one sequence reads every parameter once a token: seconds = 2 bytes x N / bandwidth, so
N = latency x bandwidth / 2. That is a bound: reading keys and values, launches and links between cards come on top.
Shape: heads of 128, feed-forward 8/3 of the width, and width over layers as in the ladder, between its rows by ln N
(`train.tier_table`); from its largest on, that of the largest. Widths are multiples of 128, from 1,024 on of 256, from
2,048 on of 512 and from 8,192 on of 1,024.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from curation.errors import LawError, nearest
from curation.files import Json
from train.tier_data import measured_mfu
from train.tier_plan import ASSUMED_MFU, CARDS, Card
from train.tiers import TIERS, Shape
from train.utilisation import peak_flops

BYTES_A_PARAM = 2
"""bfloat16."""
BANDWIDTH: Mapping[str, float] = {
    "h200": 4.8e12, "h100": 3.35e12, "gh200": 4.0e12, "b200": 8.0e12, "a100": 2.039e12, "a100-40gb": 1.555e12,
    "l40s": 8.64e11, "l4": 3.0e11, "rtx4090": 1.008e12,
}  # fmt: skip
"""Bytes a second of a card's memory, as its datasheet says."""
HEAD_WIDTH = 128
MAX_WIDTH = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class CardHours:
    """Hours of one card for so many FLOPs."""

    card: str
    hours: float
    mfu: float
    source: str

    def as_json(self) -> dict[str, Json]:
        """Return the hours and where the MFU is from."""
        return {"card": self.card, "gpu_hours": self.hours, "mfu": self.mfu, "mfu_source": self.source}


def card_of(name: str, option: str = "--card") -> Card:
    """Return a card by its short name.

    Raises: LawError for an unknown one.
    """
    if name not in CARDS:
        raise LawError(f"{option}: unknown card `{name}`, expected one of {', '.join(CARDS)}; {nearest(name, CARDS)}")
    return CARDS[name]


def card_hours(flops: float, params: float, card: str) -> CardHours:
    """Return the hours of one card for a training of `flops` with a model of `params`."""
    known = card_of(card)
    measured = [
        (abs(math.log(params / tier.shape.matmul_params)), tier.model, found)
        for tier in TIERS.values()
        if (found := measured_mfu(tier.model, known.driver_name)) is not None
    ]
    mfu, source = ASSUMED_MFU, f"assumed: nothing was measured on {card}"
    if measured:
        distance, model, found = min(measured, key=lambda one: one[:2])
        mfu, source = found.mfu, f"measured on tier {model}: {found.said}"
        if distance > math.log(2):
            source += f"; assumed for {params:.2g} parameters"
    return CardHours(card=card, hours=flops / (peak_flops(known.driver_name, {}) * mfu) / 3_600, mfu=mfu, source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """The largest model that decodes a token in `latency_ms` on so many cards, if reading it were all."""

    latency_ms: float
    card: str
    cards: int
    params: float
    weights_bytes: float
    fits: bool
    """Whether the weights fit into nine tenths of the cards' memory."""

    def as_json(self) -> dict[str, Json]:
        """Return size, formula and assumptions."""
        return {
            "latency_ms": self.latency_ms,
            "card": self.card,
            "cards": self.cards,
            "bandwidth_bytes_per_second": BANDWIDTH[self.card] * self.cards,
            "N": self.params,
            "weights_bytes": self.weights_bytes,
            "fits_in_memory": self.fits,
            "formula": "N = latency x bandwidth x cards / 2 bytes; batch of one, weights read once a token",
        }


def decodable(latency_ms: float, card: str, cards: int = 1) -> Decode:
    """Return the largest model for a latency per token."""
    known = card_of(card)
    params = latency_ms / 1e3 * BANDWIDTH[card] * cards / BYTES_A_PARAM
    size = BYTES_A_PARAM * params
    fits = size <= 0.9 * known.memory_bytes * cards
    return Decode(latency_ms=latency_ms, card=card, cards=cards, params=params, weights_bytes=size, fits=fits)


def decode_ms(params: float, card: str, cards: int = 1) -> float:
    """Return the least milliseconds a decoded token takes."""
    return BYTES_A_PARAM * params / (BANDWIDTH[card] * cards) * 1e3


def shape_for(params: float, *, vocab_size: int = 32_768, context_tokens: int = 2_048) -> Shape:
    """Return the shape of the ladder's proportions with at most `params` parameters that multiply.

    Raises: LawError where even one narrow layer has more, or the width would pass 65,536.
    """
    wanted = proportion(params)
    best: tuple[float, Shape] | None = None
    for width in _widths():
        one = _shape(width, 1, vocab_size, context_tokens)
        a_layer = one.non_embedding_params - width
        layers = int((params - one.matmul_params + a_layer) // a_layer)
        if layers < 1:
            break
        miss = abs(math.log(width / layers / wanted))
        if best is None or miss < best[0]:
            best = (miss, _shape(width, layers, vocab_size, context_tokens))
    if best is None:
        least = _shape(HEAD_WIDTH, 1, vocab_size, context_tokens).matmul_params
        raise LawError(
            f"{params:.3g} parameters: no shape, a vocabulary of {vocab_size:,} alone takes {least:,}; ask for more"
        )
    return best[1]


def _widths() -> Iterator[int]:
    width = HEAD_WIDTH
    while width <= MAX_WIDTH:
        yield width
        width += 128 if width < 1_024 else 256 if width < 2_048 else 512 if width < 8_192 else 1_024


def proportion(params: float) -> float:
    """Return width over layers of the ladder at a size."""
    rows = [tier.shape for tier in TIERS.values() if tier.family == "ladder"]
    sizes = [math.log(shape.matmul_params) for shape in rows]
    ratios = [math.log(shape.width / shape.num_layers) for shape in rows]
    place = math.log(params)
    if place <= sizes[0] or place >= sizes[-1]:
        return math.exp(ratios[0] if place <= sizes[0] else ratios[-1])
    right = next(number for number, size in enumerate(sizes) if size > place)
    share = (place - sizes[right - 1]) / (sizes[right] - sizes[right - 1])
    return math.exp(ratios[right - 1] + share * (ratios[right] - ratios[right - 1]))


def _shape(width: int, layers: int, vocab_size: int, context_tokens: int) -> Shape:
    step = 64 if width < 512 else 128 if width < 1_024 else 256
    return Shape(
        width=width,
        num_layers=layers,
        num_heads=width // HEAD_WIDTH,
        head_dim=HEAD_WIDTH,
        ffn_width=-(-8 * width // (3 * step)) * step,
        vocab_size=vocab_size,
        context_tokens=context_tokens,
    )


def shape_json(shape: Shape) -> dict[str, Json]:
    """Return a shape with its counts and the bytes that its cache takes a token."""
    return {
        "layers": shape.num_layers,
        "width": shape.width,
        "heads": shape.num_heads,
        "head_dim": shape.head_dim,
        "ffn_width": shape.ffn_width,
        "vocab_size": shape.vocab_size,
        "params_matmul": shape.matmul_params,
        "params_total": shape.total_params,
        "flops_per_token": shape.flops_per_token,
        "context_tokens": shape.context_tokens,
        "cache_bytes_per_token": 2 * BYTES_A_PARAM * shape.num_layers * shape.num_heads * shape.head_dim,
    }
