"""Reports, rollback plans and confirmations: what is there is named with its digest, what is not has no record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from curation.files import read_json, write_json
from curation.store import Store
from leaderboard.entries.records import confirmation_seed
from leaderboard.studies.confirmed import FOLDER, keep_confirmation, read_confirmations
from leaderboard.studies.decision_facts import Report
from leaderboard.studies.facts import CorpusIntegrity
from leaderboard.studies.papers import reports_of
from leaderboard.studies.rollback import RollbackPlan, default_plan
from leaderboard.studies.study import parse_study
from leaderboard.studies.trained import BuiltArm, TrainedRun

CHECKED = CorpusIntegrity(
    artifact="i", num_docs=1, num_bytes=1, empty_docs=0, invalid_utf8_docs=0, nul_docs=0, exact_duplicate_docs=0,
    near_duplicate_docs=0, shares={}, max_share_deviation=0.0, sha256_match=True, tokenizer="t", roundtrip_docs=1,
    roundtrip_exact=1, items_checked=0, items_hit=0,
)  # fmt: skip
STUDY = "ab" * 32


@dataclass
class Named:
    name: str = "baseline"


@dataclass
class Folder:
    """A corpus and a run as far as reports read them."""

    path: Path
    manifest: dict[str, Any] = field(default_factory=lambda: {"inputs": {"pool": "p"}})
    summary: dict[str, Any] = field(default_factory=lambda: {"spike_score": 0.0, "steps": 1, "final_train_loss": 1.0})
    fingerprint: str = "f"


def reports(tmp_path: Path, searched: bool = True, log: str = "", **integrity: Any) -> dict[str, Report]:
    folder: Any = Folder(tmp_path)
    arm: Any = Named()
    write_json(tmp_path / "contamination.json", {"checked": searched, "reports": [{}] if searched else []})
    if log:
        (tmp_path / "metrics.jsonl").write_text(log)
    from dataclasses import replace

    found = reports_of(
        [BuiltArm(arm=arm, corpus=folder)],
        [TrainedRun(arm="baseline", tier="pico-1x", seed=1, artifact=folder)],
        {"baseline": replace(CHECKED, **integrity)},
        default_plan(),
    )
    return {one.name: one for one in found}


GOOD = '{"loss": 1.0, "step_losses": [1.0], "step_grad_norms": [0.5]}\n'


def test_all_reports_of_a_sound_study_are_valid(tmp_path: Path) -> None:
    found = reports(tmp_path, log=GOOD)
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(
        ("decontamination", "provenance", "monitoring", "rollback-plan"), "valid"
    )
    assert all(len(one.digest) == 64 for one in found.values())


def test_a_corpus_that_nobody_searched_has_no_valid_report(tmp_path: Path) -> None:
    assert reports(tmp_path, searched=False, log=GOOD)["decontamination"].state == "invalid"
    assert reports(tmp_path, searched=False, log=GOOD, items_checked=3)["decontamination"].state == "valid"


def test_a_changed_file_makes_the_provenance_invalid(tmp_path: Path) -> None:
    assert reports(tmp_path, log=GOOD, sha256_match=False)["provenance"].state == "invalid"


def test_runs_without_a_log_were_not_monitored_and_a_nan_in_one_is_invalid(tmp_path: Path) -> None:
    assert "monitoring" not in reports(tmp_path)
    log = '{"loss": null, "step_losses": [null], "step_grad_norms": [0.5]}\n'
    assert reports(tmp_path, log=log)["monitoring"].state == "invalid"


def test_the_digest_is_of_the_files(tmp_path: Path) -> None:
    one = reports(tmp_path, log=GOOD)["monitoring"].digest
    assert reports(tmp_path, log=GOOD + GOOD)["monitoring"].digest != one


WORDS: dict[str, Any] = {
    "name": "x", "hypothesis": "h", "kind": "filter", "base": "baseline", "tiers": {"pico": 2},
    "vary": {"mine": {"filter": "word-count", "min_words": 5}},
}  # fmt: skip


def test_a_study_may_write_its_own_plan_and_a_wrong_one_is_refused() -> None:
    own = {"early_points": [0.1], "prediction_interval": 0.9, "actions": ["rewind"]}
    assert parse_study({**WORDS, "rollback": own}, "x").rollback == RollbackPlan(**own)
    for wrong in ({"early_points": [2.0]}, {"actions": ["hope"]}, {"prediction_interval": 1.5}):
        with pytest.raises(StudyError, match="rollback"):
            parse_study({**WORDS, "rollback": {**own, **wrong}}, "x")


@pytest.fixture
def place(tmp_path: Path) -> tuple[Store, Path]:
    store = Store.open(tmp_path)
    folder = tmp_path / f"study-x-{STUDY[:8]}"
    write_json(folder / "study.json", {"fingerprint": STUDY})
    return store, folder


def confirm(store: Store, entry: str, **ratios: float) -> Path | None:
    seed = confirmation_seed(entry)
    return keep_confirmation(store, STUDY, entry=entry, tier="micro-1x", seed=seed, log_ratios=ratios)


def test_a_confirmation_is_kept_with_the_study_and_the_worst_counts(place: tuple[Store, Path]) -> None:
    store, folder = place
    assert confirm(store, "e" * 64, mine=-0.01) == folder
    assert confirm(store, "d" * 64, mine=0.002) == folder
    found = read_confirmations(folder, STUDY)
    assert [one.log_ratio for one in found] == [0.002, -0.01]
    assert found[0].seed == confirmation_seed("d" * 64)


def test_a_seed_that_somebody_picked_is_refused(place: tuple[Store, Path]) -> None:
    store, folder = place
    confirm(store, "e" * 64, mine=-0.01)
    path = folder / FOLDER / f"{'e' * 16}.json"
    value: Any = read_json(path)
    write_json(path, {**value, "seed": 7})
    with pytest.raises(StudyError, match="nobody picks a seed"):
        read_confirmations(folder, STUDY)
    write_json(path, {**value, "study": "cd" * 32})
    with pytest.raises(StudyError, match="confirms study"):
        read_confirmations(folder, STUDY)
    path.write_text("[]")
    with pytest.raises(StudyError, match="no confirmation"):
        read_confirmations(folder, STUDY)


def test_a_store_without_the_study_keeps_nothing(tmp_path: Path) -> None:
    assert confirm(Store.open(tmp_path), "e" * 64, mine=0.0) is None
