"""The engine `lm-eval`: a suite's rendered items, scored by that library's own model class in a process of its own.

The items, metrics and files are those of the engine `curate`; only the log-likelihoods are computed elsewhere, and
agree to 1e-4. Slower: every task loads the model anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import RunError
from curation.progress import SilentProgress
from curation.suites.prompted import NOT_FINITE, Prompted
from train.evals.engine import Advance, ItemScores
from train.evals.lm_eval_pairs import Pair, PairScore, PairScores, score_pairs
from train.evals.requests import Encoded, encode_items
from train.readers import Reader

if TYPE_CHECKING:
    from train.evals.models import Opened

LM_EVAL_VERSION = "lm-eval-0.4.13@1"


@dataclass(slots=True, kw_only=True)
class LmEval:
    """One model directory at one context."""

    directory: Path
    reader: Reader
    """Says which items fit; the model behind it is not asked."""
    context_tokens: int
    threads: int | None = None
    name: str = "lm-eval"
    version: str = LM_EVAL_VERSION

    def score(self, items: Sequence[Prompted], advance: Advance) -> list[ItemScores]:
        """Return the scores of the items of one task. Raises: RunError as `score_pairs`."""
        encoded = encode_items(self.reader, items, self.context_tokens)
        pairs = [
            Pair(context, text)
            for item, asked in zip(items, encoded, strict=True)
            if asked.excluded is None
            for context, text in (*item.pairs, *((item.uncond, text) for text in _bare(item)))
            if context is not None
        ]
        scored = self._scored(items[0].task if items else "", pairs) if pairs else None
        found = _by_item(items, encoded, iter(scored.scores["items"] if scored else ()))
        advance(float(len(items)))
        return found

    def _scored(self, task: str, pairs: Sequence[Pair]) -> PairScores:
        try:
            return score_pairs(
                self.directory,
                {"items": pairs},
                SilentProgress(),
                context_tokens=self.context_tokens,
                threads=self.threads,
            )
        except RunError as error:
            raise RunError(f"task {task}: {error}") from None


def lm_eval_engine(held: Opened, workers: int) -> LmEval:
    """Return the engine of a model directory, or of a finished run, which is exported for it.

    Raises: RunError for a checkpoint: lm-eval reads directories, and checkpoints have none.
    """
    model = held.model
    if not model.has_directory:
        raise RunError(
            f"{model.where}: a checkpoint, which lm-eval cannot read; score it with --engine curate, or the "
            "finished run without --checkpoints"
        )
    return LmEval(
        directory=held.directory,
        reader=held.subject.reader,
        context_tokens=model.context_tokens,
        threads=workers,
    )


def _bare(item: Prompted) -> Sequence[str]:
    return () if item.uncond is None else item.continuations


def _by_item(items: Sequence[Prompted], encoded: Sequence[Encoded], scores: Iterator[PairScore]) -> list[ItemScores]:
    """Return the scores of consecutive pairs as those of their items."""
    found = []
    for item, asked in zip(items, encoded, strict=True):
        if asked.excluded is not None:
            found.append(ItemScores(excluded=asked.excluded))
            continue
        choices = tuple(islice(scores, len(asked.choices)))
        bare = tuple(islice(scores, len(asked.uncond)))
        _same_tokens(item, asked, choices)
        values = [one.log_likelihood for one in (*choices, *bare)]
        truncated = any(one.truncated for one in (*asked.choices, *asked.uncond))
        if not all(map(math.isfinite, values)):
            found.append(ItemScores(excluded=NOT_FINITE, truncated=truncated))
            continue
        found.append(
            ItemScores(
                log_likelihoods=tuple(one.log_likelihood for one in choices),
                greedy=tuple(one.greedy for one in choices),
                num_tokens=tuple(one.num_tokens for one in choices),
                uncond=tuple(one.log_likelihood for one in bare) if item.uncond is not None else None,
                truncated=truncated,
            )
        )
    return found


def _same_tokens(item: Prompted, asked: Encoded, choices: Sequence[PairScore]) -> None:
    ours = [one.length for one in asked.choices]
    theirs = [one.num_tokens for one in choices]
    if ours != theirs:
        raise RunError(
            f"task {item.task} item {item.item}: lm-eval reads {theirs} tokens in its choices, expected {ours}; the "
            "directory's tokenizer adds or merges tokens there: score it with --engine curate"
        )
