"""Confirmations of a study: its arms on the seed that a board assigned, kept in the study's own directory (rule 10).

`curate leaderboard confirm ENTRY --add` writes `confirmations/<entry's digest>.json` beside the study's result and adds
the fact to that; `curate study run` reads the same files, so both give the same result. The seed must be the one that
follows from the entry's digest: nobody could know it before the entry was fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError
from curation.files import Json, read_json, write_json
from curation.store import Store
from leaderboard.studies.decision_facts import Confirmation
from leaderboard.studies.frozen import STUDY_FILE
from leaderboard.studies.results import RESULT_FILE, read_result, write_result

FOLDER = "confirmations"
SCHEMA = "study-confirmation/1"


def keep_confirmation(
    store: Store, study: str, *, entry: str, tier: str, seed: int, log_ratios: Mapping[str, float]
) -> Path | None:
    """Write what an entry's assigned seed gave into the directory of its study; None if the store has no such study.

    `entry` is the digest of the entry. The study's result, if there is one, gets the fact at once.
    """
    folder = _folder(store, study)
    if folder is None:
        return None
    value: dict[str, Json] = {
        "schema": SCHEMA,
        "study": study,
        "entry": entry,
        "tier": tier,
        "seed": seed,
        "log_ratios": dict(sorted(log_ratios.items())),
    }
    write_json(folder / FOLDER / f"{entry[:16]}.json", value)
    if (folder / RESULT_FILE).is_file():
        result = read_result(folder)
        decision = replace(result.facts.decision, confirmations=read_confirmations(folder, study))
        write_result(folder / RESULT_FILE, replace(result, facts=replace(result.facts, decision=decision)))
    return folder


def read_confirmations(folder: Path, study: str) -> tuple[Confirmation, ...]:
    """Return the confirmations that lie in a study's directory, one an arm and tier of each entry.

    Raises: StudyError for a file that is none, is of another study, or has a seed that no board assigned.
    """
    found: list[Confirmation] = []
    for path in sorted((folder / FOLDER).glob("[!.]*.json")):
        value = _read(path, study)
        found += [
            Confirmation(arm=str(arm), tier=str(value["tier"]), seed=int(value["seed"]), log_ratio=float(ratio))
            for arm, ratio in value["log_ratios"].items()
        ]
    return tuple(sorted(found, key=lambda one: (one.arm, one.tier, -one.log_ratio)))  # gates read the worst


def _read(path: Path, study: str) -> Mapping[str, Any]:
    from leaderboard.entries.records import confirmation_seed

    mend = "add it again with `curate leaderboard confirm ENTRY --add`, or move the file away"
    try:
        value = cast("Mapping[str, Any]", read_json(path))
        seed, entry, own = int(value["seed"]), str(value["entry"]), str(value["study"])
        ratios = {str(arm): float(ratio) for arm, ratio in value["log_ratios"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{path}: no confirmation ({error}), expected what `leaderboard confirm` writes; {mend}"
        ) from None
    if own != study:
        raise StudyError(f"{path}: confirms study {own[:8]}, expected {study[:8]}; {mend}")
    if seed != confirmation_seed(entry):
        raise StudyError(
            f"{path}: seed {seed}, but the board assigns {confirmation_seed(entry)} to entry {entry[:8]}: nobody picks "
            f"a seed (rule 10); {mend}"
        )
    if not all(abs(ratio) < 10 for ratio in ratios.values()):
        raise StudyError(f"{path}: log ratios {ratios}, expected small numbers; {mend}")
    return value


def _folder(store: Store, study: str) -> Path | None:
    for path in sorted(store.root.glob(f"study-*-{study[:8]}/{STUDY_FILE}")):
        value = read_json(path)
        if isinstance(value, dict) and value.get("fingerprint") == study:
            return path.parent
    return None
