"""A study's worker that knows the tests' tiny tier and saves every tenth step: `python tiny_worker.py ARGUMENTS`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from train import loop, tiers, worker


def main() -> int:
    """Run the worker with the arguments of this process; return its exit code."""
    spec = importlib.util.spec_from_file_location("fixtures", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    fixtures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fixtures)
    tiers.TIERS["tiny"] = fixtures.tiny_tier()  # type: ignore[index]
    tier = tiers.load_tier("tiny-6x")
    loop.CHECKPOINT_FLOPS = 10 * tier.batch_tokens * tier.shape.flops_per_token
    return worker.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
