"""Designs: which mixtures a swarm of runs tries. Points of the simplex, a pure function of centre, kind and seed.

Mixture i depends on i alone, never on how many there are, so a longer swarm begins with the runs of a shorter one.

`dirichlet`      Dir(c K p) around the natural shares p of K slices: mean p, and at concentration c = 1 and equal shares
                 uniform on the simplex. A smaller c goes further out, to one slice alone; a larger one stays near p.
`space-filling`  a scrambled Sobol sequence in K - 1 dimensions, mapped to the simplex so that volume is kept (stick
                 breaking by the Beta(1, m) quantiles, w = 1 - (1 - u)^(1/m) of what is left); p plays no part.

Weights are whole millionths that sum to 1, so a table of them says exactly what was trained.
Source: RegMix 2407.01492, section 3.1 (Dirichlet around the natural shares); Fang and Wang, Number-theoretic Methods in
Statistics (1994), section 1.4.4 (the map). Prefixes and rounding are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from curation.errors import LawError, nearest
from curation.randomness import generator, stable_hash

DIRICHLET = "dirichlet"
SPACE_FILLING = "space-filling"
DESIGNS = (DIRICHLET, SPACE_FILLING)
UNITS = 1_000_000
"""Weights are whole multiples of one over this."""
MAX_RUNS = 100_000

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How mixtures are chosen."""

    kind: str = DIRICHLET
    concentration: float = 1.0
    """Of `dirichlet` alone."""
    seed: int = 1


def design_mixtures(natural: Mapping[str, float], design: Design, runs: int) -> list[dict[str, float]]:
    """Return so many mixtures of the slices of `natural`, each by name and summing to 1.

    Raises: LawError for an unknown design, fewer than two slices, a concentration or number of runs out of range.
    """
    _refuse(natural, design, runs)
    names = sorted(natural)
    centre = np.array([natural[name] for name in names], np.float64)
    centre = centre / centre.sum()
    if design.kind == DIRICHLET:
        points = [_dirichlet(centre, design, number) for number in range(runs)]
    else:
        points = list(_space_filling(len(names), design.seed, runs))
    return [dict(zip(names, rounded(point), strict=True)) for point in points]


def rounded(weights: Sequence[float] | Floats) -> list[float]:
    """Return weights as whole millionths that sum to 1; the largest remainders are rounded up, ties to the first."""
    values = np.asarray(weights, np.float64)
    exact = values / values.sum() * UNITS
    units = np.floor(exact).astype(np.int64)
    short = UNITS - int(units.sum())
    units[np.argsort(-(exact - units), kind="stable")[:short]] += 1
    return [int(unit) / UNITS for unit in units]


def on_simplex(cube_NK: Floats) -> Floats:
    """Return points of the unit cube as weights of one more slice, so that equal volumes stay equal."""
    num, dims = cube_NK.shape
    weights = np.empty((num, dims + 1))
    left = np.ones(num)
    for place in range(dims):
        part = 1.0 - (1.0 - cube_NK[:, place]) ** (1.0 / (dims - place))
        weights[:, place] = left * part
        left = left * (1.0 - part)
    weights[:, dims] = left
    return weights


def _dirichlet(centre: Floats, design: Design, number: int) -> Floats:
    """Return one draw; gammas in logarithms, as those of small shapes underflow: G(a) = G(a + 1) U^(1/a)."""
    stream = generator(design.seed, "swarm", DIRICHLET, number)
    shapes = design.concentration * len(centre) * centre
    logs = np.log(stream.standard_gamma(shapes + 1.0)) + np.log1p(-stream.random(len(centre))) / shapes
    values: Floats = np.exp(logs - logs.max())
    normalised: Floats = values / values.sum()
    return normalised


def _space_filling(num_slices: int, seed: int, runs: int) -> Floats:
    from scipy.stats import qmc

    scramble = np.random.default_rng(stable_hash(seed, "swarm", SPACE_FILLING))
    sequence = qmc.Sobol(num_slices - 1, scramble=True, rng=scramble)
    size = 1 << (runs - 1).bit_length()  # a whole power of two keeps the sequence balanced; the rest is left off
    return on_simplex(np.asarray(sequence.random(size), np.float64)[:runs])


def refuse_design(design: Design, runs: int) -> None:
    """Raise LawError for what no slices could mend: an unknown design, runs or a concentration out of range."""
    if design.kind not in DESIGNS:
        raise LawError(f"--design: unknown design `{design.kind}`; {nearest(design.kind, DESIGNS)}")
    if not 1 <= runs <= MAX_RUNS:
        raise LawError(f"--runs: {runs:,}, expected 1 to {MAX_RUNS:,}; correct it")
    if not 0.01 <= design.concentration <= 10_000:
        raise LawError(f"--concentration: {design.concentration:g}, expected 0.01 to 10,000; 1 is a usual one")


def _refuse(natural: Mapping[str, float], design: Design, runs: int) -> None:
    refuse_design(design, runs)
    if len(natural) < 2:
        raise LawError(
            f"--design: a mixture of {len(natural)} slice(s) ({', '.join(natural) or 'none'}), expected at least 2; "
            "use a pool with more slices, or name them with a tagger"
        )
    empty = sorted(name for name, share in natural.items() if not share > 0)
    if empty:
        raise LawError(f"--design: slice `{empty[0]}` has no text, expected some; leave it out with --slices")
