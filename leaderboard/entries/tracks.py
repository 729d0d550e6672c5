"""Boards and tracks as files: `board.json` names a board's tracks; a track fixes everything that makes rows comparable.

A track fixes the digests of pool, panel, tokenizers, suites and tiers. An entry whose pool is a track's must have the
track's digests everywhere. A pool that no track fixes makes a private track of its own, `private-<pool>-<panel>`: its
entries form a division that nobody can check, and are shown so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError

from curation.errors import CurateError, nearest
from curation.files import canonical_json, digest_json, replacing, write_text
from curation.yamlio import load_yaml
from leaderboard.entries.manifest import Manifest, Name, Part, RunRecord

BOARD_FILE = "board.json"
TRACKS = "tracks"
PRIVATE = "private"
DEFAULT_MAX_BYTES = 1_000_000_000
TrackName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class BoardError(CurateError):
    """A board or a track is missing, damaged, or not what an entry was made for."""


class Board(Part):
    """What `board.json` holds."""

    schema_: Literal["curate-board@1"] = Field(default="curate-board@1", alias="schema")
    name: TrackName
    tracks: tuple[TrackName, ...] = ()
    max_bytes: PositiveInt = DEFAULT_MAX_BYTES
    """Of an entry or archive; larger ones are refused unread."""


class Track(Part):
    """What every entry of a track has in common."""

    schema_: Literal["curate-track@1"] = Field(default="curate-track@1", alias="schema")
    name: TrackName
    title: Annotated[str, Field(max_length=200)] = ""
    division: Literal["open", "published"] = "open"
    pool: Name
    panel: Name
    tokenizers: tuple[Name, ...] = Field(min_length=1)
    tiers: Mapping[str, str] = Field(min_length=1)
    """Tier -> digest of all its numbers (`curate tiers`)."""
    suites: Mapping[str, str] = {}
    """Suite -> digest of its items; tasks of a suite that is named here may not be missing."""

    @property
    def digest(self) -> str:
        """Identity of the track, 64 hex digits."""
        return digest_json(self.model_dump(mode="json", by_alias=True))


def read_board(folder: Path) -> tuple[Board, dict[str, Track]]:
    """Return a board and its tracks by name.

    Raises: BoardError if the folder is none, or a file of it is damaged.
    """
    path = folder / BOARD_FILE
    if not path.is_file():
        raise BoardError(
            f"{folder}: no {BOARD_FILE}; expected a board; make one with `curate leaderboard init {folder}`"
        )
    board: Board = _parsed(Board, path)
    tracks: dict[str, Track] = {name: _parsed(Track, folder / TRACKS / f"{name}.json") for name in board.tracks}
    return board, tracks


def make_board(folder: Path, name: str, tracks: Sequence[Track]) -> Board:
    """Make a board in `folder`, or add tracks to the one there, and return it.

    Raises: BoardError for a track of a known name that fixes something else: what entries were made for never changes.
    """
    there = (folder / BOARD_FILE).is_file()
    board, known = read_board(folder) if there else (_named(name), {})
    for track in tracks:
        if track.name in known and known[track.name] != track:
            raise BoardError(
                f"{folder}: track `{track.name}` is there and fixes other digests, expected the same: entries were "
                f"made for it; give the new one another name, `{track.name}-2`"
            )
    merged = {**known, **{track.name: track for track in tracks}}
    (folder / TRACKS).mkdir(parents=True, exist_ok=True)
    for track in tracks:
        write_text(folder / TRACKS / f"{track.name}.json", _text(track))
    board = board.model_copy(update={"tracks": tuple(sorted(merged))})
    with replacing(folder / BOARD_FILE) as temporary:
        temporary.write_text(_text(board), encoding="utf-8")
    return board


def track_file(path: Path) -> Track:
    """Return the track in a YAML or JSON file. Raises: BoardError that lists what is wrong."""
    try:
        held = load_yaml(path)
    except OSError as error:
        raise BoardError(
            f"{path}: cannot be read ({error.strerror}); give a track's file (docs/leaderboard.md)"
        ) from None
    value = {"schema": "curate-track@1", **held} if isinstance(held, dict) else held
    track: Track = _validated(Track, json.dumps(value), str(path))
    return track


def track_for(manifest: Manifest, tracks: Mapping[str, Track]) -> Track | None:
    """Return the track whose pool an entry was made from; None for a private pool."""
    return next((track for track in tracks.values() if track.pool == manifest.pool), None)


def private_track(pool: str, panel: str) -> str:
    """Return the name of the track that a pool without a track makes."""
    return f"{PRIVATE}-{pool[:8]}-{panel[:8]}"


def track_faults(manifest: Manifest, tracks: Mapping[str, Track]) -> list[str]:
    """Return in what an entry differs from its track, with both values and what would mend it."""
    if manifest.division == "private":
        own = private_track(manifest.pool, manifest.panel)
        if (fixed := track_for(manifest, tracks)) is not None:
            return [f"division private, but track `{fixed.name}` fixes this pool; submit the study again"]
        return [] if manifest.track == own else [f"track `{manifest.track}`, expected {own}; submit the study again"]
    track = tracks.get(manifest.track)
    if track is None:
        hint = nearest(manifest.track, tracks)
        return [f"unknown track `{manifest.track}`: {hint}; see `curate leaderboard tracks BOARD`, then submit again"]
    faults = []
    if manifest.division != track.division:
        faults.append(f"division {manifest.division}, expected {track.division}")
    for what, found, wanted in (("pool", manifest.pool, track.pool), ("panel", manifest.panel, track.panel)):
        if found != wanted:
            faults.append(_differs(f"{what} digest", found, wanted, track))
    for run in manifest.runs:
        faults += _run_faults(run, track)
    return list(dict.fromkeys(faults))


def _run_faults(run: RunRecord, track: Track) -> list[str]:
    faults = []
    if run.tier not in track.tiers:
        faults.append(f"tier {run.tier} is none of track `{track.name}` ({', '.join(track.tiers)}); leave it out")
    elif not run.variant and run.tier_digest != track.tiers[run.tier]:
        faults.append(_differs(f"digest of tier {run.tier}", run.tier_digest, track.tiers[run.tier], track))
    if not run.variant and run.tokenizer not in track.tokenizers:
        faults.append(_differs("tokenizer", run.tokenizer, " or ".join(track.tokenizers), track))
    have = {suite.name: suite.digest for suite in run.suites}
    for name, wanted in track.suites.items():
        if name not in have:
            text = f"{run.label}: no scores of suite {name}, which track `{track.name}` asks for"
            faults.append(f"{text}; run `curate eval run-{run.fingerprint[:8]} --suite {name}`, then the study again")
        elif have[name] != wanted:
            faults.append(_differs(f"digest of suite {name}", have[name], wanted, track))
    return faults


def _differs(what: str, found: str, wanted: str, track: Track) -> str:
    return (
        f"{what} is {found[:40] or 'unknown'}, expected {wanted[:40]}, which track `{track.name}` fixes; "
        "run the study on the track's own: `curate study run STUDY.yaml`, then submit again"
    )


def _named(name: str) -> Board:
    board: Board = _validated(Board, json.dumps({"schema": "curate-board@1", "name": name}), "--name")
    return board


def _parsed(kind: type[Any], path: Path) -> Any:
    try:
        return _validated(kind, path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BoardError(f"{path}: cannot be read ({error}); restore it from the board's history") from None


def _validated(kind: type[Any], text: str, where: str) -> Any:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10])
        raise BoardError(f"{where}: {faults}; expected the form of docs/leaderboard.md; mend the file") from None


def _text(value: Part) -> str:
    return canonical_json(value.model_dump(mode="json", by_alias=True)) + "\n"
