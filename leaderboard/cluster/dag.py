"""A study as steps with dependencies: pool → build → tokens → check → for each tier runs → evaluate → judge → compare.

A step is one job, or an array with one task an arm or a pack of runs. Nothing of it needs the pool: arms, tiers and
seeds are in the study's words. Which arms a gate stops is known only when a tier is judged, so every tier has its
tasks from the start; those of arms that were not let on end at once and train nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from curation.backends.sites import Site
from curation.errors import StudyError, raise_faults
from curation.files import Json
from leaderboard.cluster.packs import chunks, pack_size
from leaderboard.studies.arms import Arm
from leaderboard.studies.promotion import tiers_in_order
from leaderboard.studies.study import Study
from leaderboard.studies.verdict import is_laptop_tier

Kind = Literal["pool", "build", "tokens", "check", "runs", "evaluate", "judge", "compare"]
Device = Literal["cpu", "gpu"]
MAX_TASKS = 1_000
"""Of one array; Slurm takes 1,001 unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """One run by the study's words."""

    arm: str
    tier: str
    seed: int

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.arm} {self.tier} seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One job, or one array of jobs."""

    name: str
    kind: Kind
    device: Device
    after: tuple[str, ...]
    """Steps whose every task must have succeeded."""
    tier: str = ""
    arms: tuple[str, ...] = ()
    """By task, where a task is an arm's."""
    packs: tuple[tuple[RunRef, ...], ...] = ()
    """By task, where a task is several runs."""

    @property
    def is_array(self) -> bool:
        """Whether its tasks are an array's."""
        return self.kind in ("build", "tokens", "runs", "evaluate")

    @property
    def num_tasks(self) -> int:
        """How many jobs it is."""
        return len(self.arms) or len(self.packs) or 1

    def label(self, index: int) -> str:
        """Return what a task does, in words."""
        if self.arms:
            return self.arms[index]
        if self.packs:
            return ", ".join(f"{run.arm} seed {run.seed}" for run in self.packs[index])
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """All steps, each after those that it needs."""

    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """Return a step by name. Raises: StudyError if there is none."""
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            raise StudyError(f"step {name}: unknown, expected one of {', '.join(step.name for step in self.steps)}")
        return found

    def downstream(self, names: set[str]) -> set[str]:
        """Return the steps that need any of `names`, directly or not."""
        found: set[str] = set()
        for step in self.steps:
            if set(step.after) & (names | found):
                found.add(step.name)
        return found


def dag_of(study: Study, arms: Sequence[Arm], site: Site) -> Dag:
    """Return the steps of a study on a site.

    Raises: StudyError if a tier needs GPUs and the profile has none, or a run needs more than one card.
    """
    order = tiers_in_order(study)
    names = tuple(arm.name for arm in arms)
    devices: dict[str, Device] = {tier: "cpu" if is_laptop_tier(tier) else "gpu" for tier in order}
    lacking = [tier for tier, device in devices.items() if device == "gpu" and site.gpu is None]
    raise_faults(
        StudyError,
        f"study {study.name}",
        [f"tier {tier} trains on a GPU and the site's profile has no `gpu`; add its partition" for tier in lacking],
    )
    check: Device = "gpu" if "gpu" in devices.values() else "cpu"
    steps = [
        Step(name="pool", kind="pool", device="cpu", after=()),
        Step(name="build", kind="build", device="cpu", after=("pool",), arms=names),
        Step(name="tokens", kind="tokens", device="cpu", after=("build",), arms=names),
        Step(name="check", kind="check", device=check, after=("tokens",)),
    ]
    for tier in order:
        steps += _tier_steps(study, names, tier, devices[tier], site, last=tier == order[-1], after=steps[-1].name)
    return Dag(steps=(*steps, Step(name="compare", kind="compare", device="cpu", after=(steps[-1].name,))))


def _tier_steps(
    study: Study, arms: Sequence[str], tier: str, device: Device, site: Site, *, last: bool, after: str
) -> list[Step]:
    runs = [RunRef(arm=arm, tier=tier, seed=seed) for seed in range(1, study.tiers[tier] + 1) for arm in arms]
    size = max(pack_size(tier, site), -(-len(runs) // MAX_TASKS))
    packs = tuple(chunks(runs, size))
    steps = [Step(name=f"runs-{tier}", kind="runs", device=device, after=(after,), tier=tier, packs=packs)]
    if study.suites:
        steps.append(
            Step(name=f"evaluate-{tier}", kind="evaluate", device=device, after=(steps[-1].name,), tier=tier,
                 packs=packs)
        )  # fmt: skip
    if not last:
        steps.append(Step(name=f"judge-{tier}", kind="judge", device="cpu", after=(steps[-1].name,), tier=tier))
    return steps


def dag_json(dag: Dag) -> list[Json]:
    """Return the steps as plain JSON."""
    return cast("list[Json]", [asdict(step) for step in dag.steps])


def dag_from_json(value: Sequence[Mapping[str, Any]]) -> Dag:
    """Return the steps that `dag_json` wrote."""
    return Dag(
        steps=tuple(
            Step(
                **{
                    **step,
                    "after": tuple(step["after"]),
                    "arms": tuple(step["arms"]),
                    "packs": tuple(tuple(RunRef(**run) for run in pack) for pack in step["packs"]),
                }
            )
            for step in value
        )
    )
