"""The contract of contamination detectors, and the one pass over documents that feeds them all.

A detector makes an index of the benchmark items. The index scans batches of documents, whose words are hashed once
for all detectors, and keeps for each batch only what may matter (a `Scan`, which can be stored). At the end it judges
all scans together, since how often a feature occurs in the whole corpus is known only then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView
from curation.decontamination.findings import Findings
from curation.errors import ShardError
from curation.files import Json
from curation.recipe import Spec
from curation.registry import Registry
from curation.words import TOKEN_FORM

if TYPE_CHECKING:
    from curation.suites import Suite

_NUM_DOCS = b"curate.num_docs"
_NUM_SHORT = b"curate.num_short"
_DETECTOR = b"curate.detector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of documents: words@2, but each Chinese or Japanese character by itself (`token_kernels`)."""

    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64] | None  # the word@2 of its document that each token lies in; None: token i is word i

    def word_of(self, docs: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the words@2 in which these tokens of these documents lie."""
        return tokens if self.owners is None else self.owners[self.starts[docs] + tokens]


@dataclass(frozen=True, kw_only=True)  # no slots: `tokens` is kept in the instance's dictionary
class HashedText:
    """Documents with their words@2 as hashes: those of document i are `words[starts[i]:starts[i + 1]]`."""

    text: TextView
    words: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    may_be_cjk: bool

    @cached_property
    def tokens(self) -> Tokens:
        """The documents' tokens, made when a detector first asks: cutting them costs twice what hashing words does."""
        from curation.decontamination.token_kernels import tokens_of

        if not self.may_be_cjk:
            return Tokens(hashes=self.words, starts=self.starts, owners=None)
        hashes, starts, owners, _ = tokens_of(self.text.data, self.text.offsets)
        return Tokens(hashes=hashes, starts=starts, owners=owners)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def num_shorter(self, tokens: int) -> int:
        """Return how many documents have fewer tokens."""
        return int((np.diff(self.tokens.starts) < tokens).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one batch holds that may matter: columns of the detector's choice; `doc`, if one, counts from 0."""

    detector: str  # name and version
    num_docs: int
    table: pa.Table
    num_short: int = 0
    """Documents with fewer words or tokens than the detector needs to find anything."""

    def stored(self) -> pa.Table:
        """Return the scan as one Arrow table, its other fields in the schema's metadata."""
        fields = {
            _NUM_DOCS: str(self.num_docs).encode(),
            _NUM_SHORT: str(self.num_short).encode(),
            _DETECTOR: self.detector.encode(),
        }
        return self.table.replace_schema_metadata(fields)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return one column as an array."""
        return np.asarray(self.table[name].to_numpy())


def scan_of(table: pa.Table, where: str) -> Scan:
    """Return the scan that `Scan.stored` gave. Raises: ShardError if the table is no scan; `where` opens the error."""
    fields = table.schema.metadata or {}
    if _NUM_DOCS not in fields or _DETECTOR not in fields:
        raise ShardError(f"{where}: not a scan: the table names no detector; delete it and scan again")
    num_docs, num_short = int(fields[_NUM_DOCS]), int(fields.get(_NUM_SHORT, b"0"))
    rest = table.replace_schema_metadata(None)
    return Scan(detector=fields[_DETECTOR].decode(), num_docs=num_docs, num_short=num_short, table=rest)


class DetectorIndex(Protocol):
    """Benchmark items made ready to be looked for."""

    @property
    def findable(self) -> npt.NDArray[np.bool_]:
        """Which items, by number over all suites, this detector could find at all."""
        ...

    def scan(self, documents: HashedText) -> Scan:
        """Return what may matter of a batch; safe from any thread, without the GIL where it takes time."""
        ...

    def judge(self, scans: Sequence[Scan]) -> Findings:
        """Return the findings in all documents; those of a scan are numbered on from the scan before."""
        ...

    def facts(self, scans: Sequence[Scan]) -> Mapping[str, Json]:
        """Return numbers for the report: features looked for, features ignored and why."""
        ...


class Detector(Protocol):
    """A way to find benchmark items in documents."""

    @property
    def name(self) -> str:
        """The name that recipes use."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever equal text and settings may give other findings."""
        ...

    @property
    def settings(self) -> Mapping[str, Json]:
        """Every setting that findings depend on, resolved; with name and version it identifies the detector."""
        ...

    def index(self, suites: Sequence[Suite]) -> DetectorIndex:
        """Return the index over the items of `suites`, which are sorted by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDetector:
    """A detector over tokens: its settings, and how its index is built under them."""

    name: str
    version: str
    given: Spec
    build: Callable[[Sequence[Suite]], DetectorIndex]

    @property
    def settings(self) -> Mapping[str, Json]:
        """Every setting, resolved."""
        return {**self.given.model_dump(), "normal_form": TOKEN_FORM}

    def index(self, suites: Sequence[Suite]) -> DetectorIndex:
        """Return the index over the items of `suites`."""
        return self.build(suites)


DetectorBuilder: TypeAlias = Callable[[str, Mapping[str, object], str], Detector]
"""(name, settings, where) -> detector; raises RecipeError for unknown or wrong settings, `where` opens the message."""

DETECTORS: Registry[DetectorBuilder] = Registry(
    "detector",
    {
        "curate@1": "curation.decontamination.aligned:aligned_detector",
        "idf-clusters": "curation.decontamination.idf_clusters:idf_clusters_detector",
        "llama-2": "curation.decontamination.spans:spans_detector",
        "longest-span": "curation.decontamination.spans:spans_detector",
        "near-duplicate": "curation.decontamination.near_duplicate:near_duplicate_detector",
        "ngram-13": "curation.decontamination.ngram:ngram_detector",
        "palm": "curation.decontamination.spans:spans_detector",
        "short-exact": "curation.decontamination.short_exact:short_exact_detector",
        "tulu-3": "curation.decontamination.spans:spans_detector",
    },
)

DEFAULT = "curate@1"
"""The detector that is used unless another is named; chosen by measured recall and precision."""


def detector(name: str, settings: Mapping[str, object], where: str) -> Detector:
    """Return the detector called `name`; `ngram-N` takes any length.

    Raises: PluginError for an unknown name; RecipeError for wrong settings.
    """
    from curation.decontamination.ngram import NAME, ngram_detector

    if NAME.fullmatch(name):
        return ngram_detector(name, settings, where)
    return DETECTORS.get(name, where)(name, settings, where)


def hashed_text(text: TextView) -> HashedText:
    """Return the documents with their words hashed."""
    from curation.decontamination.token_kernels import hash_batch

    words, starts, may_be_cjk = hash_batch(text.data, text.offsets)
    return HashedText(text=text, words=words, starts=starts, may_be_cjk=bool(may_be_cjk))


def scan_all(indexes: Sequence[DetectorIndex], text: TextView) -> list[Scan]:
    """Return one scan an index; the documents' words are hashed once for all of them."""
    documents = hashed_text(text)
    return [index.scan(documents) for index in indexes]


def facts_of(index: DetectorIndex, scans: Sequence[Scan]) -> dict[str, Json]:
    """Return the index's numbers for the report, and how many documents are too short for its detector."""
    return {**index.facts(scans), "documents_too_short": sum(scan.num_short for scan in scans)}


def joined(scans: Sequence[Scan], columns: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return these columns of all scans one after the other, documents (`doc`) numbered on from scan to scan."""
    firsts = np.cumsum([0, *(scan.num_docs for scan in scans)])
    out: dict[str, npt.NDArray[Any]] = {}
    for name in columns:
        parts = [
            scan.column(name) + first if name == "doc" else scan.column(name)
            for scan, first in zip(scans, firsts, strict=False)
        ]
        out[name] = np.concatenate(parts) if parts else np.zeros(0)
    return out
