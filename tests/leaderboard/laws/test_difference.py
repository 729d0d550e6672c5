"""Comparison by law: planted worlds for each picture, arithmetic of multiplier and crossing, rule 6, published runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.cli import main
from curation.errors import InsufficientError, LawError
from curation.files import write_json
from leaderboard.laws.difference.compare import Asked, Difference, compare_recipes
from leaderboard.laws.difference.fitted import average
from leaderboard.laws.difference.judge import LOSES, OPEN, TRAP, WINS, picture_of
from leaderboard.laws.difference.paired import Points, Rows, cells_of, pairs_of
from leaderboard.laws.families import check_one_family, family_of
from leaderboard.laws.levels import levels

SIZES = np.array([3e7, 1e8, 3e8, 1e9, 3e9])
RATIO = 20.0
RUNS = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results/gadre_scaling/runs.csv"
Curve = Callable[[np.ndarray, np.ndarray], np.ndarray]  # type: ignore[type-arg]


def baseline_loss(sizes: np.ndarray, tokens: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Hoffmann's law with Besiroglu's numbers."""
    return np.asarray(1.8172 + 482.01 / sizes**0.3478 + 2085.43 / tokens**0.3658)


def world(gap: Curve, *, noise: float = 0.0, seeds: int = 1, rng_seed: int = 0, sizes: np.ndarray = SIZES) -> Rows:  # type: ignore[type-arg]
    """Runs of both recipes at every size; `gap` is the baseline's ln L minus the candidate's."""
    rng = np.random.default_rng(rng_seed)
    n = np.repeat(sizes, 2 * seeds)
    is_candidate = np.tile(np.repeat([0.0, 1.0], seeds), len(sizes))
    d = RATIO * n
    loss = np.log(baseline_loss(n, d)) - is_candidate * gap(n, d) + noise * rng.standard_normal(len(n))
    names = tuple(str(number) for number in np.tile(np.arange(seeds), 2 * len(sizes)))
    return Rows(
        sizes=n, tokens=d, flops=6 * n * d, loss=np.exp(loss), is_candidate=is_candidate, seeds=names,
        cells=cells_of(n, d, 6 * n * d),
    )  # fmt: skip


def place(size: float, ratio: float = RATIO) -> Points:
    values = np.array([size])
    return Points(sizes=values, tokens=ratio * values, flops=6 * ratio * values**2)


def compared(rows: Rows, *, target: float = 2e10, draws: int = 300, **more: Any) -> Difference:
    return compare_recipes(rows, Asked(baseline="b", candidate="c", target=place(target), draws=draws, **more))


