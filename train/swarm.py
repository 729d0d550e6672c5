"""A swarm: many small runs on one corpus that differ in their mixture alone, and the table of what they gave.

The corpus is built and tokenized once; a run has its shares in its fingerprint (`train.mixed`). Runs are artifacts, so
a killed swarm goes on where it stopped, and a larger one trains only what it adds. Every mixture has the same seeds, so
runs pair by initialisation; the order of data follows the mixture.

Table: one row a run; `mixture` from 1, `seed`, `run` (fingerprint), `tier`, `N` (matmul parameters), `D` (tokens seen),
`weight_<slice>` (shares of bytes, sum 1), `bpb_<slice>` (bits per byte of the panel). `curate mix fit` reads it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from curation.errors import LawError, RunError
from curation.files import Json, digest_json, write_text
from curation.nodes import Node, NodeRun, Planner, existing_node
from curation.store import Artifact
from mixtures.designs import Design
from mixtures.weights import token_shares
from train.many_runs import Wanted, train_runs
from train.mix_corpus import Held, SharedText, held_by
from train.mixed import Mixed, byte_shares_of
from train.supply import TOLERANCE, Supply, shortage, supply
from train.tiers import Tier

VERSION = "swarm@1"
TABLE = "table.csv"
WEIGHT, LOSS = "weight_", "bpb_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """What is trained: every mixture with every seed."""

    tier: Tier
    mixtures: tuple[Mapping[str, float], ...]
    seeds: tuple[int, ...]

    @property
    def wanted(self) -> list[Wanted]:
        """The runs, all seeds of a mixture together."""
        return [
            Wanted(tier=self.tier.name, seed=seed, mixed=Mixed(weights=byte_shares_of(mixture)))
            for mixture in self.mixtures
            for seed in self.seeds
        ]

    @property
    def rows(self) -> list[tuple[int, int]]:
        """Mixture, from 1, and seed of each run."""
        return [(number + 1, seed) for number in range(len(self.mixtures)) for seed in self.seeds]


def methods_needs(num_slices: int) -> dict[str, int]:
    """Return how many mixtures each method of `curate mix fit` needs at least, fewest first."""
    from mixtures.laws.methods import METHODS

    needs = {name: method.min_rows(num_slices) for name, method in METHODS.items()}
    return dict(sorted(needs.items(), key=lambda item: (item[1], item[0])))


def refuse_too_few(runs: int, num_slices: int) -> None:
    """Raise LawError if no method could be fitted to so many mixtures."""
    needs = methods_needs(num_slices)
    if runs < min(needs.values()):
        told = ", ".join(f"{name} {count}" for name, count in needs.items())
        raise LawError(
            f"--runs: {runs} mixtures of {num_slices} slices, too few for any law; expected at least "
            f"{min(needs.values())}: {told}; raise --runs, or mix fewer slices with --slices"
        )


def refuse_repeats(held: Held, swarm: Swarm, epochs: float) -> None:
    """Raise RunError that names the slices which some mixture reads more often than `epochs` times."""
    worst: dict[str, tuple[float, int]] = {}
    short = 0
    for number, mixture in enumerate(swarm.mixtures, 1):
        found = _supply(held, swarm.tier, mixture)
        if not shortage(found, epochs):
            continue
        short += 1
        for item in found.slices:
            if item.epochs > max(epochs * (1 + TOLERANCE), worst.get(item.name, (0.0, 0))[0]):
                worst[item.name] = (item.epochs, number)
    if not short:
        return
    told = [
        f"slice `{name}` holds {held.counts[name].stream_tokens:,} tokens, mixture {number} reads it {times:.2f} times"
        for name, (times, number) in sorted(worst.items())
    ]
    most = max((times for times, _ in worst.values()), default=epochs)
    raise RunError(
        f"{held.where}: {short} of {len(swarm.mixtures)} mixtures at {swarm.tier.name} ({swarm.tier.num_tokens:,} "
        f"tokens) repeat text: {'; '.join(told) or 'all slices together are too small'}; expected at most {epochs:g}; "
        f"permit it with --max-epochs {math.ceil(most)}, choose a smaller budget, a larger --concentration, or leave "
        "slices out with --slices"
    )


def _supply(held: Held, tier: Tier, mixture: Mapping[str, float]) -> Supply:
    wanted = dict(byte_shares_of(mixture))
    return supply(
        held.where,
        tier,
        held={name: count.stream_tokens for name, count in held.counts.items()},
        shares=token_shares(wanted, held.counts, held.where),
        explicit=sorted(wanted),
    )


def train_swarm(
    planner: Planner, text: SharedText, swarm: Swarm, design: Design, *, workers: int, epochs: float
) -> Artifact:
    """Return the swarm's artifact, with its table; runs that the store lacks are trained, `workers` at a time.

    Raises: RunError as `refuse_repeats` and `train_runs`.
    """
    refuse_repeats(held_by(text.corpus, text.streams), swarm, epochs)
    runs = train_runs(planner, text.corpus, text.panel, swarm.wanted, jobs=workers, epochs=epochs)
    return planner.materialise(_swarm_node(runs, swarm, design))


def run_nodes(text: SharedText, swarm: Swarm) -> list[Node]:
    """Return the node of each run, in the order of the table."""
    tokens, panel = existing_node(text.streams), existing_node(text.panel)
    return [one.node(tokens, panel) for one in swarm.wanted]


def table_rows(runs: Sequence[Artifact], swarm: Swarm) -> list[dict[str, Json]]:
    """Return the rows of the table, one a run."""
    rows: list[dict[str, Json]] = []
    for (number, seed), run in zip(swarm.rows, runs, strict=True):
        losses = cast("Mapping[str, float]", run.summary["bpb"])
        rows.append(
            {
                "mixture": number,
                "seed": seed,
                "run": run.fingerprint[:16],
                "tier": swarm.tier.name,
                "N": swarm.tier.shape.matmul_params,
                "D": swarm.tier.num_tokens,
                **{f"{WEIGHT}{name}": weight for name, weight in sorted(swarm.mixtures[number - 1].items())},
                **{f"{LOSS}{name}": losses[name] for name in sorted(losses)},
            }
        )
    return rows


def _swarm_node(runs: Sequence[Artifact], swarm: Swarm, design: Design) -> Node:
    def run(context: NodeRun) -> Mapping[str, Json]:
        rows = table_rows(runs, swarm)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(context.out.path / TABLE, text.getvalue())
        return {"tier": swarm.tier.name, "runs": len(rows), "mixtures": len(swarm.mixtures), "table": TABLE}

    return Node(
        kind="swarm",
        version=VERSION,
        params={
            "design": {"kind": design.kind, "concentration": design.concentration, "seed": design.seed},
            "mixtures": digest_json([dict(mixture) for mixture in swarm.mixtures]),
        },
        inputs={f"run-{number:05d}": existing_node(run) for number, run in enumerate(runs, 1)},
        run=run,
        label="swarm",
    )
