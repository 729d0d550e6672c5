"""Looks: how often results on a panel were read for a decision, from the store's frozen studies and a study's own log.

Every study of the store with the same panel that has results is one look an arm; those of the same name are other
versions of this study, and each of their arms counts as a try in the multiplicity. `looks.jsonl` in a study's
directory keeps what the gate itself has read: one line per results, gate and arm, never rewritten; a rerun adds none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError
from curation.files import Json, canonical_json, digest_json, read_json, write_json, write_text
from leaderboard.gates.evidence import Look
from leaderboard.studies.results import RESULT_FILE, StudyResult

LOG_FILE = "looks.jsonl"
BEFORE_FILE = "looks-before.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One line of the log: results that a gate read."""

    results: str
    gate: str
    arm: str
    num_seeds: int


def results_digest(result: StudyResult) -> str:
    """Return what identifies the runs that a result rests on; seconds and the code's version do not enter."""
    return digest_json([result.fingerprint, sorted(run.fingerprint for run in result.runs)])


def looks_of(folder: Path, result: StudyResult) -> tuple[Look, ...]:
    """Return the looks at other studies of the same store on this panel, by name, fingerprint and arm.

    Raises: StudyError for a neighbour whose results cannot be read: a look is never skipped silently.
    """
    found = []
    for path in sorted(folder.resolve().parent.glob(f"study-*/{RESULT_FILE}")):
        value = _neighbour(path)
        if value.get("panel") != result.panel or value.get("fingerprint") == result.fingerprint:
            continue
        found += _looks(value, result)
    return tuple(sorted(found, key=lambda look: (look.name, look.study, look.arm)))


def looks_before(folder: Path, result: StudyResult) -> tuple[Look, ...]:
    """Return the looks at other studies when promotion first asked a gate; written down then, the same ever after.

    Later versions of the study change no decision that was taken before them.
    Raises: StudyError as `looks_of`, or for a file that is damaged.
    """
    path = folder / BEFORE_FILE
    if not path.is_file():
        found = looks_of(folder, result)
        write_json(path, {"looks": [cast("Json", asdict(one)) for one in found]})
        return found
    try:
        return tuple(Look(**one) for one in cast("Any", read_json(path))["looks"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path}: no list of looks ({error}), expected the one that `curate study run` wrote; restore it: "
            "looks are counted"
        ) from None


def earlier_reads(folder: Path, result: StudyResult, arm: str) -> tuple[Read, ...]:
    """Return the distinct earlier results of this study that a gate has read for an arm, first to last."""
    now = results_digest(result)
    reads = {item.results: item for item in reversed(read_log(folder)) if item.arm == arm and item.results != now}
    return tuple(reversed(reads.values()))


def note_look(folder: Path, read: Read) -> None:
    """Add a line to the log unless it is there."""
    known = read_log(folder)
    if read not in known:
        write_text(folder / LOG_FILE, "".join(f"{_line(item)}\n" for item in (*known, read)))


def read_log(folder: Path) -> tuple[Read, ...]:
    """Return the log of a study's directory.

    Raises: StudyError for a line that is none.
    """
    path = folder / LOG_FILE
    if not path.is_file():
        return ()
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            value = json.loads(line)
            found.append(
                Read(
                    results=str(value["results"]),
                    gate=str(value["gate"]),
                    arm=str(value["arm"]),
                    num_seeds=int(value["num_seeds"]),
                )
            )
        except (ValueError, KeyError, TypeError):
            raise StudyError(
                f"{path}:{number}: no look, {line[:60]!r}; expected a line that `curate study gate` wrote; "
                "restore the file: looks are counted"
            ) from None
    return tuple(found)


def _line(read: Read) -> str:
    value: Json = {"arm": read.arm, "gate": read.gate, "num_seeds": read.num_seeds, "results": read.results}
    return canonical_json(value)


def _neighbour(path: Path) -> Mapping[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{path}: cannot be read ({error}), expected the results of a study of this store, which are counted as "
            f"looks; mend it with `curate study run`, or move {path.parent.name} away"
        ) from None
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _looks(value: Mapping[str, Any], result: StudyResult) -> list[Look]:
    runs = value.get("runs") or []
    digest = digest_json([str(value.get("fingerprint")), sorted(str(run.get("fingerprint")) for run in runs)])
    return [
        Look(
            study=str(value.get("fingerprint")),
            name=str(value.get("name")),
            arm=str(arm.get("name")),
            results=digest,
            panel=result.panel,
            num_seeds=len({run.get("seed") for run in runs if run.get("arm") == arm.get("name")}),
            same_study=value.get("name") == result.name,
        )
        for arm in value.get("arms") or []
        if arm.get("role") == "arm"
    ]