def log_flops(n: np.ndarray, d: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(np.log(6 * n * d / (6 * RATIO * 1e9**2)))


@pytest.mark.parametrize(
    ("gap", "picture"),
    [
        (lambda n, d: np.full(len(n), 0.01), WINS),
        (lambda n, d: 0.012 + 0.001 * log_flops(n, d), WINS),
        (lambda n, d: -0.004 * log_flops(n, d), TRAP),
        (lambda n, d: np.full(len(n), -0.01), LOSES),
        (lambda n, d: 0.01 - 0.0008 * log_flops(n, d), WINS),
    ],
)
def test_a_planted_gap_gives_its_picture(gap: Curve, picture: str) -> None:
    found = compared(world(gap, noise=0.001, seeds=3))
    assert (found.picture.name, found.verdict) == (picture, picture)


def test_a_gap_inside_the_noise_needs_evidence() -> None:
    assert compared(world(lambda n, d: np.full(len(n), 0.001), noise=0.004, seeds=2)).verdict == OPEN


def test_a_planted_multiplier_is_found_and_read_as_a_share_of_compute() -> None:
    # 1.25-fold compute at equal ratio is N and D times sqrt(1.25); the candidate then needs 1 / 1.25 = 0.8 of it
    grown = np.sqrt(1.25)
    found = compared(
        world(lambda n, d: np.log(baseline_loss(n, d)) - np.log(baseline_loss(grown * n, grown * d))), target=1e10
    )
    assert found.multiplier is not None
    assert found.multiplier.value == pytest.approx(0.8, abs=0.01)
    assert found.multiplier_at_target is not None
    assert found.multiplier_at_target.value == pytest.approx(0.8, abs=0.02)
    assert found.baseline is not None
    assert found.baseline.value == pytest.approx(float(baseline_loss(np.array([1e10]), np.array([2e11]))[0]), rel=0.003)


def test_x_minus_y_is_the_gap_times_the_loss() -> None:
    found = compared(world(lambda n, d: np.full(len(n), 0.01)))
    assert found.gain is not None
    assert found.baseline is not None
    assert found.candidate is not None
    assert found.gain.value == pytest.approx(found.baseline.value * (1 - np.exp(-0.01)), rel=1e-6)
    assert found.gain.value == pytest.approx(found.baseline.value - found.candidate.value, rel=1e-9)


def test_lines_cross_where_arithmetic_says() -> None:
    # gap = -0.004 ln(C / C0) is 0 at C0 = 6 x 20 x 1e9 squared = 1.2e20
    found = compared(world(lambda n, d: -0.004 * log_flops(n, d), noise=0.0005, seeds=3))
    assert found.crossing is not None
    assert found.crossing.flops is not None
    assert found.crossing.flops == pytest.approx(1.2e20, rel=0.25)
    assert found.crossing.low is not None
    assert found.crossing.high is not None
    assert found.crossing.low < 1.2e20 < found.crossing.high


def test_curves_with_a_level_gap_do_not_cross() -> None:
    assert compared(world(lambda n, d: np.full(len(n), 0.01), noise=0.001, seeds=3)).crossing is None


def test_a_claim_whose_held_out_error_is_too_large_is_insufficient() -> None:
    rows = world(lambda n, d: np.where(n > 2e9, 0.004, 0.02), noise=0.0003, seeds=3)
    out = rows.sizes > 2e9
    asked = Asked(baseline="b", candidate="c", target=place(2e10), draws=200)
    found = compare_recipes(rows.only(~out), asked, held_out=rows.only(out))
    assert found.gate.error == pytest.approx(0.016, abs=0.002)
    assert (found.gate.passed, found.picture.name, found.verdict) == (False, WINS, "insufficient")


def test_two_sizes_and_far_targets_are_insufficient() -> None:
    few = world(lambda n, d: np.full(len(n), 0.01), noise=0.0005, seeds=3, sizes=SIZES[:2])
    assert compared(few).verdict == "insufficient"
    far = compared(world(lambda n, d: np.full(len(n), 0.01), noise=0.0005, seeds=3), target=1e12)
    assert far.verdict == "insufficient"
    assert any("beyond the pairs" in text for text in far.warnings)


def test_no_shared_size_is_refused() -> None:
    rows = world(lambda n, d: np.full(len(n), 0.01))
    lonely = rows.only((rows.is_candidate > 0) == (rows.sizes > 2e8))
    with pytest.raises(InsufficientError, match="no size has runs of both"):
        compared(lonely)


def test_equal_seeds_pair_and_take_common_noise_out() -> None:
    rows = world(lambda n, d: np.full(len(n), 0.01), seeds=3)
    common = np.exp(0.05 * np.array([float(seed) for seed in rows.seeds]))
    pairs, _ = pairs_of(Rows(**{**_fields(rows), "loss": rows.loss * common}), scale="log")
    assert pairs.is_paired
    assert pairs.noise is not None
    assert pairs.noise.value < 1e-20
    assert pairs.noise.degrees == 2 * len(SIZES)
    assert pairs.delta == pytest.approx(-0.01)


def _fields(rows: Rows) -> dict[str, Any]:
    return {name: getattr(rows, name) for name in Rows.__slots__}


def test_a_level_ends_two_percent_above_its_first_value() -> None:
    assert levels(np.array([1.0, 1.015, 1.025, 5.0, 1.0])).tolist() == [0, 0, 1, 2, 0]


def test_laptop_tiers_share_no_curve_with_larger_ones() -> None:
    assert [family_of(name) for name in ("pico", "nano-0.5x", "micro", "dclm-1b", "elsewhere")] == [
        "laptop", "laptop", "ladder", "dclm", None
    ]  # fmt: skip
    check_one_family(["micro", "smoke-2x"], "runs")
    with pytest.raises(LawError, match=r"ladder: smoke; laptop: nano.*\(rule 6\)"):
        check_one_family(["nano", "smoke"], "runs")
    with pytest.raises(LawError, match="rule 6"):
        check_one_family(["dclm-1b", "1b"], "runs")


def nulls(num: int, **more: Any) -> list[str]:
    """Pictures of worlds without a difference; models of the shared law left out, which makes them quick."""
    found = []
    for number in range(num):
        pairs, _ = pairs_of(world(lambda n, d: np.zeros(len(n)), noise=0.002, rng_seed=number, **more), scale="log")
        fitted = average(pairs, None, draws=200, rng=np.random.default_rng(number))
        found.append(picture_of(pairs, fitted, place(2e10)).name)
    return found


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_without_a_difference_winning_is_seldom_claimed(seeds: int) -> None:
    pictures = nulls(200, seeds=seeds)
    # one-sided 2.5 % of 200 is 5; 13 or more has probability 0.2 %
    assert pictures.count(WINS) < 13
    assert pictures.count(LOSES) < 13
    assert pictures.count(TRAP) < 13


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["fit", "compare", *words, "--json"])
        value: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert ended.value.code == (2 if "error" in value else 0)
        return value

    return run


def write(path: Path, rows: Rows, tier: str = "") -> Path:
    lines = ["params,tokens,loss,arm,seed,tier"]
    for n, d, loss, side, seed in zip(rows.sizes, rows.tokens, rows.loss, rows.is_candidate, rows.seeds, strict=True):
        lines.append(f"{n},{d},{loss},{'new' if side else 'old'},{seed},{tier}")
    path.write_text("\n".join(lines))
    return path


