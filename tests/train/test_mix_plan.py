"""`curate mix plan`: from files, a pool and a corpus, to weights, epochs and shortages; nothing is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.randomness import generator
from train.tiers import TIERS

SIZES = {"web/news": 300, "web/blogs": 100, "code": 40}
WEB = "groups: {web: {weight: 0.6, within: uniform}, code: {weight: 0.4}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a pool of three slices and a recipe."""
    found = tmp_path_factory.mktemp("plan")
    words = generator(1, "plan")
    rows = [
        {"id": f"{name}{n}", "slice": name, "text": " ".join(f"w{i}" for i in words.integers(0, 9_999, 120))}
        for name, count in SIZES.items()
        for n in range(count)
    ]
    (found / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found / "r.yaml").write_text(f"name: r\npool: {{path: {found / 'docs.jsonl'}, id: id}}\n")
    return found


def run(*words: str) -> int:
    """Return the exit status of a command."""
    with pytest.raises(SystemExit) as stopped:
        main([*words])
    return int(str(stopped.value.code or 0))


def plan(folder: Path, what: str, *more: str, capsys: pytest.CaptureFixture[str], store: str = "store") -> Any:
    assert run("mix", "plan", what, "--tier", "pico", "--store", str(folder / store), "--json", *more) == 0
    return json.loads(capsys.readouterr().out)


