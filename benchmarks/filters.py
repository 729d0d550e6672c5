"""Our filters beside datatrove's on the same Parquet: documents per CPU-second and agreement; then a whole command.

Side by side: both read the same Parquet file in this process, on one thread, and judge every document by all four of
FineWeb's filters (Gopher repetition, Gopher quality, C4 without end marks, FineWeb), none spared because another one
dropped the document. Ours computes every signal of the sets behind these rules. The dialect `curate@1` is a row of
its own. Documents: evenly from the sources of the shared pool if `CURATE_SHARED` (or ../shared) holds one, else prose
of the installed environment.

Whole command: `curate build` with a filter on the whole of that pool, cut by `max_bytes`, every slice judged.
The pool, its split and token counts are made first; timed is what the filter adds: start, annotate, judge, write zstd
Parquet. Peak memory is the child's, on the pool and on one of four times its size.

Usage: python benchmarks/filters.py [--quick] [--json] [--docs N] [--repeats N] [--mb N] [--no-command]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.batches import read_table, text_array, write_table
from curation.progress import SilentProgress
from filters.rules import compute_columns, find_rule_set, judge_rows

ROOT = Path(__file__).resolve().parent.parent
MAX_CHARS = 20_000
SLICES = ("docs", "docstrings", "licences")
FAMILIES = ("gopher-repetition", "gopher-quality", "c4", "fineweb")
DIALECTS = {
    "datatrove": (
        "gopher-repetition/datatrove",
        "gopher-quality/datatrove",
        "c4-fineweb/datatrove",
        "fineweb/datatrove",
    ),
    "curate": ("gopher-repetition/curate", "gopher-quality/curate", "c4-page/curate", "fineweb/curate"),
}
COMMAND_FILTERS = ("quality_v2", "gopher/datatrove")
MEASURED_CURATE = """
import pathlib, sys
from curation.cli import main
try:
    main(sys.argv[1:])
finally:
    print(pathlib.Path("/proc/self/status").read_text(), file=sys.stderr)
"""
"""`curate` that says its own peak at the end: what a parent asks after counts the parent's memory at the fork."""
WORKERS = 2

