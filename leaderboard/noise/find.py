"""Which noise pack belongs to a comparison, and the priors it gives; or why there is none (rule 9).

A pack fits when tier, recipe version, tier digest, tokenizer, evaluation context and the slices of the headline do; a
panel of other documents may stand behind the same slices. Runs that are compared do not count twice: a pack that holds
them gives its prior from the others. Where the compared runs scatter by more than 1.5 times the upper 80 % bound of
the pack's sigma, the prior is too low for them and dropped; five seeds an arm then have to do without it.
Packs lie in `leaderboard/data/noise` (shipped) and in `noise/` of the store (`curate noise build`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from curation.numerics import NoisePrior, pooled_variance
from leaderboard.compare_arms import HEADLINE, headline_slices
from leaderboard.comparison.paired import columns_by_arm
from leaderboard.noise.pack import NoisePack, Status, seed_values
from leaderboard.noise.pack_files import read_pack
from leaderboard.noise.spread import Spread, cautious_sigma, prior_of, spread_of
from leaderboard.scores import ScoredRun, TierScores
from train.tiers import load_tier

MAX_EXCESS = 1.5
SEEDS_WITHOUT = 5
"""Seeds an arm that decide without a prior. Source: training reference 4.2."""
RANK: Mapping[Status, int] = {"measured": 0, "unstable": 1, "preliminary": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of the run noise of a comparison."""

    priors: Mapping[str, NoisePrior] = field(default_factory=dict)
    """By slice, and of the headline under `HEADLINE`; empty when no pack fits."""
    dropped: frozenset[str] = frozenset()
    """What was measured, but too low for these runs, which have the five seeds an arm that decide without it."""
    reason: str = ""
    """Why nothing may be decided by it; empty when it may."""
    note: str = ""
    """Which pack was used, with its numbers."""
    pack: str = ""
    """Digest of the pack; empty when none fits."""
    headline: NoisePrior | None = None
    """Measured noise of the headline, also where it is dropped; None when no pack fits."""
    cautious: float | None = None
    """The upper 80 % bound of its sigma, which gates take as prior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What runs have in common that a pack must share; what is not known is empty."""

    tier: str
    tier_digest: str
    tokenizer: str
    context: int


def shipped_folder() -> Path:
    """Return the folder of the packs that the project ships."""
    return Path(__file__).resolve().parent.parent / "data" / "noise"


def known_packs(store_root: Path | None = None) -> list[tuple[Path, NoisePack]]:
    """Return all packs that are shipped and of a store, by path.

    Raises: RunError for a damaged one: a measurement is never skipped silently.
    """
    folders = [shipped_folder(), *([] if store_root is None else [store_root / "noise"])]
    return [(path, read_pack(path)) for folder in folders for path in sorted(folder.glob("*.json"))]


def noise_for(
    runs: Sequence[ScoredRun],
    scores: TierScores,
    packs: Sequence[tuple[Path, NoisePack]],
    selected_for: frozenset[str] = frozenset(),
) -> Found:
    """Return the priors of a comparison of `runs`, gathered as `scores`, from the best pack that fits."""
    names, _ = headline_slices(scores, selected_for)
    of_tier = [(path, pack) for path, pack in packs if pack.tier == runs[0].tier]
    if not of_tier:
        return Found(reason=f"run noise of {runs[0].tier} was never measured: no noise pack of 8 seeds")
    fits = [(path, pack, "; ".join(_unfit(pack, runs[0], names))) for path, pack in by_rank(of_tier)]
    path, pack, why = next((one for one in fits if not one[2]), fits[0])
    if why:
        return Found(reason=f"noise pack {path.name} of {runs[0].tier} is not used: {why}")
    return _priors(pack, path.name, runs, scores, names)


def by_rank(packs: Sequence[tuple[Path, NoisePack]]) -> list[tuple[Path, NoisePack]]:
    """Return packs of one tier, the first to be tried first: measured ones, of many runs."""
    return sorted(packs, key=lambda one: (RANK[one[1].status], -len(one[1].runs), one[1].digest))


