"""`curate fit monitor` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curation.cli import main
from curation.files import write_json


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    code = 0
    try:
        main(["fit", "monitor", *arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err, code


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return losses 2 + 30 C^-0.08 with 0.1 % of noise; the largest is 5 % too high."""
    rng = np.random.default_rng(0)
    rows = ["name,flops,loss"]
    for number, flops in enumerate(np.geomspace(1e17, 1e22, 16)):
        loss = (2 + 30 * flops**-0.08) * np.exp(0.001 * rng.normal()) * (1.05 if number == 15 else 1)
        rows.append(f"r{number},{flops},{loss}")
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(rows))
    return path


def test_a_point_far_above_is_flagged_with_advice(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    words = ("--map", "C=flops,L=loss,run=name", "--new", "flops > 1e21")
    text, code = called(capsys, str(table), *words, "--json")
    found = json.loads(text)
    assert code == 0
    assert found["law"] == "kaplan"
    assert found["verdict"] == "flagged"
    assert [flag["kind"] for flag in found["flags"]] == ["above-at-larger-scale"]
    assert "carry over" in found["flags"][0]["advice"]
    assert [point["state"] for point in found["points"]][-1] == "above"


def test_a_person_sees_the_band_and_the_advice(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    text, code = called(capsys, str(table), "--map", "C=flops,L=loss,run=name", "--new", "flops > 1e21")
    assert code == 0
    for part in ("99% band", "X", "above-at-larger-scale", "Do not scale up"):
        assert part in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--map is missing"),
        (("--map", "C=flops,L=loss", "--new", "flops > 1e30"), "some and not all"),
        (("--map", "C=flops,L=loss", "--noise", "much"), "--noise"),
        (("--map", "C=flops,L=loss", "--law", "kaplann"), "kaplan"),
        (("--map", "C=nothing,L=loss"), "nothing"),
    ],
)
def test_what_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], table: Path, words: tuple[str, ...], said: str
) -> None:
    text, code = called(capsys, str(table), *words)
    assert code == 2
    assert said in text


def test_the_picture_shows_every_run_and_the_band(
    capsys: pytest.CaptureFixture[str], table: Path, tmp_path: Path
) -> None:
    words = ("--map", "C=flops,L=loss,run=name", "--new", "flops > 1e21", "--plot", str(tmp_path / "x.json"))
    _, code = called(capsys, str(table), *words)
    spec = json.loads((tmp_path / "x.json").read_text())
    points = spec["vconcat"][0]["layer"][1]["data"]["values"]
    assert code == 0
    assert len(points) == 16
    assert [point["series"] for point in points].count("above") == 1
    assert len(spec["vconcat"][0]["layer"][0]["data"]["values"]) == sum("low" in point for point in points)


def test_own_runs_of_laptop_and_ladder_share_no_law(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for number, tier in enumerate(("nano", "micro", "smoke")):
        summary = {
            "params": {"matmul": 10**7 * (number + 1), "non_embedding": 1, "total": 2},
            "bpb": {"web": 1.5},
            "tier": tier,
            "seed": 1,
            "panel_digest": "p",
            "tokens_seen": 10**9,
            "flops": 10**18,
            "epochs": 1.0,
            "unique_tokens": 10**9,
            "final_train_loss": 3.0,
        }
        path = tmp_path / f"run-{number}" / "manifest.json"
        path.parent.mkdir()
        manifest = {"kind": "run", "fingerprint": f"{number:064d}", "summary": summary, "inputs": {}, "files": []}
        write_json(path, {"format": 1, **manifest})
    text, code = called(capsys, "--runs", str(tmp_path))
    assert code == 2
    assert "(rule 6)" in text


def test_a_picture_of_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    text, code = called(capsys, str(table), "--map", "C=flops,L=loss", "--plot", "x.gif")
    assert code == 2
    assert "x.gif" in text
