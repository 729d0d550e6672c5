"""`dedup: minhash` of files that a user already has: Parquet or JSON Lines in, deduplicated zstd Parquet out.

The output directory holds `data/` (the kept rows with all their columns, one file a unit), `copies.parquet` and
`manifest.json`, and appears whole; with `engine: datasketch` also `signatures/`, which datasketch can read. While it is
made, everything lies in `OUT/.work/`, in a directory named by settings and inputs: a killed run is taken up there, unit
by unit. The input is only read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.dedup.clusters import Copies
from curation.dedup.copies_table import read_copies_file
from curation.dedup.datasketch_engine import engine_settings, sketch_settings
from curation.dedup.expectation import expectation
from curation.dedup.file_checks import readable_lines, refuse_useless_input
from curation.dedup.file_counts import counts, repeated_ids
from curation.dedup.file_docs import FileDocs
from curation.dedup.file_index import file_entries, file_index_settings
from curation.dedup.file_order import survivor_numbers
from curation.dedup.file_output import write_copies, write_kept
from curation.dedup.file_plan import VERSION, Plan, plan_files
from curation.dedup.file_settings import FileDedupParams, columns_of, identity
from curation.dedup.file_signatures import Signer
from curation.dedup.file_units import Unit, output_stems, parquet_units
from curation.dedup.index_files import add_to_index
from curation.dedup.index_hits import IndexHits
from curation.dedup.index_segment import write_segment
from curation.dedup.index_stage import known_copies
from curation.dedup.jsonl_staging import Staged, common_schema, stage
from curation.dedup.near_copies import Engine, near_copies
from curation.errors import CurateError
from curation.files import Json, replacing
from curation.own_output import WORK
from curation.progress import Progress
from curation.sources.locate import Input
from curation.store import MANIFEST, Artifact, ArtifactWriter, Store, load_artifact

__all__ = ["Plan", "dedup_files", "plan_files"]

KEPT_TEXT_BYTES = 32 << 30
"""Decoded bytes of input up to which all shingles are kept on disk (0.6 bytes a byte of text) until they are verified;
of larger inputs those of candidates are made again from the text, which costs a second reading of it."""

T = TypeVar("T")
U = TypeVar("U")


def dedup_files(plan: Plan, params: FileDedupParams, out: Path, *, workers: int, progress: Progress) -> Artifact:
    """Return the finished result in `out`, made or taken up where an earlier try stopped.

    Raises: ShardError for damaged input; StoreBusyError if another process works in `out`.
    """
    if plan.known is not None and not plan.to_be_indexed:
        shutil.rmtree(out / WORK, ignore_errors=True)  # of a run killed between its last two steps
        return plan.known
    before = next((path for path in (out, out / WORK) if not path.exists()), None)
    work_store = Store.open(out / WORK)
    with work_store.building("dedup", plan.fingerprint) as work:
        result = ArtifactWriter(path=work.path / "result", kind="dedup", fingerprint=plan.fingerprint)
        if not result.has(MANIFEST) or plan.to_be_indexed:
            run = _Run(plan=plan, params=params, folder=work.path, result=result, workers=workers, progress=progress)
            with _nothing_left_of(before):
                opened = run.open()
            run.result.finish(run.summary(opened), workers=workers)
        known = plan.known is not None  # made before, and now only added to an index
        for entry in () if known else sorted(result.path.iterdir(), key=lambda path: path.name == MANIFEST):
            entry.replace(out / entry.name)
    shutil.rmtree(out / WORK)
    return load_artifact(out)


@contextlib.contextmanager
def _nothing_left_of(folder: Path | None) -> Iterator[None]:
    """Remove the folder, which this command made, if input or settings are refused."""
    try:
        yield
    except CurateError:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """The input: its units, what JSON Lines rows are written as, and the lines that cannot be read."""

    units: Sequence[Unit]
    schema: pa.Schema | None
    rejected: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    plan: Plan
    params: FileDedupParams
    folder: Path
    result: ArtifactWriter
    workers: int
    progress: Progress

    def open(self) -> _Opened:
        """Return the input, checked as far as it can be before it is worked on. Raises: ShardError, RecipeError."""
        units, schema, staged = self._units()
        rejected = readable_lines(staged, units, self.params, self.progress)
        refuse_useless_input(units, [item.path for item in self.plan.files], self.params)
        return _Opened(units=units, schema=schema, rejected=rejected)

    def summary(self, opened: _Opened) -> dict[str, Json]:
        """Make everything but the manifest; return the manifest's fields."""
        units, schema = opened.units, opened.schema
        docs = self._docs(units)
        engine = Engine(folder=self.folder / "candidates", workers=self.workers, progress=self.progress)
        index = self.plan.index
        known = known_copies(docs, self.params, index, workers=self.workers, progress=self.progress)
        docs = replace(docs, without=known.without(docs.num_docs))
        found = near_copies(docs, self.params.banding.bands, self.params.verify, engine)
        hits = known.hits(found)
        copies = hits.outrank(found) if hits else found
        entries = (hits or IndexHits.none()).mask(docs.num_docs)
        table = partial(write_copies, docs, copies, self.result.path / "copies.parquet", hits)
        self._write(docs, (copies.witness < 0) & ~entries, schema, beside=table)
        self._add_to_index(docs, copies, hits)
        if self.params.engine == "datasketch":
            _keep_sketches(docs, self.result.path / "signatures")
        banding = self.params.banding
        return {
            "version": VERSION,
            "params": {**identity(self.params), "preset": self.params.preset},
            "inputs": [str(item.path) for item in self.plan.files],
            "summary": {
                **counts(docs, copies, hits),
                "rows_left_out": dict(opened.rejected),
                "repeated_ids": self._repeated_ids(docs),
                **known.as_summary(),
                "bands": banding.bands,
                "rows": banding.rows,
                "ngram": banding.ngram,
                "unit": banding.unit,
                **engine_settings(self.params),
                "verify": self.params.verify,
                "expected": dict(expectation(banding, self.params.verify)),
            },
        }

    def _add_to_index(self, docs: FileDocs, copies: Copies, hits: IndexHits | None) -> None:
        """Add the kept documents to the index before the result appears: a killed run does both or is run again."""
        if self.plan.index_folder is None or not self.plan.to_be_indexed:
            return
        table = read_copies_file(self.result.path / "copies.parquet")
        source = file_entries(docs, copies, hits, self.params, table)
        add_to_index(
            self.plan.index_folder,
            self.plan.index,
            file_index_settings(self.params),
            made_by=self.plan.fingerprint,
            write=lambda out: write_segment(out, source, source.shape, workers=self.workers, progress=self.progress),
        )

    def _repeated_ids(self, docs: FileDocs) -> int:
        """Return how many documents have an id of their file that another one has too, and say so."""
        number = repeated_ids(docs, self.params.id)
        if number:
            self.progress.note(
                f"dedup: {number:,} documents have an id (column `{self.params.id}`) that another one has too; "
                "copies.parquet tells them apart by file and row"
            )
        return number

    def _units(self) -> tuple[list[Unit], pa.Schema | None, list[Staged]]:
        """Return all units in the order of their files, what JSON Lines rows are written as, and what was staged."""
        files, stems = self.plan.files, output_stems(self.plan.files)
        lines = [number for number, item in enumerate(files) if item.container == "jsonl"]
        total = sum(files[number].path.stat().st_size for number in lines)
        staged: dict[int, Staged] = {}
        if lines:
            with self.progress.task("read JSON Lines", total) as task:

                def one(number: int) -> Staged:
                    return stage(
                        files[number], self.folder / f"staged-{number:05d}", self.params.text, on_read=task.advance
                    )

                staged = dict(zip(lines, self._map(one, lines), strict=True))
        units: list[Unit] = []
        for number, (item, stem) in enumerate(zip(files, stems, strict=True)):
            if number not in staged:
                units += parquet_units(item, stem, self.params.text)
                continue
            pieces = staged[number].pieces
            for place, piece in enumerate(pieces):
                name = stem if len(pieces) == 1 else f"{stem}-{place:05d}-of-{len(pieces):05d}"
                own = Input(path=piece.path, container="parquet")
                units += parquet_units(own, name, self.params.text, origin=item.path, starts=piece.starts)
        paths = [piece.path for found in staged.values() for piece in found.pieces]
        return units, common_schema(paths, self.params.text) if lines else None, list(staged.values())

    def _docs(self, units: Sequence[Unit]) -> FileDocs:
        """Return the documents with their signature files, made unless an earlier try left them."""
        columns = columns_of(self.params)
        small = sum(unit.num_bytes for unit in units) <= KEPT_TEXT_BYTES
        signer = Signer(
            columns=columns,
            banding=self.params.banding,
            limit=self.params.limit,
            sketch=sketch_settings(self.params),
            keep_shingles=self.params.verify is not None and small,
        )
        paths = [self.folder / "signatures" / f"unit-{number:05d}.parquet" for number in range(len(units))]
        with self.progress.task("signatures", sum(unit.num_docs for unit in units)) as task:

            def one(number: int) -> None:
                if not paths[number].is_file():
                    signer.write(units[number], paths[number])
                signer.check(units[number], paths[number])
                task.advance(units[number].num_docs)

            self._map(one, _largest_first(units))
        lower = self.params.score is not None and self.params.score.startswith("-")
        return FileDocs(
            units=units,
            paths=paths,
            unit_numbers=survivor_numbers(units, paths, self.params.survivor, lower_is_better=lower),
            text=columns.text,
            scoped=columns.scope is not None,
            banding=self.params.banding,
            limit=self.params.limit,
        )

    def _write(
        self, docs: FileDocs, kept: npt.NDArray[np.bool_], schema: pa.Schema | None, *, beside: Callable[[], None]
    ) -> None:
        """Write the kept rows of all units, and do at the same time what is to be done beside that."""
        units = docs.units
        with self.progress.task("write", docs.num_docs) as task:

            def one(number: int) -> None:
                path = self.result.path / "data" / units[number].output
                if not path.is_file():
                    staged = units[number].path != units[number].origin
                    write_kept(units[number], kept[docs.unit_numbers[number]], path, schema if staged else None)
                task.advance(units[number].num_docs)

            jobs: list[Callable[[], None]] = [beside, *(partial(one, number) for number in _largest_first(units))]
            self._map(_called, jobs)

    def _map(self, work: Callable[[U], T], items: Sequence[U]) -> list[T]:
        with ThreadPoolExecutor(max_workers=self.workers) as pool:
            return list(pool.map(work, items))


def _called(job: Callable[[], None]) -> None:
    job()


def _largest_first(units: Sequence[Unit]) -> list[int]:
    """Return the numbers of the units in the order in which all workers end at about the same time."""
    return sorted(range(len(units)), key=lambda number: -units[number].num_bytes)


def _keep_sketches(docs: FileDocs, folder: Path) -> None:
    """Copy the signature files into the result, named as the kept rows' files are."""
    for unit, path in zip(docs.units, docs.paths, strict=True):
        with replacing(folder / unit.output) as temporary:
            shutil.copyfile(path, temporary)
