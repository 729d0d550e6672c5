"""The process that runs lm-eval on an exported model; not for import.

`python -m train.evals.lm_eval_child REQUEST.json`. The request is what `train.evals.lm_eval_run` writes: model, tasks,
folder of task files, window, batch. Every task's samples appear whole, as `OUT/NAME.json` (unusual
characters as %XX), as soon as it is done; what is there is not run again. A fault is the last line of standard error.

All seeds of `simple_evaluate` are None, so it sets no generator. With none, lm-eval would draw few-shot examples by
the system's entropy, so each task's own generator of examples (`random.Random`) is seeded here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from curation.suites.lm_eval_loading import data_name, leaf_tasks, one_line, refuse_unknown, task_manager
from train.evals.lm_eval_run import INDEX, task_file

FEWSHOT_SEED = 1234
"""lm-eval's own default, so that few-shot prompts are those of its command line."""


def main(request: Mapping[str, Any]) -> None:
    """Run the tasks of the request that have no result yet."""
    import torch

    if request["threads"]:
        torch.set_num_threads(request["threads"])
    manager = task_manager(request["folder"], defaults=request["defaults"])
    tasks = _loaded(manager, request["tasks"] or _in_files(manager, request))
    waiting = {name: task for name, task in tasks.items() if not _file(request, name).is_file()}
    if waiting:
        model = _model(request)
        for task in waiting.values():
            _run(request, model, manager, task)
    _write(
        Path(request["out"]) / INDEX,
        {"tasks": sorted(tasks), "software": {"lm_eval": version("lm_eval"), "torch": version("torch")}},
    )


def _loaded(manager: Any, names: list[str]) -> dict[str, Any]:
    """Return the leaf tasks of what was asked for, by name. An unknown name or a task without data ends the process."""
    for name in names:
        refuse_unknown(manager, name)
    found: dict[str, Any] = {}
    for name in names:
        try:
            found.update(leaf_tasks(manager, name))
        except Exception as error:  # whatever a task's own code and the data library may raise
            raise SystemExit(
                f"the data `{data_name(manager, name)}` of task `{name}` could not be loaded ({type(error).__name__}: "
                f"{one_line(error)}); runs are offline: load it once where there is a network "
                f"(`lm_eval ls`, `datasets.load_dataset`), or name local files in a task of your own"
            ) from None
    return found


def _in_files(manager: Any, request: Mapping[str, Any]) -> list[str]:
    """Return the tasks that the request's folder, or the one file in it, defines."""
    kinds = ("TASK", "PY_TASK") if request["file"] is None else ("TASK", "PY_TASK", "GROUP")
    found = [
        name
        for name, entry in manager.task_index.items()
        if entry.kind.name in kinds
        and entry.yaml_path is not None
        and request["file"] in (None, str(Path(entry.yaml_path).resolve()))
    ]
    if not found:
        place = request["file"] or request["folder"]
        raise SystemExit(f"{place}: defines no task that lm-eval can read; expected YAML with `task: NAME`")
    return sorted(found)


def _model(request: Mapping[str, Any]) -> Any:
    from lm_eval.models.huggingface import HFLM  # type: ignore[import-untyped]

    try:
        return HFLM(
            pretrained=request["model"],
            device=request["device"],
            dtype="float32",
            batch_size=request["batch_size"],
            max_length=request["context_tokens"],
            trust_remote_code=False,
            **({} if request["own_tokens"] else {"add_bos_token": False}),
        )
    except Exception as error:  # of transformers, tokenizers, safetensors
        raise SystemExit(f"{request['model']}: cannot be loaded by lm-eval ({one_line(error)})") from None


def _run(request: Mapping[str, Any], model: Any, manager: Any, task: Any) -> None:
    from lm_eval import evaluator  # type: ignore[import-untyped]

    name = task.task_name.rpartition("::")[2]
    # seconds a task: they ask git, pip and the drivers what is installed, and nothing here reads the answer
    evaluator.add_env_info = evaluator.add_tokenizer_info = lambda *_: None
    evaluator.get_git_commit_hash = lambda: None
    seeded = task.set_fewshot_seed
    task.set_fewshot_seed = lambda seed=None: seeded(FEWSHOT_SEED)
    try:
        found = evaluator.simple_evaluate(
            model=model,
            tasks=[task],
            task_manager=manager,  # without one it reads all task files again
            bootstrap_iters=0,
            limit=request["limit"],
            log_samples=True,
            random_seed=None,
            numpy_random_seed=None,
            torch_random_seed=None,
            fewshot_random_seed=None,
        )
    except Exception as error:  # a task is code: anything
        raise SystemExit(f"task `{name}` failed ({type(error).__name__}: {one_line(error)})") from None
    key = next(iter(found["samples"]))
    value = {
        "task": name,
        "output_type": str(task.config.output_type),
        "version": found["versions"].get(key),
        "shots": int(found["n-shot"].get(key) or 0),
        "results": found["results"][key],
        "samples": [{**one, "num_tokens": _num_tokens(model, one["arguments"])} for one in found["samples"][key]],
    }
    _write(_file(request, name), value)


def _num_tokens(model: Any, arguments: Any) -> list[int] | None:
    """Return the tokens of each continuation as lm-eval counts them; None where a sample has none."""
    pairs = [(one[0], one[1]) for one in arguments if len(one) == 2 and isinstance(one[1], str)]
    if not pairs or len(pairs) != len(arguments):
        return None
    whole = [model._encode_pair(context, text)[1] if context else model.tok_encode(text) for context, text in pairs]
    return [len(ids) for ids in whole]


def _file(request: Mapping[str, Any], name: str) -> Path:
    return task_file(Path(request["out"]), name)


def _write(path: Path, value: Any) -> None:
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text(json.dumps(value, default=str), encoding="utf-8")
    temporary.rename(path)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
