"""What `curate eval` refuses before it scores, plans, and says of what was asked."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from curation.errors import RunError, ShardError, nearest
from curation.nodes import Planner
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from curation.suites.task_data import read_task
from curation.suites.tasks import load_task_suite
from train.evals.averages import averaged_panel
from train.evals.chance import above_chance
from train.evals.curve_command import draw_curve
from train.evals.engines import engine_choice
from train.evals.import_command import import_json
from train.evals.lm_eval_suite import _asked
from train.evals.models import Evaluated, opened
from train.evals.panel_curve import Curve, Point
from train.evals.panel_scores import slice_results
from train.evals.results import Metric, ModelFacts, Results, Scored, SuiteFacts, TaskResult, read_summary
from train.evals.score_tables import DOCUMENTS_SCHEMA
from train.evals.suite_request import Job, Request, _refuse_together, announce, plan_rows
from train.evals.suite_scores import TASKS, ask, scores_node
from train.evals.suite_view import draw_results

FACTS = ModelFacts(name="m", digest="0" * 8)


class Noting(SilentProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def told(console: Console) -> str:
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def task(name: str, **changes: object) -> TaskResult:
    asked = {"family": name, "kind": "mc", "shots": 0, "n": 60, "digest": "0" * 8, "primary": "acc_raw"}
    metrics = {"acc_raw": Metric(value=0.55, se=0.065, n=60)}
    return TaskResult.model_validate({**asked, "accuracy": "acc_raw", "metrics": metrics, **changes})


def drawn(*tasks: TaskResult) -> str:
    results = Results(
        model=FACTS,
        suite=SuiteFacts(name="own", version="1", digest="0" * 8),
        context=64,
        metric_versions={},
        software={},
        tasks={one.family: one for one in tasks},
    )
    console = Console(width=160, file=io.StringIO())
    draw_results(console, results, "out")
    return told(console)


def test_an_imported_accuracy_is_shown_where_it_beats_the_chance_that_its_file_names() -> None:
    metric = Metric(value=0.55, se=0.065, n=60)
    assert above_chance(metric, "acc_raw", 0.25) is True  # 0.30 above, two errors are 0.13
    assert above_chance(metric, "acc_raw", 0.50) is False
    assert above_chance(Metric(value=0.55, n=60), "acc_raw", 0.25) is True  # error of a share, 0.0648
    assert above_chance(metric, "acc_raw", None) is None
    assert above_chance(Metric(value=0.55, n=0), "acc_raw", 0.25) is None
    assert above_chance(metric, "bits_per_byte_corr", 0.25) is None


@pytest.mark.parametrize(("above", "cell"), [(True, "0.5500 ± 0.0650  "), (False, " ·"), (None, "0.5500 ± 0.0650 ?")])
def test_not_above_chance_and_not_known_have_different_signs(above: bool | None, cell: str) -> None:
    assert cell in drawn(task("math", above_chance=above))
    assert ("whether it is above chance is open" in drawn(task("math", above_chance=above))) is (above is None)


def test_families_stand_in_one_order_whatever_is_asked() -> None:
    names = ["math", "knowledge", "reasoning", "zoo"]
    lines = drawn(*(task(name) for name in names)).splitlines()
    families = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in names]
    assert families == ["knowledge", "reasoning", "math", "zoo"]


def test_items_whose_context_was_cut_have_a_legend() -> None:
    assert "cut: items that are scored" in drawn(task("math", truncated=3))
    assert "cut: items that are scored" not in drawn(task("math"))


@pytest.mark.parametrize(
    ("request_", "suites", "models", "expected"),
    [
        (Request(model="r", suites=("panel",), engine="lm-eval"), ("panel",), 1, "the panel is scored by curate alone"),
        (Request(model="r", suites=("small",), last_k=2, limit=3), ("small",), 2, "without --limit and --tasks"),
        (Request(model="r", suites=("small",), last_k=2, tasks=("copa",)), ("small",), 2, "without --limit and"),
        (Request(model="r", suites=("small",), last_k=2), ("small",), 1, "plateaus that `curate train"),
    ],
)
def test_what_would_fail_after_the_scoring_is_refused_before(
    request_: Request, suites: Sequence[str], models: int, expected: str
) -> None:
    with pytest.raises(RunError, match=expected):
        _refuse_together(request_, suites, models)


def test_the_mean_of_checkpoints_on_a_panel_is_that_of_each_documents_nats() -> None:
    several = []
    for step, nats in ((1, [2.0, 4.0]), (2, [4.0, 8.0])):
        rows = [
            {"id": f"d{n}", "slice": "web", "family": f"f{n}", "nats": value, "num_bytes": 10, "num_tokens": 3}
            for n, value in enumerate(nats)
        ]
        documents = pa.Table.from_pylist(rows, DOCUMENTS_SCHEMA)
        results = Results(
            model=ModelFacts(name="m", digest=f"{step:08d}", checkpoint=step),
            suite=SuiteFacts(name="panel", version="1", digest="0" * 8),
            context=64,
            metric_versions={"panel": "1"},
            software={},
            slices=slice_results(documents, {"web": ["target"]}),
        )
        several.append(Scored(results=results, documents=documents))
    mean = averaged_panel(several)
    assert mean.documents is not None
    assert mean.documents["nats"].to_pylist() == [3.0, 6.0]
    assert mean.results.slices["web"].nats_per_token == pytest.approx(9 / 6)
    assert (mean.results.averaged, mean.results.slices["web"].marks) == ((1, 2), ("target",))
    assert mean.results.metric_versions == {"panel": "1", "averaged": "2"}


@pytest.mark.parametrize("slices", [1, 2])
def test_a_curve_of_one_point_says_so_and_never_asks_for_the_same_again(slices: int) -> None:
    points = tuple(Point(tokens=100, step=None, bpb={"web": 2.0}, intervals={}) for _ in range(slices - 1))
    subset = (Point(tokens=100, step=5, bpb={"web": 2.0}, intervals={}),)
    console = Console(width=200, file=io.StringIO())
    draw_curve(console, Curve(run="run-1", panel="p", points=points, subset=subset))
    said = told(console)
    assert "at 100 tokens" in said
    assert "One point is no curve" in said
    assert "%" not in said.replace("95 %", "")
    assert ("Next: curate eval" in said) is (not points)
    assert ("all that is left of this run" in said) is bool(points)


def test_a_folder_of_task_files_needs_no_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("lt", "arc_easy"):
        Path(name).mkdir()
    Path("lt/own.yaml").write_text("task: own")
    assert _asked("lm-eval:lt").folder == str(tmp_path / "lt")
    assert _asked("lm-eval:arc_easy").tasks == ("arc_easy",)


@pytest.fixture
def evals(tmp_path: Path) -> Path:
    """Return a folder with four records of `pick` and a suite file of two tasks."""
    folder = tmp_path / "evals"
    folder.mkdir()
    record = {"query": "a", "choices": ["b", "c"], "gold": 0}
    (folder / "pick.jsonl").write_text("\n".join(json.dumps({**record, "query": f"q{n}"}) for n in range(4)))
    tasks = "".join(f"  {name}: {{family: math, kind: mc}}\n" for name in ("pick", "gone", "lost"))
    (tmp_path / "own.yaml").write_text(f"name: own\nversion: 1\ntasks:\n{tasks}")
    return folder


def test_only_files_of_the_tasks_asked_are_missed(evals: Path) -> None:
    suite = load_task_suite(str(evals.parent / "own.yaml"))
    assert list(ask(suite, evals).missing) == ["gone", "lost"]
    assert list(ask(suite, evals, tasks=["pick", "lost"]).missing) == ["lost"]


def test_a_task_of_another_suite_is_placed_there(evals: Path) -> None:
    suite = load_task_suite(str(evals.parent / "own.yaml"))
    with pytest.raises(RunError, match="it is a task of core@1: give --suite core"):
        ask(suite, evals, tasks=["copa"])


def test_two_files_of_one_name_are_refused_unless_they_hold_the_same(evals: Path) -> None:
    task = load_task_suite(str(evals.parent / "own.yaml")).tasks[0]
    other = evals / "pick.json"
    records = [json.loads(line) for line in (evals / "pick.jsonl").read_text().splitlines()]
    other.write_text(json.dumps(records))
    read_task(task, evals)
    other.write_text(json.dumps(records[:3]))
    with pytest.raises(ShardError, match=r"pick\.json.* hold different records"):
        read_task(task, evals)


def test_a_plan_says_how_many_tasks_lie_there_already(evals: Path) -> None:
    store = Store.open(evals.parent / "store")
    asked = ask(load_task_suite(str(evals.parent / "own.yaml")), evals)
    model = Evaluated(facts=FACTS, context_tokens=64, load=lambda: None, where="m")  # type: ignore[arg-type,return-value]
    node = scores_node(model, asked, engine_choice("curate"))
    job = Job(model=model, suite="own", node=node, asked=asked)
    progress = Noting()
    planner = Planner(store=store, workers=1, progress=progress)
    assert [(row["done"], row["items"]) for row in plan_rows([job], planner)] == [(0, 4)]
    folder = store.path_of(node.kind, node.fingerprint) / TASKS
    folder.mkdir(parents=True)
    announce(job, planner)
    assert len(progress.notes) == 1
    assert progress.notes[0].startswith("m on own: 1 tasks with 4 items; ")
    (folder / "pick.json").write_text("{}")
    assert plan_rows([job], planner)[0]["done"] == 1
    announce(job, planner)
    assert len(progress.notes) == 1  # nothing is left to score


def test_one_more_import_goes_beside_those_that_lie_below_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name in "abc":
        quiz = {"metric": "acc_raw", "score": 0.55, "se": 0.065, "n": 60, "chance": 0.25}
        held = {"schema": "curate-import@1", "trainer": "x", "model": {"name": name}, "tasks": {"quiz": quiz}}
        (tmp_path / f"{name}.json").write_text(json.dumps(held))
        files.append(tmp_path / f"{name}.json")
    for asked in (files[:2], files[:2], files[2:], files[:2]):
        import_json(asked, out=tmp_path / "out", store=tmp_path / "store")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000-a", "000-c", "001-b"]
    assert read_summary(tmp_path / "out" / "000-c").tasks["quiz"].above_chance is True


def test_a_run_is_exported_once_while_it_is_open_and_nothing_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def export(run: object, out: Path) -> None:
        out.mkdir()
        made.append(out)

    monkeypatch.setattr("train.evals.models.export_model", export)
    run = Artifact(path=tmp_path, manifest={})
    model = Evaluated(facts=FACTS, context_tokens=64, load=lambda: None, where="m", run=run)  # type: ignore[arg-type,return-value]
    with opened(model) as held:
        assert [held.directory, held.directory] == [made[0], made[0]]
        assert made[0].is_dir()
    assert (len(made), made[0].parent.exists()) == (1, False)


def test_files_of_one_name_in_several_folders_are_all_imported_each_with_its_own_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for step in (10, 20):
        curve = [{"step": step, "tokens": 1000 * step, "loss": 5.0}]
        held = {"schema": "curate-import@1", "trainer": "x", "model": {"name": "m", "seed": step}, "curve": curve}
        files.append(tmp_path / f"seed-{step}" / "run.json")
        files[-1].parent.mkdir()
        files[-1].write_text(json.dumps(held))
    import_json(files, out=tmp_path / "out", store=tmp_path / "store")
    curves = [json.loads((path / "curve.json").read_text()) for path in sorted((tmp_path / "out").iterdir())]
    assert [[point["step"] for point in curve] for curve in curves] == [[10], [20]]


def test_a_long_list_of_known_names_is_cut() -> None:
    said = nearest("zzz", [f"run-{number:03d}" for number in range(500)])
    assert said.endswith("run-027, … (500 in all)")
