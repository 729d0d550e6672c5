"""What is said of an annealed run: its base, its candidate, and the run that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curation.files import read_json

if TYPE_CHECKING:
    from curation.store import Artifact


def anneal_lines(run: Artifact) -> list[str]:
    """Return which corpora an annealed run read and which run is its control; nothing of an ordinary run."""
    declared = cast("Mapping[str, Any] | None", run.summary.get("anneal"))
    if not declared:
        return []
    base, candidate = (f"corpus-{declared[role]['corpus'][:8]}" for role in ("base", "candidate"))
    seen = declared["candidate"]["tokens_seen"]
    tier, seed = run.summary["tier"], run.summary["seed"]
    control = control_of(run)
    known = control.name if control else f"none beside it, `curate train {base} --tier {tier} --seed {seed}` makes it"
    return [
        f"Annealed: base {base} for {declared['step']:,} steps, then candidate {candidate} ({seen:,} tokens).",
        f"Control, the same run on the base alone: {known}.",
    ]


def control_of(run: Artifact) -> Path | None:
    """Return the finished run beside `run` that differs from it in not being annealed alone, if there is one."""
    wanted = _identity(run.manifest)
    for path in sorted(run.path.parent.glob("run-*/manifest.json")):
        manifest = read_json(path)
        if path.parent != run.path and isinstance(manifest, dict) and _plain(manifest) == wanted:
            return path.parent
    return None


def _identity(manifest: Mapping[str, Any]) -> object:
    """Return what names the ordinary run: settings, tokens and panel, without what annealing adds."""
    params = {key: value for key, value in manifest["params"].items() if key != "anneal"}
    inputs = {key: value for key, value in manifest["inputs"].items() if key != "anneal_tokens"}
    return manifest["version"], params, inputs


def _plain(manifest: Mapping[str, Any]) -> object:
    """Return the same of a run that may be the control; None of an annealed or a foreign one."""
    if "anneal" in manifest.get("params", {"anneal": ""}) or not {"version", "inputs"} <= manifest.keys():
        return None
    return _identity(manifest)
