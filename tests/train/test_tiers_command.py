"""`curate tiers` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from train.tiers import load_tier, tier_names

pytestmark = pytest.mark.filterwarnings("ignore")


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0), capsys.readouterr().out


def found(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    code, out = curate(capsys, *words, "--json")
    assert code == 0
    return json.loads(out)


def test_the_list_is_grouped_by_family_and_fits_100_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out = curate(capsys, "tiers")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "for want of width" not in out
    assert [out.index(f"\n {name} ") > out.index("laptop:") for name in tier_names()] == [True] * len(tier_names())
    assert out.index("laptop:") < out.index("ladder:") < out.index("micro-1x") < out.index("dclm:")
    assert "\u2026" not in out


@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_list_loses_whole_columns_and_says_which(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = curate(capsys, "tiers")[1]
    assert max(map(len, out.splitlines())) <= width
    assert "\u2026" not in out
    assert "Not shown for want of width: " in out
    lines = [line for line in out.splitlines() if line.startswith(" tier ")]
    assert all({"tokens", "h"} <= set(line.split()) for line in lines)


def test_the_list_holds_parameters_tokens_flops_memory_and_hours_of_every_tier(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = {row["name"]: row for row in found(capsys, "tiers")}
    assert list(rows) == tier_names()
    keys = {"params_non_embedding", "params_matmul", "params_total", "tokens", "flops", "batch_tokens", "learning_rate"}
    keys |= {"warmup_tokens", "weight_decay", "z_loss", "beta2", "steps", "memory_bytes", "h200_hours", "lr_sweep"}
    assert all(keys <= set(row) for row in rows.values())
    assert rows["7b-2x"]["tokens"] == pytest.approx(2 * rows["7b-1x"]["tokens"], rel=1e-4)


def test_one_tier_says_that_its_hours_are_estimates_and_whether_it_was_swept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out = curate(capsys, "tiers", "dclm-7b")
    assert "MFU" in out
    assert "estimated" in out
    assert "not swept" in out
    assert out.count("dclm-like") == 3


@pytest.mark.parametrize(("gpus", "nodes", "accumulation"), [(8, 1, 8), (64, 8, 1)])
def test_7b_on_8_and_64_cards_is_planned(
    capsys: pytest.CaptureFixture[str], gpus: int, nodes: int, accumulation: int
) -> None:
    plan = found(capsys, "tiers", "7b", "--gpus", gpus)
    assert (plan["sharding"], plan["nodes"], plan["accumulation"]) == ("fsdp2", nodes, accumulation)
    assert plan["memory_bytes"]["total"] < plan["device_bytes"]
    assert (plan["steps"], plan["batch_tokens"]) == (126_086, 1_048_576)
    code, out = curate(capsys, "tiers", "7b", "--gpus", gpus)
    assert code == 0
    assert f"7b-1x on {gpus} x h200, {nodes} node(s): fsdp2" in out


@pytest.mark.parametrize("name", tier_names())
def test_the_documented_table_holds_the_tiers_as_they_are(name: str) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "training.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    tier = load_tier(name)
    shape = tier.shape
    assert len(rows) == 1
    assert cells[1:4] == [f"{shape.num_layers} × {shape.width:,}", f"{shape.num_heads} × {shape.head_dim}",
                          f"{shape.context_tokens:,}"]  # fmt: skip
    assert [cells[8], cells[11]] == [f"{tier.batch_tokens:,}", f"{tier.num_steps:,}"]
    assert (float(cells[9]), float(cells[10])) == (tier.learning_rate, pytest.approx(tier.beta2, abs=5e-5))
    assert float(cells[12]) == pytest.approx(tier.num_flops, rel=0.05)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["7b", "--gpu", "h100"], "out of memory"),
        (["7b", "--gpu", "h100"], "what would fit: 2 GPUs of this size"),
        (["7b", "--gpu", "h20"], "unknown card `h20`"),
        (["--gpus", "8"], "no tier is named"),
        (["1b", "--gpus", "3"], "cannot be split evenly over 3 GPUs"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_exit_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tiers", *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
