"""Supply: the unique tokens a tier can draw from a corpus, the epochs that its budget makes of them, and the refusal.

A tier trains on unique text unless the study (`epochs: 3`) or the command (`--epochs 3`) declares repeats; without it
at most 1 epoch is allowed, of the whole and of every slice that is drawn; a recipe's `max_epochs` declares repeats of
its slices up to that, and none beyond. Budgets are whole batches and slices whole
windows, so `TOLERANCE` more, one batch more, and one window more of a slice count as rounding. A
declaration permits; it changes no result and is part of no identity. More than `MAX_EPOCHS` are flagged (rule 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from curation.errors import RunError
from curation.files import Json
from curation.nodes import Node, Planner
from curation.store import Artifact
from mixtures.repeats import MAX_EPOCHS, repeat_warnings
from train.drawing import Mixture, corpus_mixture, course_of, streams_mixture
from train.shards import explicit_slices, windows_in
from train.tier_names import MAX_DECIMALS, number_text
from train.tiers import Tier

DEFAULT_EPOCHS = 1.0
TOLERANCE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSupply:
    """What a run of a tier draws from one slice, by the schedule's share."""

    name: str
    unique_tokens: int
    windows: int
    drawn_windows: float
    max_epochs: float | None = None
    """The recipe's own cap, which permits repeats up to it and no more."""

    @property
    def epochs(self) -> float:
        """How often the slice's windows are read."""
        return self.drawn_windows / self.windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What a corpus has for a tier."""

    corpus: str
    tier: Tier
    slices: tuple[SliceSupply, ...]
    """Those that are drawn."""
    too_short: Mapping[str, int]
    """Slices with a share of the schedule but without a whole window: their tokens."""
    explicit: frozenset[str]
    """Slices to which the recipe gives a weight of their own."""
    settled_tokens: int | None = None
    """Budget that caps and phases were settled for; None where shares hold for every budget."""

    @property
    def unique_tokens(self) -> int:
        """Tokens of all slices that are drawn, EOS included."""
        return sum(item.unique_tokens for item in self.slices)

    @property
    def epochs(self) -> float:
        """Tokens seen over unique tokens; infinite when there are none."""
        return self.tier.num_tokens / self.unique_tokens if self.slices else math.inf

    @property
    def worst(self) -> SliceSupply | None:
        """The slice that is repeated most, ties by name."""
        return max(self.slices, key=lambda item: (item.epochs, item.name), default=None)


def supply_of(tokens: Artifact, tier: Tier, shares: Mapping[str, float] | None = None) -> Supply:
    """Return what the streams of a tokens artifact have for a tier; only the manifest is read.

    `shares` of tokens stand for those of the recipe (`train.mixed`), each a weight that somebody gave.
    """
    summary = cast("Mapping[str, Any]", tokens.summary)
    held = {name: int(item["stream_tokens"]) for name, item in summary["slices"].items()}
    corpus = str(cast("Mapping[str, Any]", tokens.manifest["inputs"]).get("corpus", ""))[:8]
    if shares is not None:
        explicit = sorted(name for name, share in shares.items() if share > 0)
        return supply(f"corpus-{corpus}", tier, held=held, shares=shares, explicit=explicit)
    return supply(
        f"corpus-{corpus}",
        tier,
        held=held,
        shares=summary["token_shares"],
        explicit=summary["explicit_slices"],
        mixture=streams_mixture(tokens),
    )


def estimated_supply(corpus: Artifact, tier: Tier) -> Supply:
    """Return the supply before a corpus is tokenized, by the counts of its recipe's tokenizer."""
    entries = cast("list[Mapping[str, Any]]", corpus.summary["schedule"])
    return supply(
        f"{corpus.path.name}, about, by the recipe's tokenizer",
        tier,
        held={str(entry["slice"]): int(entry["tokens"]) + int(entry["docs"]) for entry in entries},
        shares={str(entry["slice"]): float(entry["token_share"]) for entry in entries},
        explicit=explicit_slices(corpus),
        mixture=corpus_mixture(corpus),
    )


def planned_supply(
    planner: Planner, tokens_of: Node, corpus: Artifact, tier: Tier, *, epochs: float, step: str = "supply"
) -> dict[str, Json]:
    """Return a plan's line on the supply of a run: by its token streams or, before they exist, by the corpus."""
    tokens = planner.store.find("tokens", tokens_of.fingerprint)
    found = supply_of(tokens, tier) if tokens else estimated_supply(corpus, tier)
    problem = shortage(found, epochs)
    told = f"{found.corpus}: {found.unique_tokens:,} unique tokens, {found.epochs:.2f} epochs"
    told = "; ".join([told, *(f"warning: {text}" for text in repeats_told(found))])
    return {"step": step, "action": "refuse" if problem else "accept", "why": problem or told}


