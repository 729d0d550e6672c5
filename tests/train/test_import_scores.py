"""Results made elsewhere become results of ours: small JSON, DCLM's records, lm-eval's files by hand."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from curation.errors import ResultsError
from train.evals.import_command import schema_file
from train.evals.import_json import import_dclm, import_json
from train.evals.import_lm_eval import Told, import_lm_eval
from train.evals.import_schema import ImportFile
from train.evals.results import read_results, refuse_unlike, write_results

SHARED = Path(os.environ.get("CURATE_SHARED", "../shared"))


def small_file(**more: Any) -> dict[str, Any]:
    return {
        "schema": "curate-import@1",
        "trainer": "open_lm",
        "model": {"name": "m1", "seed": 2, "tier": "411m-1x", "tokens_seen": 8_230_000_000, "params": 411_000_000},
        "context": 2048,
        "tasks": {
            "sums": {"metric": "acc_raw", "score": 0.5, "n": 100, "se": 0.05, "chance": 0.25},
            "quiz": {
                "metric": "acc_raw",
                "score": 0.5,
                "items": [
                    {"item": 0, "id": "q0", "score": 1.0},
                    {"item": 1, "gold": 1, "log_likelihoods": [-2.0, -3.0], "greedy": [False, False],
                     "num_bytes": [4, 8], "num_chars": [4, 8]},
                ],
            },
        },
        "slices": {
            "web": {"bits_per_byte": 0.9},
            "code": {"documents": [{"id": "d", "family": "f", "nats": 80.0, "num_bytes": 100, "num_tokens": 20}]},
        },
        "curve": [{"step": 10, "tokens": 1000, "loss": 5.0}],
        **more,
    }  # fmt: skip


def written(folder: Path, value: Any, name: str = "m.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_small_json_becomes_results_that_are_read_back(tmp_path: Path) -> None:
    scored = import_json(written(tmp_path, small_file())).scored
    write_results(tmp_path / "out", scored)
    back = read_results(tmp_path / "out")
    assert back.results == scored.results
    assert (back.results.model.trainer, back.results.model.seed) == ("open_lm", 2)
    quiz = back.results.tasks["quiz"]
    assert quiz.n == 2
    # item 1: the wrong choice is likelier, but not per byte: -2/4 < -3/8
    assert quiz.metrics["acc_raw"].value == 0.5
    assert quiz.metrics["acc_per_byte"].value == 1.0
    assert back.results.tasks["sums"].rows is False
    code = back.results.slices["code"]
    assert code.bits_per_byte == pytest.approx(80 / 100 / math.log(2))
    assert code.perplexity == pytest.approx(math.exp(4))
    assert back.items is not None
    assert back.items["bits_per_byte_corr"].to_pylist()[1] == pytest.approx(3 / math.log(2) / 8)


def test_all_faults_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    value = small_file(context=0, typo=1)
    value["tasks"]["sums"]["score"] = 1.5
    value["tasks"]["quiz"]["items"][1]["gold"] = 2
    value["slices"]["web"] = {}
    with pytest.raises(ResultsError) as error:
        import_json(written(tmp_path, value))
    text = str(error.value)
    assert "5 faults" in text
    for part in (
        "context",
        "typo",
        "score 1.5 of an accuracy",
        "gold 2, expected the number of one of 2",
        "slices.web",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("{", "is not JSON"),
        ({"schema": "other"}, "schema"),
        (small_file(trainer="curate"), "is this program"),
        (small_file(tasks={}, slices={}, curve=[]), "expected one of them"),
        ('{"schema": "curate-import@1", "trainer": "x", "model": {"name": "m"}, "curve": [{"step": 1, "tokens": 1, '
         '"loss": NaN}]}', "curve.0.loss"),
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_usable_is_refused(tmp_path: Path, value: Any, fault: str) -> None:
    with pytest.raises(ResultsError, match=fault):
        import_json(written(tmp_path, value))


def test_imports_of_other_items_do_not_share_a_table_and_seeds_of_one_do(tmp_path: Path) -> None:
    other = small_file()
    other["tasks"]["quiz"]["items"][0]["item"] = 7
    seed = small_file(model={"name": "m2", "seed": 3})
    one, two, three = (
        import_json(written(tmp_path, value, f"{n}.json")).scored for n, value in enumerate((small_file(), other, seed))
    )
    refuse_unlike([one, three])
    with pytest.raises(ResultsError, match="has digest"):
        refuse_unlike([one, two])


def test_the_shipped_schema_is_that_of_the_reader() -> None:
    shipped = json.loads(schema_file().read_text())
    assert shipped.pop("$schema").endswith("2020-12/schema")
    assert shipped == ImportFile.model_json_schema(by_alias=True)


@pytest.mark.skipif(not (SHARED / "results/dclm/evals").is_dir(), reason="no published records of DCLM here")
def test_records_of_dclm_keep_their_own_core_v2() -> None:
    for path in sorted((SHARED / "results/dclm/evals").glob("*.json")):
        found, own = import_dclm(path).results, json.loads(path.read_text())
        if isinstance(own.get("Core_v2"), float):
            assert found.aggregates["Core_v2"].value == pytest.approx(own["Core_v2"], abs=1e-6)


def test_a_record_of_dclm_with_impossible_scores_is_refused(tmp_path: Path) -> None:
    value = {"eval_metrics": {"icl": {"copa": 1.2, "piqa": None}}}
    with pytest.raises(ResultsError, match=r"2 faults(.|\n)*copa(.|\n)*piqa"):
        import_dclm(written(tmp_path, value))


def harness_directory(folder: Path, **changes: Any) -> Path:
    """A result directory as lm-eval 0.4.13 saves it: two choices an item, the second item answered wrongly."""
    model = folder / "org__model"
    model.mkdir(parents=True)
    results = {
        "results": {"quiz": {"alias": "quiz", "acc,none": 0.5, "acc_stderr,none": "N/A"}},
        "configs": {"quiz": {"output_type": "multiple_choice"}},
        "versions": {"quiz": 1.0}, "n-shot": {"quiz": 5}, "n-samples": {"quiz": {"original": 2, "effective": 2}},
        "config": {"model": "hf", "limit": None}, "model_name": "org/model", "max_length": 128,
        "lm_eval_version": "0.4.13", "date": 1.7e9, "total_evaluation_time_seconds": "12.5",
        **changes,
    }  # fmt: skip
    (model / "results_2026-01-01.json").write_text(json.dumps(results))
    rows = [
        {
            "doc_id": number, "doc": {"id": f"d{number}"}, "target": "1", "filter": "none", "metrics": ["acc"],
            "arguments": {f"gen_args_{n}": {"arg_0": "Q", "arg_1": f" {text}"} for n, text in enumerate(("no", "yes"))},
            "filtered_resps": [["-1.5", "False"], [value, "False"]], "acc": float(number == 0),
            "doc_hash": "a", "prompt_hash": "b", "target_hash": "c",
        }
        for number, value in enumerate(("-1.0", "-2.0"))
    ]  # fmt: skip
    (model / "samples_quiz_2026-01-01.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_saved_samples_of_lm_eval_become_items(tmp_path: Path) -> None:
    scored = import_lm_eval(harness_directory(tmp_path), Told(tier="1b", seed=4))
    write_results(tmp_path / "out", scored)
    back = read_results(tmp_path / "out")
    task = back.results.tasks["quiz"]
    assert (task.n, task.shots, task.kind, task.primary, task.baseline_v1) == (2, 5, "mc", "acc_raw", 0.5)
    assert back.results.context == 128
    assert back.results.model.name == "model"
    assert back.results.duration_seconds == 12.5
    assert back.items is not None
    assert back.items["acc_raw"].to_pylist() == [1.0, 0.0]
    assert back.items["num_tokens"].to_pylist() == [None, None]
    assert back.items["num_chars"].to_pylist() == [[2, 3], [2, 3]]
    assert back.items["own_id"].to_pylist() == ["d0", "d1"]
    assert back.results.notes == ()


def test_faults_of_a_directory_of_lm_eval_are_listed_at_once(tmp_path: Path) -> None:
    folder = harness_directory(
        tmp_path, results={"quiz": {}, "other": {}}, max_length=None, config={"model": "hf", "limit": 10}
    )
    with pytest.raises(ResultsError) as error:
        import_lm_eval(folder, Told())
    for part in ("3 faults", "samples_other_2026-01-01.jsonl: is not there", "--limit 10", "--context"):
        assert part in str(error.value)


def test_samples_cut_short_are_refused(tmp_path: Path) -> None:
    folder = harness_directory(tmp_path)
    path = folder / "org__model" / "samples_quiz_2026-01-01.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(ResultsError, match="1 samples, the results say 2"):
        import_lm_eval(folder, Told())
    with pytest.raises(ResultsError, match=r"no results_\*.json"):
        import_lm_eval(folder / "org__model" / "none", Told())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"results": {"../quiz": {"acc,none": 0.5}}}, r"task '\.\./quiz': expected a name without `/`"),
        ({"results": {"quiz": 3}}, "task 'quiz': expected .* that holds an object"),
        ({"date": "yesterday"}, "date 'yesterday', expected seconds"),
        ({"date": 1e300}, "date 1e\\+300, expected seconds"),
        ({"total_evaluation_time_seconds": "nan"}, "total_evaluation_time_seconds 'nan', expected seconds"),
        ({"n-shot": 5}, "n-shot: expected objects by task"),
    ],
)
def test_a_result_file_with_values_of_another_kind_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ResultsError, match=fault):
        import_lm_eval(harness_directory(tmp_path, **changes), Told())


@pytest.mark.parametrize(
    ("line", "fault"),
    [('{"doc_id": "one", ', "doc_id 'one', a whole number"), ('{"doc_id": -1, ', "doc_id -1"), (None, "is list")],
)
def test_a_sample_without_a_number_is_refused_with_its_line(tmp_path: Path, line: str | None, fault: str) -> None:
    path = harness_directory(tmp_path) / "org__model" / "samples_quiz_2026-01-01.jsonl"
    first, second = path.read_text().splitlines()
    wrong = "[]" if line is None else second.replace('{"doc_id": 1, ', line)
    path.write_text(f"{first}\n{wrong}\n")
    with pytest.raises(ResultsError, match=f"jsonl:2: {fault}"):
        import_lm_eval(tmp_path, Told())


def test_the_command_imports_several_files_and_prints_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from curation.cli import main

    files = [str(written(tmp_path, small_file(model={"name": f"org/m{n}", "seed": n}), f"{n}.json")) for n in (1, 2)]
    with pytest.raises(SystemExit) as stop:
        main(["import-scores", "json", *files, "--store", str(tmp_path / "s"), "--out", str(tmp_path / "o"), "--json"])
    assert stop.value.code == 0
    told = json.loads(capsys.readouterr().out)["results"]
    assert [one["model"]["name"] for one in told] == ["org/m1", "org/m2"]
    assert read_results(Path(told[0]["path"])).results.model.trainer == "open_lm"
    curve = json.loads((Path(told[0]["path"]) / "curve.json").read_text())
    assert [(point["step"], point["loss"], point["slice"]) for point in curve] == [(10, 5.0, "training")]
    with pytest.raises(SystemExit):
        main(["import-scores", "json", "--show-schema"])
    assert json.loads(capsys.readouterr().out)["properties"]["trainer"]
