"""`curate fit plan` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.cli import main
from curation.errors import LawError
from leaderboard.planning.plan import Wanted, amount, make_plan


def called(capsys: pytest.CaptureFixture[str], *arguments: str, verb: str = "plan") -> tuple[str, int]:
    code = 0
    try:
        main(["fit", verb, *arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err, code


def test_the_worked_example_as_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    text, code = called(capsys, "--flops", "1e23", "--json")
    plan = json.loads(text)
    assert code == 0
    assert round(plan["rule_of_20"]["N"] / 1e9) == 29
    assert plan["rule_of_20"]["D"] == pytest.approx(20 * plan["rule_of_20"]["N"])
    assert plan["optimum"]["N"] == pytest.approx(29.4e9, rel=0.01)
    assert {row["card"] for row in plan["hours"]} == {"h100", "h200"}


def test_every_section_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["--flops", "1e23", "--inference-tokens", "2T", "--unique-tokens", "100B", "--tokens-per-param", "100"]
    asked += [
        "--latency-ms",
        "10",
        "--budget",
        "120gpuh",
        "--gain",
        "0.3%",
        "--explain-ratio",
        "--store",
        str(tmp_path),
    ]
    text, code = called(capsys, *asked)
    assert code == 0
    for part in ("29.4B", "Serving 2T", "Repetition", "compute multiplier", "24B", "micro-1x", "insufficient", "0.730"):
        assert part in text


@pytest.mark.parametrize("text", ["-1e23", "0", "nan", "inf", "1e400", "1e60", "much", "--"])
def test_impossible_budgets_are_named(text: str) -> None:
    with pytest.raises(LawError, match="--flops"):
        amount(text, "--flops")


def test_suffixes_multiply() -> None:
    assert (amount("580B", "--flops"), amount("2T", "--flops"), amount(None, "--flops")) == (580e9, 2e12, None)


def test_nothing_asked_is_an_error_that_says_what_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    text, code = called(capsys)
    assert code == 2
    assert "--flops 1e23" in text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Wanted(served_tokens=1e12, explain=True), "--inference-tokens"),
        (Wanted(flops=1e20, card="h300"), "unknown card"),
        (Wanted(flops=1e20, law="chinchila"), "no published law"),
    ],
)
def test_options_that_cannot_be_met_are_refused(asked: Wanted, said: str) -> None:
    with pytest.raises(LawError, match=said):
        make_plan(asked)


def test_far_beyond_the_runs_is_warned_of() -> None:
    warnings = make_plan(Wanted(flops=1e27))["warnings"]
    assert any("beyond the runs" in str(text) for text in warnings)  # type: ignore[union-attr]
    assert not make_plan(Wanted(flops=1e22))["warnings"]


def test_extreme_ratios_are_warned_of() -> None:
    warnings = make_plan(Wanted(flops=1e22, ratio=1000))["warnings"]
    assert any("overstate" in str(text) for text in warnings)  # type: ignore[union-attr]


@pytest.mark.parametrize("flops", ["10", "1e18", "1e39"])
@pytest.mark.parametrize("other", ["1", "1e12", "1e40"])
def test_any_number_gives_json_without_infinities(capsys: pytest.CaptureFixture[str], flops: str, other: str) -> None:
    asked = ["--inference-tokens", other, "--unique-tokens", other, "--tokens-per-param", other, "--explain-ratio"]
    text, code = called(capsys, "--flops", flops, *asked, "--json")
    assert code == 0
    json.loads(text, parse_constant=lambda name: pytest.fail(name))


def test_own_fits_are_planned_with(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = ["n,d,l"]
    for n in (1e7, 3e7, 1e8, 3e8, 1e9):
        for ratio in (5, 20, 80):
            rows.append(f"{n},{n * ratio},{1.8 + 480 / n**0.35 + 2000 / (n * ratio) ** 0.37}")
    table, fit = tmp_path / "runs.csv", tmp_path / "fit.json"
    table.write_text("\n".join(rows))
    words = (str(table), "--map", "N=n,D=d,L=l", "--bootstrap", "0", "--json")
    fit.write_text(called(capsys, *words, verb="chinchilla")[0])
    text, code = called(capsys, "--flops", "1e21", "--law", str(fit), "--json")
    plan = json.loads(text)
    assert code == 0
    best = (0.37 * 2000 / (0.35 * 480)) ** (-1 / 0.72) * (1e21 / 6) ** (0.37 / 0.72)
    assert plan["optimum"]["N"] == pytest.approx(best, rel=0.01)
    assert plan["law"]["source"].startswith("own fit")
