"""`python -m train.averages_worker`: score averages of runs in a process of its own, as JSON on stdin asks.

    {"store": PATH, "panel": PATH, "tier": NAME, "share": 1.0, "unions": [[RUN, ...], ...]}

Each average is published as it is done. A fault that the user can mend is one line on stderr.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from curation.errors import CurateError
from curation.nodes import Planner, existing_node
from curation.progress import SilentProgress
from curation.store import Store, load_artifact
from train.averaging import PanelScorer, average_node
from train.tiers import load_tier
from train.worker import patiently


def main() -> int:
    """Score what stdin asks for; return the exit code."""
    asked = json.load(sys.stdin)
    progress = SilentProgress()
    planner = Planner(store=Store.open(Path(asked["store"])), workers=1, progress=progress)
    try:
        panel = load_artifact(Path(asked["panel"]))
        scorer = PanelScorer(panel=panel, tier=load_tier(asked["tier"]), share=asked["share"])
        for paths in asked["unions"]:
            members = [load_artifact(Path(path)) for path in paths]
            for one in (panel, *members):
                planner.adopt(one)
            patiently(planner, average_node([existing_node(run) for run in members], scorer), progress)
    except CurateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
