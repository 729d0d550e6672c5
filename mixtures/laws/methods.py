"""The methods of `curate mix fit` by name."""

from __future__ import annotations

from curation.errors import LawError, nearest
from mixtures.laws.exponential import LOG_LINEAR, MIXING_LAW
from mixtures.laws.fitted import Method
from mixtures.laws.regmix import Line, Trees
from mixtures.laws.scaled import ADDITIVE, JOINT
from mixtures.laws.table import MixTable

METHODS: dict[str, Method] = {one.name: one for one in (Trees(), Line(), MIXING_LAW, ADDITIVE, JOINT, LOG_LINEAR)}


def method_named(name: str, aside: MixTable | None = None) -> Method:
    """Return a method; `aside` are mixtures with losses on which trees stop, as the authors' do.

    Raises: LawError for an unknown name.
    """
    if name not in METHODS:
        raise LawError(f"curate mix fit: unknown method `{name}`; {nearest(name, METHODS)}")
    return Trees(aside=aside) if name == "regmix-lightgbm" and aside is not None else METHODS[name]
