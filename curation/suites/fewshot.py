"""Which items stand as examples before an item: drawn as llm-foundry 0.9 draws them.

One `random.Random(seed)` walks the items in file order; each draws k others without replacement, and an item that drew
itself draws again until it has another. The examples stand in the order of a Python set of small numbers, which
CPython keeps by their value modulo the table's size; tests pin drawn sets, so another order would be seen. A task with
parts (`jeopardy` by category) draws inside the part, with a generator of its own that starts from the same seed.
Source: llm-foundry 0.9, `get_fewshot_sample_idxs`, `partition_dataset_by_category`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from curation.randomness import stable_hash


def drawn_examples(num_items: int, shots: int, seed: int) -> list[tuple[int, ...]]:
    """Return for each item the places of its examples, in the order in which they are shown.

    There are fewer than `shots` where the task has fewer other items.
    """
    if shots <= 0:
        return [()] * num_items
    rng = random.Random(seed)  # not ours: the published prompts come from this generator
    return [_drawn(num_items, min(shots, num_items - 1), item, rng) for item in range(num_items)]


def _drawn(num_items: int, shots: int, item: int, rng: random.Random) -> tuple[int, ...]:
    places = set(rng.sample(range(num_items), shots))
    if item in places:
        places.remove(item)
        if len(places) >= num_items - 1:
            return tuple(places)
        other = rng.choice(range(num_items))
        while other in places or other == item:
            other = rng.choice(range(num_items))
        places.add(other)
    return tuple(places)


def parts_of(records: Sequence[Mapping[str, object]], places: Sequence[int], field: str) -> dict[str, list[int]]:
    """Return the places by the value of a field, sorted by value; one part when the field is empty."""
    if not field:
        return {"": list(places)}
    parts: dict[str, list[int]] = {}
    for place in places:
        parts.setdefault(str(records[place].get(field, "")), []).append(place)
    return dict(sorted(parts.items()))


def limited(places: Sequence[int], limit: int | None) -> list[int]:
    """Return at most `limit` of the places, in order: those with the smallest hashes.

    Files of one length lose the same places, so that translations stay the same questions.
    """
    if limit is None or len(places) <= limit:
        return list(places)
    return sorted(sorted(places, key=lambda place: (stable_hash("suite-limit", place), place))[:limit])
