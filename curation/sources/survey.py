"""What a build would read of remote places, found out before anything is downloaded: files, bytes, commit, columns.

Every entry of `path` is asked for by itself, so that one that cannot be reached hides no other. Of the first file of
the pool its columns (Parquet) or first record (JSONL) are read, so that a wrong mapping is known before hours of
download.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.errors import CurateError, IncompleteError, ShardError, nearest
from curation.files import Json
from curation.pool_spec import PoolSpec
from curation.sources import remote
from curation.sources.find import pool_inputs
from curation.sources.inputs import Input
from curation.sources.jsonl import jsonl_records
from curation.sources.locate import Inputs

LINK_BITS_PER_SECOND = 100e6
"""Of the link that hours of download are told for."""
SHOWN_FILES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One entry of `path` and what is there."""

    entry: str
    pinned: str
    """The entry with its revision as a commit."""
    files: tuple[Input, ...] = ()
    problem: CurateError | None = None

    @property
    def num_bytes(self) -> int:
        """Return the stored bytes of its files."""
        return sum(item.stored_bytes() for item in self.files)

    def as_json(self) -> dict[str, Json]:
        """Return it as plain values."""
        told: dict[str, Json] = {"path": self.entry, "pinned": self.pinned}
        if self.problem is not None:
            return {**told, "problem": str(self.problem)}
        return {**told, "files": len(self.files), "bytes": self.num_bytes, "names": [item.name for item in self.files]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a pool would be read from."""

    places: tuple[Place, ...]
    inputs: Inputs | None
    """The files of all places; None if one of them has a problem."""
    columns: tuple[str, ...] = ()
    """Of the first file, where it has any."""

    @property
    def num_bytes(self) -> int:
        """Return the bytes that a build would download."""
        return sum(item.stored_bytes() for item in (self.inputs.files if self.inputs else ()) if item.url)

    @property
    def hours(self) -> float:
        """Return how long the download takes at `LINK_BITS_PER_SECOND`."""
        return self.num_bytes * 8 / LINK_BITS_PER_SECOND / 3600

    def problem(self) -> CurateError | None:
        """Return what kept places from being looked at; IncompleteError if the same command may do later."""
        problems = [place.problem for place in self.places if place.problem is not None]
        if not problems:
            return None
        kind = ShardError if any(isinstance(one, ShardError) for one in problems) else IncompleteError
        return kind("\n".join(map(str, problems)))

    def as_json(self) -> dict[str, Json]:
        """Return it as plain values."""
        return {
            "places": [place.as_json() for place in self.places],
            "bytes": self.num_bytes,
            "download_hours_at_100_mbit": round(self.hours, 2),
            "columns": list(self.columns),
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        told = []
        for place in self.places:
            if place.problem is not None:
                told.append(f"not reached: {place.entry}")
                continue
            told.append(f"would read {place.pinned}: {len(place.files):,} files, {_size(place.num_bytes)}")
            told += [f"  {item.name} ({_size(item.stored_bytes())})" for item in place.files[:SHOWN_FILES]]
            if len(place.files) > SHOWN_FILES:
                told.append(f"  and {len(place.files) - SHOWN_FILES:,} more (all with --json)")
        if self.columns:
            told.append(f"columns: {', '.join(self.columns)}")
        if self.inputs is not None:
            told.append(f"to download: {_size(self.num_bytes)}, {self.hours:,.1f} h at 100 Mbit/s")
        return told


def is_remote(spec: PoolSpec) -> bool:
    """Return whether anything of a pool lies behind a protocol."""
    return any(remote.protocol_of(entry) for entry in (*spec.path, *([spec.base] if spec.base else [])))


def pinned(spec: PoolSpec) -> PoolSpec:
    """Return the pool with its revisions as commits, asked for once. Raises: ShardError, IncompleteError."""
    return spec.model_copy(update={"path": remote.pinned_paths(spec.path, spec.protocols)})


def survey(spec: PoolSpec) -> Survey:
    """Return what a build would read now. Raises: ShardError for columns that the pool's settings do not fit."""
    places = tuple(_look(entry, spec) for entry in spec.path)
    if any(place.problem for place in places):
        return Survey(places=places, inputs=None)
    found = {item.key: item for place in places for item in place.files}
    files = tuple(found[key] for key in sorted(found))
    return Survey(places=places, inputs=Inputs(files=files, num_ignored=0), columns=_columns(files[0], spec))


def _look(entry: str, spec: PoolSpec) -> Place:
    place = entry
    try:
        (place,) = remote.pinned_paths((entry,), spec.protocols)
        inputs = pool_inputs(spec.model_copy(update={"path": (place,)}))
    except (ShardError, IncompleteError) as error:
        return Place(entry=entry, pinned=place, problem=error)
    return Place(entry=entry, pinned=place, files=inputs.files)


def _columns(item: Input, spec: PoolSpec) -> tuple[str, ...]:
    """Return the columns of a Parquet file, or the fields of a JSONL file's first record; of other files none."""
    if item.container == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        from curation.sources.parquet import check_columns

        try:
            with item.open() as stream, pq.ParquetFile(stream) as file:
                schema = file.schema_arrow
        except pa.ArrowException as error:
            raise ShardError(f"{item.name}: not an intact Parquet file ({error}); fetch or write it again") from None
        check_columns(item, schema, spec)
        return tuple(schema.names)
    if item.container == "jsonl":
        record = next((value for _, value in jsonl_records(item, spec.max_doc_bytes)), None)
        if isinstance(record, dict):
            names = tuple(map(str, record))
            for setting, column in (("text", spec.text), ("id", spec.id)):
                if column is not None and column not in names:
                    raise ShardError(
                        f"{item.name}: its first record has no field `{column}`, which `pool.{setting}` names; fields: "
                        f"{', '.join(names)}; {nearest(column, names)}"
                    )
            return names
    return ()


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.2f} MB"
