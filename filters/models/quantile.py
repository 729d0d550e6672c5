"""The quality classifier as a filter: rules first if it has any, then the best-scored share of what passes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, cast

from pydantic import Field, create_model

from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.stages import StageInputs
from curation.store import Artifact
from filters.base import FilterSettings
from filters.judged import Scope
from filters.models.classifier import VERSION as CLASSIFIER_VERSION
from filters.models.classifier import classifier_node, scores_node
from filters.models.keep_share import SHARE, keep_share
from filters.models.reference_texts import learned_from
from filters.models.training_set import FALLBACK_NAME, ClassifierSettings
from filters.rule_filter import RuleFilter, rule_settings

REASON = "low-quality-score"


class QuantileSettings(ClassifierSettings):
    """A classifier and the share that its best-scored documents make up."""

    keep: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the eligible documents that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierFilter:
    """Keeps the best-scored share of what passes its rules (all judged documents if it has none)."""

    name: str
    summary: str
    rules: RuleFilter | None

    @property
    def version(self) -> str:
        """Versions of the classifier, of the quantile and of the rules."""
        return f"{CLASSIFIER_VERSION}+quantile@1" + (f"+{self.rules.version}" if self.rules else "")

    @property
    def settings(self) -> type[FilterSettings]:
        """Classifier, `keep`, and every bound of its rules."""
        return _settings(self.rules.rule_set_names) if self.rules else QuantileSettings

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; it depends on the rules' verdict, the scores and who is alive."""
        scope = settings.scope(inputs)
        classifier = classifier_node(settings, inputs.pool, inputs.panel, scope, where)
        nodes = {
            "pool": inputs.pool,
            **inputs.who_is_alive(),
            "classifier": classifier,
            "scores": scores_node(inputs.pool, classifier, scope),
        }
        if self.rules:
            bounds = {rule.setting: rule.value for rule in self.rules.bounded(settings)}
            chosen = self.rules.settings(applies_to=settings.applies_to, without=settings.without, **bounds)
            nodes["rules"] = self.rules.node(chosen, inputs, where)

        def run(context: NodeRun) -> Mapping[str, Json]:
            return _run(self.name, settings.keep, scope, context)

        return Node(
            kind="verdict",
            version=self.version,
            params={"filter": self.name, "keep": settings.keep, "share": SHARE, **scope.as_params()},
            inputs=nodes,
            run=run,
            label=f"filter {self.name}",
        )


@cache
def _settings(rule_set_names: tuple[str, ...]) -> type[FilterSettings]:
    return create_model("QualitySettings", __base__=(QuantileSettings, rule_settings(rule_set_names)))


def _run(name: str, keep: float, scope: Scope, context: NodeRun) -> dict[str, Json]:
    summary = keep_share(context, label=f"filter {name}", keep=keep, scope=scope, reason=REASON, unit="P(hq)")
    classifier, rules = context.inputs["classifier"], context.inputs.get("rules")
    copied = {key: classifier.summary[key] for key in ("selected_for", "positives_from", "negative_slices")}
    bounds = {"bounds": rules.summary["bounds"]} if rules else {}
    notes = [_learned_from(classifier), *cast("list[Json]", summary["notes"])]
    return {**summary, **bounds, **copied, "notes": notes}


def _learned_from(classifier: Artifact) -> str:
    if classifier.summary["positives_from"] == FALLBACK_NAME:
        return (
            "learned from: descriptions of installed packages, because the pool has no curated slice; set `positives`"
        )
    return learned_from(cast("list[str]", classifier.summary["selected_for"]))
