"""A pool small enough to be built many times and cut into many parts, and the digests of what was built from it."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from pathlib import Path

from curation.cli import main

WORDS = (
    "the of and to be that have with river stone garden letter window morning people carried small answer question "
    "market winter bridge teacher paper number field music story water light yellow quiet doctor island engine"
).split()

PART_BYTES = 1 << 16
SETTINGS = ("--set", "panel.bytes_per_slice=5000", "--set", "shard_bytes=40000", "--set", "pool.slice=kind")


def write_pool(path: Path, num_docs: int = 150) -> Path:
    """Write documents in two slices, with exact and near copies."""
    rng = random.Random(1)
    docs = []
    for number in range(num_docs):
        sentences = [" ".join(rng.choices(WORDS, k=rng.randint(8, 18))).capitalize() for _ in range(rng.randint(6, 16))]
        kind = "web" if number % 3 else "books"
        docs.append(
            {"text": ".\n".join(sentences) + ".", "kind": kind, "url": f"https://s{number % 40}.example/{number}"}
        )
    docs += [dict(docs[5]), {**docs[7], "text": f"{docs[7]['text']}\nOne more line here."}]
    path.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    return path


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below `folder`."""
    return {
        str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def curate(*words: str | Path) -> int:
    """Run one command in this process and return its exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
