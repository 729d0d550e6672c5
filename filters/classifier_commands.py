"""`curate classifier`: train a fastText classifier on two sets of documents; score documents with any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

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
    printable,
    progress_for,
)
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.recipe import PoolSpec
    from filters.models.train_classifier import TrainSettings


def classifier_train(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the classifier, by custom NAME.curate-classifier.")
    ],
    positive: Annotated[
        list[str],
        typer.Option("--positive", metavar="PATHS", help="Files, directory or glob of good documents; repeatable."),
    ] = [],  # noqa: B006 - typer copies the default
    negative: Annotated[
        list[str], typer.Option("--negative", metavar="PATHS", help="The same for the other class; repeatable.")
    ] = [],  # noqa: B006 - typer copies the default
    labelled: Annotated[
        list[str],
        typer.Option("--labelled", metavar="PATHS", help="Instead of both: documents with a label each, two or more."),
    ] = [],  # noqa: B006 - typer copies the default
    label_field: Annotated[
        str, typer.Option("--label-field", metavar="FIELD", help="With --labelled: the field of a document's label.")
    ] = "slice",
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    seed: Annotated[int | None, typer.Option(help="Seed of training and of the draw of held-out documents.")] = None,
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train a fastText classifier: model.bin and card.json, measured on held-out documents.

    Two classes (--positive, --negative) make a quality classifier, --labelled one of topics or formats, to tag a pool
    with. The same documents and settings give the same bytes, whatever their files, order or ids.
    """
    from curation.ingest import ensure_pool
    from curation.store import Store
    from filters.models.train_classifier import (
        read_examples,
        refuse_foreign_folder,
        split_examples,
        train_classifier,
    )
    from filters.models.train_topics import TopicSettings, read_topics, train_topics

    _refuse_mixed(positive, negative, labelled)
    settings = _train_settings(overrides, seed, topics=bool(labelled))
    refuse_foreign_folder(out)
    given = {"labelled": labelled, "positive": positive, "negative": negative}
    specs = {name: _pool_spec(paths, settings.text) for name, paths in given.items() if paths}
    if labelled:
        specs["labelled"] = specs["labelled"].model_copy(update={"slice": label_field})
    if dry_run:
        give(_plan(specs, settings, out), lambda it: _draw_plan(it, specs, settings, out), as_json=json_output)
        return
    opened, progress = Store.open(store), progress_for(quiet=quiet)
    pools = {name: ensure_pool(opened, spec, workers=workers, progress=progress) for name, spec in specs.items()}
    if isinstance(settings, TopicSettings):
        card = train_topics(read_topics(pools["labelled"], settings, progress), settings, out, progress)
    else:
        found = {name: read_examples(pool, settings, progress, f"--{name}") for name, pool in pools.items()}
        card = train_classifier(split_examples(found["positive"], found["negative"], settings), settings, out, progress)
    value: dict[str, Json] = {"path": str(out), **card.model_dump(mode="json")}
    give(value, lambda console: (_draw_topics if labelled else _draw_card)(console, value), as_json=json_output)