Verdicts = dict[str, list[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    docs: int
    repeats: int
    mb: int
    command: bool
    as_json: bool


def pool_texts(folder: Path, num_docs: int) -> list[str]:
    """Return up to `num_docs` texts, as many from each source of the shared pool, long ones cut."""
    sources = sorted(path for path in folder.iterdir() if any(path.glob("*.jsonl.zst")))
    share = -(-num_docs // len(sources))
    texts = []
    for source in sources:
        found = [text[:MAX_CHARS] for path in sorted(source.glob("*.jsonl.zst")) for text in _texts(path)]
        texts += found[:: max(1, len(found) // share)][:share]
    return texts[:: max(1, len(texts) // num_docs)][:num_docs]


def _texts(path: Path) -> Iterator[str]:
    import zstandard

    with path.open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8"):
            text = json.loads(line).get("text")
            if text:
                yield text


def environment_texts(num_docs: int) -> list[str]:
    """Return up to `num_docs` prose documents of the environment, evenly taken, long ones cut."""
    from curation.sources.environment import environment_records
    from curation.sources.records import Rejected

    records = [record for record in environment_records(SilentProgress()) if not isinstance(record, Rejected)]
    texts = [str(record["text"])[:MAX_CHARS] for record in records if record["slice"] in SLICES]
    return texts[:: max(1, len(texts) // num_docs)][:num_docs]


def shared_pool() -> Path | None:
    """Return the folder of the shared pool, None without one."""
    found = Path(os.environ.get("CURATE_SHARED", ROOT.parent / "shared")).resolve() / "pool"
    return found if found.is_dir() else None


def documents(num_docs: int) -> tuple[str, list[str]]:
    """Return where the documents come from, and them."""
    shared = shared_pool()
    if shared is not None:
        return "shared pool", pool_texts(shared, num_docs)
    return "environment", environment_texts(num_docs)


def ours(path: Path, dialect: str) -> Verdicts:
    """Read the Parquet file, compute all signals of the dialect's sets, judge; kept or not by family."""
    table = read_table(path, ["text"])
    rule_sets = [find_rule_set(name, "benchmark").rules for name in DIALECTS[dialect]]
    columns = compute_columns([rule for rules in rule_sets for rule in rules], table)
    judged = np.ones(table.num_rows, np.bool_)
    return {
        family: judge_rows(rules, columns, judged).kept.tolist()
        for family, rules in zip(FAMILIES, rule_sets, strict=True)
    }


def theirs() -> Callable[[Path], Verdicts]:
    """Return datatrove's four filters as a function like `ours`; a document meets all four in turn.

    That order suits datatrove: it keeps the words of its last few texts.
    """
    from datatrove.data import Document
    from datatrove.pipeline import filters

    chain = {
        "gopher-repetition": filters.GopherRepetitionFilter(),
        "gopher-quality": filters.GopherQualityFilter(),
        "fineweb": filters.FineWebQualityFilter(),
        "c4": filters.C4QualityFilter(filter_no_terminal_punct=False),
    }

    def judge(path: Path) -> Verdicts:
        verdicts: Verdicts = {name: [] for name in chain}
        for text in read_table(path, ["text"])["text"].to_pylist():
            for name, chosen in chain.items():
                verdicts[name].append(chosen.filter(Document(text=text, id="0")) is True)
        return verdicts

    return judge


def cpu_seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the CPU time of each of `repeats` runs of `work`, sorted."""
    measured = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        measured.append(time.process_time() - started)
    return sorted(measured)


def side_by_side(path: Path, texts: Sequence[str], options: Options) -> dict[str, Any]:
    """Return rates of both dialects and of datatrove, the ratios and the agreement by family."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    chain = theirs()
    head = path.with_name("head.parquet")
    write_table(head, read_table(path).slice(0, 5))
    chain(head)  # warm: rules compiled, tokenizers loaded
    expected, found = chain(path), {dialect: ours(path, dialect) for dialect in DIALECTS}
    seconds = {dialect: cpu_seconds(lambda name=dialect: ours(path, name), 5) for dialect in DIALECTS}
    seconds["peer"] = cpu_seconds(lambda: chain(path), options.repeats)
    rates = {
        name: {
            "docs_per_cpu_second": len(texts) / statistics.median(taken),
            "mb_per_cpu_second": megabytes / statistics.median(taken),
            "cpu_seconds": taken,
        }
        for name, taken in seconds.items()
    }
    return {
        "docs": len(texts),
        "mb": megabytes,
        "rates": rates,
        "ratio": {name: statistics.median(seconds["peer"]) / statistics.median(seconds[name]) for name in DIALECTS},
        "agreement": {
            dialect: {
                family: float(np.mean(np.array(verdicts[family]) == np.array(expected[family]))) for family in FAMILIES
            }
            for dialect, verdicts in found.items()
        },
        "kept": {family: float(np.mean(expected[family])) for family in FAMILIES},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Wall seconds and peak resident megabytes of one command."""

    seconds: float
    peak_mb: float
    kept_mb: float


def curate_build(recipe: Path, store: Path) -> Run:
    """Run `curate build` in a process of its own. Ends the benchmark if it fails."""
    arguments = ["build", str(recipe), "--store", str(store), "--workers", str(WORKERS)]
    command = [sys.executable, "-c", MEASURED_CURATE, *arguments, "--quiet", "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    seconds = time.perf_counter() - started
    peak_kb = int(done.stderr.rpartition("VmHWM:")[2].split()[0])
    kept = json.loads(done.stdout)["summary"]["num_bytes"]
    return Run(seconds=seconds, peak_mb=peak_kb / 1024, kept_mb=kept / 1e6)


def whole_command(folder: Path, shared: Path | None, megabytes: int) -> dict[str, Any]:
    """Return the rate of annotate + judge + write, and the peak memory, on a pool and one of four times its size.

    The pool is the real one, cut by `max_bytes`; every slice is judged; the panel takes next to nothing.
    """
    pool: dict[str, Any] = {"source": "environment"}
    if shared is not None:
        pool = {"path": str(shared), "exclude": ["html_*/**", "web_warc/**", "seeded_*/**"], "id": "id"}
    kinds = ["prose", "code", "markup", "math", "multilingual", "instruction"]
    rows = []
    for times in (1, 4):
        store = folder / f"store-{times}"
        head = {
            "pool": {**pool, "max_bytes": megabytes * times * 1_000_000},
            "panel": {"bytes_per_slice": 1, "reference_fraction": 0.0},
        }
        plain = folder / f"plain-{times}.yaml"
        plain.write_text(json.dumps({"name": "plain", **head, "stages": []}))
        before = curate_build(plain, store)
        for number, name in enumerate(COMMAND_FILTERS):
            recipe = folder / f"filtered-{times}-{number}.yaml"
            recipe.write_text(
                json.dumps({"name": "filtered", **head, "stages": [{"filter": name, "applies_to": kinds}]})
            )
            run = curate_build(recipe, store)
            rows.append(
                {
                    "filter": name,
                    "mb": before.kept_mb,
                    "kept_mb": run.kept_mb,
                    "seconds": run.seconds,
                    "mb_per_second": before.kept_mb / run.seconds,
                    "peak_mb": run.peak_mb,
                    "pool_seconds": before.seconds,
                    "pool_peak_mb": before.peak_mb,
                }
            )
    return {"workers": WORKERS, "runs": rows}


def draw(result: dict[str, Any]) -> None:
    """Print the result for people."""
    side = result["side_by_side"]
    print(
        f"{side['docs']} documents of the {result['documents']}, {side['mb']:.2f} MB; one thread, Parquet read included"
    )
    for name, rate in side["rates"].items():
        label = "datatrove itself" if name == "peer" else f"ours, {name}"
        ratio = f"{side['ratio'][name]:>6.0f} x" if name in side["ratio"] else ""
        docs, mb = rate["docs_per_cpu_second"], rate["mb_per_cpu_second"]
        print(f"{label:<18}{docs:>10,.0f} docs/cpu-s{mb:>8.2f} MB/cpu-s {ratio}")
    print(f"{'same verdict as':<18}{'ours, datatrove':>18}{'ours, curate':>18}{'datatrove keeps':>18}")
    for family in FAMILIES:
        shares = [side["agreement"][dialect][family] for dialect in DIALECTS]
        print(f"  {family:<16}{shares[0]:>18.2%}{shares[1]:>18.2%}{side['kept'][family]:>18.1%}")
    if "command" in result:
        for run in result["command"]["runs"]:
            print(
                f"curate build, {run['filter']}, {WORKERS} workers: {run['mb']:,.0f} MB in {run['seconds']:.1f} s, "
                f"{run['mb_per_second']:.1f} MB/s, peak {run['peak_mb']:,.0f} MB "
                f"({run['kept_mb']:,.0f} MB kept; pool, split and token counts before it: {run['pool_seconds']:.1f} s)"
            )


def options_of(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 documents, one repeat, 10 MB")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--docs", type=int, default=None, help="documents side by side (1,000)")
    parser.add_argument("--repeats", type=int, default=None, help="timed runs of datatrove (3)")
    parser.add_argument("--mb", type=int, default=None, help="size of the smaller pool of the whole command (75)")
    parser.add_argument("--no-command", action="store_true", help="leave the whole command out")
    given = parser.parse_args(arguments)
    docs, repeats, mb = (100, 1, 10) if given.quick else (1_000, 3, 75)
    return Options(
        docs=given.docs or docs,
        repeats=given.repeats or repeats,
        mb=given.mb or mb,
        command=not given.no_command,
        as_json=given.json,
    )


def main() -> None:
    """Measure and print."""
    options = options_of()
    where, texts = documents(options.docs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "documents.parquet", pa.table({"text": text_array(texts)}))
        result: dict[str, Any] = {
            "documents": where,
            "side_by_side": side_by_side(folder / "documents.parquet", texts, options),
        }
        if options.command:
            result["command"] = whole_command(folder, shared_pool(), options.mb)
    if options.as_json:
        print(json.dumps(result, indent=2))
    else:
        draw(result)


if __name__ == "__main__":
    main()
