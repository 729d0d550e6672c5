"""The GPU benchmark's own parts, on a CPU: limits of time, settings by name, which attention a compiled graph runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from train.model import build_model
from train.tiers import load_tier

FOLDER = str(Path(__file__).resolve().parent.parent.parent / "benchmarks")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of whole steps; the others are attributes of `sys.modules`."""
    monkeypatch.syspath_prepend(FOLDER)
    import gpu_step

    return gpu_step


def recorder(path: Path | None = None, seconds: float = 60.0) -> Any:
    made = sys.modules["gpu_report"].Recorder
    return made(path=path, device=torch.device("cpu"), smoke=True, deadline=time.monotonic() + seconds)


def test_parts_without_time_left_are_recorded_one_by_one(scripts: ModuleType, tmp_path: Path) -> None:
    held = recorder(tmp_path / "out.json", seconds=-1)
    for part in ("one", "two"):
        with held.attempt(part):
            time.sleep(60)
    assert [error.partition(" (")[0] for error in held.errors] == [
        "one: OverTimeError: no time left", "two: OverTimeError: no time left",
    ]  # fmt: skip
    assert "two: OverTimeError" in (tmp_path / "out.json").read_text()


def test_a_part_that_fails_leaves_the_next_alone(scripts: ModuleType) -> None:
    held = recorder()
    with held.attempt("one"):
        raise ValueError("bad")
    with held.attempt("two"):
        held.add("numbers", found=1)
    assert held.sections == {"numbers": [{"found": 1}]}
    assert held.errors[0].startswith("one: ValueError: bad (test_gpu_benchmark.py:")


def test_an_unknown_setting_is_refused_by_name(scripts: ModuleType) -> None:
    held = recorder()
    held.only_settings = ("joint",)
    with pytest.raises(ValueError, match="`joint` is unknown, expected some of: default; joined"):
        scripts.variants(held)


def test_joined_products_compute_what_single_ones_do_under_the_same_names(scripts: ModuleType) -> None:
    tier, default = load_tier("pico"), scripts.default_variant(recorder())
    rows = torch.randint(0, 100, (2, 33), generator=torch.Generator().manual_seed(1))
    found = {}
    for label in ("default", "joined"):
        model = sys.modules["gpu_variants"].settings(default)[label].prepare(build_model(tier, 1))
        model.model.compute_dtype = torch.float32
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        found[label] = {name: one.grad for name, one in model.named_parameters()} | {"loss": loss.detach()}
    torch.testing.assert_close(found["joined"], found["default"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("backend", "name"), [(SDPBackend.FLASH_ATTENTION, "flash"), (SDPBackend.MATH, "math")])
def test_the_attention_that_ran_is_named(scripts: ModuleType, backend: SDPBackend, name: str) -> None:
    q = torch.randn(1, 2, 8, 16)
    with sdpa_kernel(backend):
        assert scripts.attention_kernels(lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True)) == name


@pytest.mark.slow
def test_a_stored_graph_keeps_its_attention_unless_compiled_anew(scripts: ModuleType) -> None:
    q = torch.randn(1, 2, 64, 32, requires_grad=True)

    def kernels() -> str:
        torch._dynamo.reset()
        made = torch.compile(lambda one: F.scaled_dot_product_attention(one, one, one, is_causal=True), dynamic=False)
        made(q)
        return str(scripts.attention_kernels(lambda: made(q)))

    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert kernels() == "flash"
    with sdpa_kernel(SDPBackend.MATH), sys.modules["gpu_report"].compiled_anew():
        assert kernels() == "math"
