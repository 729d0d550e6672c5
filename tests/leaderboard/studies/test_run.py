"""A whole study on a pool made by hand: reuse, freezing, failures, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Store
from leaderboard.studies.clocks import without_clocks
from leaderboard.studies.frozen import STUDY_FILE
from leaderboard.studies.plan import plan_study
from leaderboard.studies.results import RESULT_FILE, StudyResult, as_json, read_result
from leaderboard.studies.run import Ran, run_study
from leaderboard.studies.study import Study, load_study

ROOT = Path(__file__).resolve().parents[3]
FLAGS = "DYING_FLAGS"
POINTS = ("corpora", "machinery", "frozen", "checkpoint", "trained", "scored", "clocked", "compare", "report")
"""Where `dying_study.py` ends, in the order in which a study gets there."""
WORDS = ["the", "model", "reads", "text", "and", "counts", "bytes", "of", "every", "slice", "that", "a", "pool", "has"]


def sentences(rng: Any, count: int) -> str:
    """Return prose-like lines."""
    return "\n".join(" ".join(rng.choice(WORDS, 12)) + f" {rng.integers(1_000_000)}." for _ in range(count))


def write_study(folder: Path) -> Path:
    """Write a pool of two slices, 40 families each, short and long documents, and a study of a word-count filter."""
    rng = generator(1, "pool")
    with (folder / "pool.jsonl").open("w") as stream:
        for name in ("notes", "docs"):
            for number in range(240):
                text = sentences(rng, 2 if number % 3 == 0 else 14)
                stream.write(json.dumps({"text": text, "slice": name, "site": f"{name}-{number % 40}"}) + "\n")
    path = folder / "small.yaml"
    path.write_text(
        "hypothesis: long documents help\nkind: filter\nbase: baseline\n"
        f"pool: {{path: {folder / 'pool.jsonl'}, family: site}}\n"
        "vary: {long: {filter: word-count, min_words: 60}}\n"
        "panel: {bytes_per_slice: 8000}\ntiers: {pico-0.02x: 1}\nprotect: [docs]\n"
    )
    return path


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    """A study file with its pool."""
    return write_study(tmp_path)


def ran(study: Study, store: Store, **options: Any) -> Ran:
    """Run a study silently with two workers."""
    return run_study(study, "small.yaml", store=store, workers=2, progress=SilentProgress(), **options)


def timeless(result: StudyResult) -> Any:
    """Return a result without its clock readings."""
    return as_json(without_clocks(result))


FAILING_ONCE = """
import os, sys
from train.worker import main
try:
    os.close(os.open({flag!r}, os.O_CREAT | os.O_EXCL))
except FileExistsError:
    sys.exit(main())
