"""What a clock decides about a run: speed, utilisation, memory, device, starts and stops.

`timing/run-<fingerprint>.telemetry.jsonl` in the store is only ever appended to. Lines: `start` (first step of a
process: device, world size, resumed or not), `row` (beside each metrics row), `end` (finished, stopped or failed).
Speed comes twice: over the wall since the last row, with everything in it, and from the median of the last 50 steps,
which leaves out checkpoints and validation; utilisation uses the second. Its peak is the card's (`train.utilisation`);
an unknown card stops the run at its first step, a CPU has none unless one is declared and says so.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import RunError
from curation.files import Json
from train.metrics import RowFile
from train.utilisation import DECLARED_PEAK, peak_flops, utilisation

if TYPE_CHECKING:
    from train.companions import StepOutcome
    from train.engine import Engine
    from train.tiers import Tier

MEDIAN_STEPS = 50


class Telemetry:
    """The companion that measures; adds nothing to the metrics and nothing to checkpoints."""

    name = "telemetry"

    def __init__(self, tier: Tier, path: Path, *, seed: int) -> None:
        """Measure a run of `tier`; only the first process of several writes."""
        self.tier = tier
        self.seed = seed
        self.last: Mapping[str, Json] = {}
        self.world_size = int(os.environ.get("WORLD_SIZE", "1"))
        self._file = RowFile(path) if os.environ.get("RANK", "0") == "0" else None
        self._began = time.monotonic()
        self._row_at, self._row_step = self._began, -1
        self._step_at: float | None = None
        self._steps: deque[float] = deque(maxlen=MEDIAN_STEPS)
        self._done = 0
        self._peak: float | None = None
        self._engine: Engine | None = None

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Take the time of a step."""
        now = time.monotonic()
        if self._engine is None:
            self._start(outcome.step, engine)
        if self._step_at is not None:
            self._steps.append(now - self._step_at)
        self._step_at = now
        self._done = outcome.step + 1

    def row(self) -> Mapping[str, Json]:
        """Write a line; the metrics row gets nothing."""
        now = time.monotonic()
        tokens = (self._done - self._row_step) * self.tier.batch_tokens
        speed = tokens / max(now - self._row_at, 1e-9) if tokens else None
        self._row_at, self._row_step = now, self._done
        found: dict[str, Json] = {
            "kind": "row",
            "step": self._done,
            "tokens": self._done * self.tier.batch_tokens,
            "tokens_per_second": speed,
            "rss_bytes": resident_bytes(),
            "peak_rss_bytes": peak_resident_bytes(),
            **self._median(),
        }
        if self._engine is not None:
            found["device_peak_bytes"] = self._engine.accelerator.peak_memory_bytes()
        self._write(found)
        return {}

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Write how the training inside ended: `finished`, or `left` with what was raised (a stop, a fault)."""
        try:
            yield
        except BaseException as raised:
            with suppress(RunError, OSError):  # what was raised says more than a disk that is full here too
                self._end("left", f"{type(raised).__name__}: {raised}")
            raise
        else:
            self._end("finished", None)
        finally:
            if self._file is not None:
                self._file.close()

    def state(self) -> Json:
        """Return nothing: no clock in a checkpoint."""
        return None

    def restore(self, state: Json) -> None:
        """Forget the speed of before; the run continues elsewhere in its course."""
        self._step_at = None
        self._steps.clear()

    def _start(self, step: int, engine: Engine) -> None:
        self._engine = engine
        self._row_step = step + 1  # the first step holds start-up and compilation: neither speed counts it
        self._row_at = time.monotonic()
        why = None
        try:
            self._peak = peak_flops(engine.accelerator.name) * self.world_size
        except RunError as unknown:
            if not _is_cpu(engine):
                raise
            why = f"a CPU has no declared peak; set {DECLARED_PEAK} ({str(unknown).partition(':')[0]})"
        self._write({
            "kind": "start",
            "resumed_at_step": step,
            "tier": self.tier.name,
            "seed": self.seed,
            "steps": self.tier.num_steps,
            "batch_tokens": self.tier.batch_tokens,
            "world_size": self.world_size,
            "threads": self.tier.threads,
            "process": os.getpid(),
            "host": platform.node(),
            "python": platform.python_version(),
            "peak_flops": self._peak,
            "no_mfu_because": why,
            **engine.accelerator.describe(),
        })  # fmt: skip

    def _median(self) -> dict[str, Json]:
        if not self._steps:
            return {"step_seconds": None, "median_tokens_per_second": None, "mfu": None, "mfu_causal": None}
        seconds = statistics.median(self._steps)
        speed = self.tier.batch_tokens / max(seconds, 1e-9)
        found: dict[str, Json] = {"step_seconds": seconds, "median_tokens_per_second": speed}
        if self._peak is None:
            return {**found, "mfu": None, "mfu_causal": None}
        shares = utilisation(self.tier.shape, speed, self._peak)
        return {**found, "mfu": shares.mfu, "mfu_causal": shares.mfu_causal}

    def _end(self, how: str, why: str | None) -> None:
        self._write({"kind": "end", "how": how, "why": why, "step": self._done})

    def _write(self, line: Mapping[str, Json]) -> None:
        self.last = {**line, "unix_seconds": time.time(), "seconds": time.monotonic() - self._began}
        if self._file is not None:
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
            self._file.append(self.last)


def _is_cpu(engine: Engine) -> bool:
    return engine.accelerator.device.type == "cpu"


def telemetry_path(root: Path, fingerprint: str) -> Path:
    """Return where the telemetry of a run is kept, below the store's root."""
    return root / "timing" / f"run-{fingerprint[:8]}.telemetry.jsonl"


def resident_bytes() -> int | None:
    """Return the memory that this process holds now; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident_bytes() -> int | None:
    """Return the most memory that this process has held."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
