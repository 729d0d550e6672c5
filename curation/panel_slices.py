"""What the slices of a panel are: their domain and size, whether they may be judged (rule 5), and their languages.

Of a multilingual slice each language is a slice of its own when a model is scored: `multilingual/de`. A language with
fewer than `MIN_LANGUAGE_FAMILIES` families, and text without one, is in `multilingual/other`. The panel itself is split
and named by the pool's slices, so its identity does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from curation.batches import text_view
from curation.files import Json
from curation.slices import Domain, domain_of

MIN_JUDGED_FAMILIES = 50
MIN_JUDGED_BYTES = 1_000_000
MIN_LANGUAGE_FAMILIES = 5
OTHER = "other"

FEW_FAMILIES, FEW_BYTES, NOISY_WEB = "few-families", "few-bytes", "noisy-web"
BY_DOCUMENTS = "by-documents"
WORDS = {
    FEW_FAMILIES: f"under {MIN_JUDGED_FAMILIES} families (rule 5)",
    FEW_BYTES: "under 1 MB (rule 5)",
    NOISY_WEB: "noisy web is never gated (rule 5)",
    BY_DOCUMENTS: "one family, split by documents (rule 1)",
}
"""Why a slice is shown and not judged: the mark, and what a person reads."""


def is_large_enough(num_families: int, num_bytes: int) -> bool:
    """Return whether a slice has the families and bytes that rule 5 asks for."""
    return num_families >= MIN_JUDGED_FAMILIES and num_bytes >= MIN_JUDGED_BYTES


def why_shown_only(domain: Domain, num_families: int, num_bytes: int) -> tuple[str, ...]:
    """Return the marks of what keeps a slice from being judged; empty when nothing does."""
    found = ((NOISY_WEB, domain == "noisy-web"), (FEW_FAMILIES, num_families < MIN_JUDGED_FAMILIES),
             (FEW_BYTES, num_bytes < MIN_JUDGED_BYTES))  # fmt: skip
    return tuple(mark for mark, holds in found if holds)


def slice_facts(
    panel: pa.Table, full_bytes: Sequence[int], domains: Mapping[str, Domain]
) -> dict[str, dict[str, Json]]:
    """Return what each slice of a panel's table of cut documents holds; `full_bytes` are of the whole documents."""
    slices = np.asarray(panel["slice"].to_pylist(), object)
    families = np.asarray(panel["family"].to_pylist(), object)
    scored, full = text_view(panel["text"]).num_bytes, np.asarray(full_bytes, np.int64)
    facts: dict[str, dict[str, Json]] = {}
    for name in sorted(set(slices.tolist())):
        rows = slices == name
        num_families, num_bytes = len(set(families[rows].tolist())), int(scored[rows].sum())
        domain = domain_of(name, domains)
        facts[name] = {
            "docs": int(rows.sum()),
            "families": num_families,
            "bytes": num_bytes,
            "full_bytes": int(full[rows].sum()),
            "split_by": "families",
            "domain": domain,
            "judged": not why_shown_only(domain, num_families, num_bytes),
        }
    return facts


def with_languages(panel: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
    """Return the panel's table with each language of a multilingual slice as a slice: a function of the rows alone."""
    if "lang" not in panel.column_names:
        return panel
    slices, langs = panel["slice"].to_pylist(), panel["lang"].to_pylist()
    families = panel["family"].to_pylist()
    members: dict[tuple[str, str], set[str]] = {}
    for name, lang, family in zip(slices, langs, families, strict=True):
        if lang and domain_of(name, domains) == "multilingual":
            members.setdefault((name, lang), set()).add(family)
    own = {key for key, found in members.items() if len(found) >= MIN_LANGUAGE_FAMILIES}
    split = {name for name, _ in own}
    named = [
        f"{name}/{lang if (name, lang) in own else OTHER}" if name in split else name
        for name, lang in zip(slices, langs, strict=True)
    ]
    return panel.set_column(panel.column_names.index("slice"), "slice", pa.array(named, panel["slice"].type))
