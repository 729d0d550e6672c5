"""Marks of a panel's slices beside a model: what a reader must know before trusting a score.

`trained-on:SHARE` the slice's own source fed the training, with its share of the tokens drawn; `selected-for` a
classifier, target or search drew on it (rule 2): shown, not in the headline; `target` a domain that the user named;
`external` somebody else's documents, which nothing was kept apart from; `not-split-off` the model's training data did
not leave this panel's documents out, or nothing is known of it; `unknown-tokens:SHARE` of its tokens are unknown ones
of the tokenizer; `few-families`, `few-bytes`, `noisy-web` shown and not judged (rule 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from curation.files import read_json
from curation.mix_spec import slice_of
from curation.panel_slices import why_shown_only
from curation.panel_view import is_external, panel_domains
from curation.slices import domain_of
from curation.store import Artifact, Store
from train.evals.panel_scores import PanelScores
from train.evals.results import SliceResult

SELECTED_FOR, TARGET, EXTERNAL, NOT_SPLIT_OFF = "selected-for", "target", "external", "not-split-off"
TRAINED_ON, UNKNOWN_TOKENS = "trained-on", "unknown-tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a model was trained on, as far as it concerns a panel; nothing known is empty."""

    shares: Mapping[str, float] = field(default_factory=dict)
    """Share of the tokens drawn, by slice of the corpus."""
    selected_for: frozenset[str] = frozenset()
    panels: frozenset[str] = frozenset()
    """Fingerprints of the panels whose documents and near copies its corpora left out."""


def run_training(store: Store, run: Artifact) -> Training:
    """Return what is known of a run's training from its manifest and the corpora that the store still holds."""
    drawn = cast("Mapping[str, int]", run.summary.get("tokens_by_slice", {}))
    total = sum(drawn.values())
    inputs = cast("Mapping[str, str]", run.manifest.get("inputs", {}))
    corpora = [corpus for name, value in inputs.items() if "tokens" in name if (corpus := _corpus(store, value))]
    left_out = [frozenset([_inputs(corpus).get("panel", "")]) for corpus in corpora]
    return Training(
        shares=_by_slice({name: number / total for name, number in drawn.items() if number} if total else {}),
        selected_for=frozenset(
            name for corpus in corpora for name in cast("list[str]", corpus.summary.get("selected_for", []))
        ),
        panels=frozenset.intersection(*left_out) if left_out else frozenset(),
    )


def tokens_training(store: Store, tokens: str | None) -> Training:
    """Return the training of a checkpoint from the fingerprint of the token streams that it reads."""
    streams = store.find("tokens", tokens) if tokens else None
    if streams is None:
        return Training()
    corpus = store.find("corpus", _inputs(streams).get("corpus", ""))
    return Training(
        shares=_by_slice(cast("Mapping[str, float]", streams.summary.get("token_shares", {}))),
        selected_for=frozenset(cast("list[str]", corpus.summary.get("selected_for", [])) if corpus else ()),
        panels=frozenset([_inputs(corpus).get("panel", "")] if corpus else ()),
    )


def tokens_panel(store: Store, tokens: str | None) -> Artifact | None:
    """Return the panel that left the corpus of token streams, if the store holds all three."""
    corpus = _corpus(store, tokens) if tokens else None
    return store.find("panel", _inputs(corpus).get("panel", "")) if corpus else None


def directory_training(store: Store, folder: Path) -> Training:
    """Return the training of a model directory: that of the run it was exported from, else nothing known."""
    try:
        manifest = cast("Mapping[str, Any]", read_json(folder / "run.json"))
        known = manifest["kind"] == "run" and isinstance(manifest["summary"], Mapping)
    except (OSError, ValueError, KeyError, TypeError):
        return Training()
    return run_training(store, Artifact(path=folder, manifest=manifest)) if known else Training()


def marks_of(panel: Artifact, scores: PanelScores, plain: Mapping[str, SliceResult], training: Training) -> dict[
    str, tuple[str, ...]
]:  # fmt: skip
    """Return the marks of each slice of `plain`, which `slice_results` gave without any."""
    external, domains = is_external(panel), panel_domains(panel)
    split_off = panel.fingerprint in training.panels
    found = {}
    for name, one in plain.items():
        marks = [EXTERNAL] if external else []
        domain, base = domain_of(name, domains), name.split("/")[0]
        marks += [TARGET] if domain == "target" else []
        marks += [] if external or split_off else [NOT_SPLIT_OFF]
        marks += [SELECTED_FOR] if {name, base} & training.selected_for else []
        share = 0.0 if external else training.shares.get(name, training.shares.get(base, 0.0))
        marks += [f"{TRAINED_ON}:{share:.4f}"] if share else []
        unknown = scores.unknown_tokens.get(name, 0)
        marks += [f"{UNKNOWN_TOKENS}:{unknown / one.num_tokens:.4f}"] if unknown else []
        found[name] = (*marks, *why_shown_only(domain, one.num_families, one.num_bytes))
    return found


def _by_slice(shares: Mapping[str, float]) -> dict[str, float]:
    """Return shares with those of quality buckets added up: a panel knows slices alone."""
    found: dict[str, float] = {}
    for entry, share in shares.items():
        found[slice_of(entry)] = found.get(slice_of(entry), 0.0) + share
    return found


def _corpus(store: Store, tokens: str) -> Artifact | None:
    """Return the corpus of a tokens artifact, if the store holds both."""
    streams = store.find("tokens", tokens)
    return store.find("corpus", _inputs(streams).get("corpus", "")) if streams else None


def _inputs(artifact: Artifact) -> Mapping[str, str]:
    return cast("Mapping[str, str]", artifact.manifest.get("inputs", {}))