def supply(
    corpus: str,
    tier: Tier,
    *,
    held: Mapping[str, int],
    shares: Mapping[str, float],
    explicit: list[str],
    mixture: Mixture | None = None,
) -> Supply:
    """Return the supply of slices that hold so many tokens and are drawn with these shares, or as `mixture` says.

    Raises: RecipeError for a mixture whose caps and budgets cannot be met in this tier.
    """
    window_tokens = tier.shape.context_tokens
    wanted = {name: shares[name] for name in sorted(shares) if shares[name] > 0}
    windows = {name: windows_in(held.get(name, 0), window_tokens) for name in wanted}
    drawn = {name: share for name, share in wanted.items() if windows[name] > 0}
    total, count = sum(drawn.values()), tier.num_steps * tier.batch_rows
    rows = {name: count * share / total for name, share in drawn.items()}
    caps: Mapping[str, float] = {}
    settled = None
    if mixture is not None and drawn:
        course = course_of(mixture, tier, windows)
        rows, caps, settled = course.windows(count), course.max_epochs, course.draws * window_tokens
    return Supply(
        corpus=corpus,
        tier=tier,
        slices=tuple(
            SliceSupply(
                name=name,
                unique_tokens=held[name],
                windows=windows[name],
                drawn_windows=rows[name],
                max_epochs=caps.get(name),
            )
            for name in sorted(rows)
            if rows[name] > 0
        ),
        too_short={name: held.get(name, 0) for name in sorted({*wanted, *explicit}) if not windows.get(name)},
        explicit=frozenset(explicit),
        settled_tokens=settled,
    )


def repeats_told(found: Supply) -> list[str]:
    """Return what the data-constrained law says against reading these slices so often (`mixtures.repeats`)."""
    size = found.tier.shape.context_tokens
    seen = {item.name: item.drawn_windows * size for item in found.slices}
    return repeat_warnings(seen, {item.name: float(item.windows * size) for item in found.slices})


def shortage(found: Supply, epochs: float = DEFAULT_EPOCHS) -> str:
    """Return why the run cannot be had from this corpus with at most so many epochs; empty when it can."""
    tier, window_tokens = found.tier, found.tier.shape.context_tokens
    empty = sorted(found.explicit & found.too_short.keys())
    if empty:
        told = ", ".join(f"`{name}` ({found.too_short[name]:,} tokens)" for name in empty)
        return (
            f"{found.corpus}: the mixture gives a weight to {told}, too short for one window of {window_tokens:,} "
            "tokens and one more; expected text to draw; give the slice weight 0, or more text"
        )
    if found.worst is None:
        return (
            f"{found.corpus}: no slice holds a window of {window_tokens:,} tokens and one more; expected at least one; "
            "loosen the recipe's filters, or use a larger pool"
        )
    over = _over_caps(found)
    if over:
        return over
    free = [item for item in found.slices if item.max_epochs is None]
    bound = epochs * (1 + TOLERANCE)
    enough = tier.num_tokens <= bound * found.unique_tokens + tier.batch_tokens or len(free) < len(found.slices)
    batch = 1 / tier.num_steps
    short = [item for item in free if item.drawn_windows * (1 - batch) > bound * (item.windows + 1)]
    return "" if enough and not short else _short_text(found, found.worst, epochs)


def _over_caps(found: Supply) -> str:
    """Return which of the recipe's own caps the run passes: it is longer than what they were settled for."""
    batch = 1 / found.tier.num_steps
    for item in found.slices:
        cap = item.max_epochs
        if cap is None or item.drawn_windows * (1 - batch) <= cap * (1 + TOLERANCE) * (item.windows + 1):
            continue
        tier = found.tier
        return (
            f"{found.corpus}: tier {tier.name} reads slice `{item.name}` {item.epochs:.2f} times, the recipe caps it "
            f"at {cap:g} epochs, settled for {found.settled_tokens or 0:,} tokens; expected a budget up to that; set "
            f"`mix.budget: {number_text(tier.multiple)}` to settle caps for {tier.num_tokens:,} tokens, choose a "
            "smaller budget, or raise `max_epochs`"
        )
    return ""


def _short_text(found: Supply, worst: SliceSupply, epochs: float) -> str:
    tier, most = found.tier, max(found.epochs, worst.epochs)
    declared = math.ceil(most)
    flagged = f" (more than {MAX_EPOCHS:g} will be flagged)" if declared > MAX_EPOCHS else ""
    multiple = _rounded_down(tier.multiple * epochs / most)
    smaller = f"choose a smaller budget such as {tier.model}-{number_text(multiple)}x, " if multiple else ""
    return (
        f"{found.corpus}: {found.unique_tokens:,} unique tokens, tier {tier.name} needs {tier.num_tokens:,}: "
        f"{found.epochs:.2f} epochs, and {worst.epochs:.2f} of slice `{worst.name}` ({worst.unique_tokens:,} tokens); "
        f"expected at most {epochs:g}; declare `epochs: {declared}` in the study, or --epochs {declared}{flagged}, "
        f"{smaller}or add data"
    )


def _rounded_down(multiple: float) -> float:
    """Return the multiple with one digit that counts, not more than it was; 0 if a name cannot say it."""
    place = math.floor(math.log10(multiple))
    unit = 10.0**place
    return round(math.floor(multiple / unit + 1e-9) * unit, MAX_DECIMALS) if place >= -MAX_DECIMALS else 0.0


def refuse_shortage(found: Supply, epochs: float = DEFAULT_EPOCHS) -> None:
    """Raise RunError when the run would repeat text more often than declared."""
    problem = shortage(found, epochs)
    if problem:
        raise RunError(problem)


def epochs_flag(epochs: float, by_slice: Mapping[str, float]) -> str:
    """Return what a run says of more than `MAX_EPOCHS` epochs, overall or of a slice; empty when nothing."""
    slices = {name: value for name, value in sorted(by_slice.items()) if value > MAX_EPOCHS}
    if epochs <= MAX_EPOCHS and not slices:
        return ""
    told = "".join(f", {value:.2f} of slice `{name}`" for name, value in slices.items())
    return f"{epochs:.2f} epochs{told}: more than {MAX_EPOCHS:g}, repeats are worth less than new text (rule 4)"
