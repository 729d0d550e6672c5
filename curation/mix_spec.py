"""`mix` of a recipe: how slices are weighed when tokens are drawn.

```yaml
mix: natural weights, or one of
  {weights: {web: 0.7, code: 0.3}}                      # shares that sum to 1
  {weights: temperature, temperature: 3.3}              # p ~ size^(1/T)
  {weights: unimax, max_epochs: 4}                      # as uniform as the cap allows
  {tokens: {code: 2B}}                                  # so many tokens of a slice, the others by `weights`
  {groups: {web: {weight: 0.7, within: natural}, code: {weight: 0.3, slices: [py/*, cpp]}}}
  {phases: [{until: 0.8}, {weights: {web: 0.5, code: 0.5}}]}
  {quality: {score: fasttext-quality, buckets: [{top: 0.1, repeat: 4}, {repeat: 1}]}}
  {weights: natural, shift: {code: 0.05, web: -0.05}}   # share points that move from slice to slice
```
`max_epochs` goes with all of them. What depends on a number of tokens is settled for `budget` (default: the tier's 1x)
when a run of a tier is planned (`mixtures.course`), so that every budget of a model reads a prefix of one order.
A setting that is not used is not dumped: recipes that were written before it existed keep their fingerprints.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)
from pydantic import model_validator as after

MAX_MULTIPLE = 16.0
"""Largest budget of a tier in multiples of 1x; a number above it is one of tokens."""
BUCKET_MARK = "#"
"""Between a slice and its quality bucket, `web#1`, the best one first; refused in other slices' names."""
_FACTORS = {"K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_OLD = ("weights", "unit", "normalize")
"""Settings that are always dumped."""


def _amount(value: object) -> object:
    """Return the number that `2B`, `0.8x` or a plain number means; anything else as it is."""
    if isinstance(value, bool):
        raise ValueError(f"expected a number of tokens such as 2B, got {value}")
    if not isinstance(value, str):
        return value
    text = value.strip().removesuffix("x")
    factor = _FACTORS.get(text[-1:].upper(), 1.0)
    try:
        return float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        raise ValueError(f"`{value}` is no amount; expected for example 2B tokens, or 0.8 of the 1x budget") from None


Amount = Annotated[float, BeforeValidator(_amount), Field(gt=0, allow_inf_nan=False)]
Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Named = Literal["natural", "uniform", "temperature", "unimax"]


def extent_tokens(amount: float, tokens_at_1x: int) -> float:
    """Return the tokens that an amount means: up to `MAX_MULTIPLE` it is in multiples of a tier's 1x budget."""
    return amount * tokens_at_1x if amount <= MAX_MULTIPLE else amount


def slice_of(entry: str) -> str:
    """Return the slice that a name in a schedule or a run belongs to: without the number of a quality bucket."""
    name, _, number = entry.rpartition(BUCKET_MARK)
    return name if name and number.isdigit() else entry


def _refuse_bad_shares(weights: object, name: str) -> None:
    if isinstance(weights, dict) and not all(0 <= weight < math.inf for weight in weights.values()):
        raise ValueError(f"{name} must be numbers of at least 0, got {weights}")


def _refuse_bad_sum(weights: Mapping[str, float], name: str) -> None:
    total = sum(weights.values())
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"{name} sum to {total:.6g}, expected 1; fix them or set `normalize: true`")


def _refuse_bad_temperature(temperature: float | None, *, used: bool) -> None:
    if temperature is not None and not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature is {temperature:g}, expected more than 0; 1 is natural, larger is nearer to uniform: "
            "raise it, or use `weights: natural` or `uniform`"
        )
    if used and temperature is None:
        raise ValueError("weights `temperature` without a temperature; set `temperature: 3.3` or another one")
    if temperature is not None and not used:
        raise ValueError("a temperature is given and not used; set `weights: temperature` (`within:` in a group)")


