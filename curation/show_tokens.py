"""What `curate show` says of token streams: a table by slice, and the line that reads one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from curation.console import printable

if TYPE_CHECKING:
    from rich.table import Table

    from curation.store import Artifact

INPUTS_SHOWN = 8


def token_tables(artifact: Artifact) -> dict[str, Table]:
    """Return the streams of a token artifact as a table in place of its `slices`; nothing for other kinds."""
    from rich.table import Table

    slices = _slices(artifact)
    if not slices:
        return {}
    table = Table(title="Streams", title_justify="left")
    table.add_column("slice", overflow="fold")
    table.add_column("file", no_wrap=True)
    for column in ("documents", "MB of text", "ids with EOS"):
        table.add_column(column, justify="right")
    for name, held in slices.items():
        row = (f"{held['docs']:,}", f"{held['bytes'] / 1e6:,.1f}", f"{held['stream_tokens']:,}")
        table.add_row(printable(name), printable(str(held["file"])), *row)
    return {"slices": table}


def reading_lines(artifact: Artifact) -> list[str]:
    """Return how numpy maps the first stream of a token artifact; nothing for other kinds."""
    first = next(iter(_slices(artifact).values()), None)
    if first is None:
        return []
    path = printable(str(artifact.path / first["file"]))
    return [
        "To read one (a document ends with EOS, see eos_id; docs/training.md):",
        f'ids = numpy.memmap("{path}", dtype="{artifact.summary["dtype"]}", mode="r")',
    ]


def input_files(paths: Sequence[str]) -> list[str]:
    """Return the first of the files that an artifact was made from, and how many more there are."""
    shown = [printable(path) for path in paths[:INPUTS_SHOWN]]
    more = len(paths) - len(shown)
    return [*shown, f"and {more:,} more"] if more else shown


def _slices(artifact: Artifact) -> Mapping[str, Mapping[str, Any]]:
    if artifact.kind != "tokens":
        return {}
    slices = cast("Mapping[str, Mapping[str, Any]]", artifact.summary.get("slices", {}))
    return {name: held for name, held in slices.items() if held.get("file")}
