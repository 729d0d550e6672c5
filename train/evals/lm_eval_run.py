"""lm-eval in a process of its own: what is asked goes in as files, samples come out as files.

Nothing of lm-eval is imported here: it would bring torch, progress bars and global settings along, its task files are
code (`!function` imports Python, its templates are not sandboxed), and `simple_evaluate` reseeds global generators
unless told not to. The child is offline, ends with this process, and has a time limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from curation.errors import RunError
from curation.progress import Progress

TIMEOUT_SECONDS = 6 * 3600
POLL_SECONDS = 0.2
INDEX, REQUEST = "%index.json", "%request.json"
"""No task's file is called so: a percent sign in one is followed by two hexadecimal digits."""
HASHES = ("doc_hash", "prompt_hash", "target_hash")
"""What a sample says of the text that was asked."""
PASSED = frozenset(
    """PATH HOME USER LOGNAME LANG TMPDIR TEMP TMP SYSTEMROOT VIRTUAL_ENV LD_LIBRARY_PATH DYLD_LIBRARY_PATH TZ
    HF_HOME HF_DATASETS_CACHE HF_HUB_CACHE HF_MODULES_CACHE XDG_CACHE_HOME NLTK_DATA TORCH_HOME
    OMP_NUM_THREADS MKL_NUM_THREADS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_HOME CUBLAS_WORKSPACE_CONFIG
    PYTHONHASHSEED PYTHONDONTWRITEBYTECODE""".split()
)
"""Variables that the child gets, and `LC_*`: tasks are strangers' code, so keys and tokens are not among them."""
_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one child is to run."""

    model: str
    """Hugging Face directory."""
    tasks: tuple[str, ...]
    out: str
    """Directory of the results; tasks that have one are not run again."""
    folder: str | None = None
    """Directory of task files; without `tasks`, all that they define are run."""
    file: str | None = None
    """The only file of `folder` whose tasks are run."""
    defaults: bool = False
    """Whether lm-eval's own tasks are known: it reads some 10,000 files for that."""
    own_tokens: bool = False
    """Whether the tokenizer may add its BOS, as on lm-eval's command line; rendered suites say every token."""
    context_tokens: int | None = None
    batch_size: int = 16
    limit: int | None = None
    """First items of a task only."""
    device: str = "cpu"
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessTask:
    """What lm-eval says of one task."""

    name: str
    output_type: str
    version: str
    shots: int
    results: Mapping[str, Any]
    """Metrics under lm-eval's names: `acc,none`."""
    samples: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessRun:
    """What a child left behind."""

    tasks: tuple[HarnessTask, ...]
    software: Mapping[str, str]


def run_lm_eval(
    request: Request, progress: Progress, *, environment: Mapping[str, str], timeout: float = TIMEOUT_SECONDS
) -> HarnessRun:
    """Return the samples of every task of `request`; `environment` is added to the child's.

    Raises: RunError if lm-eval is not installed, a task is unknown or fails, its data is not on this machine, or the
    time is up.
    """
    if find_spec("lm_eval") is None:
        raise RunError("lm-eval is not installed, which this suite runs on; pip install 'lm-eval==0.4.13'")
    out = Path(request.out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / REQUEST
    path.write_text(json.dumps(asdict(request)), encoding="utf-8")
    asked = request.tasks or (request.file or request.folder or "",)
    where = f"lm-eval {', '.join(asked[:3])}{' …' if len(asked) > 3 else ''}"
    with (out / "stderr.txt").open("w+b") as errors, progress.task(where, float(len(request.tasks))) as bar:
        process = subprocess.Popen(
            [sys.executable, "-m", "train.child", str(os.getpid()), "train.evals.lm_eval_child", str(path)],
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            code = _wait(process, out, bar.advance, timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code is None:
            raise RunError(
                f"{where}: not done within {timeout:g} s, {len(_done(out))} tasks are; the same command goes on from "
                "them: give it more time (--timeout), fewer items or fewer tasks"
            )
        if code:
            raise RunError(f"{where}: {_last_words(errors, code)}")
    return read_run(out)


def read_run(out: Path) -> HarnessRun:
    """Return what a child has left in `out`."""
    index = json.loads((out / INDEX).read_text(encoding="utf-8"))
    tasks = tuple(_task(json.loads(task_file(out, name).read_text(encoding="utf-8"))) for name in index["tasks"])
    return HarnessRun(tasks=tasks, software=index["software"])


def task_file(out: Path, name: str) -> Path:
    """Return where the samples of a task lie; whatever its name says, that is a file of `out`."""
    return out / f"{quote(name, safe='')}.json"


def _task(value: Mapping[str, Any]) -> HarnessTask:
    samples = sorted(value["samples"], key=lambda sample: int(sample["doc_id"]))
    return HarnessTask(
        name=value["task"],
        output_type=value["output_type"],
        version=str(value["version"]),
        shots=value["shots"],
        results=value["results"],
        samples=tuple(samples),
    )


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: value for name, value in os.environ.items() if name in PASSED or name.startswith("LC_")}
    return {
        **kept,
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore",
        **more,
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _wait(process: subprocess.Popen[bytes], out: Path, advance: Any, timeout: float) -> int | None:
    """Return the exit code, None when the time is up; finished tasks are told as they appear."""
    ends, seen = time.monotonic() + timeout, 0
    while (code := process.poll()) is None and time.monotonic() < ends:
        done = len(_done(out))
        advance(float(done - seen))
        seen = done
        time.sleep(POLL_SECONDS)
    return code


def _done(out: Path) -> Sequence[Path]:
    return [path for path in out.glob("*.json") if path.name not in (INDEX, REQUEST)]


def _last_words(errors: Any, code: int) -> str:
    errors.seek(0)
    lines = [line for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if code < 0:
        return f"the process was ended by signal {-code}; mostly memory: use a smaller batch, or close other programs"
    return lines[-1].strip() if lines else f"the process ended with code {code} and no word; run lm-eval itself"
