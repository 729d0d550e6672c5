"""Where a study stands: what is built, trained, running, failed or stopped at a gate, and the next command. Reads only.

A run is `trained` (its manifest is there), `running` or `scoring` (its process lives, or wrote lately), `stopped` (it
has begun and its process is gone), `failed` (the last result says so), `not-let-on` (an earlier tier stopped its arm)
or `to-train`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import CurateError
from curation.store import MANIFEST, Store
from leaderboard.gates.overrides import override_lines
from leaderboard.studies.facts import Promotion
from leaderboard.studies.promotion import SMOKE_GATE
from leaderboard.studies.results import RESULT_FILE, Failure, StudyResult, read_result
from leaderboard.studies.run_list import RUNS_FILE, ListedRun, RunList, read_run_list, run_list
from leaderboard.studies.versions import versions_seen
from train.many_runs import done_fraction
from train.tiers import load_tier

LIVE = ("running", "scoring", "silent")
STATES = ("trained", *LIVE, "stopped", "failed", "to-train", "not-let-on")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One run now."""

    arm: str
    tier: str
    seed: int
    state: str
    progress: float
    """Share of its tokens that are trained."""
    loss: float | None = None
    tokens_per_second: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStatus:
    """One arm's corpus and token shards."""

    arm: str
    corpus: bool
    tokens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """A whole study now."""

    study: str
    fingerprint: str | None
    """None before the pool was read."""
    folder: str
    state: str
    """`not-started`, `training`, `interrupted`, `failed`, `stopped-at-gate` or `finished`."""
    waiting_at: str
    """Gate and tier at which all arms stopped; empty otherwise."""
    corpora: tuple[CorpusStatus, ...]
    runs: tuple[RunStatus, ...]
    promotion: tuple[Promotion, ...]
    next: str
    """The command to give next."""
    earlier: tuple[str, ...] = ()
    """Frozen versions of a study that was never started, in words."""
    overrides: tuple[str, ...] = ()
    """What people decided instead of a gate, in words."""

    def count(self, state: str, tier: str | None = None) -> int:
        """Return how many runs are in a state, at one tier or at all."""
        return sum(run.state == state and tier in (None, run.tier) for run in self.runs)


def study_status(place: Path, store: Store, overrides: tuple[str, ...] = ()) -> StudyStatus:
    """Return where the study of a YAML file, or in a study's directory, stands.

    Raises: StudyError or RecipeError for a study that cannot be read.
    """
    if place.is_dir():
        found = read_run_list(place)
        return _status(found, Store(place.resolve().parent), place, f"the study's YAML ({found.study})")
    from curation.ingest import known_pool
    from leaderboard.studies.arms import resolve_arms
    from leaderboard.studies.frozen import study_dir
    from leaderboard.studies.prepared import prepare
    from leaderboard.studies.study import load_study

    study = load_study(place, overrides)
    arms = resolve_arms(study, str(place))
    pool = known_pool(store, arms[0].recipe.pool)
    if pool is None:
        return StudyStatus(
            study=study.name, fingerprint=None, folder="", state="not-started", waiting_at="", corpora=(), runs=(),
            promotion=(), next=f"curate study plan {place}",
        )  # fmt: skip
    ready = prepare(study, arms, pool)
    status = _status(run_list(ready), store, study_dir(store, study, ready.fingerprint), str(place))
    if status.folder:
        return status
    return replace(status, earlier=tuple(one.told for one in versions_seen(store, ready.identity, ready.fingerprint)))


def _status(found: RunList, store: Store, folder: Path, named: str) -> StudyStatus:
    result = _result(folder)
    promotion = result.facts.promotion if result else ()
    failures = {(item.arm, item.tier, item.seed): item for item in result.failures} if result else {}
    held = _not_let_on(found, promotion)
    runs = tuple(_run(run, store, failures, held) for run in found.runs)
    corpora = tuple(_corpora(found.runs, store))
    state, waiting = _state(found, runs, promotion, folder)
    return StudyStatus(
        study=found.study,
        fingerprint=found.fingerprint,
        folder=str(folder) if (folder / RUNS_FILE).is_file() else "",
        state=state,
        waiting_at=waiting,
        corpora=corpora,
        runs=runs,
        promotion=tuple(promotion),
        next=_next(state, folder, named, promotion),
        overrides=override_lines(folder),
    )


