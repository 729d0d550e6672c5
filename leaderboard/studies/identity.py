"""What a study's fingerprint is taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.files import Json, digest_json
from curation.recipe import as_json
from leaderboard.studies.arms import Arm
from leaderboard.studies.kinds import load_protocol
from leaderboard.studies.study import Study

UNSAID = ("promote", "suites", "rollback", "decision")
"""Words that count when they are said: a study that does not say them keeps the fingerprint that it had before them."""


def study_identity(
    study: Study, corpora: Mapping[str, str], pool: str, panel: str, arms: Sequence[Arm] = ()
) -> dict[str, Json]:
    """Return what the study's fingerprint is taken over: its words, its arms' corpora, pool content and panel.

    `corpora` are the fingerprints of each arm's corpus: they hold the settings, the components' versions and the
    content of every model or list that a stage names, never its path. `epochs` permits and decides nothing. Of `arms`
    count those that train otherwise: a tokenizer by its content. A protocol's version counts from the second on.
    """
    words = as_json(study)
    for name in UNSAID:
        if not words[name]:
            del words[name]
    protocol = load_protocol(study.kind)
    trainings: dict[str, Json] = {arm.name: arm.training.identity() for arm in arms if arm.training}
    if "targets" in study.panel:  # the panel's fingerprint holds their content
        words["panel"] = {key: item for key, item in study.panel.items() if key != "targets"}
    return {
        "study": {
            key: value for key, value in words.items() if key not in ("pool", "base", "vary", "budgets", "epochs")
        },
        "corpora": dict(corpora),
        "pool": pool,
        "panel": panel,
        **({"trainings": trainings} if trainings else {}),
        **({"protocol": protocol.title} if protocol.version > 1 else {}),
    }


def study_fingerprint(identity: Mapping[str, Json]) -> str:
    """Return the study's fingerprint, 64 hex digits."""
    return digest_json(identity)
