"""Rendered items scored by lm-eval's own model class: the second opinion on our scorer, to 1e-4.

Every (context, continuation) pair is one document of a generated lm-eval task of output type `loglikelihood`, so that
multiple choice, schema, language modelling and gold answers all go the same way and no template touches the text.
Pairs lie in Parquet: a JSON reader makes timestamps of strings that look like dates.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import yaml

from curation.batches import write_table
from curation.errors import RunError
from curation.files import digest_json, replacing, write_text
from curation.progress import Progress
from train.evals.lm_eval_run import HASHES, TIMEOUT_SECONDS, HarnessTask, Request, run_lm_eval

SCHEMA = pa.schema([("context", pa.string()), ("continuation", pa.string())])
PREFIX = "curate_"


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and what may follow it."""

    context: str
    continuation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScore:
    """What lm-eval says of one pair."""

    log_likelihood: float
    """Nats, summed over the continuation's tokens."""
    greedy: bool
    num_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScores:
    """The pairs of several tasks, in the order given."""

    scores: Mapping[str, tuple[PairScore, ...]]
    hashes: Mapping[str, str]
    """By task, the digest of lm-eval's prompt and target hashes: another one means that other text was scored."""
    software: Mapping[str, str]


def score_pairs(
    model: Path,
    pairs: Mapping[str, Sequence[Pair]],
    progress: Progress,
    *,
    context_tokens: int,
    batch_size: int = 16,
    device: str = "cpu",
    threads: int | None = None,
    timeout: float = TIMEOUT_SECONDS,
    work: Path | None = None,
) -> PairScores:
    """Return lm-eval's scores of the pairs on the Hugging Face directory `model`, in windows of `context_tokens`.

    With `work` finished tasks stay there, and a killed call goes on from them. Raises: RunError as `run_lm_eval`, or
    when lm-eval scored other text than it was given.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tasks"
        names = {name: f"{PREFIX}{number:03d}" for number, name in enumerate(pairs)}
        for name, rows in pairs.items():
            write_pairs(folder, names[name], rows)
        found = run_lm_eval(
            Request(
                model=str(model.resolve()),
                tasks=tuple(names.values()),
                out=str(work or Path(scratch) / "out"),
                folder=str(folder),
                context_tokens=context_tokens,
                batch_size=batch_size,
                device=device,
                threads=threads,
            ),
            progress,
            environment={"HF_DATASETS_CACHE": f"{scratch}/datasets"},
            timeout=timeout,
        )
    by_name = {task.name: task for task in found.tasks}
    return PairScores(
        scores={name: _scores(name, by_name[own], pairs[name]) for name, own in names.items()},
        hashes={name: samples_digest(by_name[own]) for name, own in names.items()},
        software=found.software,
    )


def write_pairs(folder: Path, name: str, pairs: Sequence[Pair]) -> None:
    """Write the task file `NAME.yaml` and its data; lm-eval runs it with `--include_path FOLDER --tasks NAME`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.resolve() / f"{name}.parquet"
    moved = [_moved(pair) for pair in pairs]
    columns = {"context": [pair.context for pair in moved], "continuation": [pair.continuation for pair in moved]}
    with replacing(data) as temporary:
        write_table(temporary, pa.table(columns, SCHEMA))
    task = {
        "task": name,
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "loglikelihood",
        "doc_to_text": "context",  # the column itself, not a template
        "doc_to_target": "continuation",
        "num_fewshot": 0,
        "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
    }
    write_text(folder / f"{name}.yaml", yaml.safe_dump(task, allow_unicode=True, sort_keys=False))


def _moved(pair: Pair) -> Pair:
    """Return a pair whose context is not white space alone: lm-eval cannot score after nothing but spaces."""
    if pair.context.strip():
        return pair
    return Pair("", pair.context + pair.continuation)


def samples_digest(task: HarnessTask) -> str:
    """Return the digest of what the task asked, sample by sample: document, prompt and target hashes of lm-eval."""
    return digest_json([[str(sample[key]) for key in HASHES] for sample in task.samples])


def _scores(name: str, task: HarnessTask, pairs: Sequence[Pair]) -> tuple[PairScore, ...]:
    if len(task.samples) != len(pairs):
        raise RunError(f"lm-eval {name}: {len(task.samples)} samples of {len(pairs)} pairs; run it again")
    scores = []
    for number, (sample, pair) in enumerate(zip(task.samples, pairs, strict=True)):
        context, continuation = sample["arguments"][0]
        if context + continuation != pair.context + pair.continuation:
            raise RunError(
                f"lm-eval {name}: pair {number} was scored as {(context + continuation)[-60:]!r}, expected "
                f"{(pair.context + pair.continuation)[-60:]!r}; this lm-eval renders text otherwise: install 0.4.13"
            )
        value, greedy = sample["filtered_resps"][0]
        scores.append(
            PairScore(log_likelihood=float(value), greedy=str(greedy) == "True", num_tokens=sample["num_tokens"][0])
        )
    return tuple(scores)
