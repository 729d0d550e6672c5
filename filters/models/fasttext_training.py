"""Training a fastText model so that equal lines give equal bytes: one thread, one seed, a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from curation.errors import RunError
from curation.files import replacing


def train_apart(lines: Path, settings: Mapping[str, str | int | float], out: Path) -> Path:
    """Fit a model on labelled `lines` under fastText's own `settings`, write it to `out` and return that path.

    `fasttext_worker.py` says why a process of its own, with memory that starts as zeros.
    Raises: RunError if training fails.
    """
    worker = Path(__file__).with_name("fasttext_worker.py")
    arguments = {**settings, "input": str(lines), "thread": 1, "verbose": 0}
    with replacing(out) as temporary:
        done = subprocess.run(
            [sys.executable, "-P", str(worker), json.dumps(arguments), str(temporary)],
            env={**os.environ, "MALLOC_PERTURB_": "255"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RunError(
                f"fastText classifier: training failed ({reason}); a smaller `learning_rate` or `dim` may help"
            )
    return out
