"""What a study's tiers take and what they can see: hours, bytes on disk, smallest detectable effect. Nothing is run.

CPU-hours are of laptop tiers: at the speed of this store's own finished runs of the model, else the documented rate
(`train.cpu_plan`). GPU-hours are of all others on one kind of card, at the utilisation measured on it for the tier
nearest in size, or assumed (`leaderboard.planning.costs`). A longer budget of a model goes on from the plateau of the
next shorter one and is paid for from there. The effect is the true difference in ln bits per byte that two arms' seeds
find with a power of 80 % at 5 % two-sided, as `curate compare` judges; families of the panel come on top.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from curation.errors import CurateError
from curation.files import Json
from curation.store import Artifact, Store
from leaderboard.studies.verdict import is_laptop_tier
from train.branches import branch_step
from train.cpu_plan import speed_source, tokens_a_cpu_second
from train.run_clock import timing_path
from train.tiers import Tier, load_tier, tier_digest

if TYPE_CHECKING:
    from leaderboard.noise.pack import NoisePack

CARD = "h200"
MAX_RUNS_READ = 500
"""Manifests of a store that are looked at for speeds."""
BYTES_A_PARAM_STATE = 12
"""Weights and two moments in float32: a checkpoint, a plateau."""
BYTES_A_PARAM_MODEL = 4
CHECKPOINTS_AT_ONCE = 3
"""Two kept and the one being written (`train.checkpoints`)."""
DETAILED_SCORES_BYTES = 1_000_000
"""About what a run keeps beside its weights: document scores and log. Source: ours, pico and nano runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Tokens a second of one core, or the hours of a card, and where the number is from."""

    device: str
    tokens_per_second: float | None
    hours_a_token: float
    mfu: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What the seeds of a tier can see."""

    share: float | None
    """Smallest detectable effect, as a share of bits per byte; None when noise was never measured."""
    sigma: float | None
    pack: str
    why: str
    """Why there is none; empty when there is."""
    mend: str
    """The command that measures it; empty when there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a store has measured: read once a plan."""

    packs: Sequence[tuple[Path, NoisePack]]
    rates: Mapping[str, float]
    """Median tokens a second and core of finished runs, by model."""


def known_of(store: Store) -> Known:
    """Return the noise packs and the speeds that a store has; unfinished and resumed runs say nothing of speed."""
    from leaderboard.noise.find import known_packs

    rates: dict[str, list[float]] = {}
    for path in sorted(store.root.glob("run-*/manifest.json"))[:MAX_RUNS_READ]:
        try:
            manifest = json.loads(path.read_bytes())
            tier = load_tier(str(manifest["summary"]["tier"]))
            timing = json.loads(timing_path(store.root, str(manifest["fingerprint"])).read_bytes())
            seconds = float(timing["seconds"]["train"])
        except (OSError, ValueError, KeyError, TypeError, CurateError):
            continue
        if seconds > 0 and not timing.get("history") and not tier.variant:
            rates.setdefault(tier.model, []).append(tier.num_tokens / seconds / tier.threads)
    return Known(packs=known_packs(store.root), rates={model: median(own) for model, own in rates.items()})


def speed_of(tier: Tier, known: Known) -> Speed:
    """Return how fast a tier trains, and on what."""
    if is_laptop_tier(tier.name):
        own = known.rates.get(tier.model)
        rate = own or tokens_a_cpu_second(tier)
        told = "measured on this store's own runs" if own else speed_source(tier)
        return Speed(device="cpu", tokens_per_second=rate, hours_a_token=1 / rate / 3_600, mfu=None, source=told)
    from leaderboard.planning.costs import card_hours

    found = card_hours(tier.num_flops, tier.shape.matmul_params, CARD)
    return Speed(
        device=CARD,
        tokens_per_second=tier.num_tokens / found.hours / 3_600,
        hours_a_token=found.hours / tier.num_tokens,
        mfu=found.mfu,
        source=found.source,
    )


