"""The panel through training: scored checkpoints in order, never of two panels, else the log's subset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from curation.cli import main
from curation.errors import ResultsError, RunError
from curation.files import digest_json
from curation.store import Store
from train.evals.curve_command import curve_svg
from train.evals.panel_curve import read_curve
from train.evals.panel_scores import slice_results
from train.evals.results import ModelFacts, Results, Scored, SuiteFacts, write_results

RUN = "run-0123abcd"


def score(store: Store, step: int | None, web: float, digest: str = "d" * 64, context: int = 64) -> Path:
    """Write the results of one checkpoint, `web` nats of a hundred bytes in each of two families."""
    rows = [
        {"id": f"{name}{i}", "slice": name, "family": f"f{i}", "nats": nats + i, "num_bytes": 100, "num_tokens": 30}
        for name, nats in (("web", web), ("code", 2 * web))
        for i in range(2)
    ]
    documents = pa.Table.from_pylist(rows)
    results = Results(
        model=ModelFacts(name=RUN, digest="m" * 8, tokens_seen=(step or 40) * 256, checkpoint=step),
        suite=SuiteFacts(name="panel", version="1", digest=digest),
        context=context,
        metric_versions={"panel": "x"},
        software={},
        slices=slice_results(documents, {}),
    )
    folder = store.root / f"scores-{digest_json([step, web, digest, context])[:8]}"
    write_results(folder, Scored(results=results, documents=documents))
    return folder


def log(store: Store) -> None:
    folder = store.root / RUN
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = [{"step": 1, "loss": 5.0}]
    rows += [
        {"step": step, "validation": {"step": step, "tokens": step * 256, "bpb": {"web": 4.0 - step / 20, "bad": None}}}
        for step in (4, 8, 12)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 5, "val')


def test_points_come_by_tokens_with_the_finished_model_last(store: Store) -> None:
    log(store)
    for step, web in ((None, 100.0), (20, 140.0), (10, 200.0)):
        score(store, step, web)
    curve = read_curve(store, "0123")
    assert [(point.step, point.tokens) for point in curve.points] == [(10, 2_560), (20, 5_120), (None, 10_240)]
    assert curve.shown is curve.points
    assert curve.points[0].bpb["web"] == pytest.approx(401 / 200 / 0.6931471805599453)
    assert curve.points[0].intervals["web"][0] < curve.points[0].bpb["web"] < curve.points[0].intervals["web"][1]


def test_until_two_checkpoints_are_scored_the_subset_of_the_log_is_shown(store: Store) -> None:
    log(store)
    score(store, 10, 200.0)
    curve = read_curve(store, RUN)
    assert curve.shown is curve.subset
    assert [(point.step, dict(point.bpb)) for point in curve.subset] == [
        (4, {"web": 3.8}), (8, {"web": 3.6}), (12, {"web": 3.4}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"), [({"digest": "e" * 64}, "digest eeee"), ({"context": 32}, "context 32")]
)
def test_results_of_two_panels_or_contexts_never_share_a_curve(
    store: Store, change: dict[str, Any], message: str
) -> None:
    log(store)
    score(store, 10, 200.0)
    score(store, 20, 150.0, **change)
    with pytest.raises(ResultsError, match=f"(?s)cannot share a curve.*({message}|expected)"):
        read_curve(store, RUN)
    if "digest" in change:
        assert [point.step for point in read_curve(store, RUN, "e" * 64).points] == [20]


def test_a_run_without_scores_or_an_unknown_one_is_named(store: Store) -> None:
    (store.root / RUN).mkdir(parents=True)
    with pytest.raises(RunError, match="no scores through training.*curate eval run-0123abcd --suite panel"):
        read_curve(store, RUN)
    with pytest.raises(RunError, match="no such run"):
        read_curve(store, "run-ffff")


def test_the_command_draws_a_line_a_slice_and_writes_a_page(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(store)
    for step, web in ((10, 200.0), (20, 140.0), (None, 100.0)):
        score(store, step, web)
    page = tmp_path / "pages" / "curve.html"
    for words in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["panel", "curve", RUN, "--store", str(store.root), "--out", str(page), *words])
        assert not ended.value.code
    drawn, _, value = capsys.readouterr().out.partition("{")
    assert "█▄▁" in drawn or "█▃▁" in drawn
    assert "-49.9%" in drawn
    assert len(json.loads("{" + value)["points"]) == 3
    svg = page.read_text().split("<svg")[1].split("</svg>")[0]
    assert (svg.count("<polyline"), svg.count("<circle")) == (2, 6)


def test_the_plot_is_well_formed_for_one_point_and_awkward_names(store: Store) -> None:
    log(store)
    score(store, 10, 200.0)
    (point,) = read_curve(store, RUN).points
    odd = point.__class__(tokens=0, step=0, bpb={'<a & "b">': 1.0}, intervals={})
    for points, names in (((point,), ["web"]), ((odd,), ['<a & "b">'])):
        svg = curve_svg(points, names).split("</svg>")[0] + "</svg>"
        assert ElementTree.fromstring(svg).tag == "svg"
