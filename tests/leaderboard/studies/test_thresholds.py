"""A study that varies bounds: one annotation serves all arms, and what each arm drops is known before any training."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from curation.ingest import ensure_pool
from curation.progress import SilentProgress
from curation.store import Store
from filters.quality import GOPHER_QUALITY_FILTER
from filters.rules import Rule
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.plan import plan_study
from leaderboard.studies.plan_rows import PlanRow
from leaderboard.studies.run import build_corpora
from leaderboard.studies.study import Study, load_study

ROOT = Path(__file__).resolve().parents[3]
MILD, MEDIUM, AGGRESSIVE = "mild", "medium", "aggressive"


def prose(seed: int, num_words: int) -> str:
    """Return words of four to seven letters with a stop word before every third."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(4, 7))) for _ in range(num_words)]
    return " ".join(
        f"{('the', 'of', 'and', 'that')[i % 4]} {word}" if i % 3 == 0 else word for i, word in enumerate(words)
    )


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    """Ninety documents of 20, 60 and 200 words, and a study of three bounds on words over a recipe without dedup."""
    rows = [
        {"text": prose(i, (20, 60, 200)[i % 3]), "slice": "notes", "site": f"site{i}", "id": str(i)} for i in range(90)
    ]
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "base.yaml").write_text(
        f"name: base\npool: {{path: {tmp_path / 'pool.jsonl'}, family: site}}\npanel: {{bytes_per_slice: 2000}}\n"
        "stages: []\n"
    )
    path = tmp_path / "thresholds.yaml"
    path.write_text(
        "hypothesis: stricter is better\nkind: filter\nbase: base.yaml\ntiers: {pico-0.02x: 1}\nvary:\n"
        "  mild: {filter: gopher-quality, min_words: 5}\n"
        "  medium: {filter: gopher-quality}\n"
        "  aggressive: {filter: gopher-quality, min_words: 100}\n"
    )
    return path


def planned(study: Study, store: Store) -> dict[str, PlanRow]:
    plan = plan_study(study, "thresholds", store=store, progress=SilentProgress())
    return {row.arm: row for row in plan.arms}


def build(study: Study, store: Store) -> None:
    build_corpora(study, "thresholds", store=store, workers=2, progress=SilentProgress())


def kinds(store: Store) -> list[str]:
    return [item.kind for item in store.artifacts()]


def test_three_bounds_read_one_annotation(study_path: Path, store: Store) -> None:
    study = load_study(study_path)
    pool = resolve_arms(study, "thresholds")[0].recipe.pool
    ensure_pool(store, pool, workers=1, progress=SilentProgress())
    before = planned(study, store)
    assert all("signals text" in before[arm].to_build for arm in (MILD, MEDIUM, AGGRESSIVE))
    build(study, store)
    verdicts = [item for item in store.artifacts() if item.kind == "verdict"]
    judged = [item for item in verdicts if item.manifest["params"]["filter"] == "gopher-quality"]  # type: ignore[index, call-overload]
    assert (kinds(store).count("signals"), len(judged)) == (1, 3)


def test_another_arm_computes_no_signal_again(study_path: Path, store: Store) -> None:
    build(load_study(study_path), store)
    more = load_study(study_path, ("vary.fourth={filter: gopher-quality, min_words: 70}",))
    row = planned(more, store)["fourth"]
    assert "filter gopher-quality" in row.to_build
    assert not [name for name in row.to_build if name.startswith(("signals", "panel", "token counts"))]


def test_a_plan_says_what_each_arm_drops_once_the_corpora_are_there(study_path: Path, store: Store) -> None:
    study = load_study(study_path)
    build(study, store)
    rows = planned(study, store)
    assert "run" not in kinds(store)
    drops = [rows[arm].filtered_docs for arm in ("baseline", MILD, MEDIUM, AGGRESSIVE)]
    kept = [rows[arm].kept_docs for arm in ("baseline", MILD, MEDIUM, AGGRESSIVE)]
    assert drops[:2] == [0, 0]
    assert [a + b for a, b in zip(drops, kept, strict=True)] == [kept[0]] * 4  # type: ignore[operator]
    assert 0 < drops[2] < drops[3]  # type: ignore[operator]
    assert all(row.kept_tokens for row in rows.values())


def test_the_command_builds_and_says_the_numbers(
    study_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from leaderboard.studies.commands import study_plan

    study_plan(study_path, build=True, store=store.root, workers=1, json_output=True)
    arms = {row["arm"]: row for row in json.loads(capsys.readouterr().out)["arms"]}
    study_plan(study_path, store=store.root)
    shown = capsys.readouterr().out
    assert f"{arms[AGGRESSIVE]['kept_docs']}" in shown
    assert "filter gopher-quality (min_words 100)" in shown


def test_unknown_numbers_are_said_to_be_unknown(
    study_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from leaderboard.studies.commands import study_plan

    study = load_study(study_path)
    pool = resolve_arms(study, "thresholds")[0].recipe.pool
    ensure_pool(store, pool, workers=1, progress=SilentProgress())
    study_plan(study_path, store=store.root)
    assert "--build" in capsys.readouterr().out


def stricter(rule: Rule, left: float, right: float) -> bool:
    return left >= right if rule.bound == "min" else left <= right


def test_the_shipped_study_tightens_every_bound_from_arm_to_arm() -> None:
    study = load_study(ROOT / "studies" / "thresholds.yaml")
    assert list(study.vary) == [MILD, MEDIUM, AGGRESSIVE]
    (mild,), (medium,), (aggressive,) = study.vary.values()
    rules = [rule for rule_set in GOPHER_QUALITY_FILTER.rule_sets for rule in rule_set.rules]
    for rule in rules:
        values = [arm.get(rule.setting, rule.value) for arm in (mild, medium, aggressive)]
        assert stricter(rule, values[1], values[0])
        assert stricter(rule, values[2], values[1])
    known = {rule.setting for rule in rules} | {"filter"}
    assert set(mild) <= known
    assert set(aggressive) <= known
    assert medium == {"filter": "gopher-quality"}
