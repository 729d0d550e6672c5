"""What a clock says of builds, beside the artifacts and never in them: `timing/<kind>-<fingerprint>.build.json`.

The seconds are those of the attempt that finished, inputs not counted; they are on disk before the artifact is
complete, so that an artifact without them was made elsewhere, or by a version that kept none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.files import read_json, write_json

if TYPE_CHECKING:
    from curation.nodes import Node


def clock_path(root: Path, kind: str, fingerprint: str) -> Path:
    """Return where the seconds of an artifact's build are kept, below the store's root."""
    return root / "timing" / f"{kind}-{fingerprint[:8]}.build.json"


def keep_seconds(root: Path, kind: str, fingerprint: str, seconds: float) -> None:
    """Write down how long a build took; no fingerprint stands in the file, which would count as a reference to it."""
    write_json(clock_path(root, kind, fingerprint), {"seconds": round(seconds, 3)})


def seconds_of(root: Path, node: Node) -> float | None:
    """Return how long building a node took; None where nobody knows."""
    try:
        value = cast("dict[str, object]", read_json(clock_path(root, node.kind, node.fingerprint)))
        return float(cast("float", value["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def added_seconds(root: Path, targets: Iterable[tuple[str, Node]]) -> dict[str, float]:
    """Return by name how long a target and what it needs took, beyond what the targets before it needed already.

    Pools are not counted: they are read once for whatever is made of them. A name of which any part is not known is
    left out.
    """
    counted: set[str] = set()
    found: dict[str, float] = {}
    for name, target in targets:
        own = [seconds_of(root, node) for node in _needed(target, counted)]
        known = [value for value in own if value is not None]
        if len(known) == len(own):
            found[name] = sum(known)
    return found


def _needed(node: Node, counted: set[str]) -> Iterator[Node]:
    if node.fingerprint in counted or node.known_fingerprint is not None:
        return
    counted.add(node.fingerprint)
    yield node
    for upstream in node.inputs.values():
        yield from _needed(upstream, counted)