def why_not(pack: NoisePack, setting: Setting) -> list[str]:
    """Return why a pack is no measurement of the noise of runs of `setting`; empty when it is."""
    version = load_tier(setting.tier).recipe_version
    told = [f"it is {pack.status}, {'; '.join(pack.why)}"] if pack.status != "measured" else []
    if pack.recipe_version != version:
        told.append(f"recipe version {pack.recipe_version}, the tier's is {version}")
    elif pack.tier_digest and setting.tier_digest and pack.tier_digest != setting.tier_digest:
        told.append("another tier of the same name")
    if pack.tokenizer != setting.tokenizer:
        told.append(f"tokenizer {pack.tokenizer}, the runs have {setting.tokenizer or 'an unknown one'} (rule 7)")
    if pack.context != setting.context:
        told.append(f"evaluation context {pack.context}, the runs have {setting.context} (rule 6)")
    return told


def louder(where: str, fewest: int) -> str:
    """Return why runs that scatter more than a pack decide nothing; empty with five seeds an arm."""
    if fewest >= SEEDS_WITHOUT:
        return ""
    return (
        f"these runs scatter more than {MAX_EXCESS:g} times the noise of {where}: without a prior each arm needs "
        f"{SEEDS_WITHOUT} seeds, one has {fewest}"
    )


def _unfit(pack: NoisePack, run: ScoredRun, slices: Sequence[str]) -> list[str]:
    setting = Setting(tier=run.tier, tier_digest=run.tier_digest, tokenizer=run.tokenizer, context=run.context)
    lacking = [name for name in slices if pack.measure("slice", name, "bits_per_byte") is None]
    return why_not(pack, setting) + ([f"it does not measure {', '.join(lacking)}"] if lacking else [])


def headline_values(pack: NoisePack, slices: Sequence[str], without: frozenset[str] = frozenset()) -> list[float]:
    """Return the mean over slices of the log bits per byte of each run 1..n: what a headline scatters by."""
    found = [pack.measure("slice", name, "bits_per_byte") for name in slices]
    columns = [seed_values(pack, one, without) for one in found if one is not None]
    return [] if not columns else [float(np.mean(row)) for row in zip(*columns, strict=True)]


def _priors(pack: NoisePack, name: str, runs: Sequence[ScoredRun], scores: TierScores, slices: Sequence[str]) -> Found:
    compared = frozenset(run.fingerprint for run in runs if run.fingerprint)
    shared = sum(run.fingerprint in compared for run in pack.runs)
    spreads: dict[str, Spread] = {}
    for one in scores.slices:
        measure = pack.measure("slice", one, "bits_per_byte")
        spread = spread_of(seed_values(pack, measure, compared)) if measure else None
        if spread is not None:
            spreads[one] = spread
    head = spread_of(headline_values(pack, slices, compared))
    if head is None:
        return Found(
            reason=f"noise pack {name} is not used: fewer than two of its runs are not compared here themselves"
        )
    spreads[HEADLINE] = head
    values = {one: np.log(scores.slices[one].bpb) for one in spreads if one != HEADLINE}
    values[HEADLINE] = np.mean([np.log(scores.slices[one].bpb) for one in slices], axis=0)
    columns = columns_by_arm([arm for arm, _ in scores.runs]).values()
    too_low = {
        one for one, spread in spreads.items() if exceeds(spread, [values[one][own].tolist() for own in columns])
    }
    priors = {one: prior_of(spread) for one, spread in spreads.items() if one not in too_low}
    fewest = min(map(len, columns))
    note = (
        f"run noise from {name}: sigma {head.sigma:.2%} of the headline ({head.low:.2%} to {head.high:.2%}), "
        f"{len(pack.ordinary)} seeds" + (f", {shared} of them compared here and left out" if shared else "")
    )
    unmeasured = [one for one in scores.slices if pack.measure("slice", one, "bits_per_byte") is None]
    if unmeasured:
        note += f"; it measures no noise of {', '.join(unmeasured)}"
    if too_low:
        note += f"; dropped, too low for these runs: {', '.join(sorted(too_low))}"
    reason = louder(name, fewest) if HEADLINE in too_low else ""
    dropped = frozenset(too_low) if not louder(name, fewest) else frozenset[str]()
    return Found(
        priors=priors,
        dropped=dropped,
        reason=reason,
        note=note,
        pack=pack.digest,
        headline=prior_of(head),
        cautious=cautious_sigma(head),
    )


def exceeds(spread: Spread, groups: Sequence[Sequence[float]]) -> bool:
    """Whether runs scatter around their arms' means by more than 1.5 times the upper 80 % bound of `spread`."""
    own = pooled_variance(groups)
    return own is not None and own.value > (MAX_EXCESS * cautious_sigma(spread)) ** 2
