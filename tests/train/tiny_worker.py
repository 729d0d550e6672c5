"""A study's worker that knows the tests' tiny tier and saves every tenth step: the target of a forked process."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path

from train import loop, tiers, worker


def main(*arguments: str) -> None:
    """Run the worker and exit with its code; hears Ctrl-C also where a background shell made the tests deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spec = importlib.util.spec_from_file_location("fixtures", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    fixtures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fixtures)
    tiers.TIERS["tiny"] = fixtures.tiny_tier()  # type: ignore[index]
    tier = tiers.load_tier("tiny-6x")
    loop.CHECKPOINT_FLOPS = 10 * tier.batch_tokens * tier.shape.flops_per_token
    sys.exit(worker.main(arguments))
