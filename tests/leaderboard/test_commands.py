"""Commands of this package: their exit codes and what programs read from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from leaderboard.studies.commands import study_report
from leaderboard.studies.results import RESULT_FILE, write_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; seeds differ a little."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1 + 0.001 * seed)


@pytest.fixture
def study_dir(make_result: Any, store: Any) -> Path:
    """A study with runs in the store."""
    write_result(store.root / "study-small-ffffffff" / RESULT_FILE, make_result(level, SLICES))
    return Path(store.root / "study-small-ffffffff")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command and return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    streams = capsys.readouterr()
    return int(caught.value.code or 0), streams.out, streams.err


def test_show_gives_one_json_object(study_dir: Path, store: Any, capsys: Any) -> None:
    code, out, _ = run(capsys, "leaderboard", "show", "--store", str(store.root), "--json")
    assert code == 0
    (table,) = json.loads(out)["tables"]
    assert {row["arm"]: row["rank"] for row in table["rows"]} == dict.fromkeys(
        ["baseline", "mine", "random", "random-matched"]
    )


def test_show_on_an_empty_store_is_no_error(tmp_path: Path, capsys: Any) -> None:
    code, out, _ = run(capsys, "leaderboard", "show", "--store", str(tmp_path))
    assert (code, "no study result yet" in out) == (0, True)


def test_compare_prints_slices_and_that_laptop_tiers_decide_nothing(study_dir: Path, store: Any, capsys: Any) -> None:
    code, out, _ = run(capsys, "compare", str(study_dir), "--arm", "mine", "--store", str(store.root))
    assert code == 0
    assert "mine against baseline at pico" in out
    assert "not evidence (rule 18)" in out


def test_compare_of_an_unknown_arm_exits_2_in_one_block(study_dir: Path, store: Any, capsys: Any) -> None:
    code, _, err = run(capsys, "compare", str(study_dir), "--arm", "mime", "--store", str(store.root))
    assert code == 2
    assert err.count("\n") == 1
    assert "did you mean `mine`" in err


def test_report_is_written_again_from_the_result_alone(study_dir: Path, tmp_path: Path, capsys: Any) -> None:
    study_report(study_dir, out=tmp_path / "page", json_output=True)
    page = Path(json.loads(capsys.readouterr().out)["page"])
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: filter\n", "hypothesis: missing"),
        ("hypothesis: h\nkind: filter\nbase: baseline\nvary: {a: {filter: quality_v1}}\ntiers: {pica: 1}\n", "pico"),
        ("- a\n", "expected a mapping"),
    ],
)
def test_a_faulty_study_exits_2_and_says_what_to_mend(text: str, message: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "s.yaml").write_text(text)
    code, _, err = run(capsys, "study", "run", str(tmp_path / "s.yaml"), "--store", str(tmp_path / "store"))
    assert (code, message in err) == (2, True)


def test_a_plan_of_an_unread_pool_says_so(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "pool.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "s.yaml").write_text(
        "hypothesis: h\nkind: filter\nbase: baseline\nvary: {a: {filter: quality_v1}}\ntiers: {pico: 1}\n"
        f"pool: {tmp_path / 'pool.jsonl'}\n"
    )
    code, out, _ = run(capsys, "study", "plan", str(tmp_path / "s.yaml"), "--store", str(tmp_path / "store"), "--json")
    plan = json.loads(out)
    assert (code, plan["study"], plan["fingerprint"]) == (0, "s", None)
    assert "has not been read yet" in plan["pool"]
    assert all(arm["estimated"] and arm["kept_docs"] is None for arm in plan["arms"])
