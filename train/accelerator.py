"""Where and in what precision a training computes, and what is compiled; none of it is part of the recipe's results
beyond the last bits.

CPU: float32, no compilation, nothing global changes. CUDA: float32 master weights with bf16 matrix products
(`train.model`), attention by cuDNN with flash as the next choice, each block compiled on its own with static shapes,
fused AdamW, no TF32 and no bf16 sums. Deterministic mode leaves out cuDNN attention, which torch refuses there, and
asks cuBLAS, torch and Inductor for fixed kernels: the same card, driver and torch then give the same bits.
Source: PyTorch docs "Reproducibility"; docs/training.md for the measurements.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from curation.errors import RunError
from train.losses import training_loss
from train.model import LanguageModel
from train.tiers import Shape
from train.utilisation import Utilisation, peak_flops, utilisation

Precision = Literal["fp32", "bf16"]
COMPILE = "CURATE_COMPILE"
"""Environment variable: `1` compiles blocks on any device, `0` on none; unset compiles on CUDA."""
CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
ATTENTION_ORDER = (
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
)
"""Best first. Hopper, head_dim 128, 2,048 positions: cuDNN takes 0.6 of flash-2's time (FlashAttention-3 paper)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device and how it computes."""

    device: torch.device
    precision: Precision
    compiled: bool
    """Whether blocks, final norm and loss are compiled."""
    deterministic: bool
    """Whether equal runs have equal bits; a CPU's always have."""

    def prepare(self, model: LanguageModel) -> LanguageModel:
        """Move `model` here, set its compute type and compile its blocks in place; names of parameters stay."""
        model = model.to(self.device)
        model.model.compute_dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        if self.compiled:
            for part in (*model.model.layers, model.model.norm):
                part.compile(dynamic=False)
        return model

    def loss(self, stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, *, z_loss: float) -> tuple[Tensor, Tensor]:
        """Return the summed objective, to differentiate, and the cross-entropy of each position in nats."""
        return training_loss(stream_ND, head_VD, targets_N, z_loss, compiled=self.compiled)

    def place(self, tokens: npt.NDArray[np.int64]) -> Tensor:
        """Return `tokens` on the device; from page-locked memory the copy runs beside the computation."""
        tensor = torch.from_numpy(tokens)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def attention_backends(self) -> list[SDPBackend]:
        """Return the attention kernels allowed, best first."""
        refused = {SDPBackend.CUDNN_ATTENTION} if self.deterministic else set()
        return [backend for backend in ATTENTION_ORDER if backend not in refused]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Compute with this device's settings; on the CPU nothing changes. Settings from before come back."""
        with ExitStack() as stack:
            if self.compiled:
                stack.enter_context(_quiet_compiler())
            if self.device.type != "cuda":
                yield
                return
            stack.enter_context(_cuda_matrices())
            stack.enter_context(sdpa_kernel(self.attention_backends(), set_priority=True))
            if self.deterministic:
                stack.enter_context(_deterministic())
            gc.collect()
            gc.freeze()  # what lives until the end of the run is not looked at again
            stack.callback(gc.unfreeze)
            yield

    def peak_memory_bytes(self) -> int | None:
        """Return the most that tensors have taken on the device; None on the CPU."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def synchronize(self) -> None:
        """Wait until everything asked for has been computed."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def describe(self) -> dict[str, str | bool]:
        """Return what a metrics file or a checkpoint says about the device; two runs of equal bits agree in all."""
        found: dict[str, str | bool] = {
            "device": self.name,
            "precision": self.precision,
            "compiled": self.compiled,
            "deterministic": self.deterministic,
            "torch": torch.__version__,
        }
        if self.device.type == "cuda":
            found["cuda"] = str(torch.version.cuda)
            found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        return found

    @property
    def name(self) -> str:
        """The driver's name of the card, or `cpu`."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"

    def utilisation(self, shape: Shape, tokens_per_second: float) -> Utilisation:
        """Return MFU and causal MFU of one card.

        Raises: RunError for a device whose peak is unknown, the CPU too.
        """
        return utilisation(shape, tokens_per_second, peak_flops(self.name))


CPU = Accelerator(device=torch.device("cpu"), precision="fp32", compiled=False, deterministic=True)


def choose_accelerator(
    device: str = "auto",
    *,
    precision: Precision | None = None,
    deterministic: bool = False,
    compiled: bool | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Accelerator:
    """Return the accelerator for `device`: `auto` (CUDA if there is one), `cpu`, `cuda` or `cuda:<n>`.

    Unset: bf16 and compiled on CUDA, float32 and not compiled on the CPU; `CURATE_COMPILE` overrides the latter.
    Raises: RunError for an unknown device, a CUDA device that is not there, or a strange `CURATE_COMPILE`.
    """
    chosen = _device(device)
    on_cuda = chosen.type == "cuda"
    asked = environment.get(COMPILE, "")
    if asked not in ("", "0", "1"):
        raise RunError(f"{COMPILE}: `{asked}`, expected 0 or 1; correct it or unset it")
    if compiled is None:
        compiled = asked == "1" if asked else on_cuda
    return Accelerator(
        device=chosen,
        precision=precision or ("bf16" if on_cuda else "fp32"),
        compiled=compiled,
        deterministic=deterministic or not on_cuda,
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()) or (kind == "cpu" and index):
        raise RunError(f"device: `{name}` is unknown, expected auto, cpu, cuda or cuda:<n>; name one of them")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise RunError(
            f"device: `{name}` is not there, torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices; "
            "use `cpu`, or install the driver and a CUDA build of torch"
        )
    return torch.device(name)


@contextmanager
def _quiet_compiler() -> Iterator[None]:
    """Leave out two warnings that torch gives for what is meant: blocks get activations, and TF32 is off."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
        warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
        yield


@contextmanager
def _cuda_matrices() -> Iterator[None]:
    """Float32 products in float32; bf16 products summed in float32 also where a sum is split over the card."""
    settings = torch.backends.cuda.matmul
    before = settings.allow_tf32, settings.allow_bf16_reduced_precision_reduction
    settings.allow_tf32, settings.allow_bf16_reduced_precision_reduction = False, False
    try:
        yield
    finally:
        settings.allow_tf32, settings.allow_bf16_reduced_precision_reduction = before


@contextmanager
def _deterministic() -> Iterator[None]:
    """Only kernels that give the same bits every time.

    cuBLAS reads its workspace setting when it first computes, so enter this before any work on the device.
    """
    import torch._inductor.config as inductor

    found, debugging = cast("Any", inductor), cast("Any", torch.utils.deterministic)
    os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"  # for the processes that compile
    before = torch.are_deterministic_algorithms_enabled(), found.deterministic
    filling = debugging.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    debugging.fill_uninitialized_memory = False  # a debugging aid that writes all memory twice
    found.deterministic = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        debugging.fill_uninitialized_memory = filling
        found.deterministic = before[1]
        os.environ.pop("TORCHINDUCTOR_DETERMINISTIC", None)
