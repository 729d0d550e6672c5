"""What a filter is: a named component that turns settings and the nodes before it into a verdict node.

Every filter's settings hold `applies_to`: the kinds of slices it judges; other slices pass unjudged. Names lead to
filters through the registry `FILTERS`; `package.module:Class` names a document filter of one's own.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias, cast

import numpy as np
from pydantic import BeforeValidator, Field

from curation.errors import PluginError, RecipeError, nearest
from curation.files import Json
from curation.nodes import Node
from curation.recipe import Spec
from curation.registry import Registry
from curation.sidecars import VerdictPart
from curation.slices import SliceKind
from curation.stages import StageInputs
from filters.judged import PROSE, Scope, SliceCodes


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Kinds = Annotated[tuple[SliceKind, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class FilterSettings(Spec):
    """Settings of every filter; each filter adds its own fields."""

    applies_to: Kinds = PROSE
    """Kinds of slices that are judged; documents of other slices pass unjudged."""

    def scope(self, inputs: StageInputs) -> Scope:
        """Return which slices are judged under these settings and the recipe's `slice_kinds`."""
        return Scope(applies_to=self.applies_to, slice_kinds=inputs.slice_kinds)


class Filter(Protocol):
    """A component of kind filter; all members are read-only."""

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def version(self) -> str:
        """Version of everything that decides its verdicts, for fingerprints."""

    @property
    def summary(self) -> str:
        """One sentence for people."""

    @property
    def settings(self) -> type[Spec]:
        """Model of its parameters."""

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node under `settings` (an instance of `self.settings`)."""


FILTERS: Registry[Any] = Registry(
    "filter",
    {
        "quality_v1": "filters.quality:QUALITY_V1",
        "quality_v2": "filters.quality:QUALITY_V2",
        "quality_v3": "filters.quality:QUALITY_V3",
        "gopher-quality": "filters.quality:GOPHER_QUALITY_FILTER",
        "gopher-repetition": "filters.quality:GOPHER_REPETITION_FILTER",
        "c4-page": "filters.quality:C4_PAGE_FILTER",
        "fineweb": "filters.quality:FINEWEB_FILTER",
        "fasttext-quality": "filters.quality:FASTTEXT_QUALITY_FILTER",
        "random": "filters.controls:RANDOM",
        "random-matched": "filters.controls:RANDOM_MATCHED",
        "length": "filters.controls:LENGTH",
        "perplexity": "filters.models.perplexity:PERPLEXITY",
        "dsir": "filters.models.importance:DSIR",
        "pruning-metric": "filters.models.pruning:PRUNING",
        "quantile-ensemble": "filters.models.ensemble:QUANTILE_ENSEMBLE",
        "word-count": "filters.word_count:WordCount",
        "rules": "filters.own_rules:OWN_RULES",
        "language": "filters.language:LANGUAGE",
        "url-list": "filters.url_list:URL_LIST",
        "toxic-words": "filters.toxic_words:TOXIC_WORDS",
        "token-fertility": "filters.token_fertility:TOKEN_FERTILITY",
        "c4-badwords": "filters.bad_words:BAD_WORDS",
    },
)
"""Filters by name; a value is a `Filter` or a document filter's class. Entry points: group `curate.filters`."""

FilterMaker: TypeAlias = Callable[[str, str], Filter]
"""(whole name with its scheme, where) -> filter; raises RecipeError for a rest that it cannot read."""

FILTER_SCHEMES: Registry[FilterMaker] = Registry(
    "filter-scheme",
    {
        "datatrove": "filters.datatrove_filter:datatrove_filter",
        "fasttext": "filters.models.fasttext_filter:fasttext_filter",
        "transformer": "filters.models.transformer_filter:transformer_filter",
    },
)
"""Who makes a filter from a name `scheme:rest`. Entry points: group `curate.filter-schemes`."""


