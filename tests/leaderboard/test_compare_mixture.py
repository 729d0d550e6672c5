"""`curate compare` on a mixture study: marks, protected slices, attribution, and heat maps that say the same."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from curation.errors import RunError
from leaderboard.compare_command import Compared, compared, compared_json
from leaderboard.comparison.heat import BLUES, HOLM, ORANGES, SINGLE, draw_heat, heats
from leaderboard.comparison.heat_picture import svg, write_heatmap
from leaderboard.comparison.marks import mark_words, with_marks
from leaderboard.comparison.row import Row
from leaderboard.comparison.show import draw_compared
from leaderboard.studies.results import RESULT_FILE, write_result

SLICES = {"code": 60, "math": 60, "web": 60}
UP = {"mix": {"shift": {"code": 0.1, "math": 0.1, "web": -0.2}}, "leave_one_out": True}
EFFECTS = {
    "more": {"code": 0.95, "math": 0.94, "web": 1.02},
    "more.without-code": {"math": 0.94, "web": 1.01},
    "more.without-math": {"code": 0.95, "web": 1.01},
    "flat": {},
}


def level(arm: str, seed: int, name: str) -> float:
    """Math gains by math alone; seeds differ by 0.1 %, otherwise in every arm."""
    return 2.0 * EFFECTS.get(arm, {}).get(name, 1.0) * (1 + 0.001 * ((seed * 7 + len(arm) * 3 + len(name)) % 5 - 2))


@pytest.fixture
def found(make_result: Callable[..., Any], store: Any) -> list[Compared]:
    """A mixture study with leave-one-out arms, compared with its baseline."""
    result = make_result(
        level,
        SLICES,
        kind="mixture",
        seeds=3,
        vary={"more": UP, "flat": {"mix": "uniform"}},
        protect=["web"],
        trade={"code": 0.01},
        decision=["if math gains, raise it"],
    )
    write_result(store.root / "study-mix" / RESULT_FILE, result)
    return compared(store, ["study-mix"])


def test_the_object_of_an_arm_has_attribution_protected_slices_and_what_was_to_be_decided(
    found: list[Compared],
) -> None:
    told: Any = json.loads(json.dumps(compared_json(found)))
    more = next(item for item in told if item["arm"] == "more")
    assert more["attribution"]["raised"] == ["code", "math"]
    math = next(item for item in more["attribution"]["slices"] if item["slice"] == "math")
    assert (math["verdict"], math["by_intervals"]) == ("insufficient", "attributed to math; code not resolved")
    assert [item["kind"] for item in math["contrasts"]] == ["total", "adds", "adds", "alone", "alone", "interaction"]
    assert {item["slice"]: item["state"] for item in more["protect"]} == {"code": "held", "web": "worse"}
    rows = {row["name"]: row for row in more["rows"]}
    assert (rows["web"]["kept"], rows["web"]["marks"]) == ("worse", ["protect"])
    assert rows["code"]["marks"] == ["trade"]
    assert more["decision"] == ["if math gains, raise it"]
    assert next(item for item in told if item["arm"] == "flat")["attribution"] is None


def test_a_screen_without_colours_says_what_the_heat_map_says(found: list[Compared]) -> None:
    plain = Console(file=io.StringIO(), width=200, color_system=None)
    draw_compared(plain, found)
    text = plain.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in text
    assert re.search(r"more\.without-code +│? .*\(", text)
    assert "math: insufficient" in text
    assert "by single intervals, uncorrected, attributed to math" in text
    assert "protect: worse" in text
    assert "said before the first training:\n  - if math gains, raise it" in text


def test_colours_tell_better_from_worse_and_leave_the_unresolved_out(found: list[Compared]) -> None:
    (heat,) = heats(found)
    assert heat.arms == ("more", "more.without-code", "more.without-math", "flat")
    assert heat.cells["more", "math"].step == 5
    assert heat.cells["more", "web"].step < 0
    assert heat.cells["more", "math"].value == pytest.approx(-6, abs=0.1)
    assert not heat.cells["more.without-code", "code"].resolved
    assert heat.cells["more.without-code", "code"].text.startswith("(")
    coloured = Console(file=io.StringIO(), width=200, force_terminal=True, color_system="truecolor")
    draw_heat(coloured, found)
    text = coloured.file.getvalue()  # type: ignore[attr-defined]
    blue, orange = (f"48;2;{int(c[1:3], 16)};{int(c[3:5], 16)};{int(c[5:], 16)}" for c in (BLUES[4], ORANGES[1]))
    assert blue in text
    assert orange in text


def test_the_picture_has_every_cell_with_its_interval_and_asks_nobody(found: list[Compared], tmp_path: Path) -> None:
    root = ElementTree.fromstring(svg(found))
    titles = [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 4 * 4
    assert any(re.match(r"more, math: −6\.0\d \(−6\.\d to −5\.\d\)", title) for title in titles)
    page = tmp_path / "heat.html"
    write_heatmap(page, found)
    text = page.read_text()
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"<script|(src|href)=|@import|url\((?!#)", text)
    assert "prefers-color-scheme" not in svg(found, themed=False)


def only(found: list[Compared], rows: list[Row]) -> list[Compared]:
    """Return the first comparison's first outcome with these rows alone."""
    return [replace(found[0], outcomes=(replace(found[0].outcomes[0], rows=tuple(rows)),))]


