"""`curate import-scores lm-eval|json|dclm`: results made elsewhere become `scores` artifacts like our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give

if TYPE_CHECKING:
    from rich.console import Console

    from train.evals.import_json import Imported
    from train.evals.suite_request import Finished

NameOption = Annotated[str | None, typer.Option("--model-name", help="Name of the model (default: the files').")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the results to a directory.")]


def import_lm_eval(
    place: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="Output of lm_eval --log_samples, or one result.")],
    model_name: NameOption = None,
    tier: Annotated[str | None, typer.Option("--tier", help="Tier or size of the model.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the model's training.")] = None,
    arm: Annotated[str | None, typer.Option("--arm", help="What it was trained on.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", min=0, help="Tokens seen in training.")] = None,
    context: Annotated[int | None, typer.Option("--context", min=1, help="Window, if the files do not say it.")] = None,
    trainer: Annotated[str, typer.Option("--trainer", help="Program that trained the model.")] = "lm-eval",
    suite: Annotated[str | None, typer.Option("--suite-name", help="What to call these tasks together.")] = None,
    out: OutOption = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Import a result directory of lm-eval with its samples, item by item.

    Two imports share a table when the same documents, prompts and targets were asked.
    """
    from train.evals.import_json import Imported
    from train.evals.import_lm_eval import Told
    from train.evals.import_lm_eval import import_lm_eval as read

    told = Told(
        name=model_name,
        tier=tier,
        seed=seed,
        arm=arm,
        tokens_seen=tokens,
        context=context,
        trainer=trainer,
        suite=suite,
    )
    _keep([Imported(scored=read(place, told))], store, out, as_json=json_output)


def import_json(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of schema curate-import@1.")] = [],  # noqa: B006
    show_schema: Annotated[bool, typer.Option("--show-schema", help="Print the JSON Schema and stop.")] = False,
    out: OutOption = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Import runs of other trainers from small JSON files: scores by task and slice, items and curves if known."""
    from curation.errors import ResultsError
    from train.evals.import_json import import_json as read

    if show_schema:
        print(schema_file().read_text(encoding="utf-8"), end="")
        return
    if not files:
        raise ResultsError("import-scores json: no file; expected files of schema curate-import@1 (--show-schema)")
    _keep([read(file) for file in files], store, out, as_json=json_output)


def import_dclm(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Evaluation records of DCLM (JSON).")],
    out: OutOption = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Import DCLM's evaluation records: raw scores of its tasks; Core and Extended are worked out anew."""
    from train.evals.import_json import Imported
    from train.evals.import_json import import_dclm as read

    _keep([Imported(scored=read(file)) for file in files], store, out, as_json=json_output)


def schema_file() -> Path:
    """Return the shipped JSON Schema of `curate-import@1`."""
    return Path(__file__).resolve().parent.parent / "data" / "import-scores.schema.json"


def _holds_several(out: Path | None) -> bool:
    """Return whether imports of several files lie below `out`: one more belongs beside them."""
    from curation.store import MANIFEST

    return out is not None and not (out / MANIFEST).is_file() and any(out.glob(f"*/{MANIFEST}"))


def _keep(several: Sequence[Imported], store: Path | None, out: Path | None, *, as_json: bool) -> None:
    from curation.nodes import Planner
    from curation.progress import SilentProgress
    from curation.store import Store
    from train.evals.import_store import kept
    from train.evals.suite_view import draw_results

    planner = Planner(store=Store.open(store), workers=1, progress=SilentProgress())
    done: list[Finished] = []
    for number, one in enumerate(several):
        named = "-".join(one.scored.results.model.name.replace("/", " ").split())[-80:]
        alone = len(several) == 1 and not _holds_several(out)
        target = None if out is None else out if alone else out / f"{number:03d}-{named}"
        done.append(kept(planner, one.scored, one.curve, target))

    def render(console: Console) -> None:
        for one in done:
            draw_results(console, one.results, str(one.path))
        print(f"compare them: curate compare {done[0].path} OTHER")

    give({"results": [one.as_json() for one in done]}, render, as_json=as_json)