def find_filter(name: str, where: str) -> Filter:
    """Return the filter called `name`.

    A name is registered, a rule set `name/dialect[@version]`, `scheme:rest` (see `FILTER_SCHEMES`) or `module:Class`.
    Raises: RecipeError for an unknown name (offering the nearest), PluginError for one that does not load.
    """
    from filters.document import as_filter

    scheme, colon, _ = name.partition(":")
    if colon and scheme in FILTER_SCHEMES.names():
        return FILTER_SCHEMES.get(scheme, where)(name, where)
    if "/" in name and ":" not in name:
        return _rule_set_filter(name, where)
    if ":" in name:
        return as_filter(name, plugin_class(name, where, method="judge", gives="Verdict"))
    if name not in FILTERS.names():
        raise RecipeError(
            f"{where}: unknown filter `{name}`; {nearest(name, FILTERS.names())} "
            "(a filter of your own is `package.module:Class`)"
        )
    found = FILTERS.get(name, where)
    if isinstance(found, type):
        return as_filter(name, found)
    if not callable(getattr(found, "node", None)):
        raise PluginError(
            f"{where}: filter `{name}` ({FILTERS.origin(name)}) is a {type(found).__name__}, expected a Filter or a "
            "class with `judge(document) -> Verdict`; see docs/filters.md"
        )
    return cast("Filter", found)


def _rule_set_filter(name: str, where: str) -> Filter:
    from filters.rule_filter import RuleFilter
    from filters.rules import find_rule_set

    found = find_rule_set(name, where)
    return RuleFilter(name=f"{found.name}/{found.dialect}", summary=found.summary, rule_set_names=(name,))


def plugin_class(name: str, where: str, *, method: str, gives: str, kind: str = "filter") -> type[Any]:
    """Return the class at `module:Class` with the named method; modules of the working directory are found too.

    Raises: RecipeError for what looks like a misspelt scheme; PluginError if it does not load or has no such method.
    """
    module_name, _, attribute = name.partition(":")
    scheme = difflib.get_close_matches(module_name, FILTER_SCHEMES.names(), n=1, cutoff=0.75)
    if kind == "filter" and scheme and "." not in module_name and importlib.util.find_spec(module_name) is None:
        raise RecipeError(f"{where}: filter `{name}`: no scheme `{module_name}`; did you mean `{scheme[0]}:`?")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{where}: {kind} `{name}` does not load ({error}); expected `package.module:Class` on the Python path "
            "or in the working directory"
        ) from error
    except Exception as error:  # a stranger's module may do anything when it is imported
        raise PluginError(
            f"{where}: {kind} `{name}`: its module fails when it is imported ({_place_of(error)}); mend the module"
        ) from error
    finally:
        sys.path.remove(here)
    if not isinstance(found, type) or not callable(getattr(found, method, None)):
        raise PluginError(
            f"{where}: {kind} `{name}` is not a class with `{method}(document) -> {gives}`; see docs/{kind}s.md"
        )
    return found


def _place_of(error: Exception) -> str:
    """Return what went wrong and in which line of which file."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}, {error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}: {error}, {frames[-1].filename}, line {frames[-1].lineno}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCount:
    """What became of the rows of one part."""

    docs_in: int
    docs_judged: int
    docs_kept: int
    dropped: tuple[int, ...]  # by first reason
    slices: tuple[str, ...]


def count_part(verdict: VerdictPart, judged: np.ndarray, slices: SliceCodes, num_reasons: int) -> PartCount:
    """Return the counts of one part's verdict."""
    first = verdict.reason[verdict.reason >= 0].astype(np.int64)
    return PartCount(
        docs_in=len(verdict.kept),
        docs_judged=int(judged.sum()),
        docs_kept=int(verdict.kept.sum()),
        dropped=tuple(np.bincount(first, minlength=num_reasons).tolist()),
        slices=slices.names,
    )


def verdict_summary(reasons: Sequence[str], counts: Iterable[PartCount], scope: Scope) -> dict[str, Json]:
    """Return the summary every verdict has: reasons, documents in, judged, kept, dropped by reason, slices judged.

    Counts are over all rows of the pool, whatever their role; the funnel of a corpus counts the living ones.
    """
    parts = list(counts)
    dropped: Mapping[str, Json] = {
        reason: sum(part.dropped[code] for part in parts) for code, reason in enumerate(reasons)
    }
    return {
        "reasons": list(reasons),
        "docs_in": sum(part.docs_in for part in parts),
        "docs_judged": sum(part.docs_judged for part in parts),
        "docs_kept": sum(part.docs_kept for part in parts),
        "dropped": dropped,
        **scope.split([name for part in parts for name in part.slices]),
    }
