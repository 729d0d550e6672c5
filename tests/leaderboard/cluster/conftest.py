"""A small study, a site, and Slurm's commands as scripts that keep a queue in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.backends.sites import Site
from curation.randomness import generator
from curation.store import Store
from leaderboard.cluster.dag import dag_of
from leaderboard.cluster.folder import Submission, submission_of
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.study import load_study

WORDS = ["the", "model", "reads", "text", "and", "counts", "bytes", "of", "every", "slice", "that", "a", "pool", "has"]
FAKE = """#!/bin/sh
# {name}: numbers jobs, writes down what it was asked, and answers from the file `queue`
here={folder}
name=$(basename "$0")
case "$name" in
sbatch)
  script=$(cat)
  case "$*" in *--test-only*) exit 0;; esac
  number=$(( $(cat "$here/number" 2>/dev/null || echo 100) + 1 )); echo $number > "$here/number"
  step=$(printf '%s\\n' "$script" | sed -n 's/^#SBATCH --job-name=//p')
  array=$(printf '%s\\n' "$@" | sed -n 's/^--array=\\(.*\\)%.*/\\1/p')
  echo "$number $step $array $(printf '%s\\n' "$@" | sed -n 's/^--dependency=//p')" >> "$here/asked"
  echo $number ;;
squeue) cat "$here/queue" 2>/dev/null; exit 0 ;;
sinfo) printf 'cpu*|up\\nlow|up\\nold|down\\n' ;;
scancel) echo "$@" >> "$here/cancelled" ;;
esac
"""


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    """A pool and a study of one filter: baseline, the arm, two controls; two tiers, two seeds."""
    rng = generator(1, "pool")
    with (tmp_path / "pool.jsonl").open("w") as stream:
        for number in range(240):
            text = "\n".join(" ".join(rng.choice(WORDS, 12)) for _ in range(2 if number % 3 == 0 else 14))
            stream.write(json.dumps({"text": text, "slice": "notes", "site": f"{number % 40}"}) + "\n")
    path = tmp_path / "small.yaml"
    path.write_text(
        "hypothesis: long documents help\nkind: filter\nbase: baseline\n"
        f"pool: {{path: {tmp_path / 'pool.jsonl'}, family: site}}\n"
        "vary: {long: {filter: word-count, min_words: 60}}\n"
        "panel: {bytes_per_slice: 8000}\ntiers: {pico-0.02x: 2, pico-0.03x: 1}\n"
    )
    return path


@pytest.fixture
def site() -> Site:
    """A site with two cores a job and a partition of GPUs."""
    return Site.model_validate({"cpu": {"cpus": 2, "partition": "cpu"}, "gpu": {"cpus": 4, "gpus": 1, "jobs": 3}})


@pytest.fixture
def make_submission(study_path: Path, site: Site, store: Store) -> Callable[[], Submission]:
    """Return a maker of what the study would be on the site."""

    def make() -> Submission:
        study = load_study(study_path)
        arms = resolve_arms(study, str(study_path))
        return submission_of(study, arms, str(study_path), store, dag_of(study, arms, site))

    return make


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slurm's commands on PATH; the folder holds `asked`, `cancelled`, and takes a `queue`."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name in ("sbatch", "squeue", "sinfo", "scancel", "scontrol"):
        (folder / name).write_text(FAKE.format(name=name, folder=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder
