"""How often the gates are wrong: worlds without an effect and with one, judged by the gates' own functions.

Worlds are those of `gates_worlds.py`. The arm is looked at with 2, 3 and 5 seeds: it passes at the first look at which
all conditions of a gate that are about numbers pass, and is given up at the first that fails.

Usage: python benchmarks/gates_simulation.py [--worlds 10000] [--quick]
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gates_worlds import (
    FAMILIES,
    FAMILY_SIGMA,
    LOOKS,
    LOSS,
    PACK,
    SLICES,
    TIERS,
    Scale,
    Setting,
    case_of,
    effect_of,
    paired_of,
    scale_of,
    tier_evidence,
)

from curation.randomness import generator
from leaderboard.gates.case import Case
from leaderboard.gates.definition import CHECKS, Gates, load_gates
from leaderboard.gates.evidence import Cited, Peer, Runs, TierEvidence
from leaderboard.noise.spread import cautious_sigma, prior_of, spread_from
from leaderboard.studies.decision_facts import Confirmation, HalfDelta, NoiseUsed

SEED = 2
"""Of all worlds; fresh: everything was decided before any world of this seed was drawn."""
NUMBERS = (
    "average-gain",
    "quality-gain",
    "screening",
    "severe-regression",
    "same-sign",
    "rank-stability",
    "effect-beats-noise",
    "quality-beats-noise",
    "candidates",
    "held-out-half",
    "target-regression",
)
"""Conditions that are about numbers of runs and panel; the others ask for records that exist or not."""
BY_SLICE = frozenset(("severe-regression", "target-regression"))
"""Those of them that read single slices."""


def states(gates: Gates, gate: str, case: Case, only: Sequence[str]) -> list[str]:
    """Return what the named conditions of a gate say."""
    chosen = [one for one in gates.gates[gate].conditions if one.name in only]
    found: list[str] = []
    for one in chosen:
        found.append(CHECKS[one.check].judge(case, one.limits).state)
        if found[-1] == "fail":
            break
    return found


def first_pass(gates: Gates, gate: str, setting: Setting, rng: np.random.Generator, only: Sequence[str]) -> int:
    """Return the seeds of the look at which a world passes; 0 when it never does.

    Slices take most of the time: they are judged where all other conditions pass, at that look and those before it.
    """
    scales = [scale_of(setting, tier, rng) for tier in (TIERS if len(only) > 1 else TIERS[-1:])]
    without = [name for name in only if name not in BY_SLICE]
    with_slices = [name for name in only if name in BY_SLICE]
    for place, num in enumerate(LOOKS):
        found = at_look(gates, gate, (setting, scales, num), without)
        if "fail" in found:
            return 0
        if all(state == "pass" for state in found):
            for earlier in LOOKS[:place]:
                if with_slices and "fail" in at_look(gates, gate, (setting, scales, earlier), with_slices):
                    return 0
            slices = at_look(gates, gate, (setting, scales, num), with_slices) if with_slices else []
            if "fail" in slices:
                return 0
            if all(state == "pass" for state in slices):
                return int(num)
    return 0


def at_look(gates: Gates, gate: str, world: tuple[Setting, list[Scale], int], only: Sequence[str]) -> list[str]:
    """Return what the named conditions say of a world with so many seeds."""
    setting, scales, num = world
    by_slice = bool(BY_SLICE & set(only))
    tiers = [
        tier_evidence(one, num, protected=setting.protected, by_slice=by_slice, controls=len(only) > 1)
        for one in scales
    ]
    return states(gates, gate, case_of(gates, tiers), only)


def share_passed(
    gates: Gates, gate: str, setting: Setting, worlds: int, only: Sequence[str], *, seed: int = SEED
) -> float:
    """Return the share of worlds that pass a gate's numbers at any look."""
    rng = generator(seed, "gates", gate, str(setting), ",".join(only))
    return sum(first_pass(gates, gate, setting, rng, only) > 0 for _ in range(worlds)) / worlds