class _Dumped(BaseModel):
    """A spec that dumps settings that were there from the start, and what differs from its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _dumped(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields, kept = type(self).model_fields, {*_OLD} & self._always()
        return {
            name: value
            for name, value in handler(self).items()
            if name in kept or getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }

    def _always(self) -> set[str]:
        return set()


class GroupSpec(_Dumped):
    """Slices that share one weight: a source with its topics."""

    weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Share of the group; if no group has one, `weights` (natural, uniform, ...) weighs the groups by their sizes."""
    slices: tuple[str, ...] = ()
    """Names or patterns (`web/*`); none means the slice of the group's name and those below it (`NAME/...`)."""
    within: Named | dict[str, float] = "natural"
    temperature: float | None = None

    @after(mode="after")
    def _sound(self) -> GroupSpec:
        _refuse_bad_temperature(self.temperature, used=self.within == "temperature")
        _refuse_bad_shares(self.within, "within")
        if isinstance(self.within, dict):
            _refuse_bad_sum(self.within, "within")
        twice = sorted(name for name, number in Counter(self.slices).items() if number > 1)
        if twice:
            raise ValueError(f"slices lists `{twice[0]}` twice, expected once; remove one")
        return self


class SchemeSpec(_Dumped):
    """Weights at one time of a training."""

    weights: Named | dict[str, float] = "natural"
    temperature: float | None = None
    normalize: bool = False
    groups: dict[str, GroupSpec] = {}

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: object) -> object:
        _refuse_bad_shares(weights, "weights")
        return weights

    @after(mode="after")
    def _sums_to_one(self) -> SchemeSpec:
        if isinstance(self.weights, dict) and not self.normalize:
            _refuse_bad_sum(self.weights, "weights")
        _refuse_bad_temperature(self.temperature, used=self.weights == "temperature")
        if self.groups:
            self._sound_groups()
        return self

    def _sound_groups(self) -> None:
        if isinstance(self.weights, dict):
            raise ValueError("weights of slices beside `groups`; give each group its `weight` and leave `weights` out")
        owners: dict[str, str] = {}
        for group, spec in self.groups.items():
            for name in {*spec.slices, *(spec.within if isinstance(spec.within, dict) else ())}:
                if owners.setdefault(name, group) != group:
                    raise ValueError(
                        f"slice `{name}` is in the groups `{owners[name]}` and `{group}`; expected one; remove it"
                    )
        weights = {name: spec.weight for name, spec in self.groups.items() if spec.weight is not None}
        if weights and len(weights) < len(self.groups):
            missing = sorted(self.groups.keys() - weights.keys())
            raise ValueError(f"groups.{missing[0]} has no weight, other groups have; give all of them one, or none")
        if weights and self.weights != "natural":
            raise ValueError(f"groups have weights and `weights: {self.weights}` weighs groups too; remove one of them")
        if weights and not self.normalize:
            _refuse_bad_sum(weights, "weights of groups")

    def named_slices(self) -> set[str]:
        """Return the slices that are given a share of their own by name; `mix_names.explicit_slices` has all."""
        shares = [self.weights, *(group.within for group in self.groups.values())]
        return {name for given in shares if isinstance(given, dict) for name, share in given.items() if share > 0}

    @property
    def uses_unimax(self) -> bool:
        """Whether anything is drawn as uniformly as epoch caps allow."""
        return "unimax" in (self.weights, *(group.within for group in self.groups.values()))


class PhaseSpec(SchemeSpec):
    """Weights up to a point of the training."""

    until: Amount | None = None
    """Up to 16: in multiples of the tier's 1x budget; more, or `5B`: tokens. None: to the end (the last phase)."""


class BucketSpec(_Dumped):
    """The best-scored text of a slice that no bucket before it has."""

    top: float | None = Field(default=None, gt=0, lt=1)
    """Share of the slice's bytes down to which it reaches; None: the rest (the last bucket)."""
    repeat: float = Field(gt=0, allow_inf_nan=False)
    """How often it is drawn, relative to the other buckets of the slice."""


