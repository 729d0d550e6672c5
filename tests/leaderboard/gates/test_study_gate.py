"""`curate study gate`: exit codes, one JSON object, the same bytes again, looks and overrides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from leaderboard.gates.collect import evidence_of
from leaderboard.gates.looks import earlier_reads, looks_of, read_log
from leaderboard.gates.overrides import read_overrides
from leaderboard.studies.results import RESULT_FILE, read_result, write_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; seeds differ a little."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1 + 0.001 * seed)


@pytest.fixture
def study_dir(make_result: Any, store: Any) -> Path:
    """A study at a laptop tier in the store."""
    write_result(store.root / "study-small-ffffffff" / RESULT_FILE, make_result(level, SLICES))
    return Path(store.root / "study-small-ffffffff")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command and return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as caught:
        main(["study", "gate", *arguments])
    streams = capsys.readouterr()
    return int(caught.value.code or 0), streams.out, streams.err


def test_evidence_cites_the_places_of_the_result_and_turns_the_sign(make_result: Any) -> None:
    result = make_result(level, SLICES, tier="micro-1x")
    found = evidence_of(result)
    tier = found.tiers[0]
    assert tier.total is not None
    assert tier.total.gain == pytest.approx(-result.assessments[0].total.headline.log_ratio)
    assert tier.total.low < tier.total.gain < tier.total.high
    assert tier.total.id == "study-result-ffffffff#assessments[0].total.headline"
    assert tier.arm.log_bpb[0] < tier.baseline.log_bpb[0]
    assert (found.kind, found.num_recipes, tier.laptop) == ("filter", 4, False)


def test_a_laptop_tier_is_judged_at_smoke_and_is_a_no_go(study_dir: Path, capsys: Any) -> None:
    code, out, _ = run(capsys, str(study_dir), "--json")
    report = json.loads(out)
    assert code == 4
    assert (report["gate"], report["arm"]) == ("G0", "mine")
    assert report["decision"] != "scale-up"


def test_the_first_gate_on_a_laptop_tier_cites_rule_18_and_names_the_cheapest_run(study_dir: Path, capsys: Any) -> None:
    code, out, _ = run(capsys, str(study_dir), "--gate", "G1", "--json")
    report = json.loads(out)
    assert code == 4
    assert report["decision"] == "one-more-proxy"
    assert any("rule 18" in item["text"] for item in report["conditions"])
    assert "micro-1x: 3" in report["next_runs"]["commands"][0]


def test_a_rerun_prints_and_writes_the_same_bytes(study_dir: Path, capsys: Any) -> None:
    first = run(capsys, str(study_dir), "--gate", "G1", "--json")
    verdict = (study_dir / "gates" / "G1-mine.json").read_bytes()
    run(capsys, str(study_dir), "--gate", "G0", "--json")
    assert run(capsys, str(study_dir), "--gate", "G1", "--json") == first
    assert (study_dir / "gates" / "G1-mine.json").read_bytes() == verdict


def test_the_table_explains_with_evidence_ids(study_dir: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, str(study_dir), "--gate", "G1", "--explain")
    assert "decision: one-more-proxy" in out
    assert "survival checks" in out
    assert "1-capacity-limited" in out
    assert max(map(len, (line for line in out.splitlines() if not line.startswith("  curate")))) <= 80


def test_an_override_stands_beside_the_verdict_and_never_edits_it(study_dir: Path, capsys: Any) -> None:
    run(capsys, str(study_dir), "--json")
    verdict = (study_dir / "gates" / "G0-mine.json").read_bytes()
    asked = ("--override", "scale-up", "--reason", "plumbing is all we wanted", "--by", "Ada")
    code, _, _ = run(capsys, str(study_dir), *asked)
    run(capsys, str(study_dir), *asked)
    assert code == 4
    assert (study_dir / "gates" / "G0-mine.json").read_bytes() == verdict
    assert [(item.by, item.decision) for item in read_overrides(study_dir)] == [("Ada", "scale-up")]
    _, out, _ = run(capsys, str(study_dir), "--json")
    assert json.loads(out)["overrides"][0]["reason"] == "plumbing is all we wanted"
    assert json.loads(out)["decision"] != "scale-up"
    _, out, _ = run(capsys, str(study_dir))
    assert "override by Ada" in out


def test_an_override_is_on_the_page_that_was_there_and_on_later_ones(
    study_dir: Path, tmp_path: Path, capsys: Any
) -> None:
    (study_dir / "report.html").write_text("old")
    asked = ("--override", "reject", "--reason", "<b>too costly for us</b>", "--by", "Ada")
    run(capsys, str(study_dir), *asked)
    page = (study_dir / "report.html").read_text()
    assert "Override" in page
    assert "&lt;b&gt;too costly" in page
    with pytest.raises(SystemExit):
        main(["study", "report", str(study_dir), "--out", str(tmp_path / "out")])
    assert "too costly for us" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--override", "go", "--reason", "a good reason", "--by", "Ada"), "expected one of the five"),
        (("--override", "reject", "--reason", "no", "--by", "Ada"), "expected at least 10"),
        (("--override", "reject", "--reason", "a good reason"), "--by"),
        (("--gate", "G7"), "G7"),
        (("--arm", "mime"), "did you mean `mine`"),
        (("--arm", "baseline"), "no arm `baseline`"),
        (("--gates", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_bad_input_is_one_error_of_code_2(study_dir: Path, capsys: Any, asked: tuple[str, ...], told: str) -> None:
    code, _, err = run(capsys, str(study_dir), *asked)
    assert code == 2
    assert told in err
    assert not read_overrides(study_dir)


def test_no_study_and_a_damaged_one_are_refused(study_dir: Path, capsys: Any) -> None:
    assert run(capsys)[0] == 2
    (study_dir / RESULT_FILE).write_text("{")
    code, _, err = run(capsys, str(study_dir))
    assert (code, "is not JSON" in err) == (2, True)


def test_the_gates_are_listed(capsys: Any) -> None:
    main_code, out, _ = run(capsys, "--list", "--json")
    value = json.loads(out)
    assert main_code == 0
    assert list(value["gates"]) == ["G0", "G1", "G2", "G3"]
    _, table, _ = run(capsys, "--list")
    assert "severe-regression" in table
    assert "n = 3: t ≥ 2.63" in table


def test_other_versions_of_a_study_count_as_looks_and_other_studies_are_shown(study_dir: Path, capsys: Any) -> None:
    result = read_result(study_dir)
    for number, name in ((1, result.name), (2, "another")):
        other = replace(result, fingerprint=str(number) * 64, name=name)
        write_result(study_dir.parent / f"study-{name}-{number}" / RESULT_FILE, other)
    elsewhere = replace(result, fingerprint="3" * 64, panel="q" * 64)
    write_result(study_dir.parent / "study-elsewhere-3" / RESULT_FILE, elsewhere)
    assert [(look.name, look.same_study) for look in looks_of(study_dir, result)] == [
        ("another", False),
        ("small", True),
    ]
    _, out, _ = run(capsys, str(study_dir), "--json")
    looks = json.loads(out)["looks"]
    assert (looks["of_this_study"], looks["of_others"]) == (1, 1)


def test_a_damaged_neighbour_is_told_rather_than_not_counted(study_dir: Path, capsys: Any) -> None:
    (study_dir.parent / "study-broken-1").mkdir()
    (study_dir.parent / "study-broken-1" / RESULT_FILE).write_text("{")
    code, _, err = run(capsys, str(study_dir))
    assert code == 2
    assert "study-broken-1" in err


def test_results_that_were_read_before_are_in_the_log_once(study_dir: Path, capsys: Any) -> None:
    run(capsys, str(study_dir), "--json")
    run(capsys, str(study_dir), "--json")
    assert len(read_log(study_dir)) == 1
    result = read_result(study_dir)
    assert earlier_reads(study_dir, result, "mine") == ()
    later = replace(result, runs=result.runs[:-1])
    assert len(earlier_reads(study_dir, later, "mine")) == 1


def test_a_line_that_is_no_look_is_refused(study_dir: Path, capsys: Any) -> None:
    (study_dir / "looks.jsonl").write_text("nothing\n")
    code, _, err = run(capsys, str(study_dir))
    assert (code, "looks.jsonl:1" in err) == (2, True)
