"""What `curate build` costs as its input grows: 50 MB, 500 MB and 2 GB through one full recipe, stage by stage.

Inputs are varied copies of the shared pool (`growth_inputs.py`): the same documents in other words, with the same share
of exact copies, near copies and benchmark items at every size. The recipe is exact dedup, `quality_v3` (signals, rules
and a classifier that is trained on the way), MinHash dedup and 13-gram decontamination. Each build is a process of its
own with an empty store; kernels are compiled before by a build of the smallest input that is not counted. CPU seconds
and memory are of the process with all its descendants; wall seconds mean something on a quiet machine only, so the load
before each build is printed. The exponent is the slope of log CPU seconds over log bytes; "less the start" takes the
start of the process off first.

Usage: python benchmarks/growth.py [--mb 50 500 2000] [--workers 2] [--also 1] [--repeats 2]
       [--cache DIR] [--json FILE] [--svg FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth_clock import START, Clocked, Span, clocked_build
from benchmarks.growth_figure import figure
from benchmarks.growth_inputs import Written, base_documents, write_input

STAGES = [{"dedup": "exact"}, {"filter": "quality_v3"}, {"dedup": "minhash"}, {"decontaminate": "ngram-13"}]

QUIET_LOAD = 2.5
"""Two workers alone leave a load of about 2 behind."""


def build(folder: Path, given: Written, workers: int) -> Clocked:
    """Build in an empty store, which is removed."""
    store, recipe = folder / "store", folder / "growth.yaml"
    shutil.rmtree(store, ignore_errors=True)
    recipe.write_text(json.dumps({"name": "growth", "pool": str(given.folder / "documents"), "stages": STAGES}))
    try:
        return clocked_build(recipe, store, workers)
    finally:
        shutil.rmtree(store, ignore_errors=True)


def exponent(rows: Sequence[dict[str, Any]], *, less_start: bool) -> float:
    """Return the slope of log CPU seconds over log bytes."""
    cpu = [row["cpu_seconds"] - (row["stages"][0]["cpu_seconds"] if less_start else 0.0) for row in rows]
    return float(np.polyfit(np.log([row["mb"] for row in rows]), np.log(cpu), 1)[0])


def row_of(given: Written, clocked: Clocked, workers: int, load: float) -> dict[str, Any]:
    """Return the figures of one build."""
    return {
        "mb": given.num_bytes / 1e6,
        "docs": given.num_docs,
        "kept_docs": clocked.num_docs,
        "workers": workers,
        "load_before": load,
        "seconds": clocked.whole.seconds,
        "cpu_seconds": clocked.whole.cpu_seconds,
        "peak_mb": clocked.whole.peak_mb,
        "stages": [_span(span) for span in _merged(clocked.stages)],
    }


def _merged(stages: Sequence[Span]) -> list[Span]:
    """Return the stages, those of one name under names of their own."""
    seen: dict[str, int] = {}
    found = []
    for stage in stages:
        seen[stage.name] = seen.get(stage.name, 0) + 1
        name = stage.name if seen[stage.name] == 1 else f"{stage.name} ({seen[stage.name]})"
        found.append(Span(**{**asdict(stage), "name": name}))
    return found


def _span(span: Span) -> dict[str, Any]:
    return {"name": span.name, "seconds": span.seconds, "cpu_seconds": span.cpu_seconds, "peak_mb": span.peak_mb}


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the curve, then CPU seconds by stage, then what a second worker saves."""
    main_rows = [row for row in rows if row["workers"] == rows[0]["workers"]]
    first = main_rows[0]
    print("\n| MB of text | documents | kept | CPU s | CPU s/GB | to the smallest | wall s | MB/s | peak MB | load |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in main_rows:
        per = row["cpu_seconds"] / row["mb"]
        print(
            f"| {row['mb']:,.0f} | {row['docs']:,} | {row['kept_docs']:,} | {row['cpu_seconds']:,.1f} "
            f"| {per * 1e3:,.0f} | {per / (first['cpu_seconds'] / first['mb']):.2f} | {row['seconds']:,.0f} "
            f"| {row['mb'] / row['seconds']:,.1f} | {row['peak_mb']:,.0f} | {row['load_before']:.1f} |"
        )
    if len(main_rows) > 1:
        whole, less = exponent(main_rows, less_start=False), exponent(main_rows, less_start=True)
        print(f"\nexponent {whole:.3f}, {less:.3f} less the start of the process ({START})")
    sizes = " | ".join(f"{row['mb']:,.0f} MB: CPU s | wall s | CPU ms/MB | peak MB" for row in main_rows)
    print(f"\n| stage | {sizes} |\n|---|{'---:|' * 4 * len(main_rows)}")
    for number, stage in enumerate(first["stages"]):
        cells = []
        for row in main_rows:
            own = row["stages"][number]
            per = own["cpu_seconds"] / row["mb"] * 1e3
            cells.append(f"{own['cpu_seconds']:.1f} | {own['seconds']:.1f} | {per:.1f} | {own['peak_mb']:,.0f}")
        print(f"| {stage['name']} | {' | '.join(cells)} |")
    show_workers(rows)
    show_promise(rows)


def show_promise(rows: Sequence[dict[str, Any]]) -> None:
    """Print what each size took beside the smallest, what a second worker saves, and how far repeats lie apart."""
    main_rows = [row for row in rows if row["workers"] == rows[0]["workers"]]
    first = main_rows[0]
    print()
    for row in main_rows[1:]:
        size, cpu, wall, peak = (row[key] / first[key] for key in ("mb", "cpu_seconds", "seconds", "peak_mb"))
        print(
            f"{first['mb']:,.0f} to {row['mb']:,.0f} MB: {size:.1f} times the text, {cpu:.1f} times the CPU s, "
            f"{wall:.1f} times the wall s ({wall / size:.2f} of in proportion), {peak:.2f} times the peak memory"
        )
    for other in (row for row in rows if row["workers"] != first["workers"]):
        same = next(row for row in main_rows if round(row["mb"]) == round(other["mb"]))
        print(
            f"{other['workers']} to {same['workers']} workers at {same['mb']:,.0f} MB: "
            f"{other['seconds'] / same['seconds']:.2f} times as fast"
        )
    repeats = [first, *first["repeats"]]
    for key, name in (("cpu_seconds", "CPU s"), ("seconds", "wall s"), ("peak_mb", "peak MB")):
        seen = [one[key] for one in repeats]
        shown = ", ".join(f"{value:,.1f}" for value in seen) + f" (largest / least {max(seen) / min(seen):.2f})"
        print(f"noise at {first['mb']:,.0f} MB, n = {len(seen)}: {name} {shown}")
    loads = [row["load_before"] for row in rows]
    quiet = "quiet" if max(loads) < QUIET_LOAD else "NOT quiet: wall seconds mean nothing, CPU seconds little"
    print(f"load before the builds {min(loads):.1f} to {max(loads):.1f}: {quiet}")


def show_workers(rows: Sequence[dict[str, Any]]) -> None:
    """Print wall seconds by stage beside those of another number of workers on the same input."""
    main = {round(row["mb"]): row for row in rows if row["workers"] == rows[0]["workers"]}
    for other in (row for row in rows if row["workers"] != rows[0]["workers"]):
        row = main[round(other["mb"])]
        print(
            f"\n| stage, {row['mb']:,.0f} MB | {other['workers']} worker: wall s | {row['workers']}: wall s | ratio |"
        )
        print("|---|---:|---:|---:|")
        for one, two in zip([other, *other["stages"]], [row, *row["stages"]], strict=True):
            ratio = one["seconds"] / max(two["seconds"], 1e-9)
            print(f"| {one.get('name', 'whole')} | {one['seconds']:.1f} | {two['seconds']:.1f} | {ratio:.2f} |")


def main() -> None:
    """Build every size, print the tables, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, nargs="+", default=[50, 500, 2000], help="MB of text (50 500 2000)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--also", type=int, nargs="*", default=[], help="workers to build --also-mb with once more")
    parser.add_argument("--also-mb", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=2, help="builds of the smallest input once more, for noise (2)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "curate-growth-benchmark")
    parser.add_argument("--keep", action="store_true", help="keep the inputs in --cache")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--svg", type=Path, help="draw the curve there")
    given = parser.parse_args()
    base, rows = base_documents(given.seed), []
    builds = [(mb, given.workers) for mb in sorted(given.mb)] + [(given.also_mb, workers) for workers in given.also]
    given.cache.mkdir(parents=True, exist_ok=True)
    warmed = False
    for mb, workers in builds:
        made = write_input(given.cache / f"input-{mb}", base, mb * 1_000_000, given.seed)
        if not warmed:
            build(given.cache, made, workers)
            warmed = True
        load = os.getloadavg()[0]
        rows.append(row_of(made, build(given.cache, made, workers), workers, load))
        if len(rows) == 1:
            again = [build(given.cache, made, workers).whole for _ in range(given.repeats)]
            rows[0]["repeats"] = [_span(span) for span in again]
        print(f"{mb} MB, {workers} workers: {rows[-1]['cpu_seconds']:.1f} CPU s", file=sys.stderr, flush=True)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1) + "\n")
        if not given.keep:
            shutil.rmtree(made.folder)
    show(rows)
    if given.svg:
        given.svg.write_text(figure([row for row in rows if row["workers"] == given.workers]))


if __name__ == "__main__":
    main()