class QualitySpec(_Dumped):
    """Up-sampling of the best documents inside slices."""

    score: str
    """A named score, more is better: `fasttext-quality`, `set.signal`, `-set.signal`, `fasttext:PATH`."""
    slices: tuple[str, ...] = ()
    """Names or patterns; none means all."""
    buckets: tuple[BucketSpec, ...] = Field(min_length=2)

    @after(mode="after")
    def _falling(self) -> QualitySpec:
        tops = [bucket.top for bucket in self.buckets]
        inner = [top for top in tops[:-1] if top is not None]
        if len(inner) < len(tops) - 1 or tops[-1] is not None:
            raise ValueError("every bucket but the last needs `top`, the last takes the rest and has none; mend them")
        if any(left >= right for left, right in pairwise(inner)):
            raise ValueError(f"buckets reach to {inner}, expected rising shares, the best bucket first; reorder them")
        return self


class MixSpec(SchemeSpec):
    """How slices are weighed when tokens are drawn."""

    unit: Literal["bytes", "tokens"] = "bytes"
    max_epochs: Epochs | dict[str, Epochs] | None = None
    """How often a slice may be read in the whole run; what is over the cap goes to the others."""
    tokens: dict[str, Amount] = {}
    """Tokens to draw of a slice in `budget`; the others share the rest by `weights`."""
    budget: Amount = 1.0
    """What caps and `tokens` are settled for: multiples of the tier's 1x up to 16, more are tokens (`20B`)."""
    phases: tuple[PhaseSpec, ...] = ()
    quality: QualitySpec | None = None
    shift: dict[str, float] = {}
    """Share points added to what `weights` or `groups` say, before caps; they sum to 0."""

    def _always(self) -> set[str]:
        return {*_OLD}

    @after(mode="after")
    def _sound(self) -> MixSpec:
        schemes: Sequence[SchemeSpec] = self.schemes
        if self.phases and (self.weights != "natural" or self.groups or self.normalize):
            raise ValueError("weights beside `phases`; give them in the first phase, or leave `phases` out")
        if any(scheme.uses_unimax for scheme in schemes) and self.max_epochs is None:
            raise ValueError("`unimax` without `max_epochs`; set `max_epochs: 4`, or use `uniform`")
        if self.tokens and any(scheme.groups for scheme in schemes):
            raise ValueError("`tokens` beside `groups`; expected one of them; give the groups weights instead")
        both = sorted(self.tokens.keys() & {name for scheme in schemes for name in scheme.named_slices()})
        if both:
            raise ValueError(f"slice `{both[0]}` has a weight and a budget in `tokens`; remove one of them")
        small = sorted(name for name, tokens in self.tokens.items() if tokens <= MAX_MULTIPLE)
        if small:
            raise ValueError(f"tokens.{small[0]} is {self.tokens[small[0]]:g}; expected a number of tokens such as 2B")
        self._sound_phases()
        self._sound_shift()
        return self

    def _sound_shift(self) -> None:
        if not self.shift:
            return
        total = math.fsum(self.shift.values())
        if not all(map(math.isfinite, self.shift.values())) or abs(total) > 1e-6:
            shown = "{" + ", ".join(f"{name}: {points:+g}" for name, points in self.shift.items()) + "}"
            raise ValueError(f"shift sums to {total:+.6g} ({shown}), expected 0: what some gain others give; mend it")
        other = next((key for key in ("phases", "tokens") if getattr(self, key)), None)
        if other:
            raise ValueError(f"`shift` beside `{other}`; expected one of them; give the weights themselves")

    def _sound_phases(self) -> None:
        ends = [phase.until for phase in self.phases]
        for number, end in enumerate(ends[:-1]):
            if end is None:
                raise ValueError(f"phases[{number}] has no `until`, expected one in all but the last phase; set it")
        for unit in (True, False):  # multiples of 1x compare with each other only, as tokens do
            known = [end for end in ends if end is not None and (end <= MAX_MULTIPLE) is unit]
            if any(left >= right for left, right in pairwise(known)):
                shown = ", ".join(f"{end:g}" for end in known)
                raise ValueError(f"phases end at {shown}: out of order, expected rising `until`; reorder them")

    @property
    def schemes(self) -> tuple[SchemeSpec, ...]:
        """Weights in the order of time; one without phases."""
        return self.phases or (self,)

    @property
    def needs_budget(self) -> bool:
        """Whether shares depend on how many tokens are drawn, so that they are settled for a tier."""
        return self.max_epochs is not None or bool(self.tokens) or bool(self.phases)