def test_holms_mark_wins_over_the_single_interval_and_each_cell_says_which_it_had(found: list[Compared]) -> None:
    base = next(row for row in found[0].outcomes[0].rows if row.name == "math")
    held, lost, plain = (
        replace(base, name=name, side=side, holm=mark)
        for name, side, mark in (("held", "level", True), ("lost", "better", False), ("plain", "better", None))
    )
    mixed = only(found, [held, lost, plain])
    (heat,) = heats(mixed)
    assert {name: cell.resolved for (_, name), cell in heat.cells.items()} == {
        "held": True, "lost": False, "plain": True,
    }  # fmt: skip
    texts = {name: cell.text for (_, name), cell in heat.cells.items()}
    assert (texts["lost"][0], texts["plain"][-1], texts["held"][-1].isdigit()) == ("(", "°", True)
    titles = [item.text or "" for item in ElementTree.fromstring(svg(mixed)).iter("{http://www.w3.org/2000/svg}title")]
    assert [HOLM in title for title in titles] == [True, True, False]
    assert ["not resolved" in title for title in titles] == [False, True, False]
    assert SINGLE in titles[2]


@pytest.mark.parametrize(
    ("marks", "said", "not_said"),
    [((None, None), SINGLE, "Holm"), ((True, False), HOLM, SINGLE), ((True, None), f"{HOLM}; with ° {SINGLE}", "!")],
)
def test_screen_and_picture_say_plainly_what_was_corrected(
    found: list[Compared], marks: tuple[bool | None, bool | None], said: str, not_said: str
) -> None:
    base = next(row for row in found[0].outcomes[0].rows if row.name == "math")
    told = only(found, [replace(base, name=name, holm=mark) for name, mark in zip("xy", marks, strict=True)])
    drawing = " ".join(item.text or "" for item in ElementTree.fromstring(svg(told)).iter())
    assert f"not hatched: {said}" in drawing
    assert not_said not in drawing
    assert "single 95 % interval, uncorrected" in drawing  # what stands below the values
    screen = Console(file=io.StringIO(), width=400, color_system=None)
    draw_heat(screen, [*told, replace(told[0], outcomes=tuple(replace(o, a="other") for o in told[0].outcomes))])
    assert f"without brackets: {said}" in screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("unit", "lower", "delta", "good"),
    [
        ("log-ratio", True, -0.02, True),
        ("log-ratio", True, 0.02, False),
        ("difference", False, 0.02, True),
        ("difference", False, -0.02, False),
        ("difference", True, -0.02, True),
        ("difference", True, 0.02, False),
    ],
)
def test_blue_is_better_whichever_way_a_measure_counts(
    found: list[Compared], unit: str, lower: bool, delta: float, good: bool
) -> None:
    base = found[0].outcomes[0].rows[0]
    level = "slice" if unit == "log-ratio" else "family"
    row = replace(base, name="one", level=level, unit=unit, lower_is_better=lower, delta=delta)
    (heat,) = heats(only(found, [row]))
    (cell,) = heat.cells.values()
    assert cell.step == (5 if good else -5)
    assert (cell.value > 0) is (delta > 0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.0534, 0.00123, "−0.053 to +0.0012"),
        (-1.249, 12.4, "−1.2 to +12"),
        (0.0, 0.0996, "0.0 to +0.10"),
        (-123.4, 9.96, "−120 to +10"),
    ],
)
def test_intervals_have_two_significant_digits(found: list[Compared], low: float, high: float, said: str) -> None:
    (heat,) = heats(found)
    assert replace(heat.cells["more", "math"], low=low, high=high).interval == said


