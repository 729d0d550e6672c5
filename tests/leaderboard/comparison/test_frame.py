"""The comparison as a DataFrame, on a terminal and as a picture: the same numbers."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from curation.cli import main
from curation.errors import RunError
from curation.store import Store
from leaderboard import compare
from leaderboard.compare_command import compared
from leaderboard.comparison.forest import bars
from leaderboard.comparison.picture import write_picture
from leaderboard.comparison.show import draw_compared

ACCURACY = {"easy": 0.8, "hard": 0.4, "code": 0.25}
BITS = {"easy": 1.0, "hard": 2.0, "code": 3.0}


@pytest.fixture
def names(publish: Callable[..., Path], scored: Any, panel: Any) -> list[str]:
    for seed in (1, 2):
        publish(scored("base", seed, ACCURACY, BITS))
        publish(scored("mine", seed, {**ACCURACY, "easy": 0.9}, BITS))
        publish(panel("base", seed, {"web": 1.0, "code": 0.8}))
        last = publish(panel("mine", seed, {"web": 0.98, "code": 0.82}))
    return [f"{last.parent}/mine*", f"{last.parent}/base*"]


def test_the_frame_holds_what_json_says(names: list[str], tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    store = tmp_path / "store"
    frame = compare(*names, store=store)
    monkeypatch.setattr("sys.argv", ["curate", "compare", *names, "--store", str(store), "--json"])
    with pytest.raises(SystemExit):
        main()
    (told,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert frame["delta"].tolist() == [row["delta"] for row in told["rows"]]
    assert frame["name"].tolist() == [row["name"] for row in told["rows"]]
    assert frame.attrs["checks"] == told["checks"]


def test_the_frame_can_be_grouped_by_its_documented_columns(names: list[str], tmp_path: Path) -> None:
    frame = compare(*names, store=tmp_path / "store")
    assert set(frame[frame.level == "task"].metric) == {"acc_per_char", "bits_per_byte_corr"}
    documented = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()
    assert [name for name in frame.columns if f"`{name}`" not in documented] == []


def test_the_terminal_shows_what_got_worse_before_any_table(names: list[str], tmp_path: Path) -> None:
    out = io.StringIO()
    draw_compared(Console(file=out, width=160), compared(Store.open(tmp_path / "store"), names))
    text = out.getvalue()
    assert text.index("got worse") < text.index("Loss: change of bits per byte")
    assert "slice code (bits_per_byte): +2." in text
    assert "at chance on both sides, not shown (--json has them): code" in text


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_picture_holds_every_row_and_asks_for_nothing(names: list[str], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "plots" / f"forest.{suffix}"
    write_picture(path, compared(Store.open(tmp_path / "store"), names))
    text = path.read_text(encoding="utf-8")
    assert all(word in text for word in ("mean of slices", "easy", "hard", "A is better to the left"))
    assert "<script" not in text
    assert "href" not in text


def test_the_drawing_is_well_formed_and_the_same_twice(names: list[str], tmp_path: Path) -> None:
    found = compared(Store.open(tmp_path / "store"), names)
    for name in ("one.svg", "two.svg"):
        write_picture(tmp_path / name, found)
    ElementTree.fromstring((tmp_path / "one.svg").read_text())
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_another_suffix_is_refused_with_those_that_work(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"ends in \.svg, \.png, \.html"):
        write_picture(tmp_path / "forest.pdf", compared(Store.open(tmp_path / "store"), names))


def test_bars_share_a_scale_with_zero_in_one_column(names: list[str], tmp_path: Path) -> None:
    rows = [row for row in compared(Store.open(tmp_path / "store"), names)[0].outcomes[0].rows if row.level == "slice"]
    drawn = dict(zip((row.name for row in rows), bars(rows), strict=True))
    assert {len(bar) for bar in drawn.values()} == {31}
    assert drawn["web"].index("●") < drawn["code"].index("●")
    assert math.isclose(drawn["web"].index("│"), drawn["code"].index("│"))
