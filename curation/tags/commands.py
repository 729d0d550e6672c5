"""`curate tags`: fit a model of a pool's topics, look at it, tag documents with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curation.console import (
    DEFAULT_WORKERS,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    SetOption,
    StoreOption,
    WorkersOption,
    give,
    progress_for,
)
from curation.errors import RecipeError
from curation.files import Json

if TYPE_CHECKING:
    from curation.nodes import Planner
    from curation.tags.settings import FitSettings

DOCUMENT_SETTINGS = ("pool", "slice_kinds", "panel", "name", "tokenizer")


def tags_fit(
    documents: Annotated[
        list[str], typer.Argument(metavar="POOL", help="Files, directories or globs, a pool, or `environment`.")
    ],
    clusters: Annotated[int, typer.Option("--clusters", "-k", metavar="K", help="Number of tags.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL", help="File of the model.")],
    against: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Compare with slice, source, lang, license or meta.KEY.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sample and of all starts.")] = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Fit tags to documents without any: k-means over the latent space of their words, one frozen file.

    --set takes what `curate tags show` prints under settings (`dims=128`, `chars=0`) and how documents are read
    (`pool.text=content`). The same documents and settings give the same bytes.
    """
    from curation.documents_argument import open_documents
    from curation.tags.fitting import fit_tags
    from curation.tags.model import write_model
    from curation.tags.view import draw_model, model_json

    settings, reading = _settings(overrides, clusters, seed)
    if out.is_dir() or (out.exists() and not _is_model(out)):
        raise RecipeError(f"curate tags fit: --out {out}: exists and is no tag model; choose another name")
    if dry_run:
        _plan_fit(documents, settings, out, as_json=json_output)
        return
    planner = _planner(store, workers, quiet=quiet)
    pool = open_documents(documents, reading, planner).pool
    model = write_model(out, fit_tags(pool, settings, planner.progress, against=against))
    give(model_json(model, out), lambda console: draw_model(console, model, out), as_json=json_output)


def tags_show(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file of `curate tags fit`.")],
    json_output: JsonFlag = False,
) -> None:
    """Show a tag model: its tags with words, sizes and examples, how good they are, from what it was made."""
    from curation.tags.model import read_model
    from curation.tags.view import draw_model, model_json

    found = read_model(model, "curate tags show")
    give(model_json(found, model), lambda console: draw_model(console, found, model), as_json=json_output)


def tags_apply(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="kmeans:PATH, fasttext:PATH, or the path alone.")],
    documents: Annotated[
        list[str], typer.Argument(metavar="POOL", help="Files, directories or globs, a pool, a corpus, `environment`.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Parquet: id, slice, tag, confidence.")],
    against: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Compare with a labelled column: slice.")
    ] = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Tag documents with a model: one row a document. Resumable; nothing but --out and the store is written.

    Settings stand in the URI: `kmeans:topics.tags?threshold=0.2`. --set says how documents are read.
    """
    from curation.documents_argument import open_documents
    from curation.ingest import pool_node
    from curation.sources.taggers import find_model
    from curation.tags.apply import tags_node, write_tags
    from curation.tags.view import compare_tags, draw_applied

    where = "curate tags apply"
    if out.suffix != ".parquet":
        raise RecipeError(f"{where}: --out {out}: tags are written as Parquet; choose a name that ends in .parquet")
    if against not in (None, "slice"):
        raise RecipeError(
            f"{where}: --against {against}: expected `slice`; read another with --set pool.slice={against}"
        )
    tagger = find_model(_as_uri(model), where)
    if dry_run:
        value: dict[str, Json] = {"out": str(out), "tags": list(tagger.tags), "tagger": tagger.identity}
        give(value, lambda console: console.print_json(data=value), as_json=json_output)
        return
    planner = _planner(store, workers, quiet=quiet)
    pool = open_documents(documents, overrides, planner).pool
    tagged = planner.materialise(tags_node(pool_node(pool), tagger))
    value = {"path": str(out), "model": dict(tagger.about), **write_tags(out, pool, tagged, tagger.tags)}
    if against is not None:
        value["against"] = {"column": against, **compare_tags(out)}
    give(value, lambda console: draw_applied(console, value), as_json=json_output)


def _settings(overrides: list[str], clusters: int, seed: int | None) -> tuple[FitSettings, list[str]]:
    """Return the settings of the fit, and the overrides that say how documents are read."""
    from curation.recipe import validate
    from curation.tags.settings import FitSettings
    from curation.yamlio import apply_overrides

    reading = [item for item in overrides if item.partition("=")[0].partition(".")[0] in DOCUMENT_SETTINGS]
    own = tuple(item for item in overrides if item not in reading)
    given: dict[str, Any] = {"clusters": clusters, **({"seed": seed} if seed is not None else {})}
    found: FitSettings = validate(FitSettings, apply_overrides(given, own), "curate tags fit: --set")
    return found, reading


def _plan_fit(documents: list[str], settings: FitSettings, out: Path, *, as_json: bool) -> None:
    from curation.recipe import as_json as plain

    value: dict[str, Json] = {"documents": list(documents), "out": str(out), "settings": plain(settings)}
    if documents != ["environment"]:
        from curation.sources.locate import find_inputs

        files = find_inputs(tuple(documents)).files
        value |= {"files": len(files), "bytes": sum(item.path.stat().st_size for item in files)}
    give(value, lambda console: console.print_json(data=value), as_json=as_json)


def _planner(store: Path | None, workers: int, *, quiet: bool) -> Planner:
    from curation.nodes import Planner
    from curation.store import Store

    return Planner(store=Store.open(store), workers=workers, progress=progress_for(quiet=quiet))


def _as_uri(model: str) -> str:
    """Return `model` as a URI: a path alone is k-means if the file is a tag model, else fastText."""
    from curation.sources.taggers import TAG_MODELS

    if model.partition(":")[0] in TAG_MODELS.names() and ":" in model:
        return model
    path = Path(model.partition("?")[0])
    suffixes = (".bin", ".ftz")
    return f"fasttext:{model}" if path.is_dir() or path.suffix in suffixes else f"kmeans:{model}"


def _is_model(path: Path) -> bool:
    """Return whether a file is a tag model of any version, whole or not."""
    from curation.tags.model import METADATA

    with path.open("rb") as stream:
        return METADATA.encode() in stream.read(4096)
