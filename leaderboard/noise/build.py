"""Noise packs from runs: every slice and task measured over seeds, causes, checkpoints and items."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from curation.errors import RunError, raise_faults
from curation.numerics import Floats
from leaderboard.noise.checkpoints import Point, before_decay, pooled_checkpoint_spread
from leaderboard.noise.items import log_error, pair_ratio_error
from leaderboard.noise.pack import (
    ItemFacts,
    Measure,
    NoisePack,
    PackRun,
    PartFacts,
    Provenance,
    SpreadFacts,
    scale_of,
    scaled,
    sealed,
    seed_values,
    status_of,
)
from leaderboard.noise.read_runs import Gathered, NoiseRun
from leaderboard.noise.spread import crossed, one_at_a_time, spread_of
from leaderboard.noise.task_measures import task_measures, with_checkpoints
from leaderboard.scores import ScoredRun, SliceScores, gather
from train.tiers import load_tier

BPB = "bits_per_byte"


def build_pack(gathered: Gathered, *, date: str, device: str = "") -> NoisePack:
    """Return the pack of runs of one tier on one corpus and panel.

    `date` and `device` stand where what was gathered says nothing of them; `device` also names a machine better.
    Raises: RunError that lists what keeps the runs apart.
    """
    order = sorted(range(len(gathered.runs)), key=lambda place: _place(gathered.runs[place].run))
    runs = [gathered.runs[place] for place in order]
    _refuse_unlike(runs)
    results = {order.index(place): found for place, found in gathered.results.items()}
    first = runs[0]
    tier = load_tier(first.tier)
    status, why = status_of([one.run for one in runs])
    pack = NoisePack(
        tier=first.tier,
        tier_digest=first.tier_digest,
        recipe_version=tier.recipe_version,
        tokenizer=first.tokenizer,
        context=first.context,
        evidence=tier.evidence,
        status=status,
        why=why,
        provenance=Provenance(
            device=device or gathered.device or ", ".join(sorted({one.device for one in runs})),
            date=gathered.date or date,
            software=dict(gathered.software or _software(runs)),
            corpus=first.corpus,
            panel=first.panel,
            suites={one.results.suite.name: one.results.suite.digest for found in results.values() for one in found},
            notes=gathered.notes,
        ),
        runs=tuple(one.run for one in runs),
        measures=(),
    )
    tasks = task_measures(len(runs), results)
    decay_tokens = tier.rates.decay_start * tier.batch_tokens
    measures = [*_slice_measures(runs, decay_tokens), *with_checkpoints(tasks, gathered.on_the_way, decay_tokens)]
    return sealed(pack.model_copy(update={"measures": tuple(_measured(pack, one) for one in measures)}))


def causes(runs: Sequence[PackRun], values: Sequence[float | None]) -> dict[str, PartFacts]:
    """Return the parts of the variance that noise runs tell apart; `values` are on the scale of differences."""
    known = {
        (run.noise.init, run.noise.order, run.noise.subset): value
        for run, value in zip(runs, values, strict=True)
        if run.noise is not None and value is not None and run.stable
    }
    found: dict[str, PartFacts] = {}
    table = _grid(known)
    if table is not None:
        found |= {name: PartFacts.of(part) for name, part in crossed(table).items()}
    for name, place in (("init", 0), ("order", 1), ("variable-subset", 2)):
        part = one_at_a_time(_longest_group(known, place)) if name not in found else None
        if part is not None:
            found[name] = PartFacts.of(part)
    return found


def _grid(known: Mapping[tuple[int, int, int], float]) -> Floats | None:
    """Return initialisations × orders of the subset that most runs share; None unless the table is full."""
    if not known:
        return None
    subset = Counter(key[2] for key in sorted(known)).most_common(1)[0][0]
    inits = sorted({key[0] for key in known if key[2] == subset})
    orders = sorted({key[1] for key in known if key[2] == subset})
    if len(inits) < 2 or len(orders) < 2 or any((i, o, subset) not in known for i in inits for o in orders):
        return None
    return np.array([[known[i, o, subset] for o in orders] for i in inits])


def _longest_group(known: Mapping[tuple[int, int, int], float], place: int) -> list[float]:
    """Return the values of the most runs that differ in nothing but the number at `place`."""
    groups: dict[tuple[int, ...], list[float]] = {}
    for key in sorted(known):
        groups.setdefault((*key[:place], *key[place + 1 :]), []).append(known[key])
    return max(groups.values(), key=len, default=[])


def _measured(pack: NoisePack, measure: Measure) -> Measure:
    """Return the measure with its spreads."""
    on_scale = [None if value is None else scaled([value], measure.scale)[0] for value in measure.values]
    spread = SpreadFacts.of(spread_of(seed_values(pack, measure)))
    return measure.model_copy(update={"seeds": spread, "parts": causes(pack.runs, on_scale)})


def _slice_measures(runs: Sequence[NoiseRun], decay_tokens: float) -> list[Measure]:
    names = sorted({name for one in runs for name in one.bpb})
    missing = [f"{one.where}: no score of slice {name}" for one in runs for name in names if name not in one.bpb]
    raise_faults(RunError, "noise build", missing)
    by_family = _families(runs)
    return [
        Measure(
            kind="slice",
            name=name,
            metric=BPB,
            scale=scale_of(BPB),
            values=tuple(one.bpb[name] for one in runs),
            seeds=None,
            checkpoints=SpreadFacts.of(
                pooled_checkpoint_spread([before_decay(_logs(one, name), decay_tokens) for one in runs])
            ),
            items=_families_facts(by_family[name], runs, name) if name in by_family else None,
        )
        for name in names
    ]


def _logs(run: NoiseRun, name: str) -> list[Point]:
    return [replace(point, value=math.log(point.value)) for point in run.points.get(name, ()) if point.value > 0]


def _families(runs: Sequence[NoiseRun]) -> Mapping[str, SliceScores]:
    if any(one.documents is None for one in runs):
        return {}
    scored = [
        ScoredRun(
            arm=one.run.label,
            tier=one.tier,
            seed=number,
            panel=str(one.panel),
            tokenizer=one.tokenizer,
            context=one.context,
            documents=one.documents,
        )
        for number, one in enumerate(runs)
    ]
    return gather(scored).slices


def _families_facts(one: SliceScores, runs: Sequence[NoiseRun], name: str) -> ItemFacts | None:
    """Return the error that families bring, of the first run alone and of neighbouring seeds' differences."""
    if len(one.families) < 2:
        return None
    columns = [place for place, run in enumerate(runs) if run.run.seed is not None and run.run.stable]
    table = runs[0].documents
    assert table is not None, "families come from documents"
    rows = table["slice"].to_numpy(zero_copy_only=False) == name
    nats, sizes = (table[column].to_numpy()[rows].astype(np.float64) for column in ("nats", "num_bytes"))
    return ItemFacts(
        count=one.num_docs,
        clusters=len(one.families),
        naive=log_error(nats, sizes),
        clustered=log_error(one.nats[:, 0], one.num_bytes),
        pair=pair_ratio_error(one.nats[:, columns]),
    )


