"""Signals: columns computed from text once and read by every rule.

A *signal set* is a named, versioned group of columns made in one pass. Its artifact is a row-aligned sidecar of the
pool over all rows, whatever their role, so that every recipe on the pool shares it ("annotate once, filter many").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView, read_table, text_view, write_table
from curation.errors import PluginError, nearest
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts
from curation.store import Artifact

Columns = Mapping[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One column: its name, its unit and what it says."""

    name: str
    unit: str
    meaning: str

    @property
    def is_count(self) -> bool:
        """Whether the column is int64; the others are float64."""
        return self.name.startswith("num_")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSet:
    """Columns that one pass over the text computes."""

    name: str
    version: str
    source: str
    signals: tuple[Signal, ...]
    compute: Callable[[TextView], npt.NDArray[np.float64]]
    """Text -> matrix of documents x signals, in the order of `signals`."""


def _text_statistics(view: TextView) -> npt.NDArray[np.float64]:
    from filters.text_kernels import NUM_COLUMNS, text_statistics

    matrix = np.zeros((len(view), NUM_COLUMNS), np.float64)
    text_statistics(view.data, view.offsets, matrix)
    return matrix


def _gram_signals() -> tuple[Signal, ...]:
    top = [
        Signal(
            name=f"top_{n}_gram_char_fraction",
            unit="share of text characters",
            meaning=f"occurrences x characters of the most frequent {n}-gram of words; 0 if none occurs twice",
        )
        for n in (2, 3, 4)
    ]
    duplicate = [
        Signal(
            name=f"duplicate_{n}_gram_char_fraction",
            unit="share of text characters",
            meaning=f"word characters in {n}-grams of words seen before in the document, greedily from the left",
        )
        for n in (5, 6, 7, 8, 9, 10)
    ]
    return (*top, *duplicate)


TEXT_SIGNALS = (
    Signal(name="num_chars", unit="code points", meaning="length of the text"),
    Signal(name="num_words", unit="words", meaning="runs of code points that are not whitespace"),
    Signal(name="num_lines", unit="lines", meaning="stretches between newlines that hold a word"),
    Signal(name="num_paragraphs", unit="paragraphs", meaning="runs of lines without a blank line between them"),
    Signal(name="mean_word_chars", unit="code points per word", meaning="mean length of a word"),
    Signal(name="hash_word_ratio", unit="per word", meaning="number of `#` over number of words"),
    Signal(name="ellipsis_word_ratio", unit="per word", meaning="number of `...` and U+2026 over number of words"),
    Signal(name="bullet_line_fraction", unit="share of lines", meaning="lines that start with - * U+2022 or U+25CF"),
    Signal(name="ellipsis_line_fraction", unit="share of lines", meaning="lines that end in `...` or U+2026"),
    Signal(name="alphabetic_word_fraction", unit="share of words", meaning="words that hold a letter"),
    Signal(
        name="num_stop_words",
        unit="distinct words",
        meaning="how many of the, be, to, of, and, that, have, with occur; any case, ASCII punctuation around aside",
    ),
    Signal(
        name="terminal_line_fraction",
        unit="share of lines",
        meaning="lines that end in . ! ? \" ' or their kin (U+2026 U+201D U+2019 U+3002 U+FF01 U+FF1F U+061F U+0964)",
    ),
    Signal(name="short_line_fraction", unit="share of lines", meaning="lines of at most 30 code points"),
    Signal(name="newline_word_ratio", unit="per word", meaning="number of newlines over number of words"),
    Signal(
        name="repeated_line_char_fraction",
        unit="share of characters outside newlines",
        meaning="characters in lines that stand earlier in the document",
    ),
    Signal(name="num_lorem_ipsum", unit="occurrences", meaning="`lorem ipsum` in any case"),
    Signal(name="num_curly_brackets", unit="occurrences", meaning="opening curly brackets"),
    Signal(
        name="num_sentences",
        unit="sentences",
        meaning="words that end in . ! ? (closing quotes and brackets aside) plus U+3002 U+FF01 U+FF1F anywhere",
    ),
    Signal(name="duplicate_line_fraction", unit="share of lines", meaning="lines that stand earlier in the document"),
    Signal(
        name="duplicate_line_char_fraction",
        unit="share of text characters",
        meaning="characters in lines that stand earlier in the document",
    ),
    Signal(
        name="duplicate_paragraph_fraction",
        unit="share of paragraphs",
        meaning="paragraphs that stand earlier in the document",
    ),
    Signal(
        name="duplicate_paragraph_char_fraction",
        unit="share of text characters",
        meaning="characters in paragraphs that stand earlier in the document",
    ),
    *_gram_signals(),
)

SIGNAL_SETS: Mapping[str, SignalSet] = {
    "text": SignalSet(
        name="text",
        version="curate@1",
        source="Gopher arXiv:2112.11446 A1.1; C4 arXiv:1910.10683; FineWeb arXiv:2406.17557",
        signals=TEXT_SIGNALS,
        compute=_text_statistics,
    )
}


def signal_set(name: str) -> SignalSet:
    """Return the signal set called `name`. Raises: PluginError for an unknown name."""
    if name not in SIGNAL_SETS:
        raise PluginError(f"unknown signal set `{name}`; {nearest(name, SIGNAL_SETS)}")
    return SIGNAL_SETS[name]


def compute_signals(chosen: SignalSet, view: TextView) -> Columns:
    """Return the columns of `chosen` for every document: int64 for counts, float64 for the rest."""
    matrix = chosen.compute(view)
    return {
        signal.name: matrix[:, i].astype(np.int64) if signal.is_count else matrix[:, i]
        for i, signal in enumerate(chosen.signals)
    }


def signals_node(pool: Node, name: str) -> Node:
    """Return the node of the sidecar with the signal set `name` over all rows of `pool`."""
    chosen = signal_set(name)

    def run(context: NodeRun) -> Mapping[str, Json]:
        texts = context.inputs["pool"]

        def annotate(part: int) -> int:
            view = text_view(read_table(texts.part_paths()[part], ["text"])["text"])
            if not context.out.has(context.out.part_path(part).name):
                with replacing(context.out.part_path(part)) as temporary:
                    write_table(temporary, pa.table(dict(compute_signals(chosen, view))))
            return len(view)

        num_docs = sum(map_parts(context, f"signals {name}", texts.num_parts, annotate))
        return {"num_docs": num_docs, "columns": [signal.name for signal in chosen.signals]}

    return Node(
        kind="signals",
        version=f"{chosen.name}/{chosen.version}",
        params={"set": name},
        inputs={"pool": pool},
        run=run,
        label=f"signals {name}",
    )


def read_signals(artifact: Artifact, part: int, names: list[str]) -> Columns:
    """Return the named columns of one part. Raises: PluginError if the sidecar lacks one: never a silent pass."""
    path = artifact.part_paths()[part]
    table = read_table(path)
    missing = sorted(set(names) - set(table.column_names))
    if missing:
        raise PluginError(
            f"{path}: no signal `{missing[0]}`; a rule needs it and the set has {', '.join(table.column_names)}; "
            f"{nearest(missing[0], table.column_names)}"
        )
    return {name: table[name].to_numpy() for name in names}
