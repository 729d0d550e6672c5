"""Inputs of `growth.py`: pieces of the shared pool as worlds of about 25 MB, each the same documents in other words.

A world takes the base documents (a seeded draw of whole documents, 20.4 MB) and swaps every word but the 30 commonest
for one of about the same frequency and length, drawn by world, so that worlds are strangers to each other while
spelling, lengths and repetition stay. Inside each world, whatever the size of the input:

- one document of 24 is repeated as it is;
- one of 6 is repeated with words replaced, as many as a target similarity of 0.95 to 0.5 asks for (`dedup_corpus`), and
  every second of these with its sentences in another order;
- one of 500 has a benchmark item of the shipped probe suite at its end.

Documents of a world come from 400 sites of its own. One JSON Lines file (zstd) a world; equal settings, equal bytes.
The text is the pool's: write it to a folder of your own, never into a repository.
Usage: python benchmarks/growth_inputs.py FOLDER [--mb 50] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import dedup_corpus
from curation.randomness import generator
from curation.suites import PROBE, load_suites

BASE_BYTES = 20_400_000
WORLD_BYTES = 25_000_000
"""About what a world of the base and its copies holds."""
EXACT_SHARE, NEAR_SHARE, LEAK_SHARE = 1 / 24, 1 / 6, 1 / 500
KEPT_WORDS = 30
BLOCK = 256
SITES = 400
SLICES = {"multi": "multilingual"}
FORMAT = 1
"""Raised when equal settings give other inputs."""

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Base:
    """Documents as codes of pieces (words and what is between them), and the pieces."""

    pieces: pa.Array
    codes: Codes
    starts: npt.NDArray[np.int64]
    sources: list[str]
    items: list[str]

    @cached_property
    def is_word(self) -> npt.NDArray[np.bool_]:
        """Which pieces are words."""
        return np.array([piece[0].isalnum() for piece in self.pieces.to_pylist()], np.bool_)

    @cached_property
    def ends_sentence(self) -> npt.NDArray[np.bool_]:
        """Which pieces end a sentence or a line."""
        ends = re.compile(r"[.!?]\W*\s|\n")
        return np.array([bool(ends.search(piece)) for piece in self.pieces.to_pylist()], np.bool_)

    @cached_property
    def blocks(self) -> list[npt.NDArray[np.int64]]:
        """Words that may be swapped for each other: neighbours by frequency, then by length."""
        counts = np.bincount(self.codes, minlength=len(self.pieces))
        lengths = np.array([len(piece.encode()) for piece in self.pieces.to_pylist()])
        order = np.lexsort((np.arange(len(counts)), lengths, -counts))
        words = order[self.is_word[order]][KEPT_WORDS:]
        return np.split(words, range(BLOCK, len(words), BLOCK))

    def document(self, number: int) -> Codes:
        """Return one document."""
        return self.codes[self.starts[number] : self.starts[number + 1]]


def base_documents(seed: int) -> Base:
    """Return a seeded draw of whole documents of the pool (without one: of the installed environment)."""
    every = list(dedup_corpus.texts(dedup_corpus.shared_pool()))
    known: dict[str, int] = {}
    codes, starts, sources, held = [], [0], [], 0
    for number in generator(seed, "growth", "base").permutation(len(every)).tolist():
        source, text = every[number]
        if held + len(text.encode()) > BASE_BYTES:
            break
        held += len(text.encode())
        own = [known.setdefault(piece, len(known)) for piece in re.findall(r"\w+|\W+", text)]
        codes.append(np.array(own, np.int32))
        starts.append(starts[-1] + len(own))
        sources.append(source)
    items = [
        f"{item.question} {item.passage}".strip() for suite in load_suites([PROBE], "growth") for item in suite.items
    ]
    pieces = pa.array(list(known), pa.large_string())
    return Base(pieces=pieces, codes=np.concatenate(codes), starts=np.array(starts), sources=sources, items=items)


def world_documents(base: Base, world: int, seed: int) -> tuple[list[str], list[int]]:
    """Return the texts of a world in a seeded order, and the base document of each."""
    stream = generator(seed, "growth", "world", world)
    swap = np.arange(len(base.pieces), dtype=np.int32)
    for block in base.blocks:
        swap[block] = stream.permutation(block)
    num_docs = len(base.sources)
    exact = stream.choice(num_docs, int(num_docs * EXACT_SHARE), replace=False)
    near = stream.choice(num_docs, int(num_docs * NEAR_SHARE), replace=False)
    words = np.flatnonzero(base.is_word)
    documents = [base.document(number) for number in [*range(num_docs), *exact.tolist()]]
    documents += [_edited(base, int(number), place, stream, words) for place, number in enumerate(near)]
    origins = [*range(num_docs), *exact.tolist(), *near.tolist()]
    ends = np.cumsum([len(document) for document in documents])
    spelled = base.pieces.take(pa.array(swap[np.concatenate(documents)]))
    offsets = np.frombuffer(spelled.buffers()[1], np.int64, count=len(spelled) + 1)[[0, *ends.tolist()]]
    data = spelled.buffers()[2].to_pybytes()
    order = stream.permutation(len(documents)).tolist()
    texts = [data[offsets[i] : offsets[i + 1]].decode() for i in order]
    for place in stream.choice(len(texts), int(len(texts) * LEAK_SHARE), replace=False).tolist():
        texts[place] += f"\n{base.items[int(stream.integers(len(base.items)))]}\n"
    return texts, [origins[i] for i in order]


def _edited(base: Base, number: int, place: int, stream: np.random.Generator, words: npt.NDArray[np.int64]) -> Codes:
    """Return a document with words replaced, one in each of equal stretches; every second one in another order."""
    codes = base.document(number).copy()
    own = np.flatnonzero(base.is_word[codes])
    target = dedup_corpus.BINS[place % len(dedup_corpus.BINS)]
    num_edits = min(len(own), max(1, round(dedup_corpus.edits_for(len(own), target))))
    if len(own):
        bounds = np.linspace(0, len(own), num_edits + 1)
        at = (bounds[:-1] + stream.random(num_edits) * np.diff(bounds)).astype(np.int64)
        codes[own[at]] = words[stream.integers(len(words), size=num_edits)]
    if place % 2:
        sentences = np.split(codes, np.flatnonzero(base.ends_sentence[codes]) + 1)
        codes = np.concatenate([sentences[i] for i in stream.permutation(len(sentences))])
    return codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An input."""

    folder: Path
    num_docs: int
    num_bytes: int
    """UTF-8 bytes of text."""