def coverage(setting: Setting, num: int, worlds: int) -> float:
    """Return the share of 95 % intervals of the headline, as gates read them, that hold the true gain."""
    rng = generator(SEED, "coverage", str(setting), num)
    held = 0
    for _ in range(worlds):
        found = tier_evidence(
            scale_of(setting, TIERS[0], rng), num, protected=False, by_slice=False, controls=False
        ).total
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= setting.effect / LOSS <= found.high
    return held / worlds


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """Share of studies without any effect in which some of many arms passes."""

    best_p: float
    """The best arm alone, tested at 5 %."""
    screened: float
    """After the screening of all."""
    held_out: float
    """And a gain on the half of the panel that selected nothing."""
    confirmed: float
    """And a gain on the seed that the board assigns."""


def lucky(gates: Gates, candidates: int, studies: int, *, sigma: float = 0.002, num: int = 3) -> Luck:
    """Return how often luck passes when so many arms without an effect are tried against one baseline."""
    rng = generator(SEED, "lucky", candidates, str(sigma), num)
    chain = ("average-gain", "screening", "held-out-half", "confirmation-seed")
    known = {one.name: one for gate in gates.gates.values() for one in gate.conditions if one.name in chain}
    counts = np.zeros(len(chain))
    for _ in range(studies):
        left = list(study_of_nothing(rng, gates, candidates, sigma=sigma / LOSS, num=num))
        for place, name in enumerate(chain):
            condition = known[name]
            check = CHECKS[condition.check]
            left = [case for case in left if check.judge(case, condition.limits).state == "pass"]
            counts[place] += bool(left)
    best, screened, held_out, confirmed = (counts / studies).tolist()
    return Luck(best_p=best, screened=screened, held_out=held_out, confirmed=confirmed)


def study_of_nothing(rng: np.random.Generator, gates: Gates, count: int, *, sigma: float, num: int) -> Iterator[Case]:
    """Yield the case of every arm of a study in which no arm has an effect; the last seed is the board's."""
    spread = spread_from(float(rng.normal(size=PACK).std(ddof=1)) * sigma, PACK - 1)
    prior, se = prior_of(spread), FAMILY_SIGMA / math.sqrt(FAMILIES * SLICES)
    noise = NoiseUsed(
        tier="micro-1x", sigma=prior.sigma, degrees=prior.degrees, pack="w", sigma_upper=cautious_sigma(spread)
    )
    families = np.concatenate([[0.0], rng.normal(size=count) * se])
    heads = rng.normal(size=(count + 1, num + 1)) * sigma + families[:, None]
    halves = rng.normal(size=count + 1) * se
    seen = heads[:, :num]
    peers = tuple(
        Peer(
            arm=f"a{one}",
            effect=effect_of(paired_of(seen, num, prior=prior, family_se=se, pair=(one, 0)), f"w#a{one}"),
        )
        for one in range(1, count + 1)
    )
    runs = [Runs(arm=f"a{one}", seeds=tuple(range(1, num + 1)), log_bpb=tuple(row), id="w") for one, row in
            enumerate(seen.tolist())]  # fmt: skip
    for one, peer in enumerate(peers, start=1):
        ratio = -peer.effect.gain
        both = (("selection", ratio + halves[one]), ("held-out", ratio - halves[one]))
        tier = TierEvidence(
            id="w", tier="micro-1x", model="micro", multiple=1.0, lr_multiplier=1.0, laptop=False,
            num_params=TIERS[0][1], num_tokens=1, flops=1.0, planned_seeds=num, baseline=runs[0], arm=runs[one],
            matched=None, total=peer.effect, quality=None, rest=None, slices=(), noise=Cited(fact=noise, id="w#n"),
            supply=None, baseline_supply=None, matched_supply=None, peers=peers,
            halves=tuple(
                Cited(
                    fact=HalfDelta(
                        arm=peer.arm, tier="micro-1x", half=name, log_ratio=value, low=None, high=None
                    ),
                    id="w#h",
                )
                for name, value in both
            ),
            confirmation=Cited(
                fact=Confirmation(
                    arm=peer.arm, tier="micro-1x", seed=999, log_ratio=float(heads[one, num] - heads[0, num])
                ),
                id="w#c",
            ),
        )  # fmt: skip
        case = case_of(gates, [tier])
        yield replace(case, evidence=replace(case.evidence, arm=peer.arm, kind="mixture"))


