"""What a command leaves out at its start changes nothing that comes later."""

from __future__ import annotations

import subprocess
import sys

PRELUDE = "import gc, sys\nfrom curation.lean_start import arrow_without_pandas, collect_rarely\n"


def told_by(code: str) -> str:
    """Return what a process of its own prints, since both change the whole process."""
    done = subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_arrow_converts_lists_without_importing_pandas() -> None:
    code = "arrow_without_pandas()\nimport pyarrow\nprint(pyarrow.array([1, None]).null_count, 'pandas' in sys.modules)"
    assert told_by(code) == "1 False"


def test_pandas_can_be_used_afterwards() -> None:
    code = (
        "arrow_without_pandas()\nimport pyarrow as pa\nframe = pa.table({'a': [1.0, None]}).to_pandas()\n"
        "import pandas\nprint(type(frame) is pandas.DataFrame, pa.array(pandas.Series([1.0, float('nan')])).null_count)"
    )
    assert told_by(code) == "True 1"


def test_other_missing_modules_are_still_missing() -> None:
    code = "arrow_without_pandas()\ntry:\n    import no_such_module\nexcept ModuleNotFoundError as e:\n print(e.name)"
    assert told_by(code) == "no_such_module"


def test_garbage_is_still_collected() -> None:
    code = (
        "import weakref\ncollect_rarely(); collect_rarely()\nclass A: pass\na = A(); a.me = a; seen = weakref.ref(a)\n"
        "del a\nheld = [[] for _ in range(60_000)]\nprint(seen() is None)"
    )
    assert told_by(code) == "True"
