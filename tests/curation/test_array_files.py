"""Arrays read by many threads at once are the arrays written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from curation.array_files import read_arrays


def test_threads_that_read_at_once_all_get_what_was_written(tmp_path: Path) -> None:
    written = {f"a{n}": np.arange(n, dtype=np.int64) for n in range(20)}
    np.savez(tmp_path / "x.npz", **written)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: read_arrays(tmp_path / "x.npz"), range(40)))
    for one in found:
        assert one.keys() == written.keys()
        assert all(np.array_equal(one[name], values) for name, values in written.items())