MAP = ("--map", "N=params,D=tokens,L=loss,recipe=arm", "--baseline", "old", "--candidate", "new", "--bootstrap", "100")


def test_the_command_tells_forecast_gate_picture_and_plain_ranking(
    compare: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    table = write(tmp_path / "runs.csv", world(lambda n, d: np.full(len(n), 0.01), noise=0.001, seeds=3))
    found = compare(str(table), *MAP, "--at", "N=10B,D=200B")
    assert found["verdict"] == found["picture"] == WINS
    assert found["prediction"]["gap"]["value"] == pytest.approx(0.01, abs=0.002)
    assert found["holdout"]["passed"]
    assert found["holdout"]["n"] == 1
    assert [one["recipe"] for one in found["small_tier"]["ranking"]] == ["new", "old"]
    assert found["prediction"]["at"] == {"N": 1e10, "D": 2e11, "C": 1.2e22}


def test_a_target_of_compute_alone_keeps_the_largest_runs_ratio(
    compare: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    table = write(tmp_path / "runs.csv", world(lambda n, d: np.full(len(n), 0.01), noise=0.001, seeds=3))
    at = compare(str(table), *MAP, "--at", "C=1.2e22")["prediction"]["at"]
    assert at == pytest.approx({"N": 1e10, "D": 2e11, "C": 1.2e22})


def test_names_are_checked_and_the_nearest_is_offered(compare: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    table = write(tmp_path / "runs.csv", world(lambda n, d: np.full(len(n), 0.01)))
    found = compare(str(table), *MAP[:-4], "--candidate", "newer")
    assert "no run has the recipe `newer`" in json.dumps(found)


def test_a_table_of_mixed_tiers_is_refused_by_name_of_the_rule(
    compare: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    table = write(tmp_path / "runs.csv", world(lambda n, d: np.full(len(n), 0.01)), tier="nano")
    table.write_text(table.read_text().replace("nano", "micro", 3))
    assert "rule 6" in json.dumps(compare(str(table), *MAP))


def own_runs(store: Path, tiers: dict[float, str]) -> None:
    """Finished runs of two corpora, as the trainer leaves them."""
    rows = world(lambda n, d: np.full(len(n), 0.01), noise=0.0005, seeds=2, sizes=np.array(list(tiers)))
    for number in range(len(rows.loss)):
        n, d = int(rows.sizes[number]), int(rows.tokens[number])
        summary = {
            "params": {"matmul": n, "non_embedding": n, "total": n},
            "bpb": {"web": float(rows.loss[number])},
            "tier": tiers[float(n)],
            "seed": int(rows.seeds[number]) + 1,
            "panel_digest": "p",
            "tokens_seen": d,
            "flops": 6 * n * d,
            "epochs": 1.0 + rows.is_candidate[number],
            "unique_tokens": d,
            "final_train_loss": 3.0,
        }
        corpus = ("aa" if rows.is_candidate[number] else "bb") * 32
        manifest: dict[str, Any] = {"kind": "run", "fingerprint": f"{number:064d}", "summary": summary, "files": []}
        path = store / f"run-{number:02d}" / "manifest.json"
        path.parent.mkdir()
        write_json(path, {"format": 1, **manifest, "inputs": {"tokens": corpus}})


def test_own_runs_are_compared_by_corpus_and_epochs_are_watched(
    compare: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    own_runs(tmp_path, {3e7: "micro", 1e8: "smoke", 3e8: "small", 1e9: "100m"})
    found = compare("--runs", str(tmp_path), "--baseline", "bb", "--candidate", "aa", "--bootstrap", "100")
    assert (found["verdict"], found["n"]) == (WINS, 4)
    assert any("rule 4" in text for text in found["warnings"])


def test_own_runs_of_laptop_and_ladder_share_no_law(compare: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    own_runs(tmp_path, {3e7: "nano", 1e8: "smoke", 3e8: "small"})
    found = compare("--runs", str(tmp_path), "--baseline", "bb", "--candidate", "aa")
    assert "(rule 6)" in found["error"]["message"]


@pytest.mark.skipif(not RUNS.is_file(), reason="needs the published runs of Gadre et al. (CURATE_SHARED)")
def test_on_gadres_runs_the_gate_catches_a_gap_that_shrank_at_the_largest_model(
    compare: Callable[..., dict[str, Any]],
) -> None:
    words = ("--map", "N=N,D=D,L=loss_c4_val,recipe=train_dataset", "--baseline", "rpj", "--candidate", "c4_original")
    found = compare(str(RUNS), *words, "--holdout", "N > 5e9", "--at", "N=6.9B,D=138B", "--bootstrap", "100")
    held = [pair for pair in found["pairs"] if pair["held_out"]]
    # ln(2.424993 / 2.382220) of the table; the law of the smaller runs says three times as much
    assert held[0]["gap"] == pytest.approx(0.01780, abs=1e-4)
    assert found["picture"] == WINS
    assert (found["holdout"]["passed"], found["verdict"]) == (False, "insufficient")
