"""What a command need not pay for: searching the objects of its imports for garbage, and pandas.

Measured on `curate dedup run` of 200,000 documents, 8 processor seconds: 0.5 went to the garbage collector, which came
by whenever imports had made 700 more objects and once more as the process ended, and 0.4 to pandas.
"""

from __future__ import annotations

import atexit
import gc
import sys
from importlib.machinery import ModuleSpec

OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""New containers, less those freed, between two looks for garbage; Python's own 700 suit short-lived objects."""


def collect_rarely() -> None:
    """Look for garbage less often from now on, and never among what still lives when the process ends."""
    if gc.get_threshold()[0] == OBJECTS_BETWEEN_COLLECTIONS:
        return
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)


class _NoPandas:
    """A finder of modules to which pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return None for all modules but pandas. Raises: ModuleNotFoundError for that."""
        if name == "pandas":
            raise ModuleNotFoundError("not looked for", name=name)
        return None


def arrow_without_pandas() -> None:
    """Make Arrow's look for pandas, which comes with its first conversion of a list or an array, find none.

    For commands that run no stranger's code: pandas can be imported after it and Arrow's `to_pandas` works, but
    a series is a mere sequence to Arrow until then.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])  # looks once a process
    finally:
        sys.meta_path.remove(finder)
