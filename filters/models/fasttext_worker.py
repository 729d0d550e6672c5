"""Train one fastText model in a process of its own: `python fasttext_worker.py ARGUMENTS_AS_JSON OUT`.

Why a process: with `thread=1`, the only reproducible setting, fastText 0.9.2 fills a tenth of its input matrix and
leaves the rest as malloc gives it. In a process that has freed memory before, that is whatever lay there: two trainings
differ, or stop with "Encountered NaN" (both seen). The caller starts this with `MALLOC_PERTURB_=255`, which makes
glibc hand out zeroed memory; elsewhere a fresh process gets its large blocks zeroed from the kernel.
"""

from __future__ import annotations

import json
import sys


def main(arguments: str, out: str) -> None:
    """Train and save the model to `out`."""
    import fasttext

    fasttext.train_supervised(**json.loads(arguments)).save_model(out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