def classifier_apply(
    model: Annotated[str, typer.Argument(help="A fastText model, a classifier's or transformer's folder, or a URI.")],
    documents: Annotated[
        list[str], typer.Argument(metavar="CORPUS_OR_PATHS", help="A corpus, files, directory or glob.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Parquet file to write: id, slice, score.")],
    label: Annotated[str | None, typer.Option(help="Label whose probability is the score.")] = None,
    normalize: Annotated[str | None, typer.Option(help="Normalisation of a bare fastText model.")] = None,
    text: Annotated[str, typer.Option(help="Field of the records that holds the text.")] = "text",
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Score documents with a model: one row a document, and the bounds that keep given shares."""
    from curation.errors import RecipeError
    from curation.ingest import ensure_pool
    from curation.store import Store
    from filters.models.apply_classifier import apply_source
    from filters.models.score_sources import MODEL_SCHEMES, find_source, source_of_path

    where = "curate classifier apply"
    given = {name: value for name, value in (("label", label), ("normalize", normalize)) if value is not None}
    if model.partition(":")[0] in MODEL_SCHEMES:
        if given:
            raise RecipeError(f"{where}: {model} is a URI; put {', '.join(given)} into it")
        source = find_source(model, where)
    else:
        source = source_of_path(Path(model), where, given)
    if out.suffix != ".parquet":
        raise RecipeError(f"{where}: --out {out}: scores are written as Parquet; choose a name that ends in .parquet")
    opened, progress = Store.open(store), progress_for(quiet=quiet)
    pool = ensure_pool(opened, _pool_spec(documents, text), workers=workers, progress=progress)
    value = apply_source(source, pool, out, opened, workers=workers, progress=progress)
    give(value, lambda console: _draw_applied(console, value), as_json=json_output)


def _refuse_mixed(positive: list[str], negative: list[str], labelled: list[str]) -> None:
    """Refuse anything but two classes or labelled documents."""
    from curation.errors import RecipeError

    where = "curate classifier train"
    if labelled and (positive or negative):
        raise RecipeError(f"{where}: --labelled beside --positive or --negative; documents have a label or a class")
    if not labelled and not (positive and negative):
        missing = " and ".join(
            name for name, given in (("--positive", positive), ("--negative", negative)) if not given
        )
        raise RecipeError(f"{where}: no {missing}; expected both, or --labelled PATHS for a model of many labels")


def _train_settings(overrides: list[str], seed: int | None, *, topics: bool) -> TrainSettings:
    from curation.recipe import validate
    from curation.yamlio import apply_overrides
    from filters.models.train_classifier import TrainSettings
    from filters.models.train_topics import TopicSettings

    value = apply_overrides({}, tuple(overrides))
    if seed is not None:
        value["seed"] = seed
    model = TopicSettings if topics else TrainSettings
    settings: TrainSettings = validate(model, value, "curate classifier train: --set")
    return settings


def _pool_spec(paths: list[str], text: str) -> PoolSpec:
    """Return how documents are read; those of a corpus keep their ids."""
    from curation.recipe import PoolSpec
    from curation.store import MANIFEST

    corpora = [(Path(path) / MANIFEST).is_file() and (Path(path) / "data").is_dir() for path in paths]
    chosen = tuple(f"{path}/data" if found else path for path, found in zip(paths, corpora, strict=True))
    return PoolSpec(path=chosen, text=text, id="id" if all(corpora) else None)


def _plan(specs: dict[str, PoolSpec], settings: TrainSettings, out: Path) -> dict[str, Json]:
    from curation.sources.locate import find_inputs

    listed: dict[str, Json] = {}
    for name, spec in specs.items():
        files = find_inputs(spec.path).files
        listed[name] = {"files": len(files), "bytes": sum(item.path.stat().st_size for item in files)}
    return {"out": str(out), "settings": cast("Json", settings.model_dump(mode="json")), **listed}


def _draw_plan(console: Console, specs: dict[str, PoolSpec], settings: TrainSettings, out: Path) -> None:
    plan: dict[str, Any] = _plan(specs, settings, out)
    for name in specs:
        console.print(f"{name}: {plan[name]['files']:,} files, {plan[name]['bytes'] / 1e6:,.1f} MB as stored")
    console.print("settings: " + ", ".join(f"{key}={value}" for key, value in plan["settings"].items()), markup=False)
    console.print(f"would write {out}/model.bin and card.json; nothing was read or written", markup=False)


def _draw_card(console: Console, card: dict[str, Any]) -> None:
    from rich.table import Table

    training, held = card["training"], card["held_out"]
    console.print(
        f"{card['name']}: fitted on {training['positive']['docs']:,} positives and {training['negative']['docs']:,} "
        f"negatives, {training['epochs']} epochs, text as {card['normalisation']}",
        markup=False,
    )
    console.print(
        f"held out: {held['num_positives']:,} positives, {held['num_negatives']:,} negatives, "
        f"AUC {held['auc']:.4f}, Brier {held['brier']:.4f}"
    )
    table = Table("score below which", *held["positive_quantiles"], box=None, pad_edge=False)
    for name in ("positive", "negative"):
        table.add_row(f"of {name}s lie", *(f"{value:.4f}" for value in held[f"{name}_quantiles"].values()))
    console.print(table)
    console.print(f"classifier: {card['path']}", markup=False, soft_wrap=True)
    console.print(f"use it: --filter 'fasttext:{card['path']}?keep=0.10'", markup=False, soft_wrap=True)


def _draw_topics(console: Console, card: dict[str, Any]) -> None:
    from rich.table import Table

    training, held = card["training"], card["held_out"]
    docs = sum(own["docs"] for own in training["labels"].values())
    console.print(
        f"{card['name']}: {len(card['labels'])} labels, fitted on {docs:,} documents, {training['epochs']} epochs, "
        f"text as {card['normalisation']}",
        markup=False,
    )
    console.print(
        f"held out: {held['num_docs']:,} documents, accuracy {held['accuracy']:.4f}, macro F1 {held['macro_f1']:.4f}"
    )
    table = Table("label", "held out", "precision", "recall", box=None, pad_edge=False)
    for name, own in held["labels"].items():
        table.add_row(printable(name), f"{own['docs']:,}", f"{own['precision']:.3f}", f"{own['recall']:.3f}")
    console.print(table)
    console.print(f"classifier: {card['path']}", markup=False, soft_wrap=True)
    console.print(f'use it: pool: {{path: ..., tagger: "fasttext:{card["path"]}"}}', markup=False, soft_wrap=True)


def _draw_applied(console: Console, value: dict[str, Any]) -> None:
    from rich.table import Table

    console.print(f"{value['num_docs']:,} documents scored: {value['unit']}", markup=False)
    for key, said in value["scored_by"].items():
        console.print(f"  {key}: {said}", markup=False)
    console.print(
        f"of {value['bounds_over']:,} documents of prose slices (a filter's `keep` is exact, on those alive then):"
    )
    table = Table("keep", "is about min", box=None, pad_edge=False)
    for share, bound in value["bounds"].items():
        table.add_row(share, f"{bound:.6f}")
    console.print(table)
    console.print(f"scores: {value['path']}", markup=False, soft_wrap=True)
