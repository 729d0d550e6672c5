"""A fastText model of one's own as a filter: URI, bounds, cards, and what is refused before any work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.errors import CurateError, PluginError, RecipeError
from curation.files import sha256_file
from curation.recipe import load_recipe
from curation.sidecars import read_column
from filters.base import find_filter
from filters.models.card import Card, choose_model, write_card
from filters.models.fasttext_training import train_apart

GOOD, BAD = "stone river light garden winter", "click buy cookie login cart"
SMALL = {"dim": 8, "wordNgrams": 2, "bucket": 1000, "epoch": 20, "lr": 0.5, "minCount": 1}


@pytest.fixture(scope="module")
def bare_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stranger's model: no card."""
    folder = tmp_path_factory.mktemp("model")
    lines = folder / "lines.txt"
    lines.write_text("".join(f"__label__hq {GOOD}\n__label__cc {BAD}\n" for _ in range(30)))
    return train_apart(lines, SMALL, folder / "my.bin")


@pytest.fixture
def container(bare_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "mine.curate-classifier"
    folder.mkdir()
    shutil.copy(bare_model, folder / "model.bin")
    write_card(
        folder,
        Card(
            name="mine", version=3, normalisation="lower@1", label="__label__hq", labels=("__label__hq", "__label__cc"),
            model_sha256=sha256_file(bare_model),
        ),
    )  # fmt: skip
    return folder


def rows(number: int = 20) -> list[dict[str, Any]]:
    """Documents with 0, 1, 2... good words among bad ones; two of code."""
    texts = [f"{GOOD} " * i + f"{BAD} " * (number - i) for i in range(number)]
    listed = [{"id": f"t-{i:02}", "text": text, "slice": "prose", "role": 0} for i, text in enumerate(texts)]
    return [*listed, *({"id": f"c-{i}", "text": "int x;", "slice": "code", "role": 0} for i in range(2))]


def kept(verdicts: dict[str, str | None]) -> set[str]:
    return {id_ for id_, reason in verdicts.items() if reason is None and id_.startswith("t-")}


def test_a_share_keeps_the_best_scored_and_passes_other_slices(
    make_world: Callable[..., Any], bare_model: Path
) -> None:
    world = make_world(rows())
    artifact = world.build(f"fasttext:{bare_model}?label=__label__hq&keep=0.10")
    verdicts = world.verdicts(artifact)
    assert kept(verdicts) == {"t-18", "t-19"}
    assert verdicts["c-0"] is None
    assert verdicts["t-00"] == "low-score"
    assert artifact.summary["threshold"]["eligible_docs"] == 20
    assert artifact.summary["threshold"]["unit"] == "P(__label__hq) x 1000000"


def test_a_bound_keeps_exactly_what_the_library_scores_at_least_so(
    make_world: Callable[..., Any], bare_model: Path
) -> None:
    import fasttext

    library = fasttext.load_model(str(bare_model))
    chance = {}
    for row in rows()[:20]:
        labels, values = library.predict(row["text"], k=2)
        chance[row["id"]] = float(values[labels.index("__label__hq")])
    bound = sorted(chance.values())[12]
    world = make_world(rows())
    assert kept(world.judge(f"fasttext:{bare_model}", label="__label__hq", min=bound)) == {
        id_ for id_, value in chance.items() if value >= bound
    }


def test_the_same_settings_in_the_uri_and_in_the_mapping_are_one_node(
    make_world: Callable[..., Any], bare_model: Path, tmp_path: Path
) -> None:
    moved = shutil.copy(bare_model, tmp_path / "moved.ftz")
    world = make_world(rows())
    first = world.build(f"fasttext:{bare_model}?label=__label__hq&keep=0.5")
    second = world.build(f"fasttext:{moved}", label="__label__hq", keep=0.5)
    assert first.fingerprint == second.fingerprint


def test_a_mapping_goes_before_the_uri(make_world: Callable[..., Any], bare_model: Path) -> None:
    world = make_world(rows())
    artifact = world.build(f"fasttext:{bare_model}?label=__label__hq&keep=0.5", keep=0.25)
    assert artifact.summary["threshold"]["eligible_kept"] == 5


def test_another_keep_reuses_the_scores(make_world: Callable[..., Any], bare_model: Path) -> None:
    world = make_world(rows())
    for keep in (0.2, 0.4):
        world.build(f"fasttext:{bare_model}?label=__label__hq&keep={keep}")
    assert [artifact.kind for artifact in world.planner.store.artifacts()].count("scores") == 1


def test_only_living_judged_documents_make_the_quantile(make_world: Callable[..., Any], bare_model: Path) -> None:
    world = make_world(rows(), dropped=frozenset({"t-19", "t-18", "t-17", "t-16"}))
    artifact = world.build(f"fasttext:{bare_model}?label=__label__hq&keep=0.25")
    assert kept(world.verdicts(artifact)) - {"t-19", "t-18", "t-17", "t-16"} == {"t-12", "t-13", "t-14", "t-15"}


def test_a_bare_model_says_that_its_normalisation_is_assumed(make_world: Callable[..., Any], bare_model: Path) -> None:
    summary = make_world(rows()).build(f"fasttext:{bare_model}?label=__label__hq&keep=0.5").summary["scored_by"]
    assert (summary["normalisation"], summary["normalisation_from"]) == ("dclm@1", "assumed")
    assert summary["model_sha256"] == sha256_file(bare_model)


def test_a_card_gives_label_and_normalisation(make_world: Callable[..., Any], container: Path) -> None:
    world = make_world([{**row, "text": row["text"].upper()} for row in rows()])
    artifact = world.build(f"fasttext:{container}?keep=0.1")
    assert kept(world.verdicts(artifact)) == {"t-18", "t-19"}
    scored_by = artifact.summary["scored_by"]
    assert (scored_by["normalisation"], scored_by["normalisation_from"]) == ("lower@1", "card")
    assert scored_by["classifier"] == "mine@3"


@pytest.mark.parametrize("place", ["", "/model.bin"])
def test_another_normalisation_than_the_card_names_is_refused(container: Path, place: str) -> None:
    with pytest.raises(RecipeError, match="was trained on text normalised by `lower@1`, not `dclm@1`") as caught:
        choose_model(Path(f"{container}{place}"), "stages[0]", normalize="dclm")
    assert caught.value.exit_code == 2
    assert choose_model(container, "stages[0]", normalize="lower").normalisation.name == "lower"


def test_a_model_that_is_not_its_cards_is_refused(container: Path) -> None:
    card = json.loads((container / "card.json").read_text())
    (container / "card.json").write_text(json.dumps({**card, "model_sha256": "0" * 64}))
    with pytest.raises(PluginError, match=r"is not the model of .*card\.json"):
        choose_model(container, "stages[0]")


@pytest.mark.parametrize(
    ("change", "message"), [({"labell": "x"}, "did you mean `label`"), ({"normalisation": 3}, "normalisation")]
)
def test_a_damaged_card_is_an_error(container: Path, change: dict[str, Any], message: str) -> None:
    card = json.loads((container / "card.json").read_text())
    (container / "card.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(RecipeError, match=message):
        choose_model(container, "stages[0]")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("label=__label__hq", "give either `keep: <share of documents>` or `min: <least score>`, one of the two"),
        ("label=__label__hq&keep=0.1&min=0.5", "not both"),
        ("label=__label__hq&keep=1.5", "keep: .*less than or equal to 1, got '1.5'"),
        ("label=__label__hq&min=nan", "finite"),
        ("label=__label__hq&kep=0.1", "kep: unknown key; did you mean `keep`"),
        ("label=__label__h&keep=0.1", "no label `__label__h`, it has .*did you mean `__label__hq`"),
        ("keep=0.1", r"no `label` given.*__label__(hq|cc), __label__(hq|cc)"),
        ("keep=0.1&label=__label__hq&normalize=dcml", "unknown normalisation `dcml`; did you mean `dclm`"),
        ("keep", "`keep` is no setting; expected `setting=value`"),
        ("keep=0.1&keep=0.2", "`keep` is given twice"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_an_error_before_any_work(
    make_world: Callable[..., Any], bare_model: Path, query: str, message: str
) -> None:
    world = make_world(rows())
    with pytest.raises(CurateError, match=message):
        world.build(f"fasttext:{bare_model}?{query}")
    assert world.planner.store.artifacts() == []


@pytest.mark.parametrize("content", [None, b"", b"PK\3\4 no model at all"])
def test_a_missing_or_foreign_file_is_an_error_before_any_work(
    make_world: Callable[..., Any], tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "my.bin").write_bytes(content)
    with pytest.raises(PluginError, match=r"my\.bin: "):
        make_world(rows()).build(f"fasttext:{tmp_path}/my.bin?label=a&keep=0.1")


def test_a_truncated_model_is_an_error_before_any_work(
    make_world: Callable[..., Any], bare_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.bin").write_bytes(bare_model.read_bytes()[:-100])
    with pytest.raises(
        PluginError, match=r"cut\.bin: the output matrix needs 64 bytes .* has 0 left|cut\.bin: .* left"
    ):
        make_world(rows()).build(f"fasttext:{tmp_path}/cut.bin?label=__label__hq&keep=0.1")


def test_a_folder_without_a_card_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no model\.bin in this folder; .*curate classifier train --out"):
        choose_model(tmp_path, "here")


def test_one_worker_and_two_write_the_same_bytes(make_world: Callable[..., Any], bare_model: Path) -> None:
    built = [
        make_world(rows(), num_parts=5, workers=workers, store=f"s{workers}").build(
            f"fasttext:{bare_model}?label=__label__hq&keep=0.3"
        )
        for workers in (1, 2)
    ]
    assert built[0].manifest["files"] == built[1].manifest["files"]


def test_it_survives_awkward_text(make_world: Callable[..., Any], bare_model: Path, awkward_text: str) -> None:
    world = make_world([*rows(), {"id": "awkward", "text": awkward_text, "slice": "prose", "role": 0}])
    artifact = world.build(f"fasttext:{bare_model}?label=__label__hq&min=0")
    assert world.verdicts(artifact)["awkward"] is None
    (scores,) = (found for found in world.planner.store.artifacts() if found.kind == "scores")
    assert all(0 <= v <= 1.0001 for part in range(2) for v in read_column(scores, part, "score") if v == v)


def test_the_artifact_of_the_quality_classifier_can_be_applied_by_uri(make_world: Callable[..., Any]) -> None:
    reference = [
        {"id": f"r{i}-{name}", "text": text, "slice": name, "role": 2}
        for i in range(30)
        for name, text in (("docs", GOOD), ("web", BAD))
    ]
    world = make_world([*rows(), *reference])
    settings = {"dim": 8, "buckets": 1000, "epochs": 10, "min_fit_bytes": 0}
    first = world.verdicts(world.build("fasttext-quality", keep=0.3, **settings))
    (model,) = (found for found in world.planner.store.artifacts() if found.kind == "classifier")
    again = world.build(f"fasttext:{model.path}?keep=0.3")
    assert world.verdicts(again) == {id_: None if reason is None else "low-score" for id_, reason in first.items()}
    assert again.summary["selected_for"] == ["docs"]  # rule 2 holds wherever the model is applied


def test_the_command_line_names_a_recipe_after_scheme_and_file() -> None:
    uri = "fasttext:./models/My Own.bin?label=__label__hq&keep=0.10"
    recipe = load_recipe(pool="*.jsonl", filter_name=uri)
    assert recipe.name == "baseline-fasttext-my-own.bin-keep-0.1"
    (stage,) = (item for item in recipe.stages if item.kind == "filter")
    assert stage.name == uri


def test_a_scheme_is_told_from_a_module() -> None:
    assert find_filter("fasttext:./my.bin", "here").name == "fasttext:my.bin"
    with pytest.raises(PluginError, match="does not load"):
        find_filter("no_such_module:Class", "here")
