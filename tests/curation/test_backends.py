"""Builds through a back end that misbehaves: the same bytes as at home, or exit code 3 and nothing published."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from small_pool import PART_BYTES, SETTINGS, curate, digests, write_pool

from curation import ids
from curation.backends.attempts import Attempt
from curation.backends.choose import LAUNCHERS
from curation.backends.shards import (
    RESULTS,
    FileReport,
    ShardReport,
    ShardTask,
    check_report,
    file_report,
    read_report,
    report_name,
    write_report,
    write_result,
)
from curation.backends.worker import run_rank
from curation.batches import write_table

FILTER = ("--filter", "quality_v2", "--set", "stages.filter.applies_to=[prose]")


@dataclass
class FakeCluster:
    """Runs ranks in this process, as `order` says; `spoil` may change what they left."""

    order: Callable[[list[int]], list[int]]
    spoil: Callable[[Attempt], None] = lambda attempt: None
    name: str = "fake"
    ranks_run: int = 0

    def check(self) -> None:
        """Everything may be submitted."""

    def run(self, attempt: Attempt, watch: Callable[[], None]) -> None:
        for rank in self.order(list(range(len(attempt.ranks())))):
            run_rank(attempt.folder, rank)
            self.ranks_run += 1
            watch()
        self.spoil(attempt)

    def cancel(self, attempt: Attempt) -> None:
        """Nothing runs on."""


def shuffled(ranks: list[int]) -> list[int]:
    return random.Random(3).sample(ranks, len(ranks))


def as_is(ranks: list[int]) -> list[int]:
    return ranks


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A pool of several parts, ingested, and what the local back end publishes of it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "PARTITION_BYTES", PART_BYTES)
        pool = write_pool(folder / "pool.jsonl")
        words = ("--pool", pool, "--store", folder / "store", "-q", *SETTINGS, *FILTER)
        assert curate("build", *words, "--out", folder / "out", "--workers", "1") == 0
    return pool, digests(folder / "out")


@dataclass
class Remote:
    """Builds of the pool of `home` through a fake cluster."""

    pool: Path
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def build(self, cluster: FakeCluster, *words: str) -> int:
        self.monkeypatch.setitem(LAUNCHERS.added, "fake", lambda **_: cluster)
        store, out = self.folder / "store", self.folder / "out"
        return curate("build", "--pool", self.pool, "--store", store, "--out", out, "-q", *SETTINGS, *FILTER,
                      "--backend", "fake", *words)  # fmt: skip

    def published(self) -> list[str]:
        return [path.parent.name for path in (self.folder / "store").glob("corpus-*/manifest.json")]


@pytest.fixture
def remote(home: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setattr(ids, "PARTITION_BYTES", PART_BYTES)
    return Remote(home[0], tmp_path, monkeypatch)


def test_ranks_in_any_order_give_the_bytes_of_a_local_build(
    remote: Remote, home: tuple[Path, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert remote.build(FakeCluster(shuffled), "--json") == 0
    assert digests(remote.folder / "out") == home[1]
    told = json.loads(capsys.readouterr().out)["backend"]
    assert told["name"] == "fake"
    assert told["passes"] >= 5
    assert told["shards_made"] > told["passes"]
    assert not list((remote.folder / "store/.passes").iterdir())


def test_ranks_that_run_twice_give_the_bytes_of_a_local_build(
    remote: Remote, home: tuple[Path, dict[str, str]]
) -> None:
    assert remote.build(FakeCluster(lambda ranks: [*ranks, *reversed(ranks)])) == 0
    assert digests(remote.folder / "out") == home[1]


def test_a_rank_that_never_runs_ends_with_3_and_the_rerun_makes_only_its_shards(
    remote: Remote, home: tuple[Path, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert remote.build(FakeCluster(lambda ranks: ranks[1:])) == 3
    message = capsys.readouterr().err
    assert "1 of 4 shards are missing or wrong" in message
    assert "part 0: no report" in message
    assert "share" not in message
    assert remote.published() == []
    cluster = FakeCluster(as_is)
    assert remote.build(cluster, "--json") == 0
    assert json.loads(capsys.readouterr().out)["backend"]["shards_reused"] == 3
    assert digests(remote.folder / "out") == home[1]


def test_a_worker_that_dies_once_is_submitted_again(remote: Remote, home: tuple[Path, dict[str, str]]) -> None:
    died = iter([True])
    assert remote.build(FakeCluster(lambda ranks: ranks[:-1] if next(died, False) else ranks)) == 0
    assert digests(remote.folder / "out") == home[1]


def changed(attempt: Attempt, change: Callable[[ShardReport], ShardReport]) -> None:
    path = min((attempt.folder / "reports").glob("*.json"))
    write_report(path, change(read_report(path)))


def wrong_rows(report: ShardReport) -> ShardReport:
    return replace(report, files=tuple(replace(file, num_rows=7) for file in report.files))


def wrong_hash(report: ShardReport) -> ShardReport:
    return replace(report, files=tuple(replace(file, sha256="0" * 64) for file in report.files))


def of_another_node(report: ShardReport) -> ShardReport:
    return replace(report, fingerprint="f" * 64)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda attempt: changed(attempt, wrong_rows), "the report says 7"),
        (lambda attempt: changed(attempt, wrong_hash), "its sha256 is not the reported one"),
        (lambda attempt: changed(attempt, of_another_node), "the report is about part 0"),
        (lambda attempt: min((attempt.folder / "reports").glob("*.json")).write_text("{"), "cannot be checked"),
        (
            lambda attempt: write_report(
                attempt.folder / "reports" / report_name(0, 9),
                read_report(min((attempt.folder / "reports").glob("*.json"))),
            ),
            "2 ranks reported it",
        ),
    ],
    ids=["rows", "hash", "node", "no JSON", "double"],
)
def test_a_report_that_does_not_fit_ends_with_3_and_publishes_nothing(
    remote: Remote, spoil: Callable[[Attempt], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FakeCluster(as_is, spoil)
    assert remote.build(cluster) == 3
    message = capsys.readouterr().err
    assert told in message
    assert "same command" in message
    assert remote.published() == []
    assert not list((remote.folder / "store").glob("token-counts-*/manifest.json"))


def test_a_worker_of_another_version_makes_nothing_and_says_so(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Older(FakeCluster):
        def run(self, attempt: Attempt, watch: Callable[[], None]) -> None:
            from curation import token_counts

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(token_counts, "VERSION", "token-counts@0")
                for rank in range(len(attempt.ranks())):
                    with pytest.raises(Exception, match="plans no token-counts"):
                        run_rank(attempt.folder, rank)

    assert remote.build(Older(as_is)) == 3
    assert "plans no token-counts with the fingerprint" in capsys.readouterr().err
    assert remote.published() == []


def test_a_task_travels_as_plain_data() -> None:
    task = ShardTask(stage="s", version="s@1", fingerprint="f", part=2, inputs={"pool": "pool-1"}, outputs=("a/b",))
    assert pickle.loads(pickle.dumps(task)) == task


def test_a_file_cut_short_after_its_report_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a/part-00000.parquet"
    path.parent.mkdir()
    write_table(path, pa.table({"x": [1, 2, 3]}))
    (tmp_path / RESULTS).mkdir()
    report = ShardReport(
        stage="s",
        fingerprint="f",
        part=0,
        files=(file_report(path, "a/part-00000.parquet"),),
        result=write_result(tmp_path, 0, 3),
        seconds=0.0,
        host="here",
    )
    task = ShardTask(stage="s", version="1", fingerprint="f", part=0, inputs={}, outputs=("a/part-00000.parquet",))
    assert report.files[0].num_rows == 3
    assert isinstance(report.result, FileReport)
    assert check_report(report, task, tmp_path, tmp_path, 3) is None
    assert "3 rows reported, the plan says 4" in str(check_report(report, task, tmp_path, tmp_path, 4))
    path.write_bytes(path.read_bytes()[:-1])
    assert "the report says" in str(check_report(report, task, tmp_path, tmp_path, 3))
