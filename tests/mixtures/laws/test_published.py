"""Mixture laws on published runs, with the figures their authors print."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main

SHARED = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results"
REGMIX = SHARED / "regmix"
TWO = SHARED / "mixinglaws" / "2Mix.csv.gz"
needs_regmix = pytest.mark.skipif(not REGMIX.is_dir(), reason=f"{REGMIX} is absent; set CURATE_SHARED")
needs_two = pytest.mark.skipif(not TWO.is_file(), reason=f"{TWO} is absent; set CURATE_SHARED")


Fitted = Callable[..., Any]


@pytest.fixture
def fitted(capsys: pytest.CaptureFixture[str]) -> Fitted:
    """Return a function that returns the object which `curate mix fit ... --json` prints."""

    def run(*words: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["mix", "fit", *words, "--json"])
        assert ended.value.code == 0
        return json.loads(capsys.readouterr().out)

    return run


@needs_two
@pytest.mark.parametrize(
    ("size", "domain", "printed"),
    [
        ("70M", "Github", [(-2.4385, -0.5977), (-1.5476, -0.6505), (-1.6406, -0.6819)]),
        ("70M", "Pile-CC", [(-2.9042, -0.5333), (-2.2959, -0.5862), (-2.5191, -0.6257)]),
        ("160M", "Github", [(-3.6658, -0.1842), (-1.6849, -0.7528), (-1.6138, -0.7761)]),
    ],
)
def test_two_domains_give_the_numbers_of_the_authors_notebook(
    size: str, domain: str, printed: list[tuple[float, float]], tmp_path: Path, fitted: Fitted
) -> None:
    table = two_domains(tmp_path / "two.csv")
    for step, (k, b) in zip((10000, 20000, 30000), printed, strict=True):
        rows = f"size == '{size}' and step == {step} and domain == '{domain}'"
        found = fitted(
            "mixing-law", str(table), "--weights", "Github,Pile-CC", "--losses", f"loss {domain}", "--where", rows,
            "--bootstrap", "0",
        )  # fmt: skip
        params = found["params"][f"loss {domain}"]
        assert params["of"] == domain
        assert params["k"] == pytest.approx(k, abs=0.002)
        assert params["b"] == pytest.approx(b, abs=0.002)


def two_domains(path: Path) -> Path:
    """Write the published runs with one column a domain's share."""
    with gzip.open(TWO, "rt", encoding="utf-8") as stream, path.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["size", "step", "domain", "Github", "Pile-CC", "loss Github", "loss Pile-CC"])
        for row in csv.DictReader(stream):
            shares = row["ratio"].split("-")
            losses = [row["loss"] if row["val_domain"] == name else "" for name in ("Github", "Pile-CC")]
            lines.writerow([row["size"], row["step"], row["val_domain"], *shares, *losses])
    return path


@needs_regmix
@pytest.mark.parametrize(("loss", "spearman"), [("arxiv", 0.996), ("dm_mathematics", 0.972), ("pile_cc", 0.9901)])
def test_trees_rank_the_unseen_mixtures_as_the_paper_prints(loss: str, spearman: float, fitted: Fitted) -> None:
    found = fitted("regmix-lightgbm", *regmix(f"metric/the_pile_{loss}_val_loss"), "--bootstrap", "0")
    assert found["spearman"][f"metric/the_pile_{loss}_val_loss"] == pytest.approx(spearman, abs=0.0015)


@needs_regmix
def test_a_line_ranks_the_unseen_mixtures_as_the_paper_prints(fitted: Fitted) -> None:
    found = fitted("regmix-linear", *regmix("metric/the_pile_pile_cc_val_loss"), "--bootstrap", "0")
    assert found["spearman"]["metric/the_pile_pile_cc_val_loss"] == pytest.approx(0.9021, abs=0.0015)


def regmix(loss: str) -> list[str]:
    """Return the words that name the published tables."""
    files = [str(REGMIX / name) for name in ("train_mixture_1m.csv", "train_pile_loss_1m.csv")]
    tests = [str(REGMIX / name) for name in ("test_mixture_1m.csv", "test_pile_loss_1m.csv")]
    return [*files, "--weights", "train_*", "--losses", loss, "--predict", tests[0], "--predict", tests[1]]
