"""`--suite lm-eval:...`: tasks of lm-eval, its own (`lm-eval:arc_easy`) or those in task files of the user's
(`lm-eval:DIR`, `lm-eval:DIR/task.yaml`), as results of ours.

A task file is code: it is read and run in the child alone, never in this process. The child is offline: the data of
lm-eval's own tasks must be in the cache of `datasets`, or be named as local files. What was asked is known by lm-eval's
hashes of documents, prompts and targets: they are the digest of every task, so drift shows as another suite.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from curation.errors import RunError
from curation.files import Json, digest_json, sha256_file
from curation.nodes import Node, NodeRun
from curation.suites.item_metrics import METRIC_VERSIONS
from train.evals.import_lm_eval import family_of, harness_results
from train.evals.lm_eval_engine import LM_EVAL_VERSION
from train.evals.lm_eval_run import HarnessRun, Request, run_lm_eval
from train.evals.lm_eval_samples import task_rows
from train.evals.models import Evaluated, opened
from train.evals.results import KIND, Partial, Scored, clocks, write_results
from train.evals.suite_scores import SOFTWARE, refuse_nothing_scored, results_summary, software

LM_EVAL = "lm-eval:"
VERSION = "lm-eval-scores@1"
_WORK = "lm-eval"
LOCAL = frozenset({"json", "parquet", "csv", "text", "arrow", "pandas", "generator", "xml"})
"""What `datasets` calls data read from local files, which are no task's of lm-eval."""
MAX_FILES = 10_000
"""Task folders hold a handful; a home directory was not meant."""


def lm_eval_node(model: Evaluated, suite: str, *, limit: int | None, workers: int) -> Node:
    """Return the node of a model's scores on tasks of lm-eval.

    Raises: RunError for an empty name or a folder that is no folder of tasks, or a checkpoint, which has no directory.
    """
    asked = _asked(suite)
    if not model.has_directory:
        raise RunError(
            f"--suite {suite}: {model.where} is a checkpoint, which lm-eval cannot read; give a finished run"
        )
    params: dict[str, Json] = {
        "model": model.facts.digest,
        "suite": suite if asked.folder is None else LM_EVAL,
        "files": _files_digest(asked),
        "context": model.context_tokens,
        "metric_versions": {**METRIC_VERSIONS, "scorer": LM_EVAL_VERSION},
        "limit": limit,
    }

    def run(context: NodeRun) -> Mapping[str, Json]:
        work, started = context.out.path / _WORK, time.monotonic()
        with opened(model) as held:
            request = replace(
                asked,
                model=str(held.directory.resolve()),
                out=str(work),
                context_tokens=model.context_tokens,
                limit=limit,
                threads=workers,
            )
            found = run_lm_eval(request, context.progress, environment={})
        scored = _results(model, suite, found, limit=limit, seconds=time.monotonic() - started)
        refuse_nothing_scored(scored.results, model)
        write_results(context.out.path, scored)
        shutil.rmtree(work)
        return results_summary(scored.results.as_json())

    return Node(kind=KIND, version=VERSION, params=params, inputs={}, run=run, label=f"{model.facts.name} on {suite}")


def _asked(suite: str) -> Request:
    """Return what the suite's name means; model and place of the output come later."""
    name = suite.removeprefix(LM_EVAL)
    path = Path(name).expanduser()
    if not name:
        raise RunError(f"--suite {suite}: no task named; expected lm-eval:TASK, lm-eval:DIR or lm-eval:DIR/task.yaml")
    if path.suffix in (".yaml", ".yml") or "/" in name or _holds_tasks(path):
        if not path.exists():
            raise RunError(f"--suite {suite}: {path} is not there; expected a task file of lm-eval or a folder of them")
        folder = path if path.is_dir() else path.parent
        file = None if path.is_dir() else str(path.resolve())
        return Request(model="", out="", tasks=(), folder=str(folder.resolve()), file=file, own_tokens=True)
    return Request(model="", out="", tasks=tuple(name.split("+")), defaults=True, own_tokens=True)


def _cache_digest() -> str:
    """Return the digest of what each cached data set says of itself: version, sizes and checksums of its files."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    home = Path(os.environ.get("HF_HOME") or home)
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or home / "datasets").expanduser()
    found = {
        str(path.relative_to(cache)): sha256_file(path)
        for path in sorted(cache.glob("*/*/*/*/dataset_info.json"))
        if path.relative_to(cache).parts[0] not in LOCAL
    }
    return digest_json(found)


def _holds_tasks(path: Path) -> bool:
    """Return whether a word without a slash is a folder of task files here; a folder of anything else is no task."""
    return path.is_dir() and any(path.glob("*.y*ml"))


def _files_digest(asked: Request) -> str | None:
    """Return the digest of everything in a folder of tasks: YAML, Python and data; for lm-eval's own tasks, of which
    nobody here knows the data, that of all data sets in the cache of `datasets`.
    """
    if asked.folder is None:
        return _cache_digest()
    folder = Path(asked.folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    if len(files) > MAX_FILES:
        raise RunError(
            f"{folder}: {len(files):,} files, expected a folder of task files; give the folder that holds them"
        )
    return digest_json(
        [asked.file and Path(asked.file).name, {str(p.relative_to(folder)): sha256_file(p) for p in files}]
    )


def _results(model: Evaluated, suite: str, found: HarnessRun, *, limit: int | None, seconds: float) -> Scored:
    tasks = {}
    for task in found.tasks:
        try:
            tasks[task.name] = task_rows(task, family_of(task.name))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise RunError(
                f"{suite}: task `{task.name}`: samples that cannot be read ({error}); run it alone"
            ) from None
    scored = harness_results(model.facts, tasks, context=model.context_tokens, suite=_name(suite), said={})
    results = scored.results.model_copy(
        update={
            "metric_versions": {**METRIC_VERSIONS, "scorer": LM_EVAL_VERSION},
            "software": {**software(SOFTWARE), **found.software},
            **clocks(seconds),
            "partial": Partial(limit=limit) if limit else None,
        }
    )
    return Scored(results=results, items=scored.items)


def _name(suite: str) -> str:
    """Return what results call the suite: a folder's own name, whatever it lies in."""
    return LM_EVAL + Path(suite.removeprefix(LM_EVAL)).stem
