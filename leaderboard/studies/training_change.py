"""What the runs of an arm have other than their tier says: another tokenizer, or other settings of the optimizer.

A data study's arms differ in their corpora and train alike: their change is None. In a tokenizer or optimizer study all
arms share the baseline's corpus, and an arm is one point: one tokenizer, or one (optimizer, rate, batch).
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.files import Json, digest_json
from train.tier_names import number_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingChange:
    """One point of training: what replaces the tier's own values; a default keeps them."""

    tokenizer: str | None = None
    """Name of a shipped tokenizer, or the path of a `tokenizer.json`; the model's vocabulary follows it."""
    optimizer: str | None = None
    """Name of a registered optimizer (`train.optimizers`)."""
    learning_rate_multiplier: float = 1.0
    """Times the tier's rate."""
    batch_multiplier: float = 1.0
    """Times the tier's batch in tokens, at the same budget of tokens; the rate does not follow by itself."""
    settings: tuple[tuple[str, float], ...] = ()
    """Values of `train.tier_changes.SETTINGS`, sorted by name."""

    @property
    def component(self) -> str:
        """The component that it changes: `tokenizer` or `optimizer`."""
        return "tokenizer" if self.tokenizer is not None else "optimizer"

    def text(self) -> str:
        """Return the change in words: `optimizer muon, rate x0.5, batch x2`."""
        parts = [f"tokenizer {self.tokenizer}"] if self.tokenizer is not None else []
        parts += [f"optimizer {self.optimizer}"] if self.optimizer is not None else []
        if self.learning_rate_multiplier != 1:
            parts.append(f"rate x{number_text(self.learning_rate_multiplier)}")
        if self.batch_multiplier != 1:
            parts.append(f"batch x{number_text(self.batch_multiplier)}")
        parts += [f"{name} {value:g}" for name, value in self.settings]
        return ", ".join(parts) or "none"

    def as_json(self) -> dict[str, Json]:
        """Return the change as plain JSON, without what it keeps; the tokenizer as it was named."""
        value: dict[str, Json] = {}
        if self.tokenizer is not None:
            value["tokenizer"] = self.tokenizer
        if self.optimizer is not None:
            value["optimizer"] = self.optimizer
        if self.learning_rate_multiplier != 1:
            value["learning_rate_multiplier"] = self.learning_rate_multiplier
        if self.batch_multiplier != 1:
            value["batch_multiplier"] = self.batch_multiplier
        if self.settings:
            value["settings"] = dict(self.settings)
        return value

    def identity(self) -> dict[str, Json]:
        """Return what a fingerprint is taken over: `as_json` with the tokenizer's digest in place of its name.

        Raises: RecipeError for a tokenizer that is not there.
        """
        value = self.as_json()
        if self.tokenizer is not None:
            from curation.tokenizers import open_tokenizer

            value["tokenizer"] = open_tokenizer(self.tokenizer, where="tokenizer").digest
        return value

    def digest(self) -> str:
        """Return the fingerprint of the change, 64 hex digits."""
        return digest_json(self.identity())
