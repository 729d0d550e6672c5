"""How many runs go side by side: cores on a CPU, memory and a cap on GPUs."""

from __future__ import annotations

import pytest

from curation.errors import RunError
from train.packing import MAX_PACKED, VISIBLE, Gpu, parse_gpus, runs_on_gpu, side_by_side
from train.tiers import TIERS

GB = 10**9


def card(name: str, free_gb: float, total_gb: float = 141) -> Gpu:
    return Gpu(name=name, free_bytes=int(free_gb * GB), total_bytes=int(total_gb * GB))


@pytest.mark.parametrize(("model", "cores", "runs"), [("pico", 8, 8), ("nano", 1, 1), ("micro", 8, 4), ("micro", 1, 1)])
def test_on_a_cpu_runs_share_the_cores(model: str, cores: int, runs: int) -> None:
    assert side_by_side(TIERS[model], cores) == [{}] * runs


def test_laptop_tiers_stay_on_the_cpu_of_a_gpu_machine() -> None:
    assert side_by_side(TIERS["pico"], 4, [card("0", 141)]) == [{}] * 4


@pytest.mark.parametrize("model", ["micro", "smoke", "small"])
def test_small_runs_are_packed_on_one_card_up_to_the_cap(model: str) -> None:
    assert runs_on_gpu(TIERS[model], card("0", 141)) == MAX_PACKED


@pytest.mark.parametrize("model", ["100m", "400m", "1b"])
def test_a_run_that_fills_a_card_has_it_alone(model: str) -> None:
    assert runs_on_gpu(TIERS[model], card("0", 141)) == 1


def test_memory_in_use_leaves_room_for_fewer() -> None:
    free = [runs_on_gpu(TIERS["small"], card("0", gb)) for gb in (141, 30, 14, 1)]
    assert free == sorted(free, reverse=True)
    assert free[0] == MAX_PACKED
    assert free[-1] == 0


def test_cards_take_turns_and_cores_bound_them() -> None:
    gpus = [card("0", 141), card("1", 141)]
    slots = side_by_side(TIERS["smoke"], 64, gpus)
    assert [slot[VISIBLE] for slot in slots] == ["0", "1"] * MAX_PACKED
    assert len(side_by_side(TIERS["smoke"], 3, gpus)) == 3
    assert [slot[VISIBLE] for slot in side_by_side(TIERS["1b"], 64, gpus)] == ["0", "1"]


def test_a_card_without_room_is_left_out_and_none_at_all_is_refused() -> None:
    assert side_by_side(TIERS["1b"], 64, [card("0", 3), card("1", 141)]) == [{VISIBLE: "1"}]
    with pytest.raises(RunError, match="out of memory"):
        side_by_side(TIERS["1b"], 64, [card("0", 3)])


def test_cards_are_those_of_the_driver_that_the_environment_allows() -> None:
    listing = "0, GPU-aaa, 81000, 81559\n1, GPU-bbb, 500, 81559\n2, GPU-ccc, [N/A], [N/A]\n"
    assert [gpu.name for gpu in parse_gpus(listing, None)] == ["0", "1"]
    assert [gpu.name for gpu in parse_gpus(listing, "1")] == ["1"]
    assert [gpu.name for gpu in parse_gpus(listing, "GPU-aaa")] == ["0"]
    assert parse_gpus(listing, "") == []
    assert parse_gpus(listing, None)[1].free_bytes == 500 * 2**20
