"""What is scored: a run or any local Hugging Face model, with its windows; the same for panels, suites and items.

A run is scored at its tier's evaluation context, its exported directory at the same one (`run.json` names it), any
other directory at 512 tokens (rule 6); `context` asks for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curation.errors import RunError
from curation.files import Json, read_json
from curation.store import Artifact
from curation.tokenizers import load_tokenizer
from train.readers import Reader, directory_reader, model_reader, run_reader
from train.tiers import Tier, load_tier

if TYPE_CHECKING:
    from train.model import LanguageModel

CONTEXT_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to score."""

    name: str
    tier: str | None
    """Of a run; None for a directory."""
    context_tokens: int
    reader: Reader

    def as_json(self) -> dict[str, Json]:
        """Return what scores are scores of."""
        return {"model": self.name, "tier": self.tier, "context": self.context_tokens}


def run_subject(run: Artifact, context: int | None = None) -> Subject:
    """Return a run of the store to score at `context` tokens, by default those of its tier.

    Raises: RunError for a context that the model does not take.
    """
    tier = load_tier(str(run.summary["tier"]), where=str(run.path))
    reader = run_reader(run, tier)
    tokens = allowed_context(context, reader.max_context_tokens, run.path) or tier.eval_context_tokens
    return Subject(name=run.path.name, tier=tier.name, context_tokens=tokens, reader=reader)


def model_subject(model: LanguageModel, tier: Tier, name: str, context_tokens: int) -> Subject:
    """Return one of our models, in memory, to score."""
    reader = model_reader(model, load_tokenizer(tier.tokenizer), tier)
    return Subject(name=name, tier=tier.name, context_tokens=context_tokens, reader=reader)


def directory_subject(path: Path, context: int | None = None) -> Subject:
    """Return the causal language model in the Hugging Face directory `path`, with its own tokenizer, to score.

    Raises: RunError if it cannot be loaded, has no EOS, or does not take windows of `context` tokens.
    """
    exported = exported_context(path)
    reader = directory_reader(path, plain_specials=exported is not None)
    tokens = allowed_context(context, reader.max_context_tokens, path) or exported or CONTEXT_TOKENS
    tokens = min(tokens, reader.max_context_tokens or tokens)
    return Subject(name=path.name, tier=None, context_tokens=tokens, reader=reader)


def exported_context(path: Path) -> int | None:
    """Return the evaluation context of the run that was exported to `path`; None if it is no export of ours."""
    if not (path / "run.json").is_file():
        return None
    try:
        manifest = cast("Mapping[str, Any]", read_json(path / "run.json"))
        found = manifest["summary"]["context"] if manifest["kind"] == "run" else None
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) and found > 0 else None


def allowed_context(context: int | None, longest: int | None, where: Path) -> int | None:
    """Return `context`. Raises: RunError if the model takes no window of so many tokens."""
    if context is not None and longest is not None and context > longest:
        raise RunError(f"--context {context}: {where} takes at most {longest} tokens; give no more, or leave it out")
    return context
