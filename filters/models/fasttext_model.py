"""fastText inference over Arrow string buffers: no Python string is made, the GIL is free, results are fastText's.

`FastTextModel.load(path)` reads a `.bin` or `.ftz`; `probabilities` gives every label's p for every document. Against
the library's `predict`: same ids of words and n-grams, |Δp| below 1e-5 (`tests/filters/test_fasttext_model.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView, text_view
from curation.errors import PluginError, RecipeError, nearest
from filters.models.fasttext_file import ModelFile, read_model_file
from filters.models.normalisation import DCLM, Normalisation

BATCH_ROWS = 1024
"""Documents whose hidden vectors are held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTextModel:
    """A supervised model ready to score; safe to use from several threads."""

    file: ModelFile
    slots: npt.NDArray[np.uint64]
    """Table from words to numbers, see `fasttext_words_kernels.build_table`."""
    tails: npt.NDArray[np.uint64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    where: str
    """Its path, for error messages."""

    @classmethod
    def load(cls, path: Path, sha256: str | None = None) -> FastTextModel:
        """Return the model in `path`.

        Raises: PluginError for a file that is not a supervised fastText model, or not the one with digest `sha256`.
        """
        from filters.models.fasttext_output_kernels import HIERARCHICAL, huffman_tree
        from filters.models.fasttext_words_kernels import build_table

        file = read_model_file(path)
        if sha256 is not None and sha256 != file.sha256:
            raise PluginError(
                f"{path}: its bytes changed since it was planned (sha256 {file.sha256[:12]}, expected {sha256[:12]}); "
                "leave the file alone and rerun the command"
            )
        slots, tails = build_table(file.entries, file.entry_offsets)
        none = np.zeros(0, np.int32)
        left, right = huffman_tree(file.label_counts) if file.loss == HIERARCHICAL else (none, none)
        return cls(file=file, slots=slots, tails=tails, left=left, right=right, where=str(path))

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, in the order of the columns of `probabilities`."""
        return self.file.labels

    def label_index(self, label: str, where: str) -> int:
        """Return the column of `label`. Raises: RecipeError for an unknown one; it lists the labels, 20 at most."""
        if label in self.labels:
            return self.labels.index(label)
        shown = ", ".join(self.labels[:20]) + (f" and {len(self.labels) - 20} more" if len(self.labels) > 20 else "")
        raise RecipeError(
            f"{where}: {self.where} has no label `{label}`, it has {shown}; {nearest(label, self.labels)}"
        )

    def probabilities(
        self, texts: pa.Array | pa.ChunkedArray, recipe: Normalisation = DCLM, rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return documents x labels: p as fastText's `predict` gives it (p + 1e-5, so up to 1.00001).

        A document without a known word has 0 for every label. `rows` chooses documents; None means all.
        Raises: PluginError if the model's numbers overflow.
        """
        view = text_view(recipe.column(texts))
        chosen = np.arange(len(view)) if rows is None else np.asarray(rows, np.int64)
        out = np.empty((len(chosen), len(self.labels)), np.float32)
        settings = self.settings(recipe)
        for start in range(0, len(chosen), BATCH_ROWS):
            batch = np.ascontiguousarray(chosen[start : start + BATCH_ROWS], np.int64)
            self._fill(out[start : start + BATCH_ROWS], self.hidden(view, batch, settings))
        if np.isnan(out).any():
            raise PluginError(
                f"{self.where}: gives NaN: its weights overflow float32; train it again with a lower rate"
            )
        return out

    def hidden(
        self, view: TextView, rows: npt.NDArray[np.int64], settings: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Return the mean input row of each chosen document, NaN for one without any."""
        from filters.models.fasttext_kernels import hidden_vectors

        file = self.file
        out = np.empty((len(rows), file.dim), np.float32)
        pruned = np.zeros(0, np.int32) if file.pruned is None else file.pruned
        table = (file.entries, file.entry_offsets, self.tails, self.slots, pruned, settings)
        hidden_vectors(view.data, view.offsets, rows, *table, file.input, out)
        return out

    def _fill(self, out: npt.NDArray[np.float32], hidden: npt.NDArray[np.float32]) -> None:
        from filters.models.fasttext_output_kernels import label_probabilities

        label_probabilities(hidden, self.file.output, self.file.loss, self.left, self.right, out)

    def settings(self, recipe: Normalisation) -> npt.NDArray[np.int64]:
        """Return the integers that the kernel reads, in the order of its names."""
        file = self.file
        bounds = file.entry_offsets
        candidates = np.flatnonzero(np.diff(bounds[: file.num_words + 1]) == len(b"</s>"))
        eos = [i for i in candidates.tolist() if file.entries[bounds[i] : bounds[i + 1]].tobytes() == b"</s>"]
        return np.array(
            [
                file.num_words,
                file.word_ngrams,
                file.buckets,
                file.min_chars,
                file.max_chars,
                file.pruned is not None,
                eos[0] if eos else -1,
                recipe.trim,
                recipe.line_ends,
            ],
            np.int64,
        )
