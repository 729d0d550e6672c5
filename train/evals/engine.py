"""The seam between what is asked and who computes it: an engine takes a task's items and returns log-likelihoods.

`curate` (`train.evals.scorer`) scores in this process; `lm-eval` runs that library beside it. Rules both keep:
context and continuation are encoded together and the ids after those of the context alone are the continuation's; a
context that does not fit loses its beginning (counted as `truncated`); an item with a continuation longer than the
window is excluded. Source: lm-eval 0.4, `TemplateLM._encode_pair`, `HFLM._loglikelihood_tokens`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from curation.suites.prompted import Prompted

Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScores:
    """What an engine found for one item; one entry a choice. Empty where the item is excluded."""

    log_likelihoods: tuple[float, ...] = ()
    """Summed over the continuation's tokens, nats, at most 0."""
    greedy: tuple[bool, ...] = ()
    """Whether every token of the continuation is the most likely one."""
    num_tokens: tuple[int, ...] = ()
    uncond: tuple[float, ...] | None = None
    """The same after the item's unconditional context; None where it asks for none."""
    truncated: bool = False
    """Whether a context lost its beginning."""
    excluded: str | None = None


class Engine(Protocol):
    """Who computes log-likelihoods of one model at one context."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def version(self) -> str:
        """Enters the results; another version's scores are never compared with this one's."""

    def score(self, items: Sequence[Prompted], advance: Advance) -> list[ItemScores]:
        """Return the scores of the items of one task, in their order.

        `advance` is told the items as they are done. What is returned depends on model, context and these items alone.
        Raises: RunError for a model that gives no numbers.
        """
