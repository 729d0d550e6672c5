"""Launch scripts, run with two gloo processes: they train what one process trains, stop together and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from curation.cli import main
from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node
from curation.store import Artifact, load_artifact
from train.launch import Launch, launch_script, write_launch_script
from train.run import run_node
from train.shards import tokens_node
from train.tier_plan import plan_tier
from train.tiers import TIERS, Tier, load_tier

ROOT = Path(__file__).resolve().parents[2]
Build = Callable[[Node], Artifact]
TWO_RANKS = {"world_size": 2, "sharding": "ddp", "micro_batch_rows": 2, "accumulation": 1}

# Stands for `python`: what it starts knows the tiny tier and writes a checkpoint every 10 steps.
SITE = """
import importlib.util, os, sys
if os.environ.get("RANK"):
    spec = importlib.util.spec_from_file_location("fixtures", {conftest!r})
    fixtures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fixtures)
    from train import loop, tiers
    tiers.TIERS["tiny"] = fixtures.tiny_tier()
    tier = tiers.load_tier("tiny-12x")
    loop.CHECKPOINT_FLOPS = 10 * tier.batch_tokens * tier.shape.flops_per_token
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place where the script can be started."""

    folder: Path
    launch: Launch

    def start(self, store: str) -> subprocess.Popen[str]:
        script = self.folder / f"{store}.sh"
        write_launch_script(replace(self.launch, store=self.folder / store), script)
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}:{ROOT}", "PYTHON": sys.executable}
        return subprocess.Popen(
            [str(script)], env=environment, cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_for_checkpoint(self, process: subprocess.Popen[str], store: str) -> None:
        while process.poll() is None and not list((self.folder / store).glob("run-*/checkpoints/step-*")):
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()


@pytest.fixture
def site(tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node) -> Site:
    (tmp_path / "sitecustomize.py").write_text(SITE.format(conftest=str(Path(__file__).with_name("conftest.py"))))
    corpus, panel = build(small_corpus), build(small_panel)
    plan = plan_tier(load_tier("tiny-12x"), gpus=2)
    store = tmp_path / "store"
    return Site(
        folder=tmp_path,
        launch=Launch(plan=plan, seed=1, corpus=corpus.path, panel=panel.path, store=store, slurm=False),
    )


def files_of(run: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in run.iterdir() if path.name != "build.lock"}


def ended(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the files of the run that a script that went well tells of."""
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    return files_of(Path(json.loads(said)["path"]))


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the process ids of the ranks below a script."""

    def children(pid: int) -> list[int]:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    return [rank for torchrun in children(process.pid) for rank in children(torchrun)]


def test_the_script_trains_the_run_of_one_process_on_two(
    site: Site, build: Build, small_corpus: Node, small_panel: Node
) -> None:
    alone = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny-12x", 1))
    process = site.start("two")
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    two = load_artifact(Path(json.loads(said)["path"]))
    assert two.fingerprint == alone.fingerprint
    assert two.summary["execution"] == {**alone.summary["execution"], **TWO_RANKS}  # type: ignore[dict-item]
    assert two.summary["sample_hash"] == alone.summary["sample_hash"]
    assert two.summary["bpb"] == pytest.approx(alone.summary["bpb"], rel=1e-4)


@pytest.mark.slow
def test_the_script_may_be_stopped_killed_and_run_again_and_ends_as_if_it_had_not(site: Site) -> None:
    whole = site.start("whole")
    stopped = site.start("killed")
    site.wait_for_checkpoint(stopped, "killed")
    stopped.send_signal(signal.SIGTERM)
    errors = stopped.communicate()[1]
    assert stopped.returncode == 143, errors
    assert "the same command continues" in errors
    before = sorted((site.folder / "killed").glob("run-*/checkpoints/step-*"))
    killed = site.start("killed")
    while killed.poll() is None and sorted((site.folder / "killed").glob("run-*/checkpoints/step-*")) == before:
        time.sleep(0.02)
    assert killed.poll() is None, killed.communicate()
    os.kill(ranks_of(killed)[-1], signal.SIGKILL)
    killed.communicate()
    assert killed.returncode not in (0, 143)
    expected = ended(whole)
    assert ended(site.start("killed")) == expected
    run = json.loads(next((site.folder / "killed").glob("run-*/run.json")).read_text())
    assert (run["execution"]["world_size"], run["execution"]["sharding"]) == (2, "ddp")


@pytest.fixture
def plain(tmp_path: Path) -> Launch:
    folder = tmp_path / "a place; with 'quotes'"
    folder.mkdir()
    return Launch(
        plan=plan_tier(TIERS["1b"], gpus=16, nodes=2), seed=3, corpus=folder, panel=folder, store=folder, slurm=False
    )


def test_a_script_for_two_nodes_meets_at_one_address_and_quotes_paths(plain: Launch) -> None:
    text = launch_script(plain)
    assert "--nnodes 2 --nproc-per-node 8 --rdzv-backend c10d" in text
    assert '"${MASTER_ADDR:?address of one node}:${MASTER_PORT:-29500}"' in text
    assert """'"'"'quotes'"'"''""" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_a_slurm_script_starts_itself_once_on_every_node(plain: Launch, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    write_launch_script(replace(plain, slurm=True), script)
    fakes = {
        "scontrol": 'echo "node1\nnode2"',
        "srun": 'shift; for node in 1 2; do NODE=$node "$@" || exit; done',
        "python": 'echo "node $NODE at $MASTER_ADDR: $*"',
    }
    for name, body in fakes.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": "python", "SLURM_JOB_NODELIST": "node[1-2]"}
    done = subprocess.run([str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["node 1 at node1", "node 2 at node1"]
    assert all("--tier 1b-1x --seed 3" in line for line in lines)
    assert "#SBATCH --gpus-per-node=8" in script.read_text().splitlines()


def test_cards_that_the_batch_does_not_divide_by_are_refused() -> None:
    with pytest.raises(RunError, match=r"cannot be split evenly over 3 GPUs; expected one of 1, 2, 4"):
        plan_tier(TIERS["nano"], gpus=3)


def test_a_script_in_a_missing_folder_is_refused(plain: Launch, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="missing/x.sh cannot be written; expected a file in a folder"):
        write_launch_script(plain, tmp_path / "missing" / "x.sh")


def test_the_command_writes_the_script_and_trains_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Build, small_corpus: Node, small_panel: Node
) -> None:
    corpus, panel, script = build(small_corpus), build(small_panel), tmp_path / "run.sh"
    words = ["train", corpus.path, "--panel", panel.path, "--tier", "1b", "--store", tmp_path / "store", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--launch-script", str(script), "--gpus", "16", "--nodes", "2", "--slurm"])
    assert (ended.value.code or 0, json.loads(capsys.readouterr().out)) == (0, {"path": str(script)})
    assert os.access(script, os.X_OK)
    assert "#SBATCH --nodes=2" in script.read_text()
    assert not list((tmp_path / "store").glob("run-*"))


def test_cards_without_a_script_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Build, small_corpus: Node, small_panel: Node
) -> None:
    corpus, panel = build(small_corpus), build(small_panel)
    words = ["train", corpus.path, "--panel", panel.path, "--store", tmp_path / "store", "--nodes", "2", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    assert ended.value.code == 2
    assert "--launch-script" in capsys.readouterr().out


def test_a_laptop_tier_asks_slurm_for_cores_and_no_cards(tmp_path: Path) -> None:
    plan = plan_tier(load_tier("nano"), gpus=2)
    text = launch_script(Launch(plan=plan, seed=1, corpus=tmp_path, panel=tmp_path, store=tmp_path, slurm=True))
    assert "#SBATCH --cpus-per-task=2\n" in text
    assert "gpus-per-node" not in text
    assert "h200" not in text
