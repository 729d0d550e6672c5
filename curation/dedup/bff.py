"""`dedup: bff`: DCLM's Bloom filter; lines, spans or documents go whose n-grams were mostly seen before.

Documents come in the pool's own order (part, id), which is that of a hash of the id; the result depends on it, as it
does in DCLM, which shuffles its files. `remove` names what goes, `old-both` as in DCLM-Baseline: each line by the share
of its 13-grams that are in the filter, and the document by that share over all its lines. The filter has the
false-positive rate `false_positive` at the number of n-grams of the pool and takes 1.2 to 2.4 bytes an n-gram at 0.01.
What differs from DCLM is in `docs/dedup.md`.
Source: DCLM, arXiv:2406.11794, appendix, and its program `dedup/bff/src/main.rs`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.array_files import read_arrays
from curation.batches import TextView, read_table, text_view
from curation.dedup import units
from curation.dedup.line_edits import Cuts, DecidePart, TextDedup, text_dedup
from curation.dedup.order import Participants, in_slices, participants
from curation.dedup.text_params import BffParams, identity
from curation.errors import RecipeError
from curation.nodes import NodeRun
from curation.recipe import StageSpec, validate
from curation.sidecars import map_parts
from curation.slices import SliceKind
from curation.stages import Rewrite, StageInputs, living

VERSION = "dedup-bff@2"


def bff_stage(spec: StageSpec, inputs: StageInputs, where: str) -> Rewrite:
    """Return the stage that removes what was mostly seen before."""
    params: BffParams = validate(BffParams, spec.params, where)
    dedup = TextDedup(
        name="bff",
        version=VERSION,
        params=identity(params, inputs, normal_form=units.NORMAL_FORMS[params.words]),
        counter="words-removed" if params.remove == "substring" else "lines-removed",
        refusal="seen-before",
    )
    return text_dedup(inputs, dedup, partial(_prepare, params=params, kinds=inputs.slice_kinds, where=where))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    bits: npt.NDArray[np.uint64]
    num_hashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The words and lines of one part's documents that are judged or known."""

    texts: TextView
    rows: npt.NDArray[np.bool_]
    seeds: npt.NDArray[np.uint64]
    known: npt.NDArray[np.bool_]
    """All rows or none: a pass either fills the filter or judges."""
    words: units.Units
    hashes: npt.NDArray[np.uint64]
    lines: units.Units
    line_of: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """The pool, once to fill the filter with known slices and once to judge the others."""

    context: NodeRun
    params: BffParams
    who: Participants
    filling: bool

    def words(self, part: int) -> _Words:
        from curation.dedup.unit_kernels import lines_of_words

        table = read_table(self.context.inputs["pool"].part_paths()[part], ["text", "slice"])
        known = in_slices(table["slice"], lambda name: name in self.params.known)
        rows = known & living(self.context, part) if self.filling else self.who.rows[part] & ~known
        texts = text_view(table["text"])
        words, lines = units.SPLITTERS.get(self.params.words)(texts, rows), units.lines(texts, rows)
        return _Words(
            texts=texts,
            rows=rows,
            seeds=self.who.seeds[part],
            known=np.full(len(texts), self.filling),
            words=words,
            hashes=units.unit_hashes(self.params.words, texts, rows, min_words=1)[1],
            lines=lines,
            line_of=lines_of_words(words.counts, words.begins, lines.counts, lines.begins),
        )

    @property
    def least(self) -> int:
        """Words of the shortest stretch that is an n-gram."""
        return self.params.min_ngram or self.params.ngram


def _prepare(
    context: NodeRun, folder: Path, params: BffParams, *, kinds: Mapping[str, SliceKind], where: str
) -> DecidePart:
    """Judge all documents in their order; one thread, because each depends on those before it."""
    pool = context.inputs["pool"]
    who = participants(context, params.scope, params.applies_to, kinds=kinds)
    _check_known(context, params, where)
    passes = [
        _Pass(context=context, params=params, who=who, filling=filling)
        for filling in ((True, False) if params.known else (False,))
    ]
    num_grams = sum(
        sum(map_parts(context, "n-grams", pool.num_parts, partial(_num_grams, one)))
        for one in passes
        if one.filling or params.update
    )
    num_bits, num_hashes = bloom_shape(num_grams, params.false_positive)
    bloom = _Filter(bits=np.zeros(num_bits // 64, np.uint64), num_hashes=num_hashes)
    for one in passes:
        with context.progress.task("known n-grams" if one.filling else "bloom filter", pool.num_parts) as task:
            for part in range(pool.num_parts):
                cuts = _judge(one, one.words(part), bloom)
                if not one.filling:
                    _save(folder / f"{part:05d}.npz", cuts)
                task.advance()
    return lambda part, _: _load(folder / f"{part:05d}.npz")


def _check_known(context: NodeRun, params: BffParams, where: str) -> None:
    """Refuse names of slices that the pool lacks: a filter that nothing fills would pass for one that finds nothing."""
    paths = context.inputs["pool"].part_paths()
    present = {name for path in paths for name in read_table(path, ["slice"])["slice"].unique().to_pylist()}
    missing = [name for name in params.known if name not in present]
    if missing:
        raise RecipeError(
            f"{where}: known: no slice `{missing[0]}` in the pool; its slices are {', '.join(sorted(present))}"
        )


def _num_grams(one: _Pass, part: int) -> int:
    from curation.dedup.bff_kernels import count_grams

    if one.params.remove == "exact":
        return int(read_table(one.context.inputs["pool"].part_paths()[part], ["id"]).num_rows)
    found, remove = one.words(part), one.params.remove
    by_line, whole = remove in ("paragraph", "old-both", "naive-both"), remove not in ("paragraph", "old-both")
    return int(
        count_grams(found.hashes, found.words.counts, found.line_of, one.params.ngram, one.least, by_line, whole)
    )


def _judge(one: _Pass, found: _Words, bloom: _Filter) -> Cuts:
    """Judge one part's documents after all that came before, and add theirs to the filter."""
    from curation.dedup import bff_kernels as kernels

    params, num_docs = one.params, len(found.rows)
    if params.remove == "substring":
        return _judge_spans(one, found, bloom)
    removed, refused = np.zeros(len(found.lines.begins), np.bool_), np.zeros(num_docs, np.bool_)
    value = np.zeros(num_docs)
    shared = (found.hashes, found.words.counts, found.line_of, found.lines.counts, found.seeds, found.known)
    state = (params.update, bloom.num_hashes, bloom.bits, removed, refused, value)
    if params.remove == "exact":
        seeds, known = found.seeds, found.known & found.rows
        kernels.judge_whole_texts(
            found.texts.data, found.texts.offsets, found.rows, known, seeds, params.update, bloom.num_hashes,
            bloom.bits, refused,
        )  # fmt: skip
        value[refused] = 1.0
    elif params.remove == "both":
        kernels.judge_both(*shared, params.ngram, one.least, params.threshold, *state)
    else:
        mode = {
            "paragraph": kernels.LINES,
            "document": kernels.DOCUMENT,
            "naive-both": kernels.NAIVE_BOTH,
            "old-both": kernels.OLD_BOTH,
        }[params.remove]
        kernels.judge_units(*shared, mode, params.ngram, one.least, params.threshold, *state)
    return _cuts(found.texts, found.lines, removed, refused=refused, value=value, to_end=False)


def _judge_spans(one: _Pass, found: _Words, bloom: _Filter) -> Cuts:
    from curation.dedup.bff_span_kernels import judge_spans

    params, counts = one.params, found.words.counts
    spans, bounds, share = judge_spans(
        found.hashes, counts, found.seeds, found.known, params.ngram, params.min_span, params.threshold, params.update,
        bloom.num_hashes, bloom.bits,
    )  # fmt: skip
    steps = np.zeros(len(found.hashes) + 1, np.int64)
    firsts = np.repeat(np.cumsum(counts) - counts, spans)
    np.add.at(steps, firsts + bounds[:, 0], 1)
    np.add.at(steps, firsts + bounds[:, 1], -1)
    removed = np.cumsum(steps)[:-1] > 0
    return _cuts(found.texts, found.words, removed, refused=np.zeros(len(counts), np.bool_), value=share, to_end=True)


def _cuts(
    texts: TextView,
    found: units.Units,
    removed: npt.NDArray[np.bool_],
    *,
    refused: npt.NDArray[np.bool_],
    value: npt.NDArray[np.float64],
    to_end: bool,
) -> Cuts:
    from curation.dedup.unit_kernels import places_of
    from curation.dedup.window_kernels import cuts_of_windows

    counts, begins, ends, units_removed = cuts_of_windows(
        texts.num_bytes,
        found.counts,
        found.begins,
        found.ends,
        found.counts,
        places_of(found.counts),
        removed,
        1,
        to_end,
    )
    return Cuts(counts=counts, begins=begins, ends=ends, removed=units_removed, refused=refused, value=value)


_FIELDS = ("counts", "begins", "ends", "removed", "refused", "value")


def _save(path: Path, cuts: Cuts) -> None:
    np.savez(path, **{name: getattr(cuts, name) for name in _FIELDS})


def _load(path: Path) -> Cuts:
    return Cuts(**read_arrays(path))


def bloom_shape(num_items: int, false_positive: float) -> tuple[int, int]:
    """Return bits (a power of two) and hashes of a Bloom filter with at most that false-positive rate when full.

    Source: m = -n ln p / (ln 2)^2, k = m/n ln 2; Broder and Mitzenmacher 2004.
    """
    needed = max(64.0, -max(1, num_items) * math.log(false_positive) / math.log(2.0) ** 2)
    num_bits = 1 << math.ceil(math.log2(needed))
    return num_bits, max(1, round(-math.log2(false_positive)))
