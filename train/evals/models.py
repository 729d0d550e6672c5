"""What `curate eval` scores: a finished run, one of its checkpoints, or a model directory; opened when it is needed.

A digest names the weights with what reads them: of a run its fingerprint, of a checkpoint the run's line and the bytes
of its tensors, of a directory its files. Paths and times are no part of it. An export whose files were changed is no
longer its run: it goes by its directory's name, of unknown seed and arm.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from curation.errors import RunError
from curation.files import Json, digest_json, read_json, sha256_file
from curation.store import Artifact
from train.evals.results import ModelFacts
from train.evaluate import CONTEXT_TOKENS, Subject, allowed_context, directory_subject, exported_context, run_subject
from train.export import EXPORTED, export_model
from train.model_files import refuse_without_tokenizer
from train.readers import longest_window
from train.run import MODEL
from train.tier_table import STANDARD
from train.tiers import load_tier

_READ = ("config.json", "generation_config.json", "special_tokens_map.json", "added_tokens.json")
_PATTERNS = ("*.safetensors", "*.safetensors.index.json", "tokenizer*", "vocab*", "merges.txt", "*.model", *_READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A model to score and how to open it."""

    facts: ModelFacts
    context_tokens: int
    load: Callable[[], Subject]
    where: str
    """Path, for messages."""
    note: str | None = None
    """What a person should know of it before it is scored."""
    panel: str | None = None
    """Fingerprint of the panel that its corpus was split from, where known."""
    run: Artifact | None = None
    """The finished run; None for a checkpoint."""
    directory: Path | None = None

    @property
    def has_directory(self) -> bool:
        """Whether other programs can read it: a model directory, or a finished run, which is exported for them."""
        return self.directory is not None or self.run is not None


class Opened:
    """A model that is loaded at the first question and kept for the next ones."""

    def __init__(self, model: Evaluated) -> None:
        self.model = model
        self._subject: Subject | None = None
        self._exported: tempfile.TemporaryDirectory[str] | None = None

    @property
    def subject(self) -> Subject:
        """The loaded model. Raises: RunError as `load`."""
        if self._subject is None:
            self._subject = self.model.load()
        return self._subject

    @property
    def directory(self) -> Path:
        """Hugging Face directory of a model that `has_directory`; a run is exported for as long as it is open."""
        if self.model.directory is not None:
            return self.model.directory
        assert self.model.run is not None
        if self._exported is None:
            self._exported = tempfile.TemporaryDirectory(prefix="curate-export-")
            export_model(self.model.run, Path(self._exported.name) / "model")
        return Path(self._exported.name) / "model"

    def close(self) -> None:
        """Let go of its memory and of its export."""
        self._subject = None
        if self._exported is not None:
            self._exported.cleanup()


@contextmanager
def opened(model: Evaluated) -> Iterator[Opened]:
    """Give the model, and let go of it at the end."""
    held = Opened(model)
    try:
        yield held
    finally:
        held.close()


def run_model(run: Artifact, context: int | None = None) -> Evaluated:
    """Return a finished run to score at `context` tokens, by default its tier's evaluation context.

    Raises: RunError for a context that the model does not take.
    """
    return Evaluated(
        facts=run_facts(run),
        context_tokens=run_context(run, context),
        load=lambda: run_subject(run, context),
        where=str(run.path),
        panel=_inputs(run).get("panel"),
        run=run,
    )


def run_facts(run: Artifact) -> ModelFacts:
    """Return what a run's manifest says of its model."""
    summary = run.summary
    return ModelFacts(
        name=f"run-{run.fingerprint[:8]}",
        digest=run.fingerprint,
        tier=str(summary["tier"]),
        seed=cast("int", summary["seed"]),
        arm=_inputs(run).get("tokens"),
        tokens_seen=cast("int", summary["tokens_seen"]),
        tokenizer=str(summary["tokenizer"]),
    )


