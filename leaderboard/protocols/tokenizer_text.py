"""A tokenizer on the panel's text, as an artifact: tokens by slice, language and source, formatting, words, round trip.

The panel is the same for every arm and in nobody's training text. A document's language is its `lang`; where the pool
does not say it, the script of most of its letters (`script latin`). Scopes of formatting are all text, and the domains
code and math where the panel has them.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView, read_table, text_view
from curation.files import Json
from curation.nodes import Node, NodeRun, existing_node
from curation.slices import domain_of
from curation.store import Artifact
from curation.token_engines import TokenizedView
from curation.tokenizers import Tokenizer
from leaderboard.protocols.token_spans import KindCounts, WordCounts, counts_by_kind, token_shares, word_counts

VERSION = "tokenizer-text@1"
CONTEXTS = (512, 1_024, 2_048)
SCRIPT_CHARS = 2_000
"""Characters at the beginning of a document by which its script is told."""
SCOPES = ("all", "code", "math")

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Documents of one slice, language or source."""

    docs: int
    num_bytes: int
    tokens: int
    """Without EOS."""
    fitting: Mapping[str, int]
    """By context in tokens: documents that fit in one with their EOS."""

    @property
    def tokens_per_byte(self) -> float:
        """Fewer is shorter; 0 without bytes."""
        return self.tokens / self.num_bytes if self.num_bytes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerText:
    """What a tokenizer makes of a panel."""

    tokenizer: str
    vocab_size: int
    docs: int
    exact_docs: int
    """Documents that come back from their ids byte by byte."""
    by_slice: Mapping[str, GroupCounts]
    by_language: Mapping[str, GroupCounts]
    by_source: Mapping[str, GroupCounts]
    formatting: Mapping[str, Mapping[str, KindCounts]]
    """By scope, then by kind of bytes; empty for a vocabulary that is not byte-level."""
    words: WordCounts | None
    """None for a vocabulary that is not byte-level."""

    @property
    def all(self) -> GroupCounts:
        """Counts over all documents."""
        groups = self.by_slice.values()
        return GroupCounts(
            docs=sum(one.docs for one in groups),
            num_bytes=sum(one.num_bytes for one in groups),
            tokens=sum(one.tokens for one in groups),
            fitting={name: sum(one.fitting[name] for one in groups) for name in map(str, CONTEXTS)},
        )


