"""The dataset card: YAML front matter for Hugging Face `datasets`, and what the corpus is made of, for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import yaml

from curation.batches import GROUP_BYTES, TEXT_SCHEMA
from curation.decontamination.report_view import summaries
from curation.files import Json, read_json
from curation.publishing.described import Described
from curation.publishing.removed import REMOVED_SCHEMA
from curation.recipe import Recipe, StageSpec
from curation.recipe_changes import StageWords, settings_text
from curation.store import Artifact

SIZE_CATEGORIES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"), (100_000_000_000, "10B<n<100B"), (1_000_000_000_000, "100B<n<1T"),
)  # fmt: skip
"""What the Hub calls sizes; beyond the last it is `n>1T`."""
LANGUAGE = re.compile(r"[a-z]{2,3}")
LANGUAGE_FRACTION = 0.005
"""Languages of a smaller share of the documents are in the table of a corpus, not in its front matter."""
HUB_LICENSES = frozenset(
    "mit apache-2.0 bsd-2-clause bsd-3-clause cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 "
    "cc-by-nc-4.0 odc-by pddl gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 mpl-2.0 unlicense isc zlib".split()
)
LICENSES_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The one split, `train`, of a config: where it lies and how much it is."""

    config: str
    pattern: str
    num_docs: int
    arrow_bytes: int
    stored_bytes: int
    """On disk, compressed."""


def card(corpus: Artifact, recipe: Recipe | None, told: Described, splits: Sequence[Split]) -> str:
    """Return README.md; without a recipe (a corpus found in a store, or imported) the manifest alone speaks."""
    name = recipe.name if recipe else _short(corpus)
    front = yaml.safe_dump(_front(corpus, name, told, splits), sort_keys=False, allow_unicode=True, width=110)
    description = (recipe.description if recipe else "") or "A corpus built by curate."
    if isinstance(said := corpus.summary.get("imported"), Mapping):
        description = f"Imported from {said['origin']}, revision {said['revision'] or 'unknown'}; no stage changed it."
    parts = [
        [f"# {name}", "", description.strip(), "", *_facts(corpus, recipe)],
        _configs(splits),
        _slices(corpus),
        _licenses(told),
        _languages(told),
        _funnel(corpus),
        _contamination(corpus),
        _again(corpus, recipe),
    ]
    body = "\n\n".join("\n".join(lines) for lines in parts if lines)
    return f"---\n{front}---\n{body}\n"


def _short(corpus: Artifact) -> str:
    return f"corpus-{corpus.fingerprint[:8]}"


def _front(corpus: Artifact, name: str, told: Described, splits: Sequence[Split]) -> dict[str, Json]:
    docs = cast("int", corpus.summary["num_docs"])
    names = sorted({share.license for share in told.licenses})
    only = names[0].lower() if len(names) == 1 else ""
    license_: dict[str, Json] = {"license": only}
    if only not in HUB_LICENSES:
        license_ = {"license": "other", "license_name": "by-document", "license_link": "README.md"}
    languages = [
        code
        for code, number in told.languages.items()
        if number >= LANGUAGE_FRACTION * docs and LANGUAGE.fullmatch(code)
    ]
    return {
        "pretty_name": name,
        **license_,
        **({"language": languages} if languages else {}),
        "task_categories": ["text-generation"],
        "size_categories": [next((text for bound, text in SIZE_CATEGORIES if docs < bound), "n>1T")],
        "tags": ["curate", "pretraining"],
        "configs": [
            {
                "config_name": split.config,
                **({"default": True} if split.config == "default" else {}),
                "data_files": [{"split": "train", "path": split.pattern}],
            }
            for split in splits
        ],
        "dataset_info": [_info(split) for split in splits],
    }


def _info(split: Split) -> dict[str, Json]:
    schema = REMOVED_SCHEMA if split.config == "removed" else TEXT_SCHEMA
    features: list[Json] = [{"name": field.name, "dtype": _dtype(field.type)} for field in schema]
    return {
        "config_name": split.config,
        "features": features,
        "splits": [{"name": "train", "num_bytes": split.arrow_bytes, "num_examples": split.num_docs}],
        "download_size": split.stored_bytes,
        "dataset_size": split.arrow_bytes,
    }


def _dtype(kind: pa.DataType) -> str:
    return {"double": "float64"}.get(str(kind), str(kind))


def _facts(corpus: Artifact, recipe: Recipe | None) -> list[str]:
    summary = corpus.summary
    params = cast("Mapping[str, Json]", corpus.manifest["params"])
    steps = cast("list[str]", params.get("steps", []))
    stages = " → ".join(map(step_text, steps, recipe.stages) if recipe else steps) or "none"
    return [
        f"- {summary['num_docs']:,} unique documents, {cast('int', summary['num_bytes']) / 1e6:,.1f} MB of text, "
        f"{cast('int', summary['num_tokens']):,} tokens of `{summary['tokenizer']}`",
        f"- fingerprint `{corpus.fingerprint}`, logical digest `{summary['logical_digest']}`",
        f"- validation panel split off first: `{summary['panel_digest']}`",
        f"- stages: {stages}",
    ]


