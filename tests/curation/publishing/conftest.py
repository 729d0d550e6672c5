"""One corpus of made-up documents under several licences, built and published once a test process."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from curation.cli import main

WORDS = (
    "the of and to be that have with river stone garden letter window morning people carried small answer question "
    "market winter bridge teacher paper number field music story water light yellow quiet doctor island engine"
).split()
LICENSES = ("CC-BY-4.0", "MIT", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Where a corpus was built and published."""

    pool: Path
    store: Path
    out: Path

    @property
    def fingerprint(self) -> str:
        return str(json.loads((self.out / "manifest.json").read_text())["fingerprint"])


def curate(*words: str | Path) -> int:
    """Run one command in this process and return its exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def write_pool(path: Path, num_docs: int = 200) -> None:
    """Write documents of two slices, three licences and two sources; every tenth is too short for a prose rule."""
    rng = random.Random(1)
    with path.open("w") as file:
        for number in range(num_docs):
            lines = [" ".join(rng.choices(WORDS, k=rng.randint(8, 18))).capitalize() + "." for _ in range(8)]
            row = {
                "text": f"Only {WORDS[number % 40]} {number}." if number % 10 == 0 else "\n".join(lines),
                "slice": "code" if number % 4 == 0 else "web",
                "source": f"s{number % 2}",
                "license": LICENSES[number % 3],
                "lang": "de" if number % 5 == 0 else "en",
                "url": f"https://s{number % 40}.example/{number}",
            }
            file.write(json.dumps(row) + "\n")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A published corpus with its dropped documents, in several shards."""
    folder = tmp_path_factory.mktemp("published")
    write_pool(folder / "pool.jsonl")
    found = Built(pool=folder / "pool.jsonl", store=folder / "store", out=folder / "out")
    code = curate(
        "build", "--pool", found.pool, "--store", found.store, "--out", found.out, "--removed", "-q", "--filter",
        "quality_v2", "--set", "panel.bytes_per_slice=8000", "--set", "shard_bytes=30000",
    )  # fmt: skip
    assert code == 0
    return found
