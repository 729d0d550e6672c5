"""Scoring rendered tasks: our scorer beside lm-eval's own HFLM, on the same items and the same exported model.

`python benchmarks/eval.py [--suite small] [--limit 100] [--model HF_DIR] [--tasks a,b]`. Without a model a `nano` of
random initial values is exported: speed does not depend on training. Both runners get the texts of every context and
continuation, one thread of torch each, one after the other in this process; what is timed holds tokenising. Prints
items per CPU second, the ratio, and the largest difference of a log-likelihood, which must be at most 1e-4 (relative
below -512 nats, where sums in float32, which lm-eval makes, have no such digits).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from safetensors.torch import save_file

from curation.store import Artifact
from curation.suites.prompted import Prompted
from curation.suites.rendering import render_task
from curation.suites.task_data import TaskData, evals_directory, read_task
from curation.suites.tasks import load_task_suite
from train.evals.engine import ItemScores
from train.evals.requests import encode_items
from train.evals.scorer import scorer_of
from train.export import export_model
from train.model import build_model
from train.readers import directory_reader
from train.tiers import load_tier

TOLERANCE = 1e-4
FINE_NATS = 512.0
"""lm-eval adds up in float32, whose numbers beyond this are 6e-5 apart and more: there the difference is relative."""
RELATIVE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Timed:
    """Log-likelihoods of every choice asked, item by item, and what they cost."""

    values: list[tuple[float, ...] | None]
    cpu: float
    wall: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="small")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--tasks", default="")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tier", default="nano")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16, help="Rows of a batch of lm-eval.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or exported(args.tier, Path(folder))
        asked = rendered(args.suite, args.tasks.split(",") if args.tasks else [], args.limit, args.context)
        return compare(model, asked, args.context, args.batch)


def exported(tier_name: str, folder: Path) -> Path:
    """Return a directory with a tier's model of initial values."""
    tier = load_tier(tier_name)
    (folder / "run").mkdir()
    save_file(dict(build_model(tier, 1).state_dict()), folder / "run" / "model.safetensors", metadata={"format": "pt"})
    manifest = {"kind": "run", "fingerprint": "0" * 64, "summary": {"tier": tier.name, "context": 512}}
    export_model(Artifact(path=folder / "run", manifest=manifest), folder / "hf")
    return folder / "hf"


def rendered(suite: str, only: Sequence[str], limit: int, context: int) -> dict[str, list[Prompted]]:
    """Return the first items of each task that is here."""
    folder, found = evals_directory(), {}
    for task in load_task_suite(suite).tasks:
        if only and task.name not in only:
            continue
        data = read_task(task, folder)
        if isinstance(data, TaskData):
            found[task.name] = render_task(task, data, context)[:limit]
    return found


def compare(model: Path, asked: dict[str, list[Prompted]], context: int, batch: int) -> int:
    """Print both runners' speeds and their largest difference; return 1 if it is too large."""
    reader = directory_reader(model)
    ours = scorer_of(reader, context, 1)
    peer = lm_eval_model(reader.model, model, context, batch)
    warm = next(iter(asked.values()))[:4]
    ours.score(warm, lambda _: None)
    by_lm_eval(peer, warm)
    total_ours = total_plain = total_peer = 0.0
    count, worst = 0, Differences()
    print(f"{'task':<32}{'n':>6}{'ours':>10}{'no sharing':>12}{'lm-eval':>10}{'ratio':>8}  max |difference|")
    for name, items in asked.items():
        encoded = encode_items(reader, items, context)  # lm-eval stops at a choice longer than the window
        items = [item for item, one in zip(items, encoded, strict=True) if one.excluded is None]
        mine, plain = timed(ours, items), timed(replace(ours, sharing=False), items)
        theirs = by_lm_eval(peer, items)
        difference = largest(mine, theirs).with_(largest(plain, theirs))
        worst, count = worst.with_(difference), count + len(items)
        total_ours, total_plain, total_peer = total_ours + mine.cpu, total_plain + plain.cpu, total_peer + theirs.cpu
        print(
            f"{name:<32}{len(items):>6}{mine.cpu:>9.2f}s{plain.cpu:>11.2f}s{theirs.cpu:>9.2f}s"
            f"{theirs.cpu / mine.cpu:>8.2f}  {difference.fine:.1e}",
            flush=True,
        )
    print(
        f"{count} items, CPU seconds: ours {total_ours:.1f} ({count / total_ours:.1f} items/CPU-s), without sharing "
        f"{total_plain:.1f}, lm-eval {total_peer:.1f} ({count / total_peer:.1f}); throughput ratio "
        f"{total_peer / total_ours:.2f}; max |difference| {worst.fine:.1e}, allowed {TOLERANCE:.0e}"
    )
    if worst.coarse:
        print(f"log-likelihoods below -{FINE_NATS:.0f} nats: max relative difference {worst.coarse:.1e} (float32 sums)")
    return int(worst.fine > TOLERANCE or worst.coarse > RELATIVE_TOLERANCE)


def timed(scorer: Any, items: Sequence[Prompted]) -> Timed:
    """Return what our scorer says of the items."""
    cpu, wall = time.process_time(), time.perf_counter()
    found: list[ItemScores] = scorer.score(items, lambda _: None)
    values = [None if one.excluded else (*one.log_likelihoods, *(one.uncond or ())) for one in found]
    return Timed(values=values, cpu=time.process_time() - cpu, wall=time.perf_counter() - wall)


def lm_eval_model(model: Any, path: Path, context: int, batch: int) -> Any:
    """Return lm-eval's runner of the very same model."""
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, max_length=context, device="cpu")


def by_lm_eval(peer: Any, items: Sequence[Prompted]) -> Timed:
    """Return what lm-eval says of the items."""
    from lm_eval.api.instance import Instance

    pairs = [
        (*item.pairs, *(() if item.uncond is None else ((item.uncond, c) for c in item.continuations)))
        for item in items
    ]
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=idx)
        for idx, pair in enumerate(pair for of_item in pairs for pair in of_item)
    ]
    cpu, wall = time.process_time(), time.perf_counter()
    found = peer.loglikelihood(requests, disable_tqdm=True)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    flat = iter(found)
    return Timed(values=[tuple(float(next(flat)[0]) for _ in of_item) for of_item in pairs], cpu=cpu, wall=wall)


@dataclass(frozen=True)
class Differences:
    """Largest |difference| of log-likelihoods of at least `FINE_NATS`, and largest relative one of those below."""

    fine: float = 0.0
    coarse: float = 0.0

    def with_(self, other: Differences) -> Differences:
        """Return the larger ones."""
        return Differences(max(self.fine, other.fine), max(self.coarse, other.coarse))


def largest(mine: Timed, theirs: Timed) -> Differences:
    """Return the largest differences; items that we exclude have none."""
    found = Differences()
    for ours, other in zip(mine.values, theirs.values, strict=True):
        for a, b in zip(ours or (), other if ours and other else (), strict=True):
            fine = abs(b) <= FINE_NATS
            found = found.with_(Differences(abs(a - b), 0.0) if fine else Differences(0.0, abs(a - b) / abs(b)))
    return found


if __name__ == "__main__":
    sys.exit(main())
