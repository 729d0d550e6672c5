"""Clean and suspicious items of every suite: `items.jsonl`, what evaluations read for the clean-versus-suspicious gap.

The first line is a header: `schema`, `default` (the detector that decides unless another is asked for), `detectors`
(version and settings by name, and what was `removed` of the documents in which it found an item: `none`, `document` or
`span`) and `suites` (digest and number of items by name). Every other line is one item:
`suite`, `item` (its place in the suite, from 0), `own_id` where the benchmark has one, `found` (by detector: best
`score`, `fields`, number of `documents`) and `unfindable` (detectors that could not find it at all). An item is
suspicious to a detector that found it, unknown to one that could not, and clean otherwise.

Suspicious items differ from clean ones in difficulty, so the gap is a difference of differences (rule 14).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.decontamination.detectors import Detector
from curation.decontamination.findings import FIELD_NAMES, Findings
from curation.errors import ShardError, SuiteChangedError, nearest
from curation.files import Json, canonical_json, write_text
from curation.suites import Suite

ITEMS = "items.jsonl"
SCHEMA = "curate-items@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one detector found in the whole corpus, and which items it could find."""

    detector: Detector
    findings: Findings
    findable: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The items of one suite by place, to one detector; every item is in exactly one."""

    clean: frozenset[int]
    suspicious: frozenset[int]
    unknown: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLists:
    """What an `items.jsonl` says."""

    default: str
    detectors: tuple[str, ...]
    digests: Mapping[str, str]
    removed: Mapping[str, str]
    """By detector, what left the corpus of the documents it found items in: `none`, `document` or `span`."""
    rows: Mapping[str, tuple[Mapping[str, Any], ...]]
    """Items by suite, in order."""
    path: Path

    def split(self, suite: str, detector: str | None = None) -> Split:
        """Return the suite's clean, suspicious and unknown items. Raises: ShardError for a name that is not there."""
        name = detector or self.default
        for word, known in ((suite, self.rows), (name, self.detectors)):
            if word not in known:
                raise ShardError(f"{self.path}: nothing about `{word}`; {nearest(word, known)}")
        places: dict[str, set[int]] = {"clean": set(), "suspicious": set(), "unknown": set()}
        for row in self.rows[suite]:
            status = "suspicious" if name in row["found"] else "unknown" if name in row["unfindable"] else "clean"
            places[status].add(int(row["item"]))
        return Split(**{status: frozenset(found) for status, found in places.items()})


def write_item_lists(path: Path, suites: Sequence[Suite], judged: Sequence[Judged], default: str) -> None:
    """Write the lists; equal findings give equal bytes."""
    best = {one.detector.name: _by_item(one.findings) for one in judged}
    header: dict[str, Json] = {
        "schema": SCHEMA,
        "default": default,
        "detectors": {
            one.detector.name: {
                "version": one.detector.version,
                "settings": dict(one.detector.settings),
                "removed": "none",
            }
            for one in judged
        },
        "suites": {suite.name: {"digest": suite.digest, "items": len(suite.items)} for suite in suites},
    }
    lines = [canonical_json(header)]
    number = 0
    for suite in suites:
        for item in suite.items:
            row: dict[str, Json] = {
                "suite": suite.name,
                "item": int(item.id),
                "found": {name: found[number] for name, found in best.items() if number in found},
                "unfindable": [one.detector.name for one in judged if not one.findable[number]],
            }
            lines.append(canonical_json({**row, "own_id": item.own_id} if item.own_id else row))
            number += 1
    write_text(path, "\n".join(lines) + "\n")


def _by_item(findings: Findings) -> dict[int, dict[str, Json]]:
    """Return the best score, the fields and the number of documents of each item that was found."""
    items, inverse, counts = np.unique(findings.items, return_inverse=True, return_counts=True)
    scores = np.full(len(items), -math.inf)
    np.maximum.at(scores, inverse, findings.scores)
    bits = np.zeros(len(items), np.uint8)
    np.bitwise_or.at(bits, inverse, findings.fields)
    return {
        int(item): {
            "score": round(float(scores[place]), 6),
            "fields": [name for bit, name in FIELD_NAMES.items() if bits[place] & bit],
            "documents": int(counts[place]),
        }
        for place, item in enumerate(items)
    }


def read_item_lists(path: Path, suites: Sequence[Suite] | None = None) -> ItemLists:
    """Return the lists in `path` (the file, or the folder that holds `items.jsonl`).

    With `suites`, those about to be evaluated, every one must be there under the same digest. Raises: ShardError for a
    damaged file, SuiteChangedError for a suite that is not the one that was looked for.
    """
    path = path / ITEMS if path.is_dir() else path
    if not path.is_file():
        raise ShardError(
            f"{path}: is not there, so nobody looked for items; expected the lists that `curate decontaminate` or the "
            "stage `decontaminate` writes: run one of them"
        )
    try:
        first, *rest = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        header = json.loads(first)
        if header.get("schema") != SCHEMA:
            raise ValueError(f"no `schema: {SCHEMA}` in its first line")
        lists = _lists(path, header, [json.loads(line) for line in rest])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{path}: no intact list of items ({error}); write it again") from None
    if suites is not None:
        _check(lists, suites)
    return lists


def _lists(path: Path, header: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> ItemLists:
    by_suite: dict[str, list[Mapping[str, Any]]] = {name: [] for name in header["suites"]}
    for row in rows:
        _ = row["found"], row["unfindable"], int(row["item"])
        by_suite[row["suite"]].append(row)
    short = [name for name, found in by_suite.items() if len(found) != header["suites"][name]["items"]]
    if short:
        raise ValueError(f"{len(by_suite[short[0]])} items of `{short[0]}`, the header names more or fewer")
    return ItemLists(
        default=str(header["default"]),
        detectors=tuple(header["detectors"]),
        digests={name: str(entry["digest"]) for name, entry in header["suites"].items()},
        removed={name: str(entry["removed"]) for name, entry in header["detectors"].items()},
        rows={name: tuple(found) for name, found in by_suite.items()},
        path=path,
    )


def _check(lists: ItemLists, suites: Sequence[Suite]) -> None:
    for suite in suites:
        known = lists.digests.get(suite.name)
        if known is None:
            raise ShardError(f"{lists.path}: nothing about `{suite.name}`; {nearest(suite.name, lists.digests)}")
        if known != suite.digest:
            raise SuiteChangedError(
                f"{lists.path}: the items were looked for in suite `{suite.name}` of digest {known[:8]}, the one to be "
                f"evaluated has {suite.digest[:8]}; evaluate the same file, or decontaminate against this one"
            )
