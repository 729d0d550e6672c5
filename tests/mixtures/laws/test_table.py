"""Reading tables of runs: columns, joins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import LawError, ShardError
from mixtures.laws.folds import fold_numbers
from mixtures.laws.table import Chosen, read_table

BOTH = Chosen(weights=("web", "code"), losses=("loss",))


def csv(path: Path, *lines: str) -> Path:
    """Write a table."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_two_files_are_joined_by_their_first_column(tmp_path: Path) -> None:
    weights = csv(tmp_path / "a.csv", "index,web,code", "1,0.5,0.5", "2,0.1,0.9")
    losses = csv(tmp_path / "b.csv", "index,loss", "2,2.5", "1,3.5")
    assert read_table([weights, losses], BOTH).losses_NM[:, 0].tolist() == [3.5, 2.5]


def test_a_pattern_names_columns_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "w_b,w_a,loss", "0.5,0.5,3", "0.4,0.6,2")
    assert read_table([path], Chosen(weights=("w_*",), losses=("loss",))).domains == ("w_b", "w_a")


def test_one_share_gets_the_rest(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "code,loss", "0.25,3", "0.5,2")
    table = read_table([path], Chosen(weights=("code",), losses=("loss",)))
    assert table.domains == ("code", "rest")
    assert table.weights_NK.tolist() == [[0.25, 0.75], [0.5, 0.5]]


def test_equal_rows_count_once_and_are_counted(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "web,code,loss", "0.5,0.5,3", "0.5,0.5,3", "0.5,0.5,2.9")
    table = read_table([path], BOTH)
    assert (len(table), table.num_duplicates) == (2, 1)


def test_mixtures_to_predict_keep_their_repeats_and_need_no_loss(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "web,code", "0.5,0.5", "0.5,0.5")
    table = read_table([path], BOTH, losses_needed=False)
    assert len(table) == 2
    assert np.isnan(table.losses_NM).all()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["web,code,loss", "0.5,0.6,3"], "do not sum to 1 .*row 1: 1.100"),
        (["web,code,loss", "0.5,-0.5,3"], "row 1: weight of code is -0.5"),
        (["web,code,loss", "1,0,3", "1,0,2"], "no run has any of code"),
        (["web,code,loss", "0.5,0.5,-3"], "row 1: loss is -3, expected a positive loss"),
        (["web,code,loss", "0.4,0.6,2", "0.5,half,3"], "code: row 2 holds 'half', expected a number"),
        (["web,code,loss", "0.5,,3"], "row 1: weight of code is missing"),
        (["web,code,loss", "50,50,3", "0.5,0.5,2"], "weights of 1 of 2 rows do not sum to 1 .*or to 100 in every row"),
        (["web,code,loss,code", "0.5,0.5,3,1"], "column code appears twice and is used"),
        (["web,kode,loss", "0.5,0.5,3"], "no column `code`; did you mean `kode`"),
    ],
)
def test_what_cannot_be_used_is_named(lines: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises((LawError, ShardError), match=said):
        read_table([csv(tmp_path / "a.csv", *lines)], BOTH)


def test_per_cents_in_every_row_are_read_as_shares_and_marked(tmp_path: Path) -> None:
    table = read_table([csv(tmp_path / "a.csv", "web,code,loss", "50,50,3", "12.5,87.4,2")], BOTH)
    assert table.weights_NK.tolist() == [[0.5, 0.5], [0.125, pytest.approx(0.874)]]
    assert table.in_percent
    assert not read_table([csv(tmp_path / "b.csv", "web,code,loss", "0.5,0.5,3")], BOTH).in_percent


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfloss,code,run,web\r\n3,2.5E-1,r1,.75\r\n2,0,r2,1e0\r\n",
        b" loss, code, run, web\n 3, 0.25, r1, 0.75\n 2, 0, r2, 1.0\n\n",
        b"web;code;loss\n0.75;0.25;3\n1;-1e-17;2\n",
    ],
)
def test_how_a_spreadsheet_wrote_the_file_changes_nothing(text: bytes, tmp_path: Path) -> None:
    """Byte order mark, other ends of lines, order of columns, spaces, exponents, semicolons, a rounded zero."""
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    table = read_table([path], BOTH)
    assert table.weights_NK.tolist() == [[0.75, 0.25], [1.0, 0.0]]
    assert table.losses_NM[:, 0].tolist() == [3.0, 2.0]


def test_mixtures_to_predict_need_not_have_every_domain_or_the_size_named(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "web,code", "1,0", "1,0")
    chosen = Chosen(weights=("web", "code"), losses=("loss",), size="params")
    table = read_table([path], chosen, losses_needed=False)
    assert table.weights_NK.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert table.size_N is None


def test_one_share_that_never_changes_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "code,loss", "1,3", "1,2")
    with pytest.raises(LawError, match="the one weight code is 1 in every row"):
        read_table([path], Chosen(weights=("code",), losses=("loss",)))


def test_an_empty_loss_is_missing_not_wrong(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "web,code,loss", "0.5,0.5,", "0.4,0.6,3")
    assert np.isnan(read_table([path], BOTH).losses_NM[0, 0])


def test_a_column_cannot_be_weight_and_loss(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "web,code,loss", "0.5,0.5,3")
    with pytest.raises(LawError, match="code is under --weights and --losses"):
        read_table([path], Chosen(weights=("web", "code"), losses=("code",)))


def test_size_is_a_column_or_an_amount(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "web,code,loss,n", "0.5,0.5,3,70M", "0.4,0.6,3,160M")
    by_column = read_table([path], Chosen(weights=("web", "code"), losses=("loss",), size="n"))
    assert by_column.size_N is not None
    assert by_column.size_N.tolist() == [7e7, 1.6e8]
    assert read_table([path], Chosen(weights=("web", "code"), losses=("loss",), size="7B")).size_N is None
    with pytest.raises(LawError, match="neither a column nor an amount"):
        read_table([path], Chosen(weights=("web", "code"), losses=("loss",), size="x"))


def test_runs_of_one_mixture_are_held_out_together() -> None:
    groups = np.repeat(np.arange(7), 3)
    folds = fold_numbers(groups)
    assert all(len(set(folds[groups == group])) == 1 for group in range(7))
    assert set(folds.tolist()) == {0, 1, 2, 3, 4}