def tokens_to_train(tier: Tier, study_tiers: Collection[str]) -> int:
    """Return the tokens of one run, those aside that a shorter budget of the study leaves as a plateau."""
    if tier.schedule != "wsd":
        return tier.num_tokens
    shorter = [
        other
        for other in map(load_tier, study_tiers)
        if (other.model, other.lr_multiplier) == (tier.model, tier.lr_multiplier) and other.multiple < tier.multiple
    ]
    steps = max((branch_step(other) for other in shorter), default=0)
    return (tier.num_steps - min(steps, tier.num_steps)) * tier.batch_tokens


def effect_of(tier: Tier, num_seeds: int, slices: Collection[str], known: Known) -> Effect:
    """Return the smallest effect that `num_seeds` seeds an arm find on the mean over `slices`, by the known noise."""
    from leaderboard.noise.find import Setting, by_rank, headline_values, why_not
    from leaderboard.noise.power import detectable, noise_of
    from leaderboard.noise.spread import spread_of

    digest, context = tier_digest(tier), tier.eval_context_tokens
    setting = Setting(tier=tier.name, tier_digest=digest, tokenizer=tier.tokenizer, context=context)
    told = f"run noise of {tier.name} was never measured: no noise pack of 8 seeds"
    for path, pack in by_rank([one for one in known.packs if one[1].tier == tier.name]):
        lacking = [name for name in sorted(slices) if pack.measure("slice", name, "bits_per_byte") is None]
        faults = why_not(pack, setting) + ([f"it does not measure {', '.join(lacking)}"] if lacking else [])
        measured = [one.name for one in pack.measures if one.kind == "slice" and one.metric == "bits_per_byte"]
        spread = spread_of(headline_values(pack, sorted(slices) or measured))
        if faults or spread is None:
            told = f"noise pack {path.name} of {tier.name} is not used: {'; '.join(faults) or 'too few runs'}"
            continue
        share = detectable(noise_of(spread), num_seeds, two_sided=True)
        return Effect(share=share, sigma=spread.sigma, pack=path.name, why="", mend="")
    return Effect(share=None, sigma=None, pack="", why=told, mend=noise_command(tier.name))


def noise_command(tier: str, corpus: str = "CORPUS") -> str:
    """Return the commands that measure a tier's noise."""
    return f"curate noise train {corpus} --tier {tier} && curate noise build --tier {tier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes that a study takes, what the store already holds included."""

    corpora: int
    tokens: int
    runs: int
    checkpoints: int
    """Of all runs in flight at the worst moment, and plateaus that longer budgets start from."""

    @property
    def total(self) -> int:
        """All together."""
        return self.corpora + self.tokens + self.runs + self.checkpoints

    def as_json(self) -> dict[str, Json]:
        """Return the parts with their sum."""
        return {
            "corpora": self.corpora,
            "tokens": self.tokens,
            "runs": self.runs,
            "checkpoints": self.checkpoints,
            "total": self.total,
        }


def run_bytes(tier: Tier) -> int:
    """Return about what a finished run keeps."""
    return BYTES_A_PARAM_MODEL * tier.shape.total_params + DETAILED_SCORES_BYTES


def checkpoint_bytes(tiers: Mapping[str, int], workers: int) -> int:
    """Return the most that checkpoints take: `workers` runs of the largest tier, and plateaus that are shared.

    `tiers` are names with the number of their runs.
    """
    loaded = {name: load_tier(name) for name in tiers}
    states = {name: BYTES_A_PARAM_STATE * tier.shape.total_params for name, tier in loaded.items()}
    flying = max((CHECKPOINTS_AT_ONCE * states[name] * min(workers, count) for name, count in tiers.items()), default=0)
    kept = sum(states[name] * count for name, count in tiers.items() if _has_longer(loaded[name], loaded.values()))
    return flying + kept


def _has_longer(tier: Tier, others: Collection[Tier]) -> bool:
    return any(
        (other.model, other.lr_multiplier) == (tier.model, tier.lr_multiplier) and other.multiple > tier.multiple
        for other in others
    )


def artifact_bytes(artifact: Artifact) -> int:
    """Return the bytes of an artifact's files, as its manifest says."""
    files: Sequence[Mapping[str, Any]] = artifact.manifest.get("files", [])  # type: ignore[assignment]
    return sum(int(one["bytes"]) for one in files)
