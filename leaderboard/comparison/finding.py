"""What a word on the command line means: runs, arms and results, in the store or in published directories.

A side is one or more parts with commas between them; each is a directory of results (`--out` of `curate eval`, an
import, or a directory of several such), an artifact's directory, the name or first digits of a run or scores artifact
of the store, a corpus (`corpus-1a2b3c4d`, with `:TIER` if its runs have several: all seeds), an arm of a study
(`STUDY:ARM`), or a pattern with `*`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import cast

from curation.errors import RunError, nearest
from curation.files import Json, read_json
from curation.store import MANIFEST, Artifact, Store, load_artifact
from leaderboard.comparison.marks import trained_shares
from leaderboard.comparison.sides import OWN_PANEL, Model, PanelScores, Place, Side, side_of
from leaderboard.scores import COLUMNS
from leaderboard.studies.assemble import scored_run
from leaderboard.studies.results import RESULT_FILE, SCHEMA, StudyResult, read_result
from leaderboard.studies.run_results import interventions_digest
from train.evals.panel_marks import SELECTED_FOR
from train.evals.results import KIND, RESULTS, Scored, read_results, read_summary
from train.noise_seeds import NOISE_INDEX

PATTERN = frozenset("*?[")


def find_side(store: Store, text: str) -> Side:
    """Return the side that `text` names.

    Raises: RunError for a word that names nothing, or nothing to compare.
    """
    parts = [text] if Path(text).exists() else [part.strip() for part in text.split(",") if part.strip()]
    return side_of(text, [model for part in parts for model in _models(store, part)])


def study_sides(store: Store, result: StudyResult) -> dict[str, Side]:
    """Return the side of every arm of a study that has runs.

    Raises: RunError if the store lacks one of its runs.
    """
    by_arm: dict[str, list[Model]] = {}
    index = _scores_of_runs(store)
    for run in result.runs:
        artifact = store.find("run", run.fingerprint)
        if artifact is None:
            raise RunError(
                f"{store.root}: holds no run {run.fingerprint[:16]} ({run.arm}, {run.tier}, seed {run.seed}); "
                "expected the store that the study ran in; give it with --store"
            )
        selected = frozenset(result.selected_for)
        by_arm.setdefault(run.arm, []).append(_run_model(artifact, selected, index.get(artifact.fingerprint, [])))
    return {arm: side_of(arm, models) for arm, models in by_arm.items()}


def find_study(store: Store, name: str) -> StudyResult | None:
    """Return the study that `name` is the directory, the file or the name in the store of; None if it is none."""
    inside = store.root / name
    path = inside if not Path(name).exists() and (inside / RESULT_FILE).is_file() else Path(name)
    file = path / RESULT_FILE if path.is_dir() else path
    if not file.is_file() or file.name == MANIFEST:
        return None
    held = _schema(file)
    return None if held is not None and held != SCHEMA else read_result(path)


def _models(store: Store, part: str) -> Iterator[Model]:
    if PATTERN & set(part):
        paths = _matching(store, part)
        if not paths:
            raise RunError(f"{part}: matches nothing here and nothing in {store.root}; expected runs or results")
        for path in paths:
            yield from _of_directory(store, path)
    elif Path(part).is_dir():
        yield from _of_directory(store, Path(part))
    elif Path(part).name == RESULTS and Path(part).is_file():
        yield from _of_directory(store, Path(part).parent)
    elif ":" in part and (study := find_study(store, part.rpartition(":")[0])) is not None:
        yield from _arm(store, study, part.rpartition(":")[2])
    else:
        yield from _of_name(store, part)


def _arm(store: Store, study: StudyResult, arm: str) -> Iterator[Model]:
    sides = study_sides(store, study)
    if arm not in sides:
        raise RunError(f"study {study.name}: no arm `{arm}` with runs; {nearest(arm, sides)}")
    yield from sides[arm].models


def _matching(store: Store, pattern: str) -> list[Path]:
    head = Path(pattern)
    here = Path(head.anchor).glob(str(head.relative_to(head.anchor))) if head.is_absolute() else Path().glob(pattern)
    found = sorted(path for path in here if path.is_dir())
    stored = () if head.is_absolute() else store.root.glob(pattern)
    return found or sorted(path for path in stored if (path / MANIFEST).is_file())


def _of_directory(store: Store, path: Path) -> Iterator[Model]:
    if (path / MANIFEST).is_file():
        yield from _of_artifact(store, load_artifact(path))
    elif (path / RESULTS).is_file():
        if _schema(path / RESULTS) == SCHEMA:
            arms = ", ".join(arm.name for arm in read_result(path).arms)
            raise RunError(f"{path}: is a whole study; name an arm of it as {path}:ARM (it has {arms})")
        yield _scores_model(read_results(path))
    else:
        inside = sorted(file.parent for file in path.glob(f"*/{RESULTS}"))
        if not inside:
            raise RunError(f"{path}: holds no {RESULTS} and no {MANIFEST}; expected {_instead(path)}")
        for folder in inside:
            yield from _of_directory(store, folder)


def _instead(path: Path) -> str:
    """Return what to give in place of a directory without results: an exported model must be scored first."""
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        scores = f"{path.name}-scores"
        return f"scores, this is a model; `curate eval --model {path} --suite small --out {scores}`, then give {scores}"
    return "results of `curate eval`, or a run"


def _of_artifact(store: Store, artifact: Artifact) -> Iterator[Model]:
    if artifact.kind == KIND:
        yield _scores_model(read_results(artifact.path))
    elif artifact.kind == "corpus":
        yield from _of_corpus(store, artifact, "")
    else:
        scored_run(artifact, "")  # refuses what is no run
        found = _scores_of_runs(store).get(artifact.fingerprint, [])
        yield _run_model(artifact, _selected_for(store, artifact), found)


def _of_name(store: Store, name: str) -> Iterator[Model]:
    known = {path.parent.name: path.parent for path in store.root.glob(f"*/{MANIFEST}")}
    usable = {key: path for key, path in known.items() if key.startswith(("run-", f"{KIND}-", "corpus-"))}
    plain, _, tier = name.partition(":")
    matches = [path for key, path in sorted(usable.items()) if key.startswith((plain, f"run-{plain}"))]
    if len(matches) != 1:
        runs = [key for key in usable if key.startswith(("run-", f"{KIND}-"))]
        problem = f"{len(matches)} runs match" if matches else "no such run"
        raise RunError(f"{name}: {problem} in {store.root}; {nearest(name, runs)}")
    artifact = load_artifact(matches[0])
    if artifact.kind == "corpus":
        yield from _of_corpus(store, artifact, tier)
    else:
        yield from _of_artifact(store, artifact)


def _of_corpus(store: Store, corpus: Artifact, tier: str) -> Iterator[Model]:
    """Yield all finished runs on a corpus, of one tier if it is given: its seeds."""
    index = _scores_of_runs(store)
    tiers = set()
    selected = _corpus_marks(corpus)
    for path in sorted(store.root.glob(f"run-*/{MANIFEST}")):
        run = load_artifact(path.parent)
        tokens = store.find("tokens", str(_inputs(run).get("tokens", "")))
        if tokens is None or str(_inputs(tokens).get("corpus", "")) != corpus.fingerprint:
            continue
        if "noise" in run.summary:  # no seed 1..n: it measures noise and is compared with nothing (rule 10)
            continue
        tiers.add(str(run.summary["tier"]))
        if tier in ("", str(run.summary["tier"])):
            yield _run_model(run, selected, index.get(run.fingerprint, []))
    if tier and tier not in tiers:
        raise RunError(f"{corpus.path.name}: no run at tier `{tier}` in {store.root}; {nearest(tier, tiers)}")


def _scores_of_runs(store: Store) -> dict[str, list[Path]]:
    """Return the scores artifacts of finished models by the model's digest, a run's fingerprint."""
    found: dict[str, list[Path]] = {}
    for path in sorted(store.root.glob(f"{KIND}-*/{MANIFEST}")):
        if not (path.parent / RESULTS).is_file():
            continue  # scores of items of one's own: plumbing that enters no comparison
        results = read_summary(path.parent)
        if results.model.checkpoint is None and not results.averaged and results.partial is None:
            found.setdefault(results.model.digest, []).append(path.parent)
    return found


def unused_scores(store: Store, of_runs: frozenset[str], measured: Collection[str]) -> dict[str, list[Path]]:
    """Return the results of runs (fingerprints) on suites that a noise pack does not measure, by suite."""
    found: dict[str, list[Path]] = {}
    for fingerprint, paths in _scores_of_runs(store).items():
        for path in paths if fingerprint in of_runs else ():
            results = read_summary(path)
            if results.tasks and results.suite.name not in measured:
                found.setdefault(results.suite.name, []).append(path)
    return found


def _run_model(run: Artifact, selected_for: frozenset[str], scores: list[Path]) -> Model:
    facts = scored_run(run, run.path.name)
    own = PanelScores(
        name=OWN_PANEL,
        digest=facts.panel,
        context=facts.context,
        tokenizer=facts.tokenizer,
        documents=facts.documents,
        marks={},
    )
    model = Model(
        name=run.path.name,
        identity=run.fingerprint,
        place=Place(tier=facts.tier, checkpoint=None),
        seed=facts.seed,
        tier_digest=facts.tier_digest,
        panels=(own,),
        selected_for=selected_for,
        interventions=interventions_digest(run),
        trained_on=trained_shares(run),
    )
    held = [_scores_model(read_results(path), model) for path in scores]
    return side_of(run.path.name, [model, *held]).models[0]


def _scores_model(scored: Scored, run: Model | None = None) -> Model:
    """Return the model of a directory of results; `run` is the run that it was made by, when it is known."""
    facts, results = scored.results.model, scored.results
    if facts.trainer == "curate" and facts.seed == NOISE_INDEX:
        raise RunError(f"{scored.where}: scores of a noise run, expected a seed 1..n (rule 10); leave it out")
    panels: tuple[PanelScores, ...] = ()
    if scored.documents is not None:
        marks = {name: tuple(one.marks) for name, one in results.slices.items()}
        panel = PanelScores(
            name=results.suite.name,
            digest=results.suite.digest,
            context=results.context,
            tokenizer=facts.tokenizer or "" if facts.trainer == "curate" and facts.tier else "",
            documents=scored.documents.select(COLUMNS).sort_by("id"),
            marks=marks,
            results=scored,
        )
        panels = (panel,)
    drawn = frozenset(name for panel in panels for name, marks in panel.marks.items() if SELECTED_FOR in marks)
    place = Place(tier=facts.tier or "", checkpoint=facts.checkpoint, averaged=tuple(results.averaged))
    return Model(
        name=run.name if run else facts.name,
        identity=run.identity if run else facts.digest,
        arm="" if run else facts.arm or "",
        place=run.place if run else place,
        seed=run.seed if run else facts.seed,
        trainer=facts.trainer,
        tokens_seen=facts.tokens_seen,
        panels=panels,
        suites=(scored,) if scored.items is not None else (),
        results=(scored,),
        selected_for=drawn,
    )


def _selected_for(store: Store, run: Artifact) -> frozenset[str]:
    """Return the selected-for slices of the corpus that a run was trained on.

    Raises: RunError when the store lacks the corpus, since the headline would then be over the wrong slices.
    """
    made_from = run
    for kind in ("tokens", "corpus"):  # each is an input of the one before it, under its kind
        fingerprint = str(_inputs(made_from).get(kind, ""))
        found = store.find(kind, fingerprint) if fingerprint else None
        if found is None:
            raise RunError(
                f"{run.path}: its {kind} {fingerprint[:8]} is not in {store.root}, so the slices that something was "
                "fitted to are unknown (rule 2); expected the store that trained it; give --store"
            )
        made_from = found
    return _corpus_marks(made_from)


def _corpus_marks(corpus: Artifact) -> frozenset[str]:
    return frozenset(str(name) for name in cast("list[Json]", corpus.summary.get("selected_for", [])))


def _inputs(artifact: Artifact) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", artifact.manifest.get("inputs", {}))


def _schema(file: Path) -> str | None:
    """Return the schema that a JSON file names; None if it is unreadable, which its reader says better."""
    try:
        held = read_json(file)
    except (OSError, ValueError):
        return None
    return str(held.get("schema")) if isinstance(held, Mapping) else None