def _software(runs: Sequence[NoiseRun]) -> dict[str, str]:
    """Return the versions that the runs were made with, several joined."""
    names = sorted({name for one in runs for name in one.software})
    return {name: ", ".join(sorted({one.software[name] for one in runs if name in one.software})) for name in names}


def _place(run: PackRun) -> tuple[int, int, int, int, int]:
    """Runs 1..n first, then noise runs by their numbers."""
    noise = run.noise
    return (0, run.seed or 0, 0, 0, 0) if noise is None else (1, 0, noise.subset, noise.init, noise.order)


def _refuse_unlike(runs: Sequence[NoiseRun]) -> None:
    first = runs[0]
    faults = []
    for name, rule in (("tier", 6), ("tier_digest", 6), ("tokenizer", 7), ("context", 6), ("panel", 1), ("corpus", 9)):
        wanted = getattr(first, name)
        faults += [
            f"{one.where}: {name} {str(getattr(one, name))[:24]}, the first run has {str(wanted)[:24]} (rule {rule})"
            for one in runs[1:]
            if getattr(one, name) != wanted
        ]
    labels = [one.run.label for one in runs]
    faults += [
        f"{one.where}: {one.run.label} is given twice" for n, one in enumerate(runs) if one.run.label in labels[:n]
    ]
    raise_faults(RunError, "noise build: a pack is of one tier, corpus and panel", faults)
