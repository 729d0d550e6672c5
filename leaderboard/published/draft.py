"""A published run as an entry of a board (level L0, division `published`), and back.

One entry a run: nothing but scores, sizes and settings; no corpus, panel or curve is known. What a published run does
not say stays null, so that no rule can take it for checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from curation.files import canonical_json
from leaderboard.published.run import SUITE_NAME, PublishedRun
from train.evals.import_json import dclm_results
from train.evals.results import RESULTS, ModelFacts, Results

if TYPE_CHECKING:
    from leaderboard.entries.entry import Entry
    from leaderboard.entries.manifest import RunRecord
    from leaderboard.entries.write import Draft

TRACK = "dclm-published"
FOLDER = "suites/dclm"
TOKENIZER = "gpt-neox-20b"
"""Of every model of DCLM's scales unless its name says another."""


def draft_of(run: PublishedRun) -> Draft:
    """Return the entry of a published run, ready to be written."""
    from leaderboard.entries.manifest import ArmContamination, Manifest, StudyFacts
    from leaderboard.entries.write import Draft

    results = results_of(run)
    study = StudyFacts(
        name=slug(run.name),
        hypothesis="",
        kind="published",
        base=run.dataset[:200] or run.model[:200],
        fingerprint=run.key,
        tiers={run.tier: 1},
    )
    record = _record(run, results)
    unchecked = ArmContamination(arm=record.arm, checked=False)
    manifest = Manifest.model_validate(
        {"schema": "curate-entry@1", "track": TRACK, "division": "published", "study": study}
        | {"submitter": "dclm", "runs": (record,), "contamination": (unchecked,)}
    )
    return Draft(manifest=manifest, texts={f"{FOLDER}/{RESULTS}": canonical_json(results.as_json()) + "\n"})


def results_of(run: PublishedRun) -> Results:
    """Return a run's scores in the form of `curate eval`, CORE and EXTENDED worked out anew."""
    model = ModelFacts(
        name=run.name,
        digest=run.key,
        tier=run.tier,
        seed=run.seed,
        arm=run.dataset or None,
        tokens_seen=run.tokens,
        trainer="dclm",
    )
    return dclm_results(run.scores, model, notes=run.notes)


def published_run(entry: Entry) -> PublishedRun | None:
    """Return the published run that an entry holds; None for entries of studies."""
    if entry.manifest.division != "published" or len(entry.manifest.runs) != 1:
        return None
    record = entry.manifest.runs[0]
    suite = next((one for one in record.suites if one.name == SUITE_NAME), None)
    if suite is None:
        return None
    results = entry.scored(suite).results
    told = record.execution
    return PublishedRun(
        key=record.fingerprint,
        name=results.model.name,
        uuid=told.get("uuid", ""),
        dataset="" if record.arm == results.model.name else record.arm,
        model=told.get("model", ""),
        params=record.params.get("total"),
        tokens=record.tokens_seen,
        tier=record.tier,
        recipe=record.recipe_version,
        seed=record.seed,
        dataset_uuid=record.corpus or "",
        scores=_scores(results),
        sources=tuple(record.source.split(", ")),
        notes=results.notes,
    )


def slug(name: str) -> str:
    """Return a name as a study's: small letters, digits, `.`, `_`, `-`; 64 at most, the end kept with the beginning."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-") or "run"
    return plain if len(plain) <= 64 else f"{plain[:47]}.{plain[-16:].lstrip('._-')}"


def _record(run: PublishedRun, results: Results) -> RunRecord:
    from leaderboard.entries.manifest import RunRecord, SuiteScores

    suite = SuiteScores(
        name=results.suite.name,
        version=results.suite.version,
        digest=results.suite.digest,
        context=results.context,
        metric_versions=results.metric_versions,
        folder=FOLDER,
        items=False,
    )
    corpus = run.dataset_uuid.replace("-", "").lower()
    return RunRecord(
        arm=(run.dataset or run.name)[:200],
        role="published",
        tier=run.tier,
        seed=run.seed or None,
        fingerprint=run.key,
        corpus=corpus if re.fullmatch(r"[0-9a-f]{8,64}", corpus) else None,
        recipe_version=run.recipe,
        tokenizer=TOKENIZER if run.params else "",
        context=results.context,
        tokens_seen=run.tokens,
        flops=float(6 * run.params * run.tokens) if run.params and run.tokens else None,
        params={"total": run.params} if run.params else {},
        suites=(suite,),
        execution={key: value for key, value in {"model": run.model, "uuid": run.uuid}.items() if value},
        source=", ".join(run.sources),
    )


def _scores(results: Results) -> Mapping[str, float]:
    found = {name: one.metrics[one.primary].value for name, one in results.tasks.items() if one.primary in one.metrics}
    return {name: value for name, value in found.items() if value is not None}
