"""How fast a GPU trains our tiers, and against which ceiling: one table, one JSON file.

Sections: `gemm` (matrix-product ceiling, products of the tiers), `attention` (back ends), `step` (whole optimizer steps
of the real engine, best micro-batch, MFU), `profile` (kernels of a step), `ce` (cross-entropy variants), `variants`
(one choice changed at a time), `block`, `parity` (bf16 against float32), `resume` (killed and resumed, bits).
Each part fails or runs over alone; every row is printed and written when it is there. Needs torch and numpy only.
Run: `python benchmarks/gpu.py --out results.json [--only step,ce] [--minutes 7]`; `--smoke` runs all of it on a CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SECTIONS = ("gemm", "attention", "step", "profile", "ce", "variants", "block", "parity", "resume")
LIMITS = {"gemm": 60.0, "attention": 60.0, "step": 420.0, "ce": 120.0, "block": 120.0, "variants": 480.0}


def main(default: str = ",".join(SECTIONS)) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=default, help="sections, separated by commas, in this order")
    parser.add_argument("--out", type=Path, help="JSON file, written after every row; other sections in it stay")
    parser.add_argument("--minutes", type=float, default=7.0, help="everything ends then")
    parser.add_argument("--tiers", help="tiers of step, profile and variants, in this order: 1b,400m,100m")
    parser.add_argument("--settings", help="settings of variants, separated by semicolons")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes on the CPU, nothing compiled")
    given = parser.parse_args()
    chosen = given.only.split(",")
    if strange := [name for name in chosen if name not in SECTIONS]:
        parser.error(f"unknown sections {', '.join(strange)}; known: {', '.join(SECTIONS)}")
    end = time.monotonic() + 60 * given.minutes
    import torch

    if not given.smoke and not torch.cuda.is_available():
        parser.exit(2, f"gpu.py: torch {torch.__version__} sees no CUDA device; run on a GPU, or `--smoke` on a CPU\n")
    import gpu_report

    device = torch.device("cpu" if given.smoke else "cuda")
    recorder = gpu_report.Recorder(path=given.out, device=device, smoke=given.smoke, deadline=end)
    recorder.only_tiers = tuple((given.tiers or "").split(",")) if given.tiers else ()
    recorder.only_settings = tuple(one.strip() for one in given.settings.split(";")) if given.settings else ()
    recorder.resume(chosen)
    recorder.facts |= gpu_report.machine(device)
    print(recorder.facts, flush=True)
    for name in chosen:
        began = time.monotonic()
        with recorder.attempt(name, LIMITS.get(name, 200.0)):
            run(name, recorder)
        print(f"-- {name}: {time.monotonic() - began:.0f} s, {recorder.left():.0f} s left", flush=True)
    print(gpu_report.tables({"facts": recorder.facts, "sections": {}, "errors": recorder.errors}))
    for row in recorder.sections.get("best", []):
        print("best", row)
    sys.exit(1 if recorder.errors else 0)


def run(name: str, recorder: object) -> None:
    """Run one section."""
    import gpu_kernels
    import gpu_proofs
    import gpu_step

    if name in ("gemm", "attention", "ce", "block"):
        scale = gpu_kernels.SMOKE if getattr(recorder, "smoke", False) else gpu_kernels.Scale()
        getattr(gpu_kernels, name)(recorder, scale)
    elif name in ("step", "variants"):
        getattr(gpu_step, name)(recorder)
    else:
        getattr(gpu_proofs, name)(recorder)


if __name__ == "__main__":
    main()
