"""`curate fit`: tables of every kind, the JSON object, bad input named, own runs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.command_table import COMMANDS
from curation.errors import CurateError
from curation.files import write_json
from curation.tables import inputs, pairs, read_columns
from leaderboard.laws.registry import LAWS

Fit = Callable[..., dict[str, Any]]
ROWS = [{"params": 10**k, "loss": (8.8e13 / 10**k) ** 0.076, "set": "a"} for k in np.linspace(7, 10, 12).tolist()]
KEYS = {"law", "n", "dropped", "params", "ci95", "objective", "r2", "warnings", "predictions", "holdout"}


def csv_text(rows: list[dict[str, Any]]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(csv_text([*ROWS, {"params": 1e8, "loss": 0, "set": "a"}, {"params": 1e9, "loss": 9.0, "set": "b"}]))
    return path


@pytest.fixture
def fit(capsys: pytest.CaptureFixture[str]) -> Fit:
    def run(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["fit", *words, "--json"])
        value: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert ended.value.code == (2 if "error" in value else 0)
        return value

    return run


def test_the_object_holds_exactly_what_is_documented(fit: Fit, table: Path) -> None:
    words = ("--map", "N=params,L=loss", "--where", "set == 'a'", "--holdout", "params > 5e9", "--bootstrap", "20")
    value = fit("kaplan", str(table), *words, "--predict", "N=20B", "--predict", "N=3e9")
    assert set(value) == KEYS | {"details"}
    assert (value["law"], value["n"], value["dropped"]) == ("kaplan", 10, 1)
    assert value["params"]["alpha_N"] == pytest.approx(0.076)
    assert len(value["ci95"]["alpha_N"]) == 2
    assert value["holdout"]["n"] == 2
    assert value["holdout"]["mean_relative_error"] < 1e-6
    assert [item["inputs"] for item in value["predictions"]] == [{"N": 2e10}, {"N": 3e9}]
    assert set(value["predictions"][0]) == {"inputs", "value", "interval"}
    assert value["predictions"][0]["value"] == pytest.approx((8.8e13 / 2e10) ** 0.076)
    assert any("1 where L is zero or negative" in warning for warning in value["warnings"])


def test_a_column_may_be_an_expression(fit: Fit, table: Path) -> None:
    value = fit("kaplan", str(table), "--map", "N=params / 1e6,L=loss", "--where", "set=='a'", "--bootstrap", "0")
    assert value["params"]["Nc"] == pytest.approx(8.8e7, rel=1e-6)
    assert value["ci95"] == {}


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "jsonl", "jsonl.gz", "tsv"])
def test_every_kind_of_table_gives_the_same_columns(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"runs.{kind}"
    lines = "\n".join(json.dumps(row) for row in ROWS)
    match kind:
        case "csv.gz":
            path.write_bytes(gzip.compress(csv_text(ROWS).encode()))
        case "tsv":
            path.write_text(csv_text(ROWS).replace(",", "\t"))
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
        case "jsonl":
            path.write_text(lines)
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines.encode()))
    columns = read_columns(path)
    assert columns["params"] == pytest.approx([row["params"] for row in ROWS])
    assert columns["set"].tolist() == ["a"] * 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--map", "N=param,L=loss"], "did you mean `params`"),
        (["--map", "N=params"], "needs L"),
        ([], "--map is missing; give --map"),
        (["--map", "N"], "is no NAME=VALUE"),
        (["--map", "N=params,L=loss", "--where", "params > 1e30"], "chooses none of 14 rows"),
        (["--map", "N=params,L=loss", "--holdout", "params > 0"], "expected some and not all"),
        (["--map", "N=params,L=loss", "--predict", "N=-1"], "expected a positive number"),
        (["--map", "N=params,L=loss", "--loss-fn", "hubber"], "did you mean `huber`"),
        (["--map", "N=params,L=loss", "--delta", "0"], "expected more than 0"),
        (["--map", "N=params,L=loss", "--variant", "cubic"], "expected one of auto, original, irreducible"),
        (["--map", "N=params,L=loss", "--runs", "x"], "either FILE or --runs"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(fit: Fit, table: Path, words: list[str], message: str) -> None:
    assert message in fit("kaplan", str(table), *words)["error"]["message"]


def test_two_points_are_insufficient(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text(csv_text(ROWS[:2]))
    error = fit("kaplan", str(path), "--map", "N=params,L=loss")["error"]
    assert error["kind"] == "InsufficientError"
    assert "insufficient" in error["message"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", "N,L\n", "no rows"),
        ("runs.parquet", "not parquet", "cannot be read as a table"),
        ("runs.xlsx", "x", "cannot be read as a table"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CurateError, match=message):
        read_columns(tmp_path / name)


def test_a_header_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_bytes("größe,L\n1,2\n".encode("latin-1"))
    with pytest.raises(CurateError, match="cannot be read as a table"):
        read_columns(tmp_path / "runs.csv")


def test_a_directory_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="is a directory, expected one table"):
        read_columns(tmp_path)


@pytest.mark.parametrize(("mapping", "where"), [("N=params,L=note", "set == 'a'"), ("N=params,L=loss", "note == 1")])
def test_a_column_that_is_there_twice_is_refused_where_it_is_used(
    fit: Fit, tmp_path: Path, mapping: str, where: str
) -> None:
    path = tmp_path / "twice.csv"
    lines = csv_text(ROWS).split("\n")
    path.write_text("\n".join([lines[0] + ",note,note", *(line + ",1,2" for line in lines[1:])]))
    assert fit("kaplan", str(path), "--map", "N=params,L=loss", "--bootstrap", "0", "--where", "set == 'a'")["n"] == 12
    message = fit("kaplan", str(path), "--map", mapping, "--bootstrap", "0", "--where", where)["error"]["message"]
    assert "column note appears twice" in message


@pytest.mark.parametrize(
    ("words", "message"), [(["chinchila"], "chinchila"), (["kaplan", "x.csv", "--bootstrap", "-3"], "--bootstrap")]
)
def test_wrong_usage_is_an_object_too(fit: Fit, words: list[str], message: str) -> None:
    error = fit(*words)["error"]
    assert error["kind"] == "UsageFault"
    assert message in error["message"]


@pytest.mark.parametrize("mapping", [[], ["--map", "N=params"]])
def test_the_hint_of_a_missing_mapping_holds_what_the_law_needs(fit: Fit, table: Path, mapping: list[str]) -> None:
    message = fit("chinchilla", str(table), *mapping)["error"]["message"]
    assert "D=COLUMN" in message
    assert "L=COLUMN" in message


def test_own_runs_are_a_table(fit: Fit, tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        summary = {
            "params": {"matmul": int(row["params"]), "non_embedding": 1, "total": 2},
            "bpb": {"web": 2.0 * row["loss"], "code": row["loss"] / 2.0},
            "tier": "micro",
            "seed": 1,
            "panel_digest": "p",
            "tokens_seen": 10**9,
            "flops": 10**18,
            "epochs": 1.0,
            "unique_tokens": 10**9,
            "final_train_loss": 3.0,
        }
        (tmp_path / f"run-{number:02d}").mkdir()
        manifest = {"kind": "run", "fingerprint": f"{number:064d}", "summary": summary, "inputs": {}, "files": []}
        write_json(tmp_path / f"run-{number:02d}" / "manifest.json", {"format": 1, **manifest})
    value = fit("kaplan", "--runs", str(tmp_path), "--map", "N=N,L=L", "--bootstrap", "0", "--where", "tier == 'micro'")
    assert value["n"] == 12
    assert value["params"]["alpha_N"] == pytest.approx(0.076, rel=1e-5)
    assert "holds no finished run" in fit("kaplan", "--runs", str(tmp_path / "none"))["error"]["message"]


def test_the_list_explains_every_law_and_every_law_has_a_command(fit: Fit) -> None:
    laws = fit("list")["laws"]
    assert [law["name"] for law in laws] == LAWS.names()
    assert all(law["source"] and law["formula"] and law["variables"] and law["params"] for law in laws)
    commands = {command.path for command in COMMANDS}
    assert {f"fit {name}" for name in LAWS.names()} <= commands


def test_people_see_parameters_predictions_and_warnings(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "kaplan", str(table), "--map", "N=params,L=loss", "--where", "set == 'a'", "--predict", "N=1e15"]
    with pytest.raises(SystemExit):
        main([*words, "--bootstrap", "20", "-q"])
    shown = capsys.readouterr().out
    assert "alpha_N" in shown
    assert "95 % interval" in shown
    assert "beyond the fitted range" in shown


def test_names_and_numbers_are_read_as_people_write_them() -> None:
    assert pairs(["N=a,D=b * 2, L = `c d`"], "--map") == {"N": "a", "D": "b * 2", "L": "`c d`"}
    assert inputs("N=70B,D=1.4T,C=5.76e23") == {"N": 7e10, "D": 1.4e12, "C": 5.76e23}
