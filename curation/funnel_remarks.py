"""What a step of the funnel says beside its counts: which documents it judged, what it decided, what to look at.

A filter judges slices of some kinds (`applies_to`); the others pass unjudged. A step that judged only some of what
entered it says so, and one that judged nothing, or kept nothing of what it judged, is a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from curation.files import Json
from curation.funnel import Counts, changed_text, published_text

MAX_SLICES = 4
"""Slices that one remark names; the others are counted."""


def judged_entry(summary: Mapping[str, Json], entered: Counts, slices: Sequence[str]) -> dict[str, Json]:
    """Return a step's `judged` and `notes` for `funnel.json`, by the summary of its verdict.

    Counts are of the documents that entered the step. A verdict that names no unjudged slices judges all, without an
    entry: dedup and decontamination.
    """
    said: dict[str, Json] = {"notes": summary["notes"]} if summary.get("notes") else {}
    if "unjudged_slices" not in summary:
        return said
    passed = set(cast("Sequence[str]", summary["unjudged_slices"]))
    docs = {name: int(entered[i, 0]) for i, name in enumerate(slices) if entered[i, 0]}
    judged = {name: number for name, number in docs.items() if name not in passed}
    unjudged = {name: number for name, number in docs.items() if name in passed}
    return {
        "judged": {
            "docs": sum(judged.values()),
            "unjudged_docs": sum(unjudged.values()),
            "slices": dict(judged),
            "unjudged_slices": dict(unjudged),
        },
        **said,
    }


def unjudged_slices(step: Mapping[str, Json]) -> list[str]:
    """Return the slices that entered a step of `funnel.json` and passed unjudged, most documents first."""
    docs = cast("Mapping[str, int]", _judged(step).get("unjudged_slices", {}))
    return sorted(docs, key=lambda name: (-docs[name], name))


def judged_text(step: Mapping[str, Json]) -> str:
    """Return how many of the documents were judged and which slices were not; empty if all were."""
    passed = unjudged_slices(step)
    if not passed:
        return ""
    return f"judged {_judged(step)['docs']:,} of {step['docs_in']:,} (not: {_listed(passed)})"


def warning_text(step: Mapping[str, Json]) -> str:
    """Return a warning about a step that judged no document or dropped all that it judged; empty otherwise."""
    passed, entered = unjudged_slices(step), cast("int", step["docs_in"])
    if not passed:
        return ""
    judged = cast("int", _judged(step)["docs"])
    if not judged:
        return (
            f"{step['step']} judged no document: the {entered:,} that entered are of slices of other kinds "
            f"({_listed(passed)}); set `applies_to` to the kinds that it should judge"
        )
    if entered - cast("int", step["docs_out"]) == judged:
        return (
            f"{step['step']} dropped all {judged:,} documents that it judged; what is left was not judged "
            f"({_listed(passed)}); loosen it, or set `applies_to`"
        )
    return ""


def remarks(step: Mapping[str, Json]) -> list[str]:
    """Return everything that a step says beside its counts and reasons, a line each."""
    notes = cast("Sequence[str]", step.get("notes", ()))
    return [text for text in (judged_text(step), changed_text(step), published_text(step), *notes) if text]


def _judged(step: Mapping[str, Json]) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", step.get("judged", {}))


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - MAX_SLICES} more"] if len(names) > MAX_SLICES else []
    return ", ".join([*names[:MAX_SLICES], *more])
