"""Records of a GPU benchmark: rows printed and written at once, sections that fail or run over alone, one table.

Every row is printed as it comes and the whole JSON file is written again, so a crash or a time limit loses nothing.
Run: `python benchmarks/gpu_report.py RESULTS.json` prints the file as Markdown tables.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Row = Mapping[str, Any]


class OverTimeError(Exception):
    """A section used up its seconds."""


@dataclass(slots=True)
class Recorder:
    """The results so far."""

    path: Path | None
    device: torch.device
    smoke: bool
    deadline: float
    """Monotonic second at which everything ends."""
    only_tiers: tuple[str, ...] = ()
    only_settings: tuple[str, ...] = ()
    """Empty: all."""
    facts: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, list[Row]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def resume(self, sections: Sequence[str]) -> None:
        """Take over what the file of an earlier call holds, except `sections`, which are made anew."""
        if self.path is None or not self.path.exists():
            return
        held = json.loads(self.path.read_text())
        named = {"step": "best", "variants": "variant"}
        redone = {*sections, *(named[one] for one in sections if one in named)}
        self.facts, self.seconds = held["facts"], held["seconds"]
        self.sections = {name: rows for name, rows in held["sections"].items() if name not in redone}

    def add(self, section: str, **row: Any) -> None:
        """Keep, print and write a row."""
        self.sections.setdefault(section, []).append(row)
        print(f"{section:9s} " + "  ".join(f"{key}={_shown(value)}" for key, value in row.items()), flush=True)
        self.write()

    def fail(self, where: str, error: BaseException) -> None:
        """Keep an error, with the innermost place of it, and go on."""
        place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
        text = f"{where}: {type(error).__name__}: {str(error)[:600]}"
        self.errors.append(f"{text} ({Path(place.filename).name}:{place.lineno})" if place else text)
        print(f"ERROR {self.errors[-1]}", flush=True)
        self.write()

    def write(self) -> None:
        """Write everything to the file, by rename."""
        if self.path is None:
            return
        held = {"facts": self.facts, "sections": self.sections, "errors": self.errors, "seconds": self.seconds}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(held, indent=1) + "\n")
        temporary.replace(self.path)

    def left(self) -> float:
        """Return the seconds until the end of everything."""
        return self.deadline - time.monotonic()

    @contextmanager
    def attempt(self, where: str, seconds: float = 1e9) -> Iterator[None]:
        """Run a part that may fail or take at most `seconds`; what fails is recorded and the memory freed.

        Python lets no context manager skip its block, so without time left the alarm ends the part as it begins.
        """
        began = time.monotonic()
        try:
            with _alarm(max(0.02, min(seconds, self.left()))):
                yield
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.fail(where, error)
            error.__traceback__ = None  # its frames hold tensors
        self.seconds[where] = round(time.monotonic() - began, 1)
        release(self.device)


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Compile what is met here instead of taking a stored graph.

    The key of stored graphs (AOTAutograd's cache, torch 2.11 to 2.13) has no attention back ends in it, so a block that
    was compiled with cuDNN comes back with cuDNN whatever the order is now. Kernels of equal graphs are still reused.
    """
    import torch._functorch.config as settings

    with cast("Any", settings).patch(enable_autograd_cache=False):
        yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise OverTimeError in the main thread when `seconds` are over; an inner alarm shortens, never lengthens."""

    def ring(*_: object) -> None:
        raise OverTimeError(f"over its {seconds:.0f} s" if seconds >= 1 else "no time left")

    before = signal.signal(signal.SIGALRM, ring)
    began = time.monotonic()
    outer = signal.getitimer(signal.ITIMER_REAL)[0]
    signal.setitimer(signal.ITIMER_REAL, min(seconds, outer) if outer else seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        rest = outer - (time.monotonic() - began)
        signal.setitimer(signal.ITIMER_REAL, max(0.05, rest) if outer else 0)


def release(device: torch.device) -> None:
    """Give back what the last part held: compiled code, memory, its peak."""
    torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def median_ms(work: Callable[[], object], device: torch.device, *, repeats: int = 10, warm: int = 3) -> float:
    """Return the median milliseconds of `work`; on a GPU by device events, each repeat on its own."""
    for _ in range(warm):
        work()
    if device.type != "cuda":
        return statistics.median(_host_ms(work) for _ in range(repeats))
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for begin, end in marks:
        begin.record()
        work()
        end.record()
    torch.cuda.synchronize()
    return statistics.median(begin.elapsed_time(end) for begin, end in marks)


def _host_ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def gpu_gigabytes(device: torch.device) -> float:
    """Return the most memory tensors took since the last `release`, 10^9 bytes."""
    return torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0


def machine(device: torch.device) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    found: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "device": "cpu",
    }
    if device.type != "cuda":
        return found
    properties = torch.cuda.get_device_properties(device)
    found |= {
        "device": properties.name,
        "gigabytes": round(properties.total_memory / 1e9, 1),
        "multiprocessors": properties.multi_processor_count,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    query = ["nvidia-smi", "--query-gpu=driver_version,power.limit,clocks.max.sm", "--format=csv,noheader"]
    try:
        found["driver"] = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        found["driver"] = f"unknown ({type(error).__name__})"
    return found


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def tables(held: Mapping[str, Any]) -> str:
    """Return the results as Markdown: facts, then a table a section, then errors."""
    lines = [", ".join(f"{key} {value}" for key, value in held["facts"].items()), ""]
    for name, rows in held["sections"].items():
        keys = list(dict.fromkeys(key for row in rows for key in row))
        lines += [f"**{name}**", "", "| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
        lines += ["| " + " | ".join(_shown(row.get(key, "")) for key in keys) + " |" for row in rows]
        lines.append("")
    lines += [f"- error: {error}" for error in held["errors"]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    print(tables(json.loads(parser.parse_args().results.read_text())))


if __name__ == "__main__":
    main()
