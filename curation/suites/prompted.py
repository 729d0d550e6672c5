"""One benchmark item as a model is asked it: contexts and continuations as text, and what the scores need to know.

Each choice is a pair (context, continuation) whose log-likelihood a scorer takes; joined, they are the text. A context
ends without a space and a continuation opens with one, so that a word's token keeps its space. How the text becomes
tokens is the scorer's rule. Lengths leave out that one leading space, as lm-eval and OLMo count them.
"""

from __future__ import annotations

from dataclasses import dataclass

EMPTY_CHOICE = "empty-choice"
CHOICE_TOO_LONG = "choice-longer-than-context"
NOT_FINITE = "log-likelihood-not-finite"
"""Why an item has no score. A context that does not fit loses its beginning and is no exclusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """One item of a task, rendered."""

    task: str
    item: int
    """Its place in the suite of its file, from 0: what the item lists of decontamination call it."""
    gold: int
    """The right choice, from 0."""
    contexts: tuple[str, ...]
    """One a choice; all equal except where the contexts compete (`schema`)."""
    continuations: tuple[str, ...]
    """One a choice, leading space included; a single one for `lm` and `gold`."""
    own_id: str = ""
    group: str = ""
    """Items of one cluster (passage, subject, twin sentences) share it: their errors are not independent."""
    partition: str = ""
    """The part of a task that is averaged over, where there is one (`jeopardy`: its categories)."""
    uncond: str | None = None
    """Context of the unconditional likelihood (`Answer:`); None where it is not asked."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Context and continuation of each choice."""
        return tuple(zip(self.contexts, self.continuations, strict=True))

    @property
    def num_chars(self) -> tuple[int, ...]:
        """Characters of each continuation without its one leading space."""
        return tuple(len(text.removeprefix(" ")) for text in self.continuations)

    @property
    def num_bytes(self) -> tuple[int, ...]:
        """UTF-8 bytes of each continuation without its one leading space."""
        return tuple(len(text.removeprefix(" ").encode()) for text in self.continuations)

    @property
    def excluded(self) -> str | None:
        """Why the item cannot be asked of any model; None when it can."""
        return None if all(self.num_bytes) else EMPTY_CHOICE
