"""`curate filters plot`: hand-counted quantiles and shares, bounds in the right bin, the same in terminal and page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import RecipeError
from filters.distribution import NUM_BINS, bin_edges
from filters.plot_command import bin_of, filters_plot, sparkline

OWN = "{filter: rules, rules: [{signal: text.num_words, min: 3, max: 8}]}"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Documents of 1 to 10 words in `web`, of 20 words in `notes`, and one of code."""
    texts = (
        [("web", n, k) for k, n in enumerate(range(1, 11))] + [("notes", 20, k) for k in range(4)] + [("code", 2, 0)]
    )
    rows = [
        {"id": f"{name}{k}", "slice": name, "text": " ".join(f"{name}{k}w{i}" for i in range(n))}
        for name, n, k in texts
    ]
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "pool.jsonl"


@pytest.fixture
def plot(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(signal: str, filter_name: str | None = None, *, json_output: bool = True, out: Path | None = None) -> Any:
        where = {"store": tmp_path / "store", "workers": 1}
        filters_plot(signal, [str(pool)], filter_name=filter_name, json_output=json_output, out=out, **where)
        shown = capsys.readouterr().out
        return json.loads(shown) if json_output else shown

    return run


def test_slices_have_their_own_counts_and_quantiles(plot: Any) -> None:
    slices = {item["name"]: item for item in plot("text.num_words")["slices"]}
    assert {name: item["docs"] for name, item in slices.items()} == {"all": 15, "web": 10, "notes": 4, "code": 1}
    assert slices["web"]["quantiles"]["0.5"] == 5.5
    assert slices["notes"]["mean"] == 20
    assert all(sum(item["counts"]) == item["docs"] for item in slices.values())


def test_the_share_that_a_bound_drops_is_of_judged_documents(plot: Any) -> None:
    """Of 1 to 10 words, min 3 drops 2 and max 8 drops 2; all notes have 20; code is not judged."""
    low, high = plot("text.num_words", OWN)["bounds"]
    assert low["dropped"] == {"web": 0.2, "notes": 0.0, "all": pytest.approx(2 / 14)}
    assert high["dropped"] == {"web": 0.2, "notes": 1.0, "all": pytest.approx(6 / 14)}


def test_a_filters_settings_move_its_bound(plot: Any) -> None:
    (low, _) = plot("num_words", "{filter: gopher-quality, min_words: 4}")["bounds"]
    assert (low["bound"], low["value"], low["dropped"]["web"]) == ("min", 4, 0.3)


def test_without_a_filter_every_rule_set_on_the_signal_is_drawn(plot: Any) -> None:
    of = {bound["of"] for bound in plot("text.num_words")["bounds"]}
    assert "gopher-quality/curate@1" in of


def test_quality_v3_has_the_bounds_of_its_rules(plot: Any) -> None:
    assert [bound["reason"] for bound in plot("num_stop_words", "quality_v3")["bounds"]] == ["too-few-stop-words"]


def test_a_bound_drops_what_the_filter_drops_for_it(plot: Any, pool: Path, tmp_path: Path) -> None:
    from curation.documents_argument import open_documents
    from curation.nodes import Planner
    from curation.progress import SilentProgress
    from curation.store import Store
    from filters.stage import filter_node, parse_filter

    planner = Planner(store=Store.open(tmp_path / "store"), workers=1, progress=SilentProgress())
    inputs = open_documents([str(pool)], [], planner).inputs
    verdict = planner.materialise(filter_node(parse_filter(OWN, "test"), inputs, "test"))
    shares = [bound["dropped"]["all"] * 14 for bound in plot("text.num_words", OWN)["bounds"]]
    assert sum(shares) == pytest.approx(14 - (verdict.summary["docs_kept"] - 1))  # type: ignore[operator]


def test_terminal_and_page_say_the_same_shares(plot: Any, tmp_path: Path) -> None:
    page = tmp_path / "plot.html"
    text, html = plot("text.num_words", OWN, json_output=False, out=page), page.read_text()
    for words in ("42.86%", "100.00%", "not judged", "notes", "dropped by"):
        assert words in text
        assert words in html
    assert "[" in text.splitlines()[2]
    assert "█" in text
    assert html.count("<svg") == 4
    assert 'class="out"' in html
    assert "<script" not in html


@pytest.mark.parametrize(
    ("signal", "filter_name", "message"),
    [
        ("num_wrods", None, "did you mean `num_words`"),
        ("text.num_wrods", None, "did you mean `num_words`"),
        ("num_wrods", "gopher-quality", "no rule on `num_wrods`; did you mean `num_words`"),
        ("num_words", "random", "bounds no registered signal|either `match"),
        ("num_words", "gopher-qualty", "did you mean `gopher-quality`"),
    ],
)
def test_a_name_that_leads_nowhere_offers_the_nearest(
    signal: str, filter_name: str | None, message: str, plot: Any
) -> None:
    with pytest.raises(RecipeError, match=message):
        plot(signal, filter_name)


def test_bins_hold_every_bound_and_span_the_middle() -> None:
    edges, log_scale = bin_edges(np.linspace(0.0, 1.0, 1001), [1.5])
    assert (log_scale, len(edges), edges[-1]) == (False, NUM_BINS + 1, 1.5)
    assert edges[0] == pytest.approx(0.005)


def test_values_over_many_magnitudes_get_logarithmic_bins() -> None:
    edges, log_scale = bin_edges(np.array([0.0, *np.geomspace(1, 1e6, 99)]), [50.0])
    assert log_scale
    assert edges[0] > 0
    assert np.allclose(np.diff(np.log(edges)), np.log(edges[1] / edges[0]))


def test_a_far_bound_does_not_press_the_values_into_one_bin() -> None:
    edges, log_scale = bin_edges(np.linspace(12, 207, 100), [50.0, 100_000.0])
    assert log_scale
    assert np.count_nonzero(np.histogram(np.linspace(12, 207, 100), edges)[0]) > 10


@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [0.0, 0.0]])
def test_degenerate_values_still_have_ascending_bins(values: list[float]) -> None:
    edges, _ = bin_edges(np.array(values), [])
    assert (np.diff(edges) > 0).all()


def test_a_bar_is_full_for_the_fullest_bin_and_visible_for_one_document() -> None:
    assert sparkline([0, 1, 10_000]) == " ▁█"
    assert sparkline([0, 0]) == "  "


@pytest.mark.parametrize(("value", "place"), [(-1, 0), (0, 0), (1.5, 1), (2, 1), (9, 1)])
def test_a_value_is_marked_in_its_bin(value: float, place: int) -> None:
    assert bin_of(value, [0.0, 1.0, 2.0]) == place