def run_context(run: Artifact, context: int | None) -> int:
    """Return the context to score a run at. Raises: RunError for one that the model does not take."""
    tier = load_tier(str(run.summary["tier"]), where=str(run.path))
    return allowed_context(context, tier.shape.context_tokens, run.path) or tier.eval_context_tokens


def is_model_directory(name: str) -> bool:
    """Return whether `name` is a Hugging Face directory here, rather than a run."""
    return (Path(name) / "config.json").is_file()


def directory_model(path: Path, context: int | None = None) -> Evaluated:
    """Return the model in a Hugging Face directory; an export of ours keeps what its run is known by.

    Raises: RunError for a context that it does not take, or a directory without configuration, weights or tokenizer.
    """
    longest = _longest(path)
    tokens = allowed_context(context, longest, path) or exported_context(path) or CONTEXT_TOKENS
    files = _file_digests(path)
    refuse_without_tokenizer(path)
    exported = _exported(path)
    changed = changed_since_export(exported, files) if exported else None
    if exported is not None and changed is None:
        facts = run_facts(exported).model_copy(update={"digest": directory_digest(path, files)})
    else:
        facts = ModelFacts(name=path.resolve().name, digest=directory_digest(path, files), trainer="unknown")
    return Evaluated(
        facts=facts,
        context_tokens=min(tokens, longest or tokens),
        load=lambda: directory_subject(path, context),
        where=str(path),
        note=f"{path}: {changed}; scored as a model of its own, of no known seed or corpus" if changed else None,
        panel=_inputs(exported).get("panel") if exported else None,
        directory=path,
    )


def directory_digest(path: Path, files: Mapping[str, str]) -> str:
    """Return one digest of the files that make the model and its tokenizer; an export's text is read in its own way."""
    return digest_json(["directory" if exported_context(path) is None else "export@2", dict(files)])


def _file_digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of the model and its tokenizer. Raises: RunError if there are no weights."""
    files = sorted({file for pattern in _PATTERNS for file in path.glob(pattern) if file.is_file()})
    if not any(file.suffix == ".safetensors" for file in files):
        raise RunError(f"{path}: no *.safetensors; expected a model directory as `save_pretrained` writes it")
    return {file.name: sha256_file(file) for file in files}


def changed_since_export(run: Artifact, files: Mapping[str, str]) -> str | None:
    """Return why a directory is no longer the model of the run that its run.json names; None if it is."""
    name = run_facts(run).name
    known = cast("Mapping[str, str] | None", run.manifest.get(EXPORTED))
    if known is None:  # of an older export: only weights that were copied can be known again
        listed = cast("list[Mapping[str, str]]", run.manifest.get("files", []))
        folded = load_tier(str(run.summary["tier"]), where=str(run.path)).multipliers != STANDARD
        known = {one["path"]: one["sha256"] for one in listed if one["path"] == MODEL and not folded}
        if not known:
            return f"its run.json cannot say whether its weights are those of {name}: export the run again"
    stray = [file for file in files if file.endswith(".safetensors") and file not in known]
    for file in (*known, *stray):
        if files.get(file) != known.get(file):
            return f"{file} is not what {name} was exported with"
    return None


def _longest(path: Path) -> int | None:
    try:
        config = read_json(path / "config.json")
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: no readable config.json ({error}); expected a Hugging Face model directory") from None
    return longest_window(config) if isinstance(config, dict) else None


def _exported(path: Path) -> Artifact | None:
    """Return the run that was exported to `path`, as its manifest describes it; None if it is no export of ours."""
    if exported_context(path) is None:
        return None
    manifest = cast("dict[str, Json]", read_json(path / "run.json"))
    try:
        run = Artifact(path=path, manifest=manifest)
        run_facts(run)
    except (KeyError, ValueError, TypeError):
        return None
    return run


def _inputs(run: Artifact) -> dict[str, str]:
    return cast("dict[str, str]", run.manifest.get("inputs", {}))