def error(share: float, worlds: int) -> float:
    """Return the standard error of a share of worlds."""
    return math.sqrt(max(share * (1 - share), 1 / worlds) / worlds)


def table(gates: Gates, worlds: int, whole: int) -> None:
    """Print false passes and power of a condition and of whole gates."""
    print("| judged | noise known by | sigma, nats | false passes | power at 0.006 nats | worlds of each |")
    print("|---|---|---|---|---|---|")
    pack, known = ("pack", (0.0015, 0.002, 0.003)), ("0.002", (0.0015, 0.002, 0.003, 0.005))
    for label, gate, only, count, priors in (
        ("G2 `effect-beats-noise`", "G2", ("effect-beats-noise",), worlds, (known, pack)),
        ("all numbers of G1", "G1", NUMBERS, max(1, whole // 2), (pack,)),
        ("all numbers of G2, two scales", "G2", NUMBERS, whole, (pack,)),
    ):
        for prior, sigma in ((name, one) for name, sigmas in priors for one in sigmas):
            null, found = (
                share_passed(gates, gate, Setting(sigma=sigma, effect=effect, prior=prior), count, only)
                for effect in (0.0, 0.006)
            )
            shown = "a pack of 8" if prior == "pack" else "0.002 beforehand"
            print(
                f"| {label} | {shown} | {sigma} | {null:.2%} ± {error(null, count):.2%} | "
                f"{found:.1%} ± {error(found, count):.1%} | {count:,} |",
                flush=True,
            )
    print("\n| reweighting of 0.006 nats sold as quality | noise known by | sigma, nats | passes | worlds |")
    print("|---|---|---|---|---|")
    for gate, sigma in itertools.product(("G1", "G2"), (0.0015, 0.003)):
        passed = share_passed(
            gates, gate, Setting(sigma=sigma, effect=0.006, reweighted=True), max(1, whole // 4), NUMBERS
        )
        shown = f"{passed:.2%} ± {error(passed, max(1, whole // 4)):.2%}"
        print(f"| all numbers of {gate} | a pack of 8 | {sigma} | {shown} | {whole // 4:,} |", flush=True)


def main() -> None:
    """Print every table of docs/gates.md, section "How often the gates are wrong"."""
    parser = argparse.ArgumentParser(description="How often the gates are wrong, by simulation.")
    parser.add_argument("--worlds", type=int, default=10_000, help="worlds of each kind; of whole gates an eighth")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the worlds")
    chosen = parser.parse_args()
    worlds = chosen.worlds // 20 if chosen.quick else chosen.worlds
    gates, begin = load_gates(), time.process_time()
    table(gates, worlds, max(1, worlds // 8))
    print("\n| seeds | headline intervals that hold the truth | worlds |\n|---|---|---|")
    for num in LOOKS:
        held = coverage(Setting(sigma=0.002, effect=0.006), num, worlds)
        print(f"| {num} | {held:.1%} ± {error(held, worlds):.1%} | {worlds:,} |", flush=True)
    print("\n| arms without effect | best alone | screened | and held-out half | and board's seed | studies |")
    print("|---|---|---|---|---|---|")
    for count, studies in ((20, max(1, worlds // 25)), (50, max(1, worlds // 100))):
        luck = lucky(gates, count, studies)
        shown = " | ".join(
            f"{value:.1%} ± {error(value, studies):.1%}"
            for value in (luck.best_p, luck.screened, luck.held_out, luck.confirmed)
        )
        print(f"| {count} | {shown} | {studies:,} |", flush=True)
    print(f"\n{time.process_time() - begin:.0f} CPU seconds")


if __name__ == "__main__":
    main()
