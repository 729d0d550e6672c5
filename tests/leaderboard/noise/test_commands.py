"""`curate noise`: what people and programs get, pictures, and one block for every mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from curation.cli import main
from curation.store import Store
from leaderboard.noise.build import build_pack
from leaderboard.noise.pack import NoisePack
from leaderboard.noise.pack_files import read_pack, write_pack
from leaderboard.noise.plan import Design, span, wanted_runs
from leaderboard.noise.read_runs import gather_runs
from leaderboard.noise.rows import rows_of

Make = Callable[..., NoisePack]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    streams = capsys.readouterr()
    return int(caught.value.code or 0), streams.out, streams.err


@pytest.fixture
def kept(store: Store, make_pack: Make) -> Path:
    """Return the file of a pack that lies where comparisons look."""
    pack = make_pack()
    path = store.root / "noise" / pack.file_name
    write_pack(path, pack)
    return path


def test_build_keeps_a_pack_where_it_is_found(store: Store, baseline: Any, capsys: Any) -> None:
    baseline()
    code, out, _ = run(capsys, "noise", "build", "--tier", "micro", "--store", str(store.root), "--json")
    value = json.loads(out)
    assert (code, value["status"]) == (0, "measured")
    assert read_pack(Path(value["pack"])).tier == "micro-1x"
    assert Path(value["pack"]).parent == store.root / "noise"
    assert [row["name"] for row in value["rows"]] == ["all slices", "code", "docs"]


def test_build_of_too_few_says_so_and_is_no_prior(store: Store, baseline: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    baseline(3)
    code, out, _ = run(capsys, "noise", "build", "--tier", "micro", "--store", str(store.root))
    assert code == 0
    assert "not a prior: 3 stable baseline seeds, rule 9 asks for 8" in out


def test_show_lists_packs_and_shows_one_in_full(store: Store, kept: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    code, out, _ = run(capsys, "noise", "show", "--store", str(store.root))
    assert (code, kept.name in out) == (0, True)
    _, out, _ = run(capsys, "noise", "show", "--store", str(store.root), "--tier", "micro")
    for said in ("sigma", "95% interval", "2 seeds", "8 seeds", "seeds for 0.1 %", "seeds for 1 %", "clustered SE"):
        assert said in out


def test_show_answers_how_many_seeds_a_claimed_gain_needs(kept: Path, capsys: Any) -> None:
    _, out, _ = run(capsys, "noise", "show", str(kept), "--gain", "0.2", "--gain", "50", "--json")
    (row, *_) = json.loads(out)["packs"][0]["rows"]
    assert set(row["seeds"]) == {"0.2 %", "50 %"}
    assert row["seeds"]["50 %"] == 2
    assert row["seeds"]["0.2 %"] > 8


def test_the_picture_is_a_drawing_with_every_slice(kept: Path, tmp_path: Path, capsys: Any) -> None:
    target = tmp_path / "noise.svg"
    code, _, _ = run(capsys, "noise", "show", str(kept), "--plot", str(target))
    text = "".join(ElementTree.parse(target).getroot().itertext())
    assert code == 0
    assert all(name in text for name in ("all slices", "code", "docs", "micro-1x"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build"], "neither runs nor --tier"),
        (["build", "--tier", "smoke"], "holds no run of smoke"),
        (["show", "--tier", "smoke-1x"], "no noise pack of smoke-1x"),
        (["show", "--name", "cod"], "did you mean `code`"),
        (["show", "--gain", "-1"], "above zero"),
        (["show", "nowhere.json"], "cannot be read"),
    ],
)
def test_mistakes_are_one_block_and_exit_2(
    store: Store, kept: Path, capsys: Any, arguments: list[str], said: str
) -> None:
    code, out, err = run(capsys, "noise", *arguments, "--store", str(store.root))
    assert (code, out) == (2, "")
    assert said in err


def test_signal_to_noise_comes_from_the_arms_of_a_study(make_pack: Make) -> None:
    rows = rows_of(make_pack(), {"code": [2.0, 1.9, 1.8], "docs": [2.0, 1.9, 1.8]})
    found = {row.name: row.signal_to_noise for row in rows}
    assert all(value is not None and value > 10 for value in found.values())
    assert {row.signal_to_noise for row in rows_of(make_pack())} == {None}


def test_the_mean_of_slices_has_its_causes_too(store: Store, baseline: Any, noise_run: Any) -> None:
    runs = baseline(2) + [noise_run(1, 1, subset, 2.0 * subset) for subset in (1, 2)]
    pack = build_pack(gather_runs(store, [str(one.path) for one in runs], None), date="")
    head = rows_of(pack)[0].causes["variable-subset"]
    assert head["sigma"] == pytest.approx(np.std(np.log([2.0, 4.0]), ddof=1))
    assert head["design"] == "2 runs"


def test_noise_runs_alone_are_shown_for_what_they_are(store: Store, noise_run: Any) -> None:
    runs = [noise_run(init, order, 1, 2.0 + init + order * init) for init in (1, 2) for order in (1, 2)]
    pack = build_pack(gather_runs(store, [str(one.path) for one in runs], None), date="")
    assert {row.basis for row in rows_of(pack)} == {"fixed-subset"}
    assert pack.status == "preliminary"


def test_a_run_far_out_is_pointed_at_and_kept(make_pack: Make) -> None:
    def level(arm: str, seed: int, name: str) -> float:
        return 2.5 if seed == 5 else 2.0 + 0.001 * seed

    rows = rows_of(make_pack(level=level))
    assert all(row.outlier.startswith("seed 5: sigma 0.") for row in rows)
    assert rows[0].sigma > 0.05


def test_the_design_has_eight_seeds_a_full_table_and_other_subsets() -> None:
    labels = [one.label for one in wanted_runs("pico", Design())]
    assert labels[:8] == [f"pico-1x seed {seed}" for seed in range(1, 9)]
    assert labels[8:17] == [f"pico-1x i{i}-o{o}-s1" for i in (1, 2, 3) for o in (1, 2, 3)]
    assert labels[17:] == ["pico-1x i1-o1-s2", "pico-1x i1-o1-s3", "pico-1x i1-o1-s4"]


def test_a_sigma_of_few_runs_is_marked_as_a_guess(store: Store, baseline: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    baseline(3)
    _, out, _ = run(capsys, "noise", "build", "--tier", "micro", "--store", str(store.root))
    assert "~: a guess from few runs (2 degrees of freedom, 7 come from 8 seeds)" in " ".join(out.split())
    baseline(8)
    _, out, _ = run(capsys, "noise", "build", "--tier", "micro", "--store", str(store.root))
    assert "~" not in out


def test_names_and_numbers_are_whole_at_eighty_columns(kept: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "noise", "show", str(kept))
    assert "all slices" in out
    assert "…" not in out


@pytest.mark.parametrize(
    ("hours", "said"),
    [(2.0, "2.0 CPU-hours"), (0.5, "30 CPU-minutes"), (0.01, "36 CPU-seconds"), (0.0, "0 CPU-seconds")],
)
def test_short_work_is_told_in_minutes_and_seconds(hours: float, said: str) -> None:
    assert span(hours) == said
