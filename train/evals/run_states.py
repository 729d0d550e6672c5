"""The checkpoints of a run that still exist: those of a run that goes on, and the plateaus that a finished one left.

A plateau of the run's line at a step before its rate begins to fall is the run's own state there (`train.branches`).
A run removes its other checkpoints when its weights are on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from curation.errors import RunError
from curation.files import digest_json, read_json
from curation.store import MANIFEST, Artifact, Store
from train.branches import branch_step, line_of, plateaus
from train.checkpoint_files import STATE, TENSORS
from train.checkpoints import fault_of
from train.evals.models import Evaluated, run_context, run_facts, run_model
from train.evals.results import ModelFacts
from train.evaluate import Subject, allowed_context, model_subject
from train.lookup import find_artifact
from train.tiers import Tier, load_tier, tier_digest

ALL = "all"
_MODEL = "model."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """A directory with the tensors of a run after `step` steps."""

    step: int
    path: Path
    sha256: str


def run_states(
    store: Store, name: str, *, checkpoints: str | None, context: int | None, note: Callable[[str], None]
) -> list[Evaluated]:
    """Return what `checkpoints` asks of a run: None the finished model, `all` or a step its states, by step.

    Raises: RunError for an unknown run, a step of which there is no state, or an unfinished run without `checkpoints`.
    """
    folder = _unfinished(store, name)
    if folder is not None and checkpoints is None:
        raise RunError(f"{folder}: this run is not finished; score what it has with --checkpoints all, or finish it")
    if folder is not None:
        found = _of_unfinished(folder, context, note)
    else:
        run = find_artifact(store, name, "run")
        if checkpoints is None:
            return [run_model(run, context)]
        found = [*_of_finished(store, run, context), run_model(run, context)]
    return _chosen(found, str(checkpoints), name)


def _chosen(found: Sequence[Evaluated], wanted: str, name: str) -> list[Evaluated]:
    steps = [str(model.facts.checkpoint) for model in found if model.facts.checkpoint is not None]
    if wanted == ALL and found:
        return list(found)
    matching = [model for model in found if str(model.facts.checkpoint) == wanted]
    if not matching:
        known = ", ".join(steps) or "none"
        raise RunError(f"--checkpoints {wanted}: {name} has none of that step; expected `all` or one of: {known}")
    return matching


def _unfinished(store: Store, name: str) -> Path | None:
    """Return the directory of a run that has checkpoints and no manifest yet, if `name` names one."""
    known = [path for path in sorted(store.root.glob("run-*")) if path.name.startswith((name, f"run-{name}"))]
    for path in (Path(name), *known):
        if (path / "checkpoints").is_dir() and not (path / MANIFEST).is_file():
            return path
    return None


def _of_unfinished(folder: Path, context: int | None, note: Callable[[str], None]) -> list[Evaluated]:
    found, held = [], None
    for path in sorted((folder / "checkpoints").glob("step-*")):
        step = int(path.name.removeprefix("step-"))
        fault = fault_of(path, step)
        if fault is not None:
            note(f"{path}: {fault}; passed over")
            continue
        held = cast("Mapping[str, Any]", read_json(path / STATE))["identity"]
        digests = cast("Mapping[str, Any]", read_json(path / MANIFEST))["sha256"]
        saved = _Saved(step=step, path=path, sha256=digests[TENSORS])
        found.append(_state(saved, held, f"run-{held['run'][:8]}", context))
    if held is None:
        raise RunError(f"{folder}: no sound checkpoint yet; wait for the first one")
    return found


def _of_finished(store: Store, run: Artifact, context: int | None) -> list[Evaluated]:
    """Return the plateaus of the run's line that were states of it."""
    params = cast("Mapping[str, Any]", run.manifest["params"])
    inputs = cast("Mapping[str, str]", run.manifest["inputs"])
    tier = load_tier(str(run.summary["tier"]), where=str(run.path))
    if "recovery" in params or "tokens" not in inputs or tier.schedule != "wsd":
        return []
    line = line_of(tier, inputs["tokens"], int(params["seed"]), panel=inputs["panel"])
    facts = run_facts(run)
    identity = {"tier": tier.name, "seed": facts.seed, "tokens": inputs["tokens"], "run": run.fingerprint}
    found = []
    for step, path in sorted(plateaus(store, line).items()):
        if step <= branch_step(tier):
            files = cast("Mapping[str, Any]", read_json(path / MANIFEST))["files"]
            sha256 = next(str(one["sha256"]) for one in files if one["path"] == TENSORS)
            saved = _Saved(step=step, path=path, sha256=sha256)
            state = _state(saved, identity, facts.name, run_context(run, context))
            found.append(replace(state, panel=inputs.get("panel")))
    return found


def _state(saved: _Saved, identity: Mapping[str, Any], name: str, context: int | None) -> Evaluated:
    tier = load_tier(str(identity["tier"]), where=str(saved.path))
    allowed = allowed_context(context, tier.shape.context_tokens, saved.path)
    tokens = allowed or tier.eval_context_tokens
    facts = ModelFacts(
        name=name,
        digest=digest_json(["checkpoint", tier_digest(tier), str(identity["run"]), saved.step, saved.sha256]),
        tier=tier.name,
        seed=int(identity["seed"]),
        arm=str(identity["tokens"]),
        tokens_seen=saved.step * tier.batch_tokens,
        checkpoint=saved.step,
        tokenizer=tier.tokenizer,
    )
    return Evaluated(
        facts=facts,
        context_tokens=tokens,
        load=lambda: _subject(saved.path, tier, f"{name} step {saved.step}", tokens),
        where=str(saved.path),
    )


def _subject(path: Path, tier: Tier, name: str, context_tokens: int) -> Subject:
    """Return the model in a checkpoint. Raises: RunError if it does not hold the tier's parameters."""
    from safetensors.torch import load_file

    from train.execution import accelerator_of
    from train.model import LanguageModel

    model = LanguageModel(tier)
    tensors = load_file(path / TENSORS)
    try:
        model.load_state_dict({name: tensors[f"{_MODEL}{name}"].float() for name in model.state_dict()})
    except (RuntimeError, KeyError) as error:
        raise RunError(f"{path}: does not fit tier {tier.name} ({error}); train it again") from None
    return model_subject(model.eval().to(accelerator_of(tier).device), tier, name, context_tokens)