sys.exit("RunError: the disk is full")
"""


@dataclass(frozen=True, kw_only=True)
class Story:
    """One study run three times, and once more with other words."""

    broken: Ran
    """One training failed."""
    mended: Ran
    again: Ran
    reworded: Ran
    plan_before: Any
    plan_after: Any
    out: Path


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Five trainings in all; the tests below look at what came of them."""
    folder = tmp_path_factory.mktemp("story")
    study = load_study(write_study(folder))
    store = Store.open(folder / "store")
    (folder / "failing_once.py").write_text(FAILING_ONCE.format(flag=str(folder / "failed")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
        before = plan_study(study, "s", store=store, progress=SilentProgress())
        with patch.context() as worker:
            worker.setattr("leaderboard.studies.training.WORKER", "failing_once")
            broken = ran(study, store)
        mended = ran(study, store)
        after = plan_study(study, "s", store=store, progress=SilentProgress())
        again = ran(study, store, out=folder / "out")
        reworded = ran(study.model_copy(update={"protect": ("notes",)}), store)
    return Story(
        broken=broken, mended=mended, again=again, reworded=reworded,
        plan_before=before, plan_after=after, out=folder / "out",
    )  # fmt: skip


def test_a_study_runs_from_raw_text_to_a_verdict(story: Story) -> None:
    result = story.mended.result
    assert [(item.arm, item.verdict) for item in result.assessments] == [("long", "insufficient")]
    assert {row.arm for row in result.unigram} == {"baseline", "long", "random", "random-matched"}
    assert {item.slice for item in result.assessments[0].total.slices} == {"docs", "notes"}


def test_controls_keep_as_many_tokens_as_the_arm(story: Story) -> None:
    tokens = {row.arm: row.unique_tokens for row in story.mended.result.supply}
    assert tokens["long"] < 0.95 * tokens["baseline"]
    assert tokens["random"] == pytest.approx(tokens["long"], rel=0.05)
    assert tokens["random-matched"] == pytest.approx(tokens["long"], rel=0.05)


def test_a_failed_training_stops_no_other_and_the_same_command_mends_it(story: Story) -> None:
    (failure,) = story.broken.result.failures
    assert failure.message == "RunError: the disk is full"
    assert len(story.broken.result.runs) == 3
    assert (story.mended.result.failures, len(story.mended.result.runs)) == ((), 4)


def test_nothing_is_planned_before_the_pool_is_read_and_nothing_is_left_after(story: Story) -> None:
    assert story.plan_before.fingerprint is None
    assert all(row.estimated for row in story.plan_before.arms)
    assert [(row.to_build, row.runs_to_train) for row in story.plan_after.arms] == [((), 0)] * 4
    assert all(0 < row.epochs["pico-0.02x"] < 5 for row in story.plan_after.arms)


def test_a_second_run_reuses_everything_and_says_the_same(story: Story) -> None:
    assert timeless(story.again.result) == timeless(story.mended.result)
    assert story.again.result.facts.costs == story.mended.result.facts.costs
    trained = story.mended.result.seconds["train and score"]
    assert story.again.result.seconds["train and score"] == pytest.approx(trained, abs=1.0)


def test_out_gets_the_page_the_markdown_and_the_result(story: Story) -> None:
    assert sorted(path.name for path in story.out.iterdir()) == ["report.html", "report.md", "results.json"]
    assert story.again.page == story.out / "report.html"


def test_runs_seen_before_the_words_were_written_are_counted(story: Story) -> None:
    assert story.mended.result.runs_before_freeze == 0
    assert story.reworded.folder != story.mended.folder
    assert json.loads((story.reworded.folder / STUDY_FILE).read_text())["runs_before_freeze"] == 4


def start(study_path: Path, store: Path) -> subprocess.Popen[bytes]:
    """Start `curate study run` as a user does."""
    command = [sys.executable, "-c", "from curation.cli import main; main()", "study", "run", str(study_path), "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CURATE_STORE": str(store)}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """Undo what a background shell does to its children: it makes them deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def result_of(store: Path) -> Any:
    """Return the one result in a store, without clocks."""
    (path,) = store.glob(f"study-*/{RESULT_FILE}")
    return timeless(read_result(path))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A study that ran in one go: its file and its result."""
    folder = tmp_path_factory.mktemp("whole")
    path = write_study(folder)
    assert start(path, folder / "store").wait(timeout=600) == 0
    return path, result_of(folder / "store")


@pytest.mark.slow
@pytest.mark.xdist_group("whole-study")
def test_a_study_killed_at_any_moment_goes_on_to_the_same_result(
    whole: tuple[Path, Any], tmp_path: Path, full: bool
) -> None:
    """Twice, five times in `make test-full`: the test below kills at every kind of moment."""
    path, expected = whole
    rng = generator(1, "kills")
    for _ in range(5 if full else 2):
        killed = start(path, tmp_path)
        time.sleep(float(rng.uniform(1, 12)))
        killed.send_signal(signal.SIGKILL)
        killed.wait(timeout=30)
    assert start(path, tmp_path).wait(timeout=600) == 0
    assert result_of(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.xdist_group("whole-study")
def test_a_study_killed_once_at_every_kind_of_moment_says_the_same(whole: tuple[Path, Any], tmp_path: Path) -> None:
    path, expected = whole
    flags, script = tmp_path / "flags", Path(__file__).with_name("dying_study.py")
    flags.mkdir()
    paths = os.pathsep.join([str(ROOT), str(script.parent)])
    environment = {**os.environ, "PYTHONPATH": paths, "CURATE_STORE": str(tmp_path / "store"), FLAGS: str(flags)}
    codes = []
    while not codes or (codes[-1] == -signal.SIGKILL and len(codes) <= len(POINTS)):
        command = [sys.executable, str(script), "--study", str(path)]
        codes.append(subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, cwd=ROOT).returncode)
    assert codes == [-signal.SIGKILL] * len(POINTS) + [0]
    assert {flag.name for flag in flags.iterdir()} == set(POINTS)
    assert result_of(tmp_path / "store") == expected


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_leaves_no_training_behind(study_path: Path, tmp_path: Path) -> None:
    process = start(study_path, tmp_path / "store")
    until = time.monotonic() + 120
    while not list((tmp_path / "store").glob("run-*")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / "store") not in listed
