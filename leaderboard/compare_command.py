"""What `curate compare` compares: the arms of a study's result, or two run artifacts of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from curation.errors import RunError, nearest
from curation.files import Json
from curation.store import Artifact, Store, load_artifact
from leaderboard.assemble import interventions_digest, scored_run
from leaderboard.compare_arms import Rules, compare_arms
from leaderboard.noise.find import known_packs, noise_for
from leaderboard.results import RESULT_FILE, Comparison, RunResult, StudyResult, read_result
from leaderboard.scores import gather
from leaderboard.study import BASELINE


def comparisons(store: Store, names: Sequence[str], *, arm: str | None, against: str | None) -> list[Comparison]:
    """Return the comparisons that the command's arguments mean.

    Raises: RunError for arguments that are neither one study nor two runs, or runs that cannot be compared.
    """
    if len(names) == 1:
        return _of_study(store, read_result(_study_path(store, names[0])), arm=arm, against=against or BASELINE)
    if len(names) == 2:
        if arm or against:
            raise RunError("compare: --arm and --against choose arms of one study, but two runs were given; drop them")
        return [_of_runs(store, names[0], names[1])]
    raise RunError(f"compare: {len(names)} arguments, expected one study directory or two runs")


def comparisons_json(found: Sequence[Comparison]) -> Json:
    """Return comparisons as plain JSON."""
    from pydantic import TypeAdapter

    adapter: Any = TypeAdapter(list[Comparison])
    value: Json = adapter.dump_python(list(found), mode="json")
    return value


def _study_path(store: Store, name: str) -> Path:
    """Return the study's path: a directory, a file, or the name of a directory in the store."""
    inside = store.root / name
    return inside if not Path(name).exists() and (inside / RESULT_FILE).is_file() else Path(name)


def _of_study(store: Store, result: StudyResult, *, arm: str | None, against: str) -> list[Comparison]:
    known = [item.name for item in result.arms]
    if against not in known and f"{arm}.{against}" in known:  # with several arms each has controls of its own
        against = f"{arm}.{against}"
    for name in (arm, against):
        if name is not None and name not in known:
            raise RunError(f"study {result.name}: no arm `{name}`; {nearest(name, known)}")
    chosen = [arm] if arm else [item.name for item in result.arms if item.name != against]
    found = []
    packs = known_packs(store.root)
    for tier in result.tiers:
        runs = [run for run in result.runs if run.tier == tier]
        done = {(run.arm, run.seed): run.interventions for run in runs if run.intervened}
        present = {run.arm for run in runs}
        if against in present:
            scored = [scored_run(_run_of(store, run), run.arm) for run in runs]
            scores, selected = gather(scored), frozenset(result.selected_for)
            noise = noise_for(scored, scores, packs, selected).priors
            rules = Rules(selected_for=selected, interventions=done, noise=noise)
            found += [compare_arms(scores, name, against, rules) for name in chosen if name in present]
    if not found:
        raise RunError(f"study {result.name}: no tier has runs of both {', '.join(chosen)} and {against}; rerun it")
    return found


def _run_of(store: Store, run: RunResult) -> Artifact:
    artifact = store.find("run", run.fingerprint)
    if artifact is None:
        raise RunError(
            f"{store.root}: holds no run {run.fingerprint[:16]} ({run.arm}, {run.tier}, seed {run.seed}); "
            "expected the store that the study ran in; give it with --store"
        )
    return artifact


def _of_runs(store: Store, left: str, right: str) -> Comparison:
    """Compare the first run with the second; their seeds must be equal, since arms pair by seed (rule 10).

    Slices that something in either corpus was fitted to leave the headline (rule 2).
    """
    first, second = _find_run(store, left), _find_run(store, right)
    if first.fingerprint == second.fingerprint:
        raise RunError(f"compare: {left} and {right} are one run; expected two")
    runs = [scored_run(first, first.path.name), scored_run(second, second.path.name)]
    selected = _selected_for(store, first) | _selected_for(store, second)
    done = {
        (run.path.name, int(cast("int", run.summary["seed"]))): interventions_digest(run) for run in (first, second)
    }
    scores = gather(runs)
    noise = noise_for(runs, scores, known_packs(store.root), selected).priors
    rules = Rules(selected_for=selected, interventions=done, noise=noise)
    return compare_arms(scores, first.path.name, second.path.name, rules)


def _selected_for(store: Store, run: Artifact) -> frozenset[str]:
    """Return the selected-for slices of the corpus that a run was trained on.

    Raises: RunError when the store lacks the corpus, since the headline would then be over the wrong slices.
    """
    made_from = run
    for kind in ("tokens", "corpus"):  # each is an input of the one before it, under its kind
        fingerprint = str(cast("Mapping[str, Json]", made_from.manifest["inputs"]).get(kind, ""))
        found = store.find(kind, fingerprint) if fingerprint else None
        if found is None:
            raise RunError(
                f"{run.path}: its {kind} {fingerprint[:8]} is not in {store.root}, so the slices that something was "
                "fitted to are unknown (rule 2); expected the store that trained it; give --store"
            )
        made_from = found
    return frozenset(str(name) for name in cast("list[Json]", made_from.summary.get("selected_for", [])))


def _find_run(store: Store, name: str) -> Artifact:
    if Path(name).is_dir():
        return load_artifact(Path(name))
    known = {path.parent.name: path.parent for path in store.root.glob("run-*/manifest.json")}
    matches = [path for key, path in sorted(known.items()) if key.startswith((name, f"run-{name}"))]
    if len(matches) != 1:
        problem = f"{len(matches)} runs match" if matches else "no such run"
        raise RunError(f"{name}: {problem} in {store.root}; {nearest(name, known)}")
    return load_artifact(matches[0])
