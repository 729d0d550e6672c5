"""A study of two arms and two seeds on a real Slurm: the local result, preemption, cancelling, wrong partitions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slurm_single_node import SlurmCluster, missing

from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Store
from leaderboard.studies.clocks import without_clocks
from leaderboard.studies.results import as_json, read_result
from leaderboard.studies.run import run_study
from leaderboard.studies.study import load_study

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(missing() is not None, reason=f"no Slurm here: {missing()}")]
WORDS = ["the", "model", "reads", "text", "and", "counts", "bytes", "of", "every", "slice", "that", "a", "pool", "has"]
SITE = "cpu: {partition: low, time: '00:30:00', cpus: 1, memory_gb: 1}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool, a study without controls, a site's profile, and the study's result from this machine alone."""
    place = tmp_path_factory.mktemp("study")
    rng = generator(1, "pool")
    with (place / "pool.jsonl").open("w") as stream:
        for number in range(480):
            text = "\n".join(" ".join(rng.choice(WORDS, 12)) + f" {rng.integers(1_000_000)}." for _ in range(14))
            stream.write(json.dumps({"text": text, "slice": "notes", "site": f"{number % 40}"}) + "\n")
    (place / "tok.yaml").write_text(
        "hypothesis: another vocabulary reads better\nkind: tokenizer\nbase: baseline\n"
        f"pool: {{path: {place / 'pool.jsonl'}, family: site}}\nvary: {{nano: {{tokenizer: ladder-nano@1}}}}\n"
        "panel: {bytes_per_slice: 8000}\ntiers: {pico-0.04x: 2}\n"
    )
    (place / "lab.yaml").write_text(SITE)
    study = load_study(place / "tok.yaml")
    run_study(study, "tok.yaml", store=Store.open(place / "here"), workers=2, progress=SilentProgress())
    return place


def curate(*words: str | Path, code: int = 0) -> dict[str, Any]:
    """Return what a command prints with --json, and check how it ended."""
    command = [sys.executable, "-c", "from curation.cli import main; main()", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def on_site(folder: Path, verb: str, store: str, code: int = 0) -> dict[str, Any]:
    """Give one of the commands of a study on the site."""
    where = ("--on", folder / "lab.yaml", "--store", folder / store)
    return curate("study", verb, folder / "tok.yaml", *where, code=code)


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.2)
    return done()


def steps_taken(store: Path) -> int:
    """Return how many runs of a store have written a line."""
    return sum(path.stat().st_size > 0 for path in store.glob("run-*/metrics.jsonl"))


def outcome(store: Path) -> Any:
    """Return a store's one result without clocks."""
    (place,) = store.glob("study-*")
    return as_json(without_clocks(read_result(place)))


def run_bytes(store: Path) -> dict[str, bytes]:
    """Return weights and scores of all runs."""
    files = [file for name in ("model.safetensors", "documents.parquet") for file in store.glob(f"run-*/**/{name}")]
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


def test_a_study_preempted_in_the_middle_gives_the_bytes_of_a_local_one(slurm: SlurmCluster, folder: Path) -> None:
    store = folder / "there"
    jobs = on_site(folder, "run", "there")["submitted"]
    assert [job["step"] for job in jobs] == ["pool", "build", "tokens", "check", "runs-pico-0.04x", "compare"]
    assert on_site(folder, "run", "there")["submitted"] == []
    assert within(600, lambda: steps_taken(store) >= 2)
    high = ("sbatch", "--parsable", "-p", "high", "-c", "4", "--output=/dev/null", "--wrap=sleep 1")
    slurm.command(*high)  # takes the place of every job of `low`
    assert within(600, lambda: any(json.loads(path.read_text())["attempts"] > 1 for path in
                                   store.glob("cluster/*/state/runs-*.json")))  # fmt: skip
    assert within(900, lambda: any(store.glob("study-*/results.json")))
    assert within(60, lambda: not slurm.command("squeue", "--noheader").strip())
    status = on_site(folder, "status", "there")
    assert status["state"] == "finished"
    logs = "".join(path.read_text() for path in store.glob("cluster/*/logs/runs-*.log"))
    assert "stopped by a signal" in logs
    assert outcome(store) == outcome(folder / "here")
    assert run_bytes(store) == run_bytes(folder / "here")
    assert len(run_bytes(store)) >= 8


def test_a_cancelled_study_leaves_no_job_and_goes_on_when_submitted_again(slurm: SlurmCluster, folder: Path) -> None:
    store = folder / "cancelled"
    on_site(folder, "run", "cancelled")
    assert within(300, lambda: any(store.glob("cluster/*/state/pool-0.json")))
    ended = on_site(folder, "cancel", "cancelled")
    assert ended["cancelled"]
    assert ended["ending"] == []
    assert not slurm.command("squeue", "--noheader").strip()
    again = on_site(folder, "run", "cancelled")["submitted"]
    assert [job["step"] for job in again][-2:] == ["runs-pico-0.04x", "compare"]
    on_site(folder, "cancel", "cancelled")


def test_a_job_that_fails_is_told_with_those_that_wait_for_it(slurm: SlurmCluster, folder: Path) -> None:
    (folder / "lab.yaml").write_text(SITE + "environment: exit 7\n")
    try:
        on_site(folder, "run", "failing")
        hopeless = ("squeue", "--noheader", "--format=%r")
        assert within(60, lambda: "DependencyNeverSatisfied" in slurm.command(*hopeless))
        status = on_site(folder, "status", "failing", code=3)
    finally:
        (folder / "lab.yaml").write_text(SITE)
    assert status["state"] == "failed"
    build = next(task for task in status["tasks"] if task["step"] == "build")
    assert (build["state"], "a step that it waits for has failed" in build["message"]) == ("failed", True)
    again = on_site(folder, "run", "failing")["submitted"]
    assert [job["step"] for job in again] == ["pool", "build", "tokens", "check", "runs-pico-0.04x", "compare"]
    on_site(folder, "cancel", "failing")


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("cpu: {partition: loww}\n", "did you mean `low`"),
        ("cpu: {partition: low, cpus: 400}\n", "sbatch:"),
    ],
)
def test_a_profile_that_slurm_refuses_submits_nothing(
    slurm: SlurmCluster, folder: Path, profile: str, told: str
) -> None:
    (folder / "bad.yaml").write_text(profile)
    where = ("--on", folder / "bad.yaml", "--store", folder / "refused")
    error = curate("study", "run", folder / "tok.yaml", *where, code=2)["error"]
    assert error["kind"] == "SchedulerError"
    assert told in error["message"]
    assert not slurm.command("squeue", "--noheader").strip()


def test_a_controller_that_is_gone_is_named(
    slurm: SlurmCluster, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = slurm.conf.read_text().replace("SlurmctldPort=", "SlurmctldPort=1\n#")
    (tmp_path / "slurm.conf").write_text(conf)
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    error = on_site(folder, "run", "gone", code=2)["error"]
    assert error["kind"] == "SchedulerError"
    assert "controller" in error["message"]