def _result(folder: Path) -> StudyResult | None:
    """Return the last result; None where there is none, or one that this version does not read."""
    if not (folder / RESULT_FILE).is_file():
        return None
    try:
        return read_result(folder)
    except CurateError:
        return None


def _not_let_on(found: RunList, promotion: Sequence[Promotion]) -> set[tuple[str, str]]:
    """Return (arm, tier) of what earlier tiers stopped: an arm with its controls; the baseline where none is left."""
    place = {tier: number for number, tier in enumerate(found.tiers)}
    stopped = {item.arm: place.get(item.tier, 0) for item in promotion if not item.promoted}
    arms = {run.arm for run in found.runs if run.role == "arm"}
    last = max(stopped.values()) if arms <= stopped.keys() else len(found.tiers)
    held = set()
    for run in found.runs:
        at = stopped.get(run.of, len(found.tiers)) if run.of in arms else last
        if place[run.tier] > at:
            held.add((run.arm, run.tier))
    return held


def _run(
    run: ListedRun,
    store: Store,
    failures: Mapping[tuple[str, str, int], Failure],
    held: Collection[tuple[str, str]],
) -> RunStatus:
    path = store.path_of("run", run.run)
    plain = RunStatus(arm=run.arm, tier=run.tier, seed=run.seed, state="to-train", progress=0.0)
    if (run.arm, run.tier) in held:
        return replace(plain, state="not-let-on")
    if (path / MANIFEST).is_file():
        return replace(plain, state="trained", progress=1.0)
    live = _live(path, run) if path.is_dir() else None
    if live is not None and live.state in LIVE:
        return live
    failure = failures.get((run.arm, run.tier, run.seed))
    if failure is not None:
        return replace(live or plain, state="failed", message=failure.message)
    return live or plain


def _live(path: Path, run: ListedRun) -> RunStatus | None:
    """Return the state of a run that has begun; None before its first line."""
    from train.run_state import RunFollower

    follower = RunFollower(path)
    follower.look()
    if not follower.state.start and not follower.state.row:
        return None
    loss, speed = follower.state.row.get("loss"), follower.state.speed.get("tokens_per_second")
    return RunStatus(
        arm=run.arm,
        tier=run.tier,
        seed=run.seed,
        state=follower.status,
        progress=done_fraction(path, load_tier(run.trained)),
        loss=float(loss) if loss is not None else None,
        tokens_per_second=float(speed) if speed is not None else None,
    )


def _corpora(runs: Sequence[ListedRun], store: Store) -> list[CorpusStatus]:
    first = {run.arm: run for run in reversed(runs)}
    shards = {arm: {run.tokens for run in runs if run.arm == arm} for arm in first}
    return [
        CorpusStatus(
            arm=arm,
            corpus=(store.path_of("corpus", run.corpus) / MANIFEST).is_file(),
            tokens=all((store.path_of("tokens", one) / MANIFEST).is_file() for one in shards[arm]),
        )
        for arm, run in reversed(first.items())
    ]


def _state(
    found: RunList,
    runs: Sequence[RunStatus],
    promotion: Sequence[Promotion],
    folder: Path,
) -> tuple[str, str]:
    """Return the state of the whole, and the gate at which it waits."""
    states = {run.state for run in runs}
    if states & set(LIVE):
        return "training", ""
    if "failed" in states:
        return "failed", ""
    if not (folder / RUNS_FILE).is_file():
        return "not-started", ""
    if states & {"to-train", "stopped"} or not promotion:
        return "interrupted", ""
    last = promotion[-1].tier
    here = [item for item in promotion if item.tier == last]
    if last != found.tiers[-1] and not any(item.promoted for item in here):
        return "stopped-at-gate", f"{here[0].gate} after {last}"
    return "finished", ""


def _next(state: str, folder: Path, named: str, promotion: Sequence[Promotion]) -> str:
    if state in ("not-started", "training", "interrupted", "failed"):
        return f"curate study run {named}"
    if state == "stopped-at-gate":
        gate = next((item.gate for item in reversed(promotion) if not item.promoted), SMOKE_GATE)
        return f"curate study gate {folder} --gate {gate} --explain"
    return f"curate study gate {folder} --explain"
