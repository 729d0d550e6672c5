"""The uniform average of models that started from the same weights, and its score on a panel.

Sums are float64, so the order of members matters in the last bit only; it is that of the union.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from curation.batches import read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.tokenizers import load_tokenizer
from train.run import DOCUMENTS, MODEL, SCORE_VERSION, load_model
from train.tiers import Tier, tier_digest

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

VERSION = "average@1"


def uniform_average(models: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of every tensor over models of one shape, in the first one's type."""
    import torch

    return {
        name: torch.stack([model[name].double() for model in models]).mean(dim=0).to(value.dtype)
        for name, value in models[0].items()
    }


def average_node(members: Mapping[str, Node], panel: Node, tier: Tier) -> Node:
    """Return the node of the average of runs of `tier`, scored on `panel`; its weights are not kept."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        from safetensors.torch import load_file

        paths = [context.inputs[name].path / MODEL for name in members]
        model = load_model(paths[0], tier)
        model.load_state_dict(uniform_average([load_file(path) for path in paths]))
        _score(context, model, tier)
        return dict(scores_by_slice(read_table(context.out.path / DOCUMENTS)))

    return Node(
        kind="average",
        version=VERSION,
        params={"tier_digest": tier_digest(tier), "score": SCORE_VERSION},
        inputs={**members, "panel": panel},
        run=run,
        label=f"average of {len(members)}",
    )


def scores_by_slice(table: pa.Table) -> dict[str, Json]:
    """Return bits per byte and perplexity a token, by slice, of the scores of a panel's documents."""
    from train.score import bits_per_byte

    slices = table["slice"].to_numpy(zero_copy_only=False)
    nats, tokens = table["nats"].to_numpy(), table["num_tokens"].to_numpy()
    bpb = bits_per_byte(table)
    perplexity: dict[str, Json] = {}
    for name in bpb:
        mine = slices == name
        perplexity[name] = math.exp(math.fsum(nats[mine]) / int(np.sum(tokens[mine])))
    return {"bpb": dict(bpb), "perplexity": perplexity}


def _score(context: NodeRun, model: Any, tier: Tier) -> None:
    from train.pace import fixed_threads
    from train.score import document_nats, model_nats, read_panel, scores_table

    tokenizer = load_tokenizer(tier.tokenizer)
    panel = read_panel(context.inputs["panel"])
    encoded = tokenizer.encode(text_view(panel.table["text"]))
    with fixed_threads(tier.threads):
        nats = document_nats(encoded, tokenizer.eos_id, tier.eval_context_tokens, model_nats(model), lambda _: None)
    with replacing(context.out.path / DOCUMENTS) as temporary:
        write_table(temporary, scores_table(panel, nats, encoded.offsets[1:] - encoded.offsets[:-1]))
