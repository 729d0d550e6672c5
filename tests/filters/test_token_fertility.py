"""The filter `token-fertility`: counts under the project's tokenizers and under any tokenizer.json, bounds, errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import text_array
from curation.errors import RecipeError
from curation.tokenizers import load_tokenizer, tokenizer_path
from filters.signal_sets.fertility import fertility_set, token_counter
from filters.signals import compute_signals


def doc(id_: str, text: str) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": "prose", "role": 0}


def measured(tokenizer: str, texts: list[str]) -> list[dict[str, float]]:
    columns = compute_signals(fertility_set(token_counter(tokenizer, "test")), pa.table({"text": text_array(texts)}))
    return [{name: values[row].item() for name, values in columns.items()} for row in range(len(texts))]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer of which every character is one token, spaces too."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.enable_truncation(4)
    path = tmp_path_factory.mktemp("tokenizer") / "letters.json"
    made.save(str(path))
    return str(path)


def test_tokens_per_word_and_bytes_per_token_worked_out_by_hand(letters: str) -> None:
    found = measured(letters, ["aaa é", "", " "])
    assert found[0] == {"num_tokens": 5, "tokens_per_word": 2.5, "bytes_per_token": 1.2}
    assert found[1] == {"num_tokens": 0, "tokens_per_word": 0, "bytes_per_token": 0}
    assert found[2] == {"num_tokens": 1, "tokens_per_word": 0, "bytes_per_token": 1}


def test_the_projects_tokenizer_counts_the_same_by_name_and_by_path() -> None:
    texts = ["The harbour of the old town.", "ça va 🎉", "", "x = [1, 2, 3]\n"]
    assert measured("ladder-pico@1", texts) == measured(str(tokenizer_path("ladder-pico@1")), texts)
    slow = load_tokenizer("ladder-pico@1", engine="reference")
    assert measured("ladder-pico@1", texts[:1])[0]["num_tokens"] == len(slow.encode(view(texts[0])).tokens)


def view(text: str) -> Any:
    from curation.batches import text_view

    return text_view(text_array([text]))


def test_the_bounds_drop_with_their_reasons_and_are_inclusive(make_world: Callable[..., Any], letters: str) -> None:
    world = make_world([doc("a", "aaaa"), doc("b", "aaaaa"), doc("c", "éé")])
    found = world.judge("token-fertility", tokenizer=letters, max_tokens_per_word=4, max_bytes_per_token=1)
    assert found == {"a": None, "b": "too-many-tokens-per-word", "c": "too-many-bytes-per-token"}
    found = world.judge("token-fertility", tokenizer=letters, min_tokens=4, max_tokens=4)
    assert found == {"a": None, "b": "too-many-tokens", "c": "too-few-tokens"}
    assert world.judge("token-fertility", tokenizer=letters, min_bytes_per_token=1.5)["a"] == "too-few-bytes-per-token"


def test_bounds_share_a_sidecar_and_another_tokenizer_makes_another(
    make_world: Callable[..., Any], letters: str
) -> None:
    world = make_world([doc("a", "aaaa")])
    for params in ({"tokenizer": letters}, {"tokenizer": letters, "min_tokens": 1}, {"tokenizer": "ladder-nano@1"}):
        world.build("token-fertility", **{"max_tokens": 9, **params})
    assert [artifact.kind for artifact in world.planner.store.artifacts()].count("signals") == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tokenizer": "ladder-nano"}, "no tokenizer `ladder-nano` and no file.*did you mean `ladder-nano@1`"),
        ({"tokenizer": "not.json"}, "is not a tokenizer.json"),
        ({"max_tokens": None}, "no bound is given"),
    ],
)
def test_what_is_no_tokenizer_or_no_bound_is_refused(
    make_world: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    params: dict[str, Any],
    message: str,
) -> None:
    (tmp_path / "not.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=message):
        make_world([]).build("token-fertility", **{"max_tokens": 9, **params})


@pytest.mark.parametrize("tokenizer", ["ladder-pico@1", "letters"])
def test_awkward_text_is_survived(tokenizer: str, letters: str, awkward_text: str) -> None:
    found = measured(letters if tokenizer == "letters" else tokenizer, [awkward_text, "\0" + awkward_text, "a"])
    assert (
        found[0]["num_tokens"]
        <= len(awkward_text.encode())
        == pytest.approx(found[0]["num_tokens"] * found[0]["bytes_per_token"])
    )


def test_ten_million_characters_without_a_space_are_survived() -> None:
    assert 0 < measured("ladder-nano@1", ["x" * 10_000_000])[0]["num_tokens"] <= 10_000_000


def test_a_published_tokenizer_counts_as_its_library_does() -> None:
    from tokenizers import Tokenizer

    path = Path(os.environ.get("CURATE_SHARED", "../shared")) / "models" / "gpt2.tokenizer.json"
    if not path.is_file():
        pytest.skip(f"no shared tokenizer at {path}")
    text = "The harbour of the old town was built by people who had come from the north.\n"
    assert measured(str(path), [text])[0]["num_tokens"] == len(Tokenizer.from_file(str(path)).encode(text).ids)
