"""The recipe stage `dedup`: `exact`, `url` and `minhash` as verdicts; `lines` and `bff`, which also rewrite text.

Only documents that the panel and the stages before left alive take part. Which copy stays depends on the documents
alone, never on parts, workers or order, and deduplicating twice drops nothing more. See `docs/dedup.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from curation.dedup.alive import AliveDocs, alive_docs
from curation.dedup.clusters import Copies, band_copies, exact_copies, verified_copies
from curation.dedup.lines import BffParams, LinesParams, bff_stage, lines_stage
from curation.dedup.params import ExactParams, MinhashParams, UrlParams, curve, lsh_threshold
from curation.dedup.signatures import exact_node, minhash_node, url_node
from curation.errors import RecipeError, nearest
from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.recipe import StageSpec, as_json, validate
from curation.sidecars import VerdictPart, write_verdict
from curation.stages import Rewrite, StageInputs

NAMES = ("exact", "url", "minhash", "lines", "bff")
EXACT_VERSION = "dedup-exact@1"
MINHASH_VERSION = "dedup-minhash@1"


def dedup_node(spec: StageSpec, inputs: StageInputs, where: str) -> Node | Rewrite:
    """Return the verdict node of the dedup that `spec` names, or the rewrite if it takes lines out.

    Raises: RecipeError for an unknown name, parameter or preset.
    """
    if spec.name == "exact":
        exact: ExactParams = validate(ExactParams, spec.params, f"{where}: dedup `exact`")
        return _exact(exact, inputs)
    if spec.name == "minhash":
        minhash: MinhashParams = validate(MinhashParams, spec.params, f"{where}: dedup `minhash`")
        return _minhash(minhash, inputs)
    if spec.name == "url":
        url: UrlParams = validate(UrlParams, spec.params, f"{where}: dedup `url`")
        return _url(url, inputs)
    if spec.name == "lines":
        return lines_stage(validate(LinesParams, spec.params, f"{where}: dedup `lines`"), inputs)
    if spec.name == "bff":
        return bff_stage(validate(BffParams, spec.params, f"{where}: dedup `bff`"), inputs)
    raise RecipeError(f"{where}: unknown dedup `{spec.name}`; {nearest(spec.name, NAMES)}")


def _exact(params: ExactParams, inputs: StageInputs) -> Node:
    def run(context: NodeRun) -> Mapping[str, Json]:
        docs = alive_docs(context, params.scope, params.survivor)
        return _judge(context, docs, exact_copies(context, docs), "exact-duplicate")

    signatures = exact_node(inputs.pool, normalize=params.normalize)
    return _node(inputs, signatures, EXACT_VERSION, {"name": "exact", **as_json(params)}, run)


def _url(params: UrlParams, inputs: StageInputs) -> Node:
    def run(context: NodeRun) -> Mapping[str, Json]:
        docs = alive_docs(context, params.scope, params.survivor)
        return _judge(context, docs, exact_copies(context, docs), "duplicate-url")

    return _node(inputs, url_node(inputs.pool), EXACT_VERSION, {"name": "url", **as_json(params)}, run)


def _minhash(params: MinhashParams, inputs: StageInputs) -> Node:
    banding = params.banding

    def run(context: NodeRun) -> Mapping[str, Json]:
        docs = alive_docs(context, params.scope, params.survivor)
        find = band_copies if params.verify is None else verified_copies
        copies = find(context, docs, params)
        return {
            **_judge(context, docs, copies, "near-duplicate"),
            "bands": banding.bands,
            "rows": banding.rows,
            "ngram": banding.ngram,
            "verify": params.verify,
            "lsh_threshold": round(lsh_threshold(banding), 6),
            "expected_candidate_recall": curve(banding),
            "capped_band_keys": copies.capped_keys,
        }

    settings = {**as_json(params), "bands": banding.bands, "rows": banding.rows, "ngram": banding.ngram}
    settings.pop("preset")  # a preset and its numbers written out are the same stage
    signatures = minhash_node(inputs.pool, banding, params.max_words)
    return _node(inputs, signatures, MINHASH_VERSION, {"name": "minhash", **settings}, run)


def _node(
    inputs: StageInputs,
    signatures: Node,
    version: str,
    params: Mapping[str, Json],
    run: Callable[[NodeRun], Mapping[str, Json]],
) -> Node:
    nodes = {"pool": inputs.pool, "panel": inputs.panel, "signatures": signatures}
    nodes |= {f"verdict-{number:02d}": node for number, node in enumerate(inputs.previous)}
    return Node(kind="verdict", version=version, params=params, inputs=nodes, run=run, label=f"dedup: {params['name']}")


def _judge(context: NodeRun, docs: AliveDocs, copies: Copies, reason: str) -> dict[str, Json]:
    """Write the verdicts of every part and return the counts."""
    dropped = copies.witness >= 0
    roots = copies.roots()
    sizes = np.bincount(roots, minlength=len(docs))
    # The value is the similarity to the earlier copy; unverified clusters have only their size to show.
    value = np.where(np.isnan(copies.similarity), sizes[roots].astype(np.float64), copies.similarity)
    for part, (numbers, mask) in enumerate(zip(docs.numbers_of_part(), docs.masks, strict=True)):
        write_verdict(context.out, part, _part(mask, dropped[numbers], value[numbers]))
    return {
        "reasons": [reason],
        "docs_in": len(docs),
        "docs_kept": int(len(docs) - dropped.sum()),
        "clusters": int((sizes > 1).sum()),
        "largest_cluster": int(sizes.max(initial=0)),
        "slices": _by_slice(docs, dropped),
    }


def _part(
    alive_mask: npt.NDArray[np.bool_], dropped: npt.NDArray[np.bool_], value: npt.NDArray[np.float64]
) -> VerdictPart:
    verdict = VerdictPart.keep_all(len(alive_mask))
    rows = np.flatnonzero(alive_mask)[dropped]
    verdict.kept[rows] = False
    verdict.reason[rows] = 0
    verdict.value[rows] = value[dropped]
    verdict.failed[rows] = 1
    return verdict


def _by_slice(docs: AliveDocs, dropped: npt.NDArray[np.bool_]) -> dict[str, Json]:
    names, index = np.unique(docs.slices, return_inverse=True)
    total = np.bincount(index, minlength=len(names))
    gone = np.bincount(index, weights=dropped.astype(np.float64), minlength=len(names)).astype(np.int64)
    return {
        str(name): {
            "docs_in": int(total[i]),
            "docs_dropped": int(gone[i]),
            "duplicate_fraction": round(float(gone[i] / total[i]), 6),
        }
        for i, name in enumerate(names)
    }