def test_another_kind_of_picture_is_refused(found: list[Compared], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a picture ends in \.svg, \.png, \.html; choose one of them for --heatmap"):
        write_heatmap(tmp_path / "heat.pdf", found)


def test_a_slice_is_marked_with_the_share_that_either_side_was_trained_on(found: list[Compared]) -> None:
    outcome = found[0].outcomes[0]

    class Trained:
        panels = ()

        def __init__(self, **shares: float) -> None:
            self.trained_on = shares

    rows: Any = with_marks(outcome.rows, [Trained(math=0.25)], [Trained(math=0.1, web=0.9)], frozenset({"web"}))  # type: ignore[list-item]
    by_name = {row.name: row for row in rows}
    assert by_name["math"].marks == ("trained-on:0.2500", "trained-on-b:0.1000")
    assert mark_words(by_name["math"]) == ["trained-on 25.0% (B 10.0%)"]
    assert mark_words(replace(by_name["web"])) == ["trained-on 0.0% (B 90.0%)", "selected-for"]
    assert by_name["code"].marks == ()


def test_accuracy_at_chance_on_both_sides_is_in_no_heat_map_as_it_is_in_no_table(found: list[Compared]) -> None:
    more, flat = found[0].outcomes[0], next(one.outcomes[0] for one in found if one.outcomes[0].a == "flat")
    family = replace(
        more.rows[1], level="family", name="reading", metric="centred accuracy", unit="difference",
        lower_is_better=False, marks=(), kept="",
    )  # fmt: skip

    def heat_of(first: bool, second: bool) -> list[tuple[str, ...]]:
        rows = [replace(family, above_chance=first), replace(family, above_chance=second)]
        both = [replace(one, rows=(*one.rows, row)) for one, row in zip((more, flat), rows, strict=True)]
        told = [replace(found[0], outcomes=(one,)) for one in both]
        return [heat.arms for heat in heats(told) if "reading" in heat.columns]

    assert heat_of(False, False) == []
    assert heat_of(True, False) == [("more",)]
    assert heat_of(True, True) == [("more", "flat")]


@pytest.mark.parametrize(("delta", "told"), [(-1e-6, "(0.00)"), (1e-6, "(0.00)"), (0.001, "(+0.10)")])
def test_a_difference_that_rounds_to_nothing_has_no_sign(found: list[Compared], delta: float, told: str) -> None:
    pair = found[0]
    outcome = pair.outcomes[0]
    rows = tuple(replace(row, delta=delta, low=-0.01, high=0.01, side="level", holm=None) for row in outcome.rows)
    (heat,) = heats([replace(pair, outcomes=(replace(outcome, rows=rows),))])
    assert {cell.text for cell in heat.cells.values()} == {told}