def test_files_that_were_never_read_are_estimated_and_nothing_is_built(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = plan(folder, str(folder / "r.yaml"), capsys=capsys, store="empty")
    assert not found["exact"]
    assert set(found["slices"]) == set(SIZES)
    size = sum(len(json.loads(line)["text"]) for line in (folder / "docs.jsonl").read_text().splitlines())
    assert sum(row["unique_tokens"] for row in found["slices"].values()) == pytest.approx(size / 4 + 440, abs=3)
    assert found["tokens"] == 1_501_184
    assert found["action"] == "refuse"
    assert not (folder / "empty").exists()


def test_an_estimate_holds_the_cap_of_the_pool_as_reading_it_would(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(folder / "r.yaml")
    sizes = dict.fromkeys(SIZES, 0)
    for row in map(json.loads, (folder / "docs.jsonl").read_text().splitlines()):
        sizes[row["slice"]] += len(row["text"])
    most = (100_000 - sizes["code"]) / 2  # the smallest slice stays whole, the others share what is left
    assert sizes["code"] < 33_333
    assert most < sizes["web/blogs"]
    found = plan(folder, recipe, "--set", "pool.max_bytes=100000", capsys=capsys, store="empty")["slices"]
    for name in ("web/news", "web/blogs"):
        docs = SIZES[name] * most / sizes[name]
        assert found[name]["unique_tokens"] == pytest.approx(most / 4 + docs, abs=3)
    assert found["code"]["unique_tokens"] == pytest.approx(sizes["code"] / 4 + 40, abs=3)


def test_what_comes_next_names_the_tier_that_was_planned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(folder / "r.yaml")
    assert run("mix", "plan", recipe, "--tier", "pico-0.01x", "--store", str(folder / "empty")) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"next: curate build {recipe}, then curate train CORPUS --tier pico-0.01x" in told


def test_a_built_corpus_is_counted_and_answers_for_other_mixtures_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(folder / "r.yaml")
    assert run("build", recipe, "--store", str(folder / "store"), "--json", "-q") == 0
    built = json.loads(capsys.readouterr().out)
    counts = {entry["slice"]: entry["tokens"] + entry["docs"] for entry in built["summary"]["schedule"]}
    more = ["--tokens", "100K", "--set", f"mix={{max_epochs: 3, {WEB}}}"]
    by_recipe = plan(folder, recipe, *more, capsys=capsys)
    by_corpus = plan(folder, built["path"], *more, capsys=capsys)
    assert {name: row["unique_tokens"] for name, row in by_recipe["slices"].items()} == counts
    assert by_recipe["slices"] == by_corpus["slices"]
    assert by_recipe["exact"]
    assert by_corpus["exact"]
    rows = by_corpus["slices"]
    assert by_corpus["groups"]["web"]["weight"] == pytest.approx(
        rows["web/news"]["weight"] + rows["web/blogs"]["weight"]
    )
    assert rows["code"]["group"] == "code"
    assert sum(row["tokens"] for row in rows.values()) == pytest.approx(by_corpus["tokens"])
    assert rows["code"]["epochs"] == pytest.approx(3, abs=0.01) or "at its cap" not in rows["code"]["notes"]


def test_a_plan_writes_nothing_into_a_store_that_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, store = str(folder / "r.yaml"), folder / "watched"
    assert run("build", recipe, "--store", str(store), "--json", "-q") == 0
    (store / "ingest-digests.json").unlink(missing_ok=True)  # what hashing again would bring back
    capsys.readouterr()

    def seen() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in (store, *store.rglob("*"))}

    before = seen()
    assert plan(folder, recipe, capsys=capsys, store="watched")["exact"]
    assert run("show", "--store", str(store), "--json") == 0
    assert seen() == before


def test_the_table_fits_eighty_columns_and_says_what_would_be_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run("mix", "plan", str(folder / "r.yaml"), "--tier", "pico", "--store", str(folder / "none")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line[:1] in "│┏┡└┃") <= 80
    assert any(line.startswith("`curate train` would refuse") for line in lines)
    assert any(line.startswith("warning: slice") for line in lines)


def test_a_budget_too_small_for_exact_shares_names_the_smallest_for_which_they_hold(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three slices need (1 - 1/4) / 0.001 = 750 draws; pico's 4 rows of 128 make them 188 steps, 18,800 in all."""
    smallest = 18_800 * 4 * TIERS["pico"].shape.context_tokens
    recipe = str(folder / "r.yaml")
    at_1x = plan(folder, recipe, capsys=capsys, store="empty")
    (told,) = [text for text in at_1x["warnings"] if text.startswith("1 % of this budget is 28 windows")]
    assert "of 3 slices can be off by 2.7 points there, not within 0.1" in told  # 0.75 / 28
    assert f"holds after 750 windows, and at 1 % of budgets of {smallest:,} tokens or more" in told
    enough, short = (
        plan(folder, recipe, "--tokens", str(tokens), capsys=capsys, store="empty")
        for tokens in (smallest, smallest - 4 * TIERS["pico"].shape.context_tokens)
    )
    assert not any("of this budget" in text for text in enough["warnings"])
    assert enough["share_error_at_1_percent"] == pytest.approx(0.75 / 752)
    assert any("of this budget is 748 windows" in text for text in short["warnings"])


def test_one_slice_is_always_exact(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Slices of weight 0 are not drawn and do not count."""
    only = "mix={weights: {web/news: 1, web/blogs: 0, code: 0}}"
    alone = plan(folder, str(folder / "r.yaml"), "--set", only, capsys=capsys, store="empty")
    assert alone["share_error_at_1_percent"] == 0
    assert not any("of this budget" in text for text in alone["warnings"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tokens", "lots"], "--tokens: `lots`, expected a number of tokens such as 20B"),
        (["--set", "mix.max_epochs=0.01"], "expected a budget within the epoch caps; raise `max_epochs` to"),
        (["--set", "mix={weights: {web: 1}}"], "weights.web: 1 for a slice without text"),
        (
            ["--set", "mix.quality={score: s.t, slices: [wbe], buckets: [{top: 0.1, repeat: 2}, {repeat: 1}]}"],
            "mix: quality.slices: the pool has no slice `wbe`",
        ),
        (["--set", "mix={shift: {poetry: 0.1, web: -0.1}}"], "shift.poetry: +0.1 of a slice without text"),
    ],
)
def test_bad_input_is_one_error_with_its_remedy(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("mix", "plan", str(folder / "r.yaml"), "--tier", "pico", "--store", str(folder / "s"), *more) == 2
    assert message in capsys.readouterr().err
