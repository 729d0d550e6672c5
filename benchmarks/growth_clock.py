"""One `curate build` in a process and store of its own, by stage: wall and CPU seconds, and memory.

CPU seconds and resident memory of the process with all its descendants are polled from outside. The ends of stages come
from the store's own clock (`timing/`), and the steps inside them from a progress that writes down when each began and
ended; the command is otherwise the one that people run.

Usage: python benchmarks/growth_clock.py RECIPE.yaml STORE [--workers 2] [--steps]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
START, END = "start", "end"


class BuildFailedError(Exception):
    """The build ended with another exit code than 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stage, or a step of one: when it ran and what it took."""

    name: str
    begin: float
    end: float
    cpu_seconds: float
    peak_mb: float

    @property
    def seconds(self) -> float:
        """Wall seconds."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked:
    """What one build took."""

    whole: Span
    stages: list[Span]
    """One after the other; the first is the start of the process."""
    steps: list[Span]
    num_docs: int
    """Documents of the corpus."""


@dataclass(slots=True)
class _Samples:
    """What was seen of a tree of processes, in order of time."""

    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)

    def span(self, name: str, begin: float, end: float) -> Span:
        times, cpu = np.array(self.times), np.array(self.cpu)
        at: npt.NDArray[np.float64] = np.interp([begin, end], times, cpu)
        first, last = np.searchsorted(times, [begin, end])
        seen = self.resident_mb[max(0, int(first) - 1) : int(last) + 1]
        return Span(name=name, begin=begin, end=end, cpu_seconds=float(at[1] - at[0]), peak_mb=max(seen, default=0.0))


@dataclass(slots=True)
class Recorder:
    """A progress that writes a line for every step: name, begin, end."""

    path: Path

    @contextlib.contextmanager
    def task(self, label: str, total: float | None, *, unit: str = "") -> Iterator[Recorder]:
        """Write the step down when it ends."""
        begin = time.time()
        yield self
        with self.path.open("a") as file:
            file.write(json.dumps([label, begin, time.time()]) + "\n")

    def advance(self, amount: float = 1.0) -> None:
        """Count nothing."""

    def note(self, message: str) -> None:
        """Drop the message."""


def child(log: str, words: Sequence[str]) -> None:
    """Run the command line, with its progress written to `log`."""
    import curation.build_command
    from curation.cli import main

    curation.build_command.progress_for = lambda *, quiet: Recorder(Path(log))
    main(list(words))


def clocked_build(recipe: Path, store: Path, workers: int) -> Clocked:
    """Build and measure. Raises: BuildFailedError."""
    log = store.with_suffix(".steps")
    log.unlink(missing_ok=True)
    code = "import sys; from benchmarks.growth_clock import child; child(sys.argv[1], sys.argv[2:])"
    words = ["build", str(recipe), "--store", str(store), "--workers", str(workers), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begin, seen, ended = time.time(), _Samples(), threading.Event()
    command = [sys.executable, "-c", code, str(log), *words]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    watcher = threading.Thread(target=_watch, args=(process.pid, seen, ended))
    watcher.start()
    out, errors = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode:
        raise BuildFailedError(f"exit code {process.returncode}:\n{errors.decode(errors='replace')[-4000:]}")
    steps = [seen.span(*json.loads(line)) for line in log.read_text().splitlines()]
    whole = seen.span("whole", begin, seen.times[-1])
    return Clocked(
        whole=whole,
        stages=_stages(store, steps, whole, seen),
        steps=steps,
        num_docs=int(json.loads(out)["summary"]["num_docs"]),
    )


def _stages(store: Path, steps: Sequence[Span], whole: Span, seen: _Samples) -> list[Span]:
    """Cut the build at the ends of what was built: the pool's two halves, then every artifact."""
    by_name = {step.name: step for step in reversed(steps)}
    cuts = [(START, by_name["ingest"].begin), ("ingest: read", by_name["ingest"].end)]
    pool = next(store.glob("pool-*/manifest.json"))
    cuts.append(("ingest: partitions", pool.stat().st_mtime))
    for clock in sorted((store / "timing").glob("*.build.json"), key=lambda path: path.stat().st_mtime):
        cuts.append((_name(store / clock.name.removesuffix(".build.json")), clock.stat().st_mtime))
    cuts.append((END, whole.end))
    found, begin = [], whole.begin
    for name, end in cuts:
        found.append(seen.span(name, begin, end))
        begin = end
    return found


def _name(artifact: Path) -> str:
    manifest = json.loads((artifact / "manifest.json").read_text())
    kind, params = manifest["kind"], manifest["params"]
    own = params.get("filter") or params.get("name") or params.get("set") or params.get("unit")
    return f"{kind} {own}" if isinstance(own, str) else str(kind)


def _watch(pid: int, seen: _Samples, ended: threading.Event) -> None:
    while not ended.wait(POLL_SECONDS):
        facts: dict[int, tuple[int, int, int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    words = (entry / "stat").read_text().rpartition(")")[2].split()
                    facts[int(entry.name)] = int(words[1]), sum(map(int, words[11:15])), int(words[21])
        if pid not in facts:
            return
        tree = {pid}
        for _ in range(8):
            tree |= {one for one, fact in facts.items() if fact[0] in tree}
        ticks = sum(facts[one][1] for one in tree)
        seen.times.append(time.time())
        seen.cpu.append(max(ticks / TICKS, seen.cpu[-1] if seen.cpu else 0.0))
        seen.resident_mb.append(sum(facts[one][2] for one in tree) * PAGE / 1e6)


def main() -> None:
    """Measure one build and print its stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("store", type=Path, help="an empty store, which stays")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", action="store_true", help="also the steps inside stages")
    given = parser.parse_args()
    clocked = clocked_build(given.recipe.resolve(), given.store.resolve(), given.workers)
    print(f"{'stage':<36}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}")
    for span in [clocked.whole, *clocked.stages, *(clocked.steps if given.steps else [])]:
        print(f"{span.name:<36}{span.seconds:>9.2f}{span.cpu_seconds:>9.2f}{span.peak_mb:>9,.0f}")


if __name__ == "__main__":
    main()