def write_input(folder: Path, base: Base, num_bytes: int, seed: int) -> Written:
    """Write as many whole worlds as come nearest to `num_bytes` of text, unless they are there."""
    done, settings = folder / "done.json", {"format": FORMAT, "bytes": num_bytes, "seed": seed}
    if done.is_file() and (known := json.loads(done.read_text()))["settings"] == settings:
        return Written(folder=folder, num_docs=known["num_docs"], num_bytes=known["num_bytes"])
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "documents").mkdir(parents=True)
    num_docs = written = 0
    for world in range(max(1, round(num_bytes / WORLD_BYTES))):
        texts, origins = world_documents(base, world, seed)
        path = folder / "documents" / f"world-{world:03d}.jsonl.zst"
        with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
            for text, origin in zip(texts, origins, strict=True):
                name = base.sources[origin].partition("_")[0]
                site = f"https://w{world}-{origin % SITES}.example/{origin}"
                row = {"text": text, "source": f"w{world:03d}", "slice": SLICES.get(name, name), "url": site}
                out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        num_docs += len(texts)
        written += sum(len(text.encode()) for text in texts)
    done.write_text(json.dumps({"settings": settings, "num_docs": num_docs, "num_bytes": written}))
    return Written(folder=folder, num_docs=num_docs, num_bytes=written)


def main() -> None:
    """Write one input and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write; never inside a repository")
    parser.add_argument("--mb", type=int, default=50, help="MB of text, about (50)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    made = write_input(given.folder, base_documents(given.seed), given.mb * 1_000_000, given.seed)
    print(f"{made.num_docs:,} documents, {made.num_bytes / 1e6:,.1f} MB of text in {made.folder / 'documents'}")


if __name__ == "__main__":
    main()
