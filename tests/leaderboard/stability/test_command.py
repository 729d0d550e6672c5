"""`curate leaderboard stability`: tables in, one JSON object out; what cannot be used is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main

LONG = """recipe,tier,score
a,150m,0.5
b,150m,0.4
c,150m,0.3
a,1b,0.60
b,1b,0.70
c,1b,0.30
"""
WIDE = "recipe,150m,1b\na,0.5,0.6\nb,0.4,0.7\nc,0.3,0.3\n"
COLUMNS = ("--recipe", "recipe", "--tier", "tier", "--score", "score")


def stability(capsys: Any, text: str | bytes, path: Path, *options: str) -> dict[str, Any]:
    code, out, err = run(capsys, text, path, *options)
    assert code == 0, err
    return dict(json.loads(out))


def run(capsys: Any, text: str | bytes, path: Path, *options: str) -> tuple[int, str, str]:
    file = path / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit) as caught:
        main(["leaderboard", "stability", str(file), *options, "--json"])
    streams = capsys.readouterr()
    return int(caught.value.code or 0), streams.out, streams.err


def test_the_object_has_the_promised_keys(tmp_path: Path, capsys: Any) -> None:
    found = stability(capsys, LONG, tmp_path, *COLUMNS, "--target", "1b")
    (pair,) = found["pairs"]
    promised = {"from", "to", "n", "pearson", "spearman", "kendall_tau_b", "decision_accuracy"}
    assert promised | {"decision_accuracy_strict", "regret", "ci95"} <= set(pair)
    assert {"pairs", "crossings", "ties"} <= set(found)
    assert (pair["from"], pair["to"], pair["n"]) == ("150m", "1b", 3)


def test_numbers_are_those_of_the_hand(tmp_path: Path, capsys: Any) -> None:
    """Orders a b c and b a c: two of three pairs agree, tau 1/3, rho 1/2; trusting a costs 0.1."""
    found = stability(capsys, LONG, tmp_path, *COLUMNS, "--target", "1b")
    pair = found["pairs"][0]
    assert pair["decision_accuracy"] == pytest.approx(2 / 3)
    assert (pair["kendall_tau_b"], pair["spearman"]) == (pytest.approx(1 / 3), pytest.approx(0.5))
    assert pair["regret"] == pytest.approx(0.1)
    assert [one["recipes"] for one in found["crossings"]] == [["b", "a"]]
    assert pair["winner"] == {"from": ["a"], "to": ["b"]}


def test_lower_is_better_turns_the_winner_and_the_regret(tmp_path: Path, capsys: Any) -> None:
    pair = stability(capsys, LONG, tmp_path, *COLUMNS, "--target", "1b", "--lower-is-better")["pairs"][0]
    assert (pair["winner"], pair["regret"]) == ({"from": ["c"], "to": ["c"]}, 0)


def test_wide_and_long_say_the_same(tmp_path: Path, capsys: Any) -> None:
    long = stability(capsys, LONG, tmp_path, *COLUMNS, "--target", "1b")
    assert stability(capsys, WIDE, tmp_path, "--wide") == long


def test_an_empty_cell_drops_its_recipe_from_that_pair_only(tmp_path: Path, capsys: Any) -> None:
    text = "recipe,s,m,l\na,1,1,1\nb,2,,2\nc,3,3,3\n"
    found = stability(capsys, text, tmp_path, "--wide")
    assert [(pair["from"], pair["to"], pair["n"]) for pair in found["pairs"]] == [
        ("s", "l", 3),
        ("m", "l", 2),
        ("s", "m", 2),
    ]
    assert found["pairs"][1]["absent"] == {"from": ["b"], "to": []}


@pytest.mark.parametrize(
    "mend", [lambda t: "\ufeff" + t, lambda t: t.replace(",", ";"), lambda t: t.replace("\n", "\r\n")]
)
def test_spreadsheets_are_read_with_mark_semicolons_and_line_ends(mend: Any, tmp_path: Path, capsys: Any) -> None:
    assert stability(capsys, mend(WIDE), tmp_path, "--wide") == stability(capsys, WIDE, tmp_path, "--wide")


def test_decimal_commas_in_a_semicolon_file_are_decimals(tmp_path: Path, capsys: Any) -> None:
    text = WIDE.replace(",", ";").replace(".", ",")
    assert stability(capsys, text, tmp_path, "--wide") == stability(capsys, WIDE, tmp_path, "--wide")


def test_parquet_with_a_column_of_integers_for_tiers_is_read(tmp_path: Path, capsys: Any) -> None:
    table = pa.table({"r": ["a", "b", "a", "b"], "t": [10, 10, 200, 200], "s": [1.0, 2.0, 2.0, 1.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    options = ["--recipe", "r", "--tier", "t", "--score", "s", "--target", "200", "--json"]
    with pytest.raises(SystemExit):
        main(["leaderboard", "stability", str(tmp_path / "t.parquet"), *options])
    pair = json.loads(capsys.readouterr().out)["pairs"][0]
    assert (pair["from"], pair["to"], pair["decision_accuracy"]) == ("10", "200", 0.0)


SEEDED = "recipe,tier,seed,score\n" + "".join(
    f"{recipe},{tier},{seed},{level + seed / 1000}\n"
    for tier, levels in (("s", (1.0, 2.0, 3.0, 4.0)), ("l", (1.0, 2.0, 4.0, 3.0)))
    for recipe, level in zip("abcd", levels, strict=True)
    for seed in (1, 2, 3)
)


def test_seeds_say_what_is_resolved_and_which_inversion_is_significant(tmp_path: Path, capsys: Any) -> None:
    pair = stability(capsys, SEEDED, tmp_path, *COLUMNS, "--seed", "seed", "--target", "l")["pairs"][0]
    assert pair["resolved"] == {"from": 6, "to": 6, "both": 6, "agreeing": 5, "inverted": 1}
    assert [(one["better_from"], one["better_to"]) for one in pair["inversions"]] == [("d", "c")]
    assert (pair["winner_kept"]["probability"], pair["verdict"]) == (0.0, "disagrees")


def test_one_seed_leaves_resolved_null_with_the_reason(tmp_path: Path, capsys: Any) -> None:
    pair = stability(capsys, LONG, tmp_path, *COLUMNS, "--target", "1b")["pairs"][0]
    assert (pair["resolved"], pair["inversions"], pair["verdict"]) == (None, None, "insufficient")
    assert "no recipe has two seeds" in pair["resolved_reason"]


def test_all_ties_and_one_recipe_are_insufficient_and_not_a_crash(tmp_path: Path, capsys: Any) -> None:
    tied = stability(capsys, "r,s,l\na,1,1\nb,1,2\n", tmp_path, "--wide")["pairs"][0]
    assert (tied["pearson"], tied["decision_accuracy"], tied["verdict"]) == (None, 0.5, "insufficient")
    alone = stability(capsys, "r,s,l\na,1,1\n", tmp_path, "--wide")["pairs"][0]
    assert (alone["n"], alone["decision_accuracy"], alone["regret"], alone["verdict"]) == (
        1,
        None,
        None,
        "insufficient",
    )


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (LONG.replace("0.70", "NaN"), COLUMNS, r"row 5 \(b, 1b\): score is `NaN`"),
        (LONG.replace("0.70", "inf"), COLUMNS, r"row 5 \(b, 1b\): score is `inf`"),
        (LONG.replace("0.70", "good"), COLUMNS, r"row 5 \(b, 1b\): score is `good`"),
        (LONG.replace("0.70", "53%"), COLUMNS, r"score is `53%`"),
        (LONG + "b,1b,0.8\n", COLUMNS, r"rows 5 and 7 are both recipe `b`, tier `1b`; .*--seed COL"),
        (LONG + ",1b,0.8\n", COLUMNS, r"row 7: recipe is empty"),
        (
            LONG,
            ("--recipe", "recip", "--tier", "tier", "--score", "score"),
            r"no column `recip`; did you mean `recipe`",
        ),
        (LONG, ("--target", "1bb"), r"did you mean `1b`"),
        (LONG, ("--target", "1b", "--flops", "2b=1e20"), r"--flops: no tier `2b`"),
        (LONG, ("--target", "1b", "--flops", "1b=-3"), r"expected a positive number"),
        (LONG, ("--target", "1b", "--task", "tsk"), r"no column `tsk`"),
        (LONG, ("--target", "1b", "--where", "score > 9"), r"chooses none of 6 rows"),
        ("recipe,tier,score\na,s,1\nb,s,2\n", ("--target", "s"), r"one tier"),
        ("recipe,tier,score\n", ("--target", "s"), r"no rows"),
        ("recipe,tier,score\na,s,\n", ("--target", "s"), r"no row has a score"),
        ("", ("--wide",), r"cannot be read|no rows"),
        ("r,s,s\na,1,2\n", ("--wide",), r"`s` appears 2 times"),
        ("r,s,l\na,1,2\na,1,2\n", ("--wide",), r"rows 1 and 2 are both recipe `a`"),
        ("r\na\n", ("--wide",), r"one column"),
        (b"\xff\xfe\x00", ("--wide",), r"cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    text: str | bytes, options: tuple[str, ...], message: str, tmp_path: Path, capsys: Any
) -> None:
    if "--wide" not in options and "--target" not in options:
        options = (*options, "--target", "1b")
    code, _, err = run(capsys, text, tmp_path, *options)
    assert code == 2, err
    assert "Traceback" not in err
    import re

    assert re.search(message, " ".join(err.split())), err


def test_a_run_twice_under_one_seed_is_refused(tmp_path: Path, capsys: Any) -> None:
    code, _, err = run(capsys, SEEDED + "a,s,1,9\n", tmp_path, *COLUMNS, "--seed", "seed", "--target", "l")
    assert (code, "rows 1 and 25 are both recipe `a`, tier `s`, seed `1`" in " ".join(err.split())) == (2, True)


TASKS = "recipe,tier,task,score\n" + "".join(
    f"{recipe},{tier},{task},{value}\n"
    for task, values in (("x", (1, 2, 1, 2)), ("y", (2, 1, 1, 3)))
    for (recipe, tier), value in zip((("a", "s"), ("b", "s"), ("a", "l"), ("b", "l")), values, strict=True)
)


def test_tasks_stand_alone_and_their_mean_first(tmp_path: Path, capsys: Any) -> None:
    found = stability(capsys, TASKS, tmp_path, *COLUMNS, "--task", "task", "--target", "l")
    assert [one["group"] for one in found["groups"]] == ["x", "y"]
    assert [one["pairs"][0]["decision_accuracy"] for one in found["groups"]] == [1.0, 0.0]
    assert found["pairs"][0]["decision_accuracy"] == 0.5  # both 1.5 at s: tied


def test_slices_are_averaged_as_logarithms(tmp_path: Path, capsys: Any) -> None:
    """Geometric means: a sqrt(2) at s and 1 at l; b sqrt(2) and sqrt(6)."""
    found = stability(capsys, TASKS, tmp_path, *COLUMNS, "--by", "task", "--target", "l", "--lower-is-better")
    assert found["pairs"][0]["regret"] == pytest.approx(np.log(6) / 4)


def test_flops_price_the_decision_beside_the_plain_ranking(tmp_path: Path, capsys: Any) -> None:
    found = stability(capsys, LONG, tmp_path, *COLUMNS, "--target", "1b", "--flops", "150m=1e18,1b=1e20")
    pair = found["pairs"][0]
    assert (pair["flops"]["total_from"], pair["flops"]["total_to"], pair["flops"]["share"]) == (3e18, 3e20, 0.01)
    assert pair["plain_ranking"]["decision_accuracy"] == pair["decision_accuracy"]
    assert found["crossings"][0]["slope"] == pytest.approx(0.1)  # gap -0.1 to 0.1 over two decades


def test_flops_may_be_an_expression_and_the_tier_two_columns(tmp_path: Path, capsys: Any) -> None:
    text = "data,n,d,score\na,10,100,1\nb,10,100,2\na,20,200,1\nb,20,200,3\na,20,800,1\nb,20,800,3\n"
    options = ("--recipe", "data", "--tier", "n,d", "--score", "score", "--target", "20/800", "--flops", "6 * n * d")
    found = stability(capsys, text, tmp_path, *options)
    assert [one["tier"] for one in found["tiers"]] == ["10/100", "20/200", "20/800"]
    assert [one["flops"] for one in found["tiers"]] == [6e3, 24e3, 96e3]


def test_the_last_checkpoint_of_a_run_is_taken(tmp_path: Path, capsys: Any) -> None:
    text = "recipe,tier,step,score\na,s,1,9\na,s,2,1\nb,s,2,2\na,l,1,1\nb,l,1,2\n"
    assert stability(capsys, text, tmp_path, *COLUMNS, "--last", "step", "--target", "l")["pairs"][0]["regret"] == 0


def test_repeats_are_averaged_when_asked_and_are_no_seeds(tmp_path: Path, capsys: Any) -> None:
    """Of b at 1b the mean of 0.7 and 0.4 is below a."""
    found = stability(capsys, LONG + "b,1b,0.4\n", tmp_path, *COLUMNS, "--target", "1b", "--average-repeats")
    assert (found["pairs"][0]["decision_accuracy"], found["pairs"][0]["verdict"]) == (1.0, "insufficient")
    assert "1 repeated rows" in found["notes"][0]


@pytest.mark.parametrize("metrics", ['{""acc"": 0.5}', "{'acc': 0.5}"])
def test_a_score_may_be_a_field_of_a_column_of_objects(metrics: str, tmp_path: Path, capsys: Any) -> None:
    """Tables of DataDecide: the size is `params`, the corpus `data`, metrics the repr of a dict."""
    text = "params,data,metrics\n" + "".join(f'{n},{d},"{metrics}"\n' for n in ("150M", "1B") for d in "ab")
    options = ("--recipe", "data", "--tier", "params", "--score", "metrics.acc", "--target", "1B")
    assert stability(capsys, text, tmp_path, *options)["pairs"][0]["ties"]["both"] == 1


def test_copies_of_one_run_are_no_seeds(tmp_path: Path, capsys: Any) -> None:
    text = "recipe,tier,seed,score\n" + "".join(
        f"{r},{t},{s},{v}\n" for t in "sl" for r, v in zip("abcd", range(4), strict=True) for s in (1, 2)
    )
    pair = stability(capsys, text, tmp_path, *COLUMNS, "--seed", "seed", "--target", "l")["pairs"][0]
    assert (pair["resolved"], pair["verdict"], pair["decision_accuracy"]) == (None, "insufficient", 1.0)


def test_laptop_tiers_decide_nothing_and_share_no_slope(tmp_path: Path, capsys: Any) -> None:
    text = SEEDED.replace(",s,", ",nano-1x,").replace(",l,", ",micro-1x,")
    found = stability(capsys, text, tmp_path, *COLUMNS, "--seed", "seed", "--target", "micro-1x")
    assert "rule 18" in " ".join(found["pairs"][0]["reasons"])
    assert {one["slope"] for one in found["slopes"]} == {None}
    assert "rule 6" in " ".join(found["notes"])


def test_agreement_beyond_noise_passes_rule_11(tmp_path: Path, capsys: Any) -> None:
    text = SEEDED.replace("c,l,", "x,l,").replace("d,l,", "c,l,").replace("x,l,", "d,l,")
    pair = stability(capsys, text, tmp_path, *COLUMNS, "--seed", "seed", "--target", "l")["pairs"][0]
    assert (pair["verdict"], pair["winner_kept"]["probability"], pair["inversions"]) == ("agrees", 1.0, [])


def test_the_order_of_rows_changes_no_byte(tmp_path: Path, capsys: Any) -> None:
    lines = SEEDED.splitlines(keepends=True)
    turned = lines[0] + "".join(lines[:0:-1])
    options = (*COLUMNS, "--seed", "seed", "--target", "l")
    assert run(capsys, turned, tmp_path, *options)[1] == run(capsys, SEEDED, tmp_path, *options)[1]


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_picture_escapes_names_and_has_a_line_a_recipe(suffix: str, tmp_path: Path, capsys: Any) -> None:
    picture = tmp_path / f"ranks.{suffix}"
    stability(capsys, WIDE.replace("\na,", "\n<script>,"), tmp_path, "--wide", "--plot", str(picture))
    drawn = picture.read_text()
    assert drawn.count("<polyline") == 3
    assert "<script>:" not in drawn


def test_the_table_for_people_hides_tau_of_few_recipes(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "t.csv").write_text(LONG)
    with pytest.raises(SystemExit):
        main(["leaderboard", "stability", str(tmp_path / "t.csv"), *COLUMNS, "--target", "1b"])
    out = capsys.readouterr().out
    assert "tau-b is shown from 8 recipes" in out
    assert "b passes a" in out


@pytest.mark.parametrize(
    "spoil", [lambda t: t.replace("recipe,tier,score", "recipe, tier , score"), lambda t: t + "\n"]
)
def test_spaces_in_the_header_and_an_empty_last_line_do_no_harm(spoil: Any, tmp_path: Path, capsys: Any) -> None:
    assert stability(capsys, spoil(LONG), tmp_path, *COLUMNS, "--target", "1b")["pairs"][0]["n"] == 3


def test_a_wide_table_may_have_a_row_a_seed(tmp_path: Path, capsys: Any) -> None:
    text = "recipe,seed,s,l\na,1,1,1\na,2,1.1,1.1\nb,1,2,2\nb,2,2.1,2.1\n"
    found = stability(capsys, text, tmp_path, "--wide")
    assert [(one["tier"], one["runs"], one["seed_degrees"]) for one in found["tiers"]] == [("s", 4, 2.0), ("l", 4, 2.0)]


def test_a_score_called_a_loss_is_pointed_out(tmp_path: Path, capsys: Any) -> None:
    text = LONG.replace("score", "val_loss")
    options = ("--recipe", "recipe", "--tier", "tier", "--score", "val_loss", "--target", "1b")
    assert "--lower-is-better" in stability(capsys, text, tmp_path, *options)["notes"][0]
    assert stability(capsys, text, tmp_path, *options, "--lower-is-better")["notes"] == []


def test_published_runs_of_dclm_have_the_numbers_of_pandas_and_scipy(shared: Path, capsys: Any) -> None:
    """CORE of runs at 1x tokens, the mean by corpus and size."""
    import itertools

    import pandas as pd
    from scipy import stats

    file = shared / "results" / "dclm" / "DCLM_model_database.csv"
    if not file.is_file():
        pytest.skip(f"no {file}")
    tokens = [8232325120, 28795904000, 137788211200]
    options = ["--recipe", "Dataset", "--tier", "params", "--score", "Core", "--target", "6889410560"]
    with pytest.raises(SystemExit):
        main(
            [
                "leaderboard",
                "stability",
                str(file),
                *options,
                "--average-repeats",
                "--where",
                f"tokens in {tokens}",
                "--json",
            ]
        )
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    table = pd.read_csv(file, low_memory=False)
    means = table[table.tokens.isin(tokens)].groupby(["Dataset", "params"])["Core"].mean().unstack()
    assert [pair["n"] for pair in pairs] == [11, 17, 11]
    for pair in pairs:
        x, y = means[[int(pair["from"]), int(pair["to"])]].dropna().to_numpy().T
        right = [np.sign((x[i] - x[j]) * (y[i] - y[j])) / 2 + 0.5 for i, j in itertools.combinations(range(len(x)), 2)]
        assert pair["decision_accuracy"] == pytest.approx(np.mean(right))
        assert pair["pearson"] == pytest.approx(stats.pearsonr(x, y).statistic)
        assert pair["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic)
        assert pair["kendall_tau_b"] == pytest.approx(stats.kendalltau(x, y).statistic)
        assert pair["weighted_tau"] == pytest.approx(stats.weightedtau(x, y).statistic)
        assert pair["regret"] == pytest.approx(y.max() - y[x.argmax()])


OURS = WIDE.replace("150m,1b", "100m,1b")


def shown(capsys: Any, text: str, path: Path, *options: str) -> str:
    file = path / "table.csv"
    file.write_text(text)
    with pytest.raises(SystemExit):
        main(["leaderboard", "stability", str(file), *options])
    return str(capsys.readouterr().out)


def test_flops_of_tiers_that_only_bear_our_names_are_never_a_fact(tmp_path: Path, capsys: Any) -> None:
    found = stability(capsys, OURS, tmp_path, "--wide")
    assert found["flops_source"] == "tier names"
    assert [tier["flops_source"] for tier in found["tiers"]] == ["tier names", "tier names"]
    assert found["pairs"][0]["flops"]["assumed"] is True
    assert {one["per"] for one in found["slopes"]} == {"decade of FLOPs (assumed)"}
    said = "costs assume curate's tiers of these names (100m, 1b); give --flops 100m=FLOPS,1b=FLOPS"
    assert said in found["notes"]
    text = shown(capsys, OURS, tmp_path, "--wide")
    assert said in text
    assert "(assumed: FLOPs of curate's tiers of these names)" in text
    assert "the decision costs" not in text
    assert "1 pair of recipes changes places" in text


def test_flops_that_were_given_are_a_fact(tmp_path: Path, capsys: Any) -> None:
    """Three recipes, one run each: 3 * 1e18 of 3 * 1e20 FLOPs is 1 %."""
    given = ("--wide", "--flops", "100m=1e18,1b=1e20")
    found = stability(capsys, OURS, tmp_path, *given)
    assert found["flops_source"] == "--flops"
    assert found["pairs"][0]["flops"]["assumed"] is False
    assert not [note for note in found["notes"] if "assume" in note]
    text = shown(capsys, OURS, tmp_path, *given)
    assert "the decision costs 3.00e+18 FLOPs, 1 % of 3.00e+20 at 1b;" in text
    assert "assume" not in text


def test_flops_given_for_one_tier_leave_the_other_assumed(tmp_path: Path, capsys: Any) -> None:
    found = stability(capsys, OURS, tmp_path, "--wide", "--flops", "100m=1e18")
    assert found["flops_source"] == "tier names"
    assert [tier["flops_source"] for tier in found["tiers"]] == ["--flops", "tier names"]
    assert "costs assume curate's tiers of these names (1b); give --flops 1b=FLOPS" in found["notes"]


def test_flops_of_a_column_say_so_and_unknown_ones_are_null(tmp_path: Path, capsys: Any) -> None:
    lines = LONG.splitlines()
    text = "\n".join([f"{lines[0]},cost", *(f"{line},{1e18 if '150m' in line else 1e20}" for line in lines[1:])])
    found = stability(capsys, text, tmp_path, *COLUMNS, "--target", "1b", "--flops", "cost")
    assert found["flops_source"] == "column"
    assert stability(capsys, "recipe,s,l\na,1,1\nb,2,2\n", tmp_path, "--wide")["flops_source"] is None
