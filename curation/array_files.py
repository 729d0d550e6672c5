"""Read arrays of an `.npz` file, from as many threads as there are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# NumPy parses the header of each array as a Python literal, and Python 3.11 counts the depth of such parsing once for
# all threads: two at once end, now and then, with "AST constructor recursion depth mismatch".
_ONE_AT_A_TIME = threading.Lock()


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return every array of a file that `numpy.savez` wrote, by name."""
    with _ONE_AT_A_TIME, np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