def tokenizer_text_node(panel: Artifact, tokenizer: Tokenizer) -> Node:
    """Return the node that measures a tokenizer on a panel; its summary is a `TokenizerText`."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        table = read_table(context.inputs["panel"].path / "documents.parquet")
        return cast("Mapping[str, Json]", asdict(measure_text(tokenizer, table)))

    return Node(
        kind="tokenizer-text",
        version=VERSION,
        params={"tokenizer": tokenizer.name, "digest": tokenizer.digest},
        inputs={"panel": existing_node(panel)},
        run=run,
        label=f"measure tokenizer {tokenizer.name}",
    )


@lru_cache(maxsize=1)
def _adapter() -> object:
    from pydantic import TypeAdapter

    return TypeAdapter(TokenizerText)


def read_tokenizer_text(artifact: Artifact) -> TokenizerText:
    """Return what an artifact of `tokenizer_text_node` holds."""
    names = TokenizerText.__dataclass_fields__
    held = {key: value for key, value in artifact.summary.items() if key in names}
    return cast("TokenizerText", _adapter().validate_python(held))  # type: ignore[attr-defined]


def measure_text(tokenizer: Tokenizer, table: pa.Table) -> TokenizerText:
    """Return what the tokenizer makes of documents with `text` and `slice`, and `lang` and `source` where known."""
    view = text_view(table["text"])
    encoded = tokenizer.encode(view)
    lengths = np.diff(encoded.offsets)
    slices = [str(one) for one in table["slice"].to_pylist()]
    exact = _exact(tokenizer, view, encoded)

    def grouped(labels: Sequence[str]) -> dict[str, GroupCounts]:
        names = np.array(labels, dtype=object)
        return {name: _group(names == name, view.num_bytes, lengths) for name in sorted(set(labels))}

    formatting, words = _formatting(tokenizer, view, encoded, exact, slices)
    return TokenizerText(
        tokenizer=tokenizer.name,
        vocab_size=tokenizer.vocab_size,
        docs=len(view),
        exact_docs=int(exact.sum()),
        by_slice=grouped(slices),
        by_language=grouped(_languages(table)),
        by_source=grouped(_column(table, "source", lambda _: "unknown")),
        formatting=formatting,
        words=words,
    )


def _group(mine: Mask, num_bytes: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> GroupCounts:
    own = lengths[mine]
    return GroupCounts(
        docs=int(mine.sum()),
        num_bytes=int(num_bytes[mine].sum()),
        tokens=int(own.sum()),
        fitting={str(context): int((own + 1 <= context).sum()) for context in CONTEXTS},
    )


def _exact(tokenizer: Tokenizer, view: TextView, encoded: TokenizedView) -> Mask:
    raw, start = view.data.tobytes(), view.offsets
    ids, ends = encoded.tokens, encoded.offsets
    found = [
        tokenizer.decode(ids[ends[number] : ends[number + 1]]) == raw[start[number] : start[number + 1]]
        for number in range(len(view))
    ]
    return np.array(found, bool)


def _formatting(
    tokenizer: Tokenizer, view: TextView, encoded: TokenizedView, exact: Mask, slices: Sequence[str]
) -> tuple[dict[str, dict[str, KindCounts]], WordCounts | None]:
    """Return counts of documents that come back exactly: only theirs are tokens of the same bytes."""
    table = tokenizer.file.table
    if table is None or not exact.any():
        return {}, None
    domains = np.array([domain_of(name) for name in slices], dtype=object)
    found, words = {}, None
    for scope in SCOPES:
        chosen = exact if scope == "all" else exact & (domains == scope)
        if not chosen.any():
            continue
        text, ids = _chosen(view, chosen), _chosen_ids(encoded, chosen)
        shares = token_shares(ids, table)
        found[scope] = counts_by_kind(text, shares)
        words = word_counts(text, shares) if scope == "all" else words
    return found, words


def _chosen(view: TextView, chosen: Mask) -> TextView:
    data = np.concatenate([view.data[view.offsets[n] : view.offsets[n + 1]] for n in np.flatnonzero(chosen)])
    return TextView(data=data, offsets=np.concatenate([[0], np.cumsum(view.num_bytes[chosen])]).astype(np.int64))


def _chosen_ids(encoded: TokenizedView, chosen: Mask) -> TokenizedView:
    ends, lengths = encoded.offsets, np.diff(encoded.offsets)
    tokens = np.concatenate([encoded.tokens[ends[n] : ends[n + 1]] for n in np.flatnonzero(chosen)])
    return TokenizedView(tokens=tokens, offsets=np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64))


def _languages(table: pa.Table) -> list[str]:
    return _column(table, "lang", lambda text: f"script {script_of(text)}")


def _column(table: pa.Table, name: str, otherwise: Callable[[str], str]) -> list[str]:
    """Return the values of a column; where it has none, what `otherwise` says of the text."""
    values = table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
    return [
        str(value) if value else otherwise(text) for value, text in zip(values, table["text"].to_pylist(), strict=True)
    ]


def script_of(text: str) -> str:
    """Return the script of most letters at the beginning of the text, in lower case; `none` without letters."""
    letters = Counter(_script(char) for char in text[:SCRIPT_CHARS] if char.isalpha())
    return min(letters, key=lambda name: (-letters[name], name)) if letters else "none"


@lru_cache(maxsize=65_536)
def _script(char: str) -> str:
    return unicodedata.name(char, "unknown").split(" ")[0].lower()