def _configs(splits: Sequence[Split]) -> list[str]:
    words = {
        "default": "the corpus",
        "sample": "documents of it, drawn at random",
        "removed": "documents that stages dropped, as they were judged, with `step`, `reason` and `value`",
    }
    rows = [f"| `{s.config}` | {s.num_docs:,} | {s.stored_bytes / 1e6:,.1f} | {words[s.config]} |" for s in splits]
    return [
        "## Configs", "", "| config | documents | MB stored | what |", "|---|---:|---:|---|", *rows, "",
        f"Row groups hold at most {GROUP_BYTES / 1e6:.0f} MB of text; columns have the same types in every file.",
    ]  # fmt: skip


def _slices(corpus: Artifact) -> list[str]:
    slices = cast("Mapping[str, Mapping[str, int]]", corpus.summary["slices"])
    rows = [
        f"| {_cell(name)} | {n['docs']:,} | {n['bytes'] / 1e6:,.1f} | {n['tokens']:,} |"
        for name, n in sorted(slices.items())
    ]
    return ["## Slices", "", "| slice | documents | MB | tokens |", "|---|---:|---:|---:|", *rows]


def _licenses(told: Described) -> list[str]:
    docs = sum(share.docs for share in told.licenses)
    size = sum(share.bytes for share in told.licenses)
    rows = [
        f"| {_cell(s.source)} | {_cell(s.license)} | {s.docs:,} | {s.docs / max(docs, 1):.2%} | "
        f"{s.bytes / 1e6:,.2f} | {s.bytes / max(size, 1):.2%} |"
        for s in told.licenses[:LICENSES_SHOWN]
    ]
    more = (
        [f"{len(told.licenses) - LICENSES_SHOWN} more are in `croissant.json`."]
        if len(rows) < len(told.licenses)
        else []
    )
    return [
        "## Licences", "", "Each document keeps its own licence, in the column `license`; none was changed.", "",
        "| source | licence | documents | share | MB | share |", "|---|---|---:|---:|---:|---:|", *rows, *more,
    ]  # fmt: skip


def _languages(told: Described) -> list[str]:
    if not told.languages:
        return []
    named = ", ".join(f"{_cell(code)} {number:,}" for code, number in list(told.languages.items())[:LICENSES_SHOWN])
    return [f"Languages, by documents that name one: {named}."]


def _funnel(corpus: Artifact) -> list[str]:
    path = corpus.path / "funnel.json"
    if not path.is_file():
        return []
    rows = []
    for step in cast("list[Mapping[str, Json]]", read_json(path)):
        reasons = cast("Mapping[str, Mapping[str, int]]", step["reasons"])
        top = sorted(reasons.items(), key=lambda item: (-item[1]["docs"], item[0]))[:4]
        dropped = ", ".join(f"{reason} {count['docs']:,}" for reason, count in top if count["docs"])
        rows.append(f"| {_cell(str(step['step']))} | {step['docs_in']:,} | {step['docs_out']:,} | {_cell(dropped)} |")
    head = ["| step | documents in | out | dropped, most frequent first |", "|---|---:|---:|---|"]
    return ["## What each step let through", "", *head, *rows, "", "All of it, by slice and source: `funnel.json`."]


def _contamination(corpus: Artifact) -> list[str]:
    lines = [
        f"- {report['default_detector']}: {report['documents_hit']:,} of {report['documents']:,} documents share text "
        f"with {report['items_hit']:,} benchmark items; {report['precision']}"
        for report in cast("list[Mapping[str, Json]]", summaries(corpus.path))
    ]
    found = lines or ["Not searched for benchmark items."]
    return ["## Contamination", "", *found, "", "By benchmark: `contamination.json`."]


def _again(corpus: Artifact, recipe: Recipe | None) -> list[str]:
    command = "curate build recipe.json --pool YOUR_POOL --out SAME_CORPUS" if recipe else "curate show . --provenance"
    told = (
        f"With the same pool (`{cast('Mapping[str, Json]', corpus.manifest['inputs']).get('pool', '')}`) and versions "
        "the result has the fingerprint above. The whole chain is in `provenance.json`."
    )
    return ["## Make it again", "", "```", command, "curate show . --provenance", "```", "", told]


def _cell(text: str) -> str:
    return "".join(char for char in text if char.isprintable()).replace("|", "\\|")


def step_text(step: str, spec: StageSpec) -> str:
    """Return a stage as the funnel calls it, with its settings; what a control matches is in its label."""
    settings = StageWords.of(spec.kind, spec.name, spec.params).settings
    shown = settings_text({key: item for key, item in settings.items() if key != "match"})
    return f"{step} ({shown})" if shown else step
