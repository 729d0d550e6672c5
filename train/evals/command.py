"""What `curate eval` was asked, checked and done: suites, one panel, or items of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curation.console import give, progress_for
from curation.errors import RunError
from curation.files import Json
from curation.nodes import Planner
from curation.progress import Progress
from curation.store import Store

if TYPE_CHECKING:
    from train.evals.results import Results

PANEL = "panel"
_OF_SUITES = ("evals", "tasks", "limit", "checkpoints", "last_k", "out", "dry_run")


def evaluate_as_asked(asked: Mapping[str, Any]) -> None:
    """Do what the options of `curate eval` say. Raises: RunError for options that do not go together."""
    model = _model(asked)
    opens = Store.reading if asked["dry_run"] else Store.open
    store, progress = opens(asked["store"]), progress_for(quiet=asked["quiet"])
    panel, items = asked["panel"], asked["items"]
    if panel is not None and items is None and not asked["suite"]:
        asked = {**asked, "suite": [PANEL]}
        _evaluate_suites(store, model, asked, progress, of_panel=True)
        return
    if asked["suite"]:
        if items is not None:
            raise RunError("--items: they are no suite; expected --items or --suite; give one")
        _evaluate_suites(store, model, asked, progress)
        return
    stray = [f"--{name.replace('_', '-')}" for name in _OF_SUITES if asked[name]]
    if stray:
        raise RunError(f"{stray[0]}: belongs to --suite, which is missing; give --suite core, small, panel or all")
    if (panel is None) == (items is None):
        given = "neither" if panel is None else "both"
        raise RunError(
            f"curate eval {model}: {given} of --panel and --items, expected one of them, or --suite; for example "
            f"curate eval {model} --suite small, or --suite panel"
        )
    _evaluate_items(
        store, model, items, asked["context"], progress, workers=asked["workers"], as_json=asked["json_output"]
    )


def _model(asked: Mapping[str, Any]) -> str:
    model, option = asked["model"], asked["directory"]
    if (model is None) == (option is None):
        given = "no model" if model is None else f"both {model} and --model {option}"
        raise RunError(f"curate eval: {given}; expected one run or model directory: curate eval RUN --suite small")
    return str(model or option)


def _words(several: Sequence[str] | None) -> tuple[str, ...]:
    """Return the words of a repeatable option, each of which may be a list with commas."""
    return tuple(word.strip() for one in several or () for word in one.split(",") if word.strip())


def _evaluate_suites(
    store: Store, model: str, asked: Mapping[str, Any], progress: Progress, *, of_panel: bool = False
) -> None:
    """Score the suites that are asked for; `of_panel` also gives one panel's bits per byte beside `results`."""
    from train.evals.curve_command import draw_curve
    from train.evals.panel_curve import curve_of
    from train.evals.suite_request import Request, draw_plan, finish, jobs_of, plan_rows
    from train.evals.suite_view import draw_course, draw_results

    request = Request(
        model=model,
        suites=_words(asked["suite"]),
        panel=asked["panel"],
        evals=asked["evals"],
        tasks=_words(asked["tasks"]),
        limit=asked["limit"],
        context=asked["context"],
        checkpoints=asked["checkpoints"],
        last_k=asked["last_k"],
        engine=asked["engine"],
        out=asked["out"],
        workers=asked["workers"],
    )
    planner = Planner(store=store, workers=request.workers, progress=progress)
    jobs = jobs_of(request, store, progress)
    if asked["dry_run"]:
        rows = plan_rows(jobs, planner)
        give({"steps": cast("list[Any]", rows)}, lambda console: draw_plan(console, rows), as_json=asked["json_output"])
        return
    done = finish(jobs, request, planner)

    def render(console: Any) -> None:
        for one in done:
            draw_results(console, one.results, str(one.path))
        for suite in dict.fromkeys(one.results.suite.name for one in done):
            course = [one.results for one in done if one.results.suite.name == suite and not one.results.averaged]
            if len(course) > 1:
                draw_curve(console, curve_of(course)) if course[0].slices else draw_course(console, course)

    value: dict[str, Json] = {"results": [one.as_json() for one in done]}
    if of_panel and len(done) == 1:
        value |= _on_panel(done[0].results)
    give(value, render, as_json=asked["json_output"])


def _on_panel(results: Results) -> dict[str, Json]:
    """Return what `curate eval MODEL --panel P` says in short."""
    return {
        "model": results.model.name,
        "tier": results.model.tier,
        "context": results.context,
        "panel_digest": results.suite.digest,
        "bpb": {name: one.bits_per_byte for name, one in results.slices.items()},
    }


def _evaluate_items(
    store: Store, model: str, items: Path, context: int | None, progress: Progress, *, workers: int, as_json: bool
) -> None:
    from train.evals.models import is_model_directory
    from train.evals.own_items import draw_report, read_questions, score_questions
    from train.evaluate import directory_subject, run_subject
    from train.lookup import find_artifact

    questions = read_questions(items)
    if is_model_directory(model):
        subject = directory_subject(Path(model), context)
    else:
        subject = run_subject(find_artifact(store, model, "run"), context)
    found = score_questions(subject, questions, progress, workers=workers)
    give(found, lambda console: draw_report(console, model, found), as_json=as_json)
