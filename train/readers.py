"""Readers: a model with its tokenizer as scoring sees them, ours or any causal language model of transformers.

Panels and items are scored by one code that knows only a reader, so a run and its exported directory differ in the
model's implementation alone. Shapes: B rows, T positions, V vocabulary, n positions of a span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from curation.batches import text_array, text_view
from curation.errors import RunError
from curation.store import Artifact
from curation.tokenizers import TokenizedView, Tokenizer, load_tokenizer
from train.model_files import load_directory
from train.run import MODEL, scoring_model
from train.score import WindowNats, model_nats
from train.tiers import Tier

if TYPE_CHECKING:
    from train.model import LanguageModel

Ids: TypeAlias = npt.NDArray[np.int64]
POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length")
"""What configurations call the longest window that a model takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What scoring needs of a model."""

    encode: Callable[[Sequence[str]], TokenizedView]
    eos_id: int
    """What a document begins with: EOS; of a model directory BOS, where its tokenizer has one."""
    nats_of: WindowNats
    max_context_tokens: int | None
    """Longest window that the model takes; None if it does not say."""
    model: Any = None
    """The model itself, for passes that the functions above do not make (`train.evals`)."""
    threads: int | None = None
    """Torch threads to score with; None leaves them as they are."""
    unk_id: int | None = None
    """The tokenizer's id for text that it cannot tell apart, if it has one."""

    def computing(self) -> AbstractContextManager[None]:
        """Hold torch to the reader's threads."""
        from train.loop import fixed_threads

        return nullcontext() if self.threads is None else fixed_threads(self.threads)


def run_reader(run: Artifact, tier: Tier) -> Reader:
    """Return the reader of a run in the store, on the device that trains its tier here."""
    return model_reader(scoring_model(run.path / MODEL, tier), load_tokenizer(tier.tokenizer), tier)


def model_reader(model: LanguageModel, tokenizer: Tokenizer, tier: Tier) -> Reader:
    """Return the reader of one of our models."""
    return Reader(
        encode=lambda texts: tokenizer.encode(text_view(text_array(list(texts)))),
        eos_id=tokenizer.eos_id,
        nats_of=model_nats(model),
        max_context_tokens=tier.shape.context_tokens,
        model=model,
        threads=tier.threads,
    )


def directory_reader(path: Path, *, plain_specials: bool = False) -> Reader:
    """Return the reader of the causal language model in the Hugging Face directory `path`, in float32 on the CPU.

    Special tokens that text spells out are what its tokenizer says they are; plain text with `plain_specials`.
    Raises: RunError if it cannot be loaded, its tokenizer has no EOS or ids that the model does not know.
    """
    model, tokenizer = load_directory(path)
    if plain_specials:
        tokenizer.split_special_tokens = True
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if first is None:
        raise RunError(
            f"{path}: its tokenizer has no EOS token and no BOS, which documents begin with; set `eos_token` in "
            "tokenizer_config.json"
        )
    _refuse_unfit(path, model, tokenizer)
    longest = longest_window(vars(model.config) | {POSITIONS[0]: getattr(model.config, POSITIONS[0], None)})
    return Reader(
        encode=lambda texts: _encoded(tokenizer, texts),
        eos_id=int(first),
        nats_of=_library_nats(model),
        max_context_tokens=longest,
        model=model,
        unk_id=None if tokenizer.unk_token_id in (None, first, tokenizer.eos_token_id) else tokenizer.unk_token_id,
    )


def longest_window(config: Mapping[str, object]) -> int | None:
    """Return the longest window that a configuration allows; None if it does not say."""
    found = (config.get(name) for name in POSITIONS)
    return next((value for value in found if isinstance(value, int) and value > 0), None)


def _refuse_unfit(path: Path, model: Any, tokenizer: Any) -> None:
    """Raise RunError if the tokenizer has ids beyond the model's embeddings."""
    known, largest = model.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values(), default=-1)
    if largest >= known:
        raise RunError(
            f"{path}: the tokenizer has ids up to {largest}, the model knows {known}; expected a model and a tokenizer "
            "that belong together; put the model's own tokenizer.json there"
        )


def _encoded(tokenizer: Any, texts: Sequence[str]) -> TokenizedView:
    # not `verbose`: a document longer than a window is no mistake, it is cut into windows
    ids = [tokenizer.encode(text, add_special_tokens=False, verbose=False) for text in texts]
    offsets = np.cumsum([0, *map(len, ids)]).astype(np.int64)
    flat = np.fromiter((token for document in ids for token in document), np.int64, int(offsets[-1]))
    return TokenizedView(tokens=cast("npt.NDArray[np.uint16]", flat), offsets=offsets)


def _library_nats(model: Any) -> WindowNats:
    import torch

    @torch.inference_mode()
    def nats_of(ids: Ids) -> npt.NDArray[np.float32]:
        ids_BT = torch.from_numpy(ids)
        logits_BTV = model(ids_BT[:, :-1]).logits.float()
        nats_N = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none")
        found: npt.NDArray[np.float32] = nats_N.view(ids.shape[0], -1).numpy()
        return found

    return nats_of
