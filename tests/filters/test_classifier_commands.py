"""`curate classifier train` and `apply`: bytes, refusals, reports, and the way from one to the other."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.errors import EXIT_USAGE
from filters.models.held_out import area_under_curve, calibration, held_out_report
from filters.models.train_classifier import TrainSettings, epochs_for

SMALL = ("--set", "dim=8", "--set", "buckets=1000", "--set", "min_fit_bytes=0", "--set", "epochs=10")
GOOD, BAD = [f"good{i}" for i in range(60)], [f"bad{i}" for i in range(60)]


def texts(words: list[str], number: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=30)) for _ in range(number)]


def write_jsonl(path: Path, documents: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
    return path


@pytest.fixture
def classes(tmp_path: Path) -> tuple[Path, Path]:
    return write_jsonl(tmp_path / "good.jsonl", texts(GOOD, 60, 1)), write_jsonl(
        tmp_path / "bad.jsonl", texts(BAD, 60, 2)
    )


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def curate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["classifier", *map(str, arguments), "--quiet", "--store", str(tmp_path / "store")])
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run


def train(curate: Run, good: object, bad: object, out: Path, *more: object) -> dict[str, Any]:
    code, stdout, stderr = curate("train", "--positive", good, "--negative", bad, "--out", out, *SMALL, *more, "--json")
    assert code == 0, stderr
    return json.loads(stdout)  # type: ignore[no-any-return]


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_two_trainings_write_the_same_bytes_from_other_files_in_another_order(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    good, bad = classes
    train(curate, good, bad, tmp_path / "a" / "hq.curate-classifier")
    lines = [json.loads(line)["text"] for line in good.read_text().splitlines()]
    write_jsonl(tmp_path / "split" / "1.jsonl", lines[:20])
    table = pa.table({"text": [*lines[:19:-1], lines[0]]})  # the rest backwards, and one document twice
    pq.write_table(table, tmp_path / "split" / "2.parquet")
    train(curate, tmp_path / "split", bad, tmp_path / "b" / "hq.curate-classifier")
    assert digest(tmp_path / "a" / "hq.curate-classifier") == digest(tmp_path / "b" / "hq.curate-classifier")
    assert sorted(digest(tmp_path / "a" / "hq.curate-classifier")) == ["card.json", "model.bin"]


def test_the_card_names_the_model_its_data_and_how_it_does(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    card = train(curate, *classes, tmp_path / "hq.curate-classifier")
    assert (card["name"], card["label"], card["normalisation"]) == ("hq", "__label__hq", "dclm@1")
    assert card["model_sha256"] == digest(tmp_path / "hq.curate-classifier")["model.bin"]
    assert card["training"]["positive"]["docs"] == card["training"]["negative"]["docs"] == 54
    assert card["held_out"]["num_positives"] == 6
    assert card["held_out"]["auc"] == 1.0
    assert json.loads((tmp_path / "hq.curate-classifier" / "card.json").read_text())["training"] == card["training"]


def test_slices_that_positives_name_are_marked_in_the_card(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    assert train(curate, *classes, tmp_path / "plain")["selected_for"] == []
    named = tmp_path / "named.jsonl"
    named.write_text("".join(json.dumps({"text": text, "slice": "docs"}) + "\n" for text in texts(GOOD, 60, 1)))
    card = train(curate, named, classes[1], tmp_path / "named")
    assert card["selected_for"] == ["docs"]  # rule 2: whatever it judges, `docs` leaves the headline


def test_another_seed_is_another_model(curate: Run, classes: tuple[Path, Path], tmp_path: Path) -> None:
    cards = [train(curate, *classes, tmp_path / f"{seed}", "--seed", seed) for seed in (0, 1)]
    assert cards[0]["model_sha256"] != cards[1]["model_sha256"]


def test_a_label_in_a_text_forges_nothing(curate: Run, classes: tuple[Path, Path], tmp_path: Path) -> None:
    good, _ = classes
    forged = [f"{text} </s> __label__hq x\n__label__hq y" for text in texts(BAD, 60, 2)]
    write_jsonl(tmp_path / "forged.jsonl", forged)
    train(curate, good, tmp_path / "forged.jsonl", tmp_path / "m")
    import fasttext

    model = fasttext.load_model(str(tmp_path / "m" / "model.bin"))
    assert sorted(model.labels) == ["__label__cc", "__label__hq"]
    assert dict(zip(*model.get_labels(include_freq=True), strict=True)) == {"__label__cc": 54, "__label__hq": 54}


def test_a_document_of_both_classes_is_left_out_of_both(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    good, bad = classes
    shared = texts(GOOD + BAD, 7, 9)
    for path in classes:
        path.write_text(path.read_text() + "".join(json.dumps({"text": f" {text}\n"}) + "\n" for text in shared))
    assert train(curate, good, bad, tmp_path / "m")["training"]["in_both_classes"] == 7


def test_too_few_documents_are_an_error_that_counts_them(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    few = write_jsonl(tmp_path / "few.jsonl", texts(GOOD, 10, 1))
    code, _, stderr = curate("train", "--positive", few, "--negative", classes[1], "--out", tmp_path / "m")
    assert code == EXIT_USAGE
    assert "too few documents: --positive has 10 documents" in stderr
    assert "expected at least 20 to fit on" in stderr
    assert not (tmp_path / "m").exists()


def test_a_dry_run_reads_and_writes_nothing(curate: Run, classes: tuple[Path, Path], tmp_path: Path) -> None:
    plan = train(curate, *classes, tmp_path / "m", "--dry-run")
    assert (plan["positive"]["files"], plan["settings"]["dim"]) == (1, 8)
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "dimm=8"), "dimm: unknown key; did you mean `dim`"),
        (("--set", "normalize=dcml"), "did you mean `dclm`"),
        (("--seed", "-1"), "seed: "),
    ],
)
def test_a_wrong_setting_is_exit_2(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, _, stderr = curate(
        "train", "--positive", classes[0], "--negative", classes[1], "--out", tmp_path / "m", *arguments
    )
    assert (code, message in stderr) == (EXIT_USAGE, True), stderr


def test_a_foreign_folder_is_never_written_into(curate: Run, classes: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    code, _, stderr = curate(
        "train", "--positive", classes[0], "--negative", classes[1], "--out", tmp_path / "mine", *SMALL
    )
    assert (code, "exists and is no classifier" in stderr) == (EXIT_USAGE, True)


def test_a_training_that_was_killed_leaves_nothing_behind(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "hq"
    out.mkdir()
    (out / ".tmp-lines").write_text("__label__hq somebody's documents\n")
    train(curate, *classes, out)
    assert sorted(path.name for path in out.iterdir()) == ["card.json", "model.bin"]


def test_apply_scores_every_document_as_the_library_does(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    import fasttext

    train(curate, *classes, tmp_path / "hq.curate-classifier")
    mixed = write_jsonl(tmp_path / "new.jsonl", [*texts(GOOD, 5, 7), *texts(BAD, 5, 8), "\n", "好\r\nx"])
    code, stdout, stderr = curate("apply", tmp_path / "hq.curate-classifier", tmp_path / "new.jsonl", "--out",
                                  tmp_path / "scores.parquet", "--json")  # fmt: skip
    assert code == EXIT_USAGE  # an empty document is more than the pool's share of bad ones
    write_jsonl(mixed, [*texts(GOOD, 5, 7), *texts(BAD, 5, 8), "好\r\nx"])
    code, stdout, stderr = curate("apply", tmp_path / "hq.curate-classifier", mixed, "--out",
                                  tmp_path / "scores.parquet", "--json")  # fmt: skip
    assert code == 0, stderr
    said = json.loads(stdout)
    assert (said["num_docs"], said["scored_by"]["normalisation_from"]) == (11, "card")
    model = fasttext.load_model(str(tmp_path / "hq.curate-classifier" / "model.bin"))
    expected = []
    for text in [*texts(GOOD, 5, 7), *texts(BAD, 5, 8), "好  x"]:
        labels, values = model.predict(text, k=2)
        expected.append(float(values[labels.index("__label__hq")]))
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.column_names == ["id", "slice", "score"]
    assert sorted(table["score"].to_pylist()) == pytest.approx(sorted(expected), abs=1e-5)
    assert said["bounds"]["0.5"] == pytest.approx(float(np.median(expected)), abs=1e-4)


def test_a_bare_model_says_that_its_normalisation_is_assumed_and_a_card_refuses_another(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path
) -> None:
    train(curate, *classes, tmp_path / "hq")
    (tmp_path / "bare.bin").write_bytes((tmp_path / "hq" / "model.bin").read_bytes())
    out = ("--out", tmp_path / "s.parquet")
    code, stdout, _ = curate("apply", tmp_path / "bare.bin", classes[0], "--label", "__label__hq", *out)
    assert code == 0
    assert "normalisation: dclm@1" in stdout
    assert "normalisation_from: assumed" in stdout
    code, _, stderr = curate("apply", tmp_path / "hq", classes[0], "--normalize", "raw", *out)
    assert (code, "was trained on text normalised by `dclm@1`, not `raw@1`" in stderr) == (EXIT_USAGE, True)


def test_a_corpus_is_scored_under_its_own_ids(curate: Run, classes: tuple[Path, Path], tmp_path: Path) -> None:
    train(curate, *classes, tmp_path / "hq")
    corpus = tmp_path / "corpus"
    (corpus / "data").mkdir(parents=True)
    (corpus / "manifest.json").write_text("{}")
    (corpus / "funnel.json").write_text("[1]")
    pq.write_table(pa.table({"id": ["b", "a"], "text": ["x y", "good1"]}), corpus / "data" / "train-00000.parquet")
    code, _, stderr = curate("apply", tmp_path / "hq", corpus, "--out", tmp_path / "s.parquet")
    assert code == 0, stderr
    assert sorted(pq.read_table(tmp_path / "s.parquet")["id"].to_pylist()) == ["a", "b"]


def test_a_model_that_moved_makes_the_same_corpus(
    curate: Run, classes: tuple[Path, Path], tmp_path: Path, store: Any
) -> None:
    from curation.ingest import ensure_pool
    from curation.pipeline import plan_corpus
    from curation.progress import SilentProgress
    from curation.recipe import load_recipe

    train(curate, *classes, tmp_path / "hq")
    (tmp_path / "hq").rename(tmp_path / "one")
    (tmp_path / "two").mkdir()
    for name in ("model.bin", "card.json"):
        (tmp_path / "two" / name).write_bytes((tmp_path / "one" / name).read_bytes())
    recipes = [
        load_recipe(pool=str(classes[0]), filter_name=f"fasttext:{tmp_path}/{name}?keep=0.5") for name in ("one", "two")
    ]
    pool = ensure_pool(store, recipes[0].pool, workers=1, progress=SilentProgress())
    first, second = (plan_corpus(recipe, pool).corpus for recipe in recipes)
    assert first.fingerprint == second.fingerprint


def test_a_uri_and_an_option_for_the_same_are_refused(curate: Run, classes: tuple[Path, Path], tmp_path: Path) -> None:
    code, _, stderr = curate("apply", "fasttext:x.bin", classes[0], "--label", "a", "--out", tmp_path / "s.parquet")
    assert (code, "put label into it" in stderr) == (EXIT_USAGE, True)


def test_the_area_under_the_curve_counts_ties_one_half() -> None:
    # pairs: 0.9 beats 0.1 and 0.5; 0.5 beats 0.1 and ties 0.5
    assert area_under_curve(np.array([0.9, 0.5]), np.array([0.1, 0.5])) == 3.5 / 4


def test_a_calibrated_score_has_the_share_of_positives_it_says() -> None:
    found = calibration(np.array([0.25] * 4 + [1.0]), np.array([1.0, 0, 0, 0, 1]))
    assert found[0] == {"from": 0.2, "docs": 4, "mean_score": 0.25, "positive_fraction": 0.25}
    assert found[1]["from"] == 0.9  # type: ignore[index,call-overload]
    assert held_out_report(np.array([1.0]), np.array([0.0]))["brier"] == 0.0


def test_a_small_training_set_is_read_more_often() -> None:
    settings = TrainSettings()
    assert [epochs_for(size, settings) for size in (1_000, 800_000, 8_000_000)] == [100, 25, 5]
