"""A small directory as DCLM published one: evaluation files and a run database, with chosen scores."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from curation.suites.dclm import dclm_tasks
from leaderboard.published.dclm_database import COLUMNS, OTHER_TASKS

NAME = "evaluation_{dataset}-{model}-warm=5000-lr=0p003-wd=0p033-cd=3e-05-bs=256-mult=1-seed={seed}-tokens={tokens}"
SIZES = {
    "d=1024_l=24_h=8": (411_616_256, 8_232_325_120),
    "open_lm_1b": (1_439_795_200, 28_795_904_000),
    "open_lm_7b": (6_889_410_560, 137_788_211_200),
}


class Directory:
    """Adds files and rows to a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[Mapping[str, str]] = []
        (folder / "evals").mkdir()

    def name(self, dataset: str, model: str = "open_lm_1b", seed: int = 124) -> str:
        return NAME.format(dataset=dataset, model=model, seed=seed, tokens=SIZES[model][1]) + "_heavy"

    def scores(self, level: float, **changes: float | None) -> dict[str, float]:
        found = dict.fromkeys(dclm_tasks(), level) | changes
        return {name: value for name, value in found.items() if value is not None}

    def file(self, name: str, scores: Mapping[str, float], uuid: str, **fields: Any) -> Path:
        value = {"model": "open_lm_1b", "model_uuid": uuid, "eval_metrics": {"icl": scores}, **fields}
        path = self.folder / "evals" / f"{name}.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        return path

    def row(
        self, dataset: str, scores: Mapping[str, float], uuid: str, *, model: str = "open_lm_1b", **fields: str
    ) -> None:
        params, tokens = SIZES[model]
        told = {"Model JSON": self.name(dataset, model) + ".json", "Dataset": dataset, "model": model}
        told |= {"params": str(params), "tokens": str(tokens), "model_uuid": uuid}
        self.rows.append({**told, **{name: repr(value) for name, value in scores.items()}, **fields})
        names = [*COLUMNS, *dclm_tasks(), *OTHER_TASKS]
        with (self.folder / "DCLM_model_database.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.rows)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """Return an empty directory of published results."""
    folder = tmp_path / "dclm"
    folder.mkdir()
    return Directory(folder)


@pytest.fixture
def published_dclm() -> Path:
    """Return the published results; skip without them."""
    folder = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results" / "dclm"
    if not folder.is_dir():
        pytest.skip("the published results are not here (CURATE_SHARED)")
    return folder
