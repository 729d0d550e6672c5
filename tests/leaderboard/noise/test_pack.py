"""Noise packs: what makes one measured, that it follows from its runs, and that an edited one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import RunError
from leaderboard.noise.find import shipped_folder
from leaderboard.noise.pack import NoiseIndex, NoisePack, PackRun, status_of
from leaderboard.noise.pack_files import json_schema, read_pack, write_pack

ROOT = Path(__file__).resolve().parents[3]


def runs(stable: int, unstable: int = 0) -> list[PackRun]:
    return [
        PackRun(fingerprint=f"{n}", seed=n + 1, steps=1000, skipped_steps=0 if n < stable else 7, stable=n < stable)
        for n in range(stable + unstable)
    ]


def test_eight_stable_seeds_measure_and_seven_do_not() -> None:
    assert status_of(runs(8)) == ("measured", ())
    assert status_of(runs(8, 3))[0] == "measured"
    status, why = status_of(runs(7))
    assert (status, why) == ("preliminary", ("7 stable baseline seeds, rule 9 asks for 8",))


def test_eight_unstable_seeds_are_no_measurement_and_say_what_they_skipped() -> None:
    status, why = status_of(runs(0, 8))
    assert status == "unstable"
    assert why[1] == "8 of 8 runs skipped 0.7% to 0.7% of their steps"


def test_noise_runs_are_no_baseline_seeds() -> None:
    more = [
        PackRun(fingerprint="n", noise=NoiseIndex(init=1, order=n, subset=1), steps=10, skipped_steps=0, stable=True)
        for n in range(1, 9)
    ]
    assert status_of([*runs(7), *more])[0] == "preliminary"


def test_a_pack_is_read_back_as_it_was_written(make_pack: Callable[..., NoisePack], tmp_path: Path) -> None:
    pack = make_pack()
    write_pack(tmp_path / "deep" / pack.file_name, pack)
    assert read_pack(tmp_path / "deep" / pack.file_name) == pack


def test_sigma_is_the_standard_deviation_of_the_logarithms(make_pack: Callable[..., NoisePack]) -> None:
    pack = make_pack()
    measure = pack.measure("slice", "code", "bits_per_byte")
    assert measure is not None
    assert measure.seeds is not None
    assert measure.seeds.sigma == pytest.approx(np.std(np.log(measure.values), ddof=1))  # type: ignore[arg-type]
    assert measure.seeds.degrees == 7


def test_an_unstable_run_among_nine_is_kept_and_not_counted(make_pack: Callable[..., NoisePack]) -> None:
    pack = make_pack(9, unstable=(4,))
    measure = pack.measure("slice", "code", "bits_per_byte")
    assert measure is not None
    assert measure.seeds is not None
    kept = [value for n, value in enumerate(measure.values) if n != 3]
    assert measure.seeds.sigma == pytest.approx(np.std(np.log(kept), ddof=1))  # type: ignore[arg-type]
    assert (pack.status, len(pack.runs)) == ("measured", 9)


def test_the_day_is_no_part_of_the_digest(make_pack: Callable[..., NoisePack]) -> None:
    pack = make_pack()
    later = pack.model_copy(update={"provenance": pack.provenance.model_copy(update={"date": "2030-01-01"})})
    from leaderboard.noise.pack import pack_digest

    assert pack_digest(later) == pack.digest


def smaller_sigma(value: dict[str, Any]) -> None:
    value["measures"][0]["seeds"]["sigma"] /= 2


def other_value(value: dict[str, Any]) -> None:
    value["measures"][0]["values"][0] *= 1.01


def seed_twice(value: dict[str, Any]) -> None:
    value["runs"][1]["seed"] = 1


def promoted(value: dict[str, Any]) -> None:
    value["status"], value["why"] = "preliminary", []


def cut(value: dict[str, Any]) -> None:
    value["measures"][0]["values"].pop()


def no_number(value: dict[str, Any]) -> None:
    value["measures"][0]["seeds"]["sigma"] = "small"


def unknown_key(value: dict[str, Any]) -> None:
    value["colour"] = "blue"


def other_schema(value: dict[str, Any]) -> None:
    value["schema"] = "curate-noise@0"


def below_zero(value: dict[str, Any]) -> None:
    value["measures"][0]["values"][0] = -1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (smaller_sigma, "but its values give"),
        (other_value, "it was edited"),
        (seed_twice, "seed 1 is there twice"),
        (promoted, "its runs make it measured"),
        (cut, "7 values of 8 runs"),
        (no_number, "measures.0.seeds.sigma"),
        (unknown_key, "colour"),
        (other_schema, "expected 'curate-noise@1'"),
        (below_zero, "is not above zero"),
    ],
)
def test_an_edited_pack_is_refused(
    make_pack: Callable[..., NoisePack], edited: Any, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    path = edited(make_pack(), change)
    with pytest.raises(RunError, match=said) as caught:
        read_pack(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(RunError, match="build it again"):
        read_pack(tmp_path / "x.json")
    with pytest.raises(RunError, match="cannot be read"):
        read_pack(tmp_path / "y.json")


def test_the_shipped_schema_is_that_of_the_code() -> None:
    """Regenerate with: python -m leaderboard.noise.pack_files > leaderboard/data/noise.schema.json."""
    held = json.loads((ROOT / "leaderboard/data/noise.schema.json").read_text())
    assert held == json_schema()


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.json")), ids=lambda path: path.name)
def test_every_shipped_pack_is_sound_and_named_by_its_digest(path: Path) -> None:
    pack = read_pack(path)
    assert path.name == pack.file_name
