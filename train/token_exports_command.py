"""`curate export-tokens`: token streams in the formats of other trainers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from curation.console import DryRunFlag, JsonFlag, QuietFlag, StoreOption, give, printable, progress_for
from curation.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from curation.store import Artifact, Store


def export_tokens_command(
    tokens: Annotated[
        str, typer.Argument(metavar="TOKENS|RUN", help="Token streams or a run: a directory, or a name in the store.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write there; it appears whole.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="megatron, olmo or datatrove.")],
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write token streams for Megatron-LM (.bin, .idx), OLMo-core (.npy, .csv.gz) or datatrove (.ds, .ds.index).

    The same ids in the same order: one file a slice, documents in the corpus' order, EOS after each, not shuffled.
    """
    from curation.store import Store
    from train.token_exports import FORMATS, export_fingerprint, export_tokens

    found = _tokens(Store.open(store), tokens)
    if to not in FORMATS:
        raise RunError(f"--to {to}: unknown format, expected one of {', '.join(FORMATS)}")
    slices = cast("Mapping[str, Mapping[str, Any]]", found.summary["slices"])
    value: dict[str, Any] = {"tokens": str(found.path), "format": to, "out": str(out)}
    if dry_run:
        value |= {"fingerprint": export_fingerprint(found, to), "slices": {k: v["docs"] for k, v in slices.items()}}
        give(value, lambda console: _draw_plan(console, value), as_json=json_output)
        return
    made = export_tokens(found, to, out, progress_for(quiet=quiet))
    value |= {"fingerprint": made.fingerprint, **made.summary}
    give(value, lambda console: _draw(console, value), as_json=json_output)


def _tokens(store: Store, name: str) -> Artifact:
    """Return the token streams of that name, or those that the run of that name was trained on."""
    from curation.store import load_artifact
    from train.lookup import find_artifact

    is_run = name.startswith("run-") if not Path(name).is_dir() else load_artifact(Path(name)).kind == "run"
    if not is_run:
        return find_artifact(store, name, "tokens")
    run = find_artifact(store, name, "run")
    fingerprint = str(cast("Mapping[str, str]", run.manifest["inputs"]).get("tokens", ""))
    found = store.find("tokens", fingerprint) if fingerprint else None
    if found is None:
        raise RunError(f"{name}: its tokens {fingerprint[:8]} are not in {store.root}; give the --store that has them")
    return found


def _draw_plan(console: Console, value: Mapping[str, Any]) -> None:
    for name, docs in value["slices"].items():
        console.print(f"{printable(name)}: {docs:,} documents", markup=False)
    console.print(f"would be written to {printable(value['out'])} for {value['format']}", markup=False, soft_wrap=True)


def _draw(console: Console, value: Mapping[str, Any]) -> None:
    from rich.table import Table

    table = Table(title=f"For {value['format']}: ids {value['dtype']}, EOS {value['eos_id']}", title_justify="left")
    for name in ("slice", "file", "documents", "ids with EOS"):
        table.add_column(name, justify="left" if name in ("slice", "file") else "right", overflow="fold")
    for name, held in value["slices"].items():
        table.add_row(printable(name), held["file"], f"{held['docs']:,}", f"{held['tokens']:,}")
    console.print(table)
    console.print(f"written to {printable(value['out'])}", markup=False, soft_wrap=True)
