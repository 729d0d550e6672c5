"""Rule 6: which tiers may share a fitted curve."""

from __future__ import annotations

from collections.abc import Iterable

from curation.errors import LawError


def family_of(tier: str) -> str | None:
    """Return the family of a tier's name (laptop, ladder, dclm); None for a name that is no tier of ours."""
    from curation.errors import RunError
    from train.tiers import load_tier

    try:
        return load_tier(tier).family
    except RunError:
        return None


def check_one_family(tiers: Iterable[str], where: str) -> None:
    """Refuse tiers of several families.

    Raises: LawError naming rule 6 and the tiers of each family.
    """
    members: dict[str, set[str]] = {}
    for tier in tiers:
        family = family_of(tier)
        if family is not None:
            members.setdefault(family, set()).add(tier)
    if len(members) < 2:
        return
    told = "; ".join(f"{family}: {', '.join(sorted(names))}" for family, names in sorted(members.items()))
    raise LawError(
        f"{where}: tiers of {len(members)} families in one curve ({told}); expected one family: pico and nano never "
        "share a fitted curve with larger tiers, nor dclm-* with the ladder (rule 6); choose one with --where"
    )
