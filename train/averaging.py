"""The uniform average of models that started from the same weights, and its score on a panel.

Sums are float64, in the order of the members' fingerprints: a union is one artifact however its members are listed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from curation.batches import read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun, existing_node
from curation.store import Artifact
from curation.tokenizers import TokenizedView, load_tokenizer
from train.panel_part import part_of, part_rows
from train.run import DOCUMENTS, MODEL, SCORE_VERSION, scoring_model
from train.score import PanelDocuments, bits_per_byte, document_nats, model_nats, read_panel, scores_table
from train.tiers import Tier, tier_digest

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

VERSION = "average@2"
KIND = "average"


def uniform_average(models: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of every tensor over models of one shape, in the first one's type."""
    import torch

    return {
        name: torch.stack([model[name].double() for model in models]).mean(dim=0).to(value.dtype)
        for name, value in models[0].items()
    }


@dataclass(frozen=True, kw_only=True)
class PanelScorer:
    """A panel, or `share` of it, ready to score models of one tier: read, encoded and built for the first of them."""

    panel: Artifact
    tier: Tier
    share: float = 1.0

    @cached_property
    def whole(self) -> PanelDocuments:
        """All documents of the panel."""
        return read_panel(self.panel)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """Rows of the panel that are scored."""
        return part_rows(self.whole, self.share)

    @cached_property
    def documents(self) -> PanelDocuments:
        """What is scored."""
        return part_of(self.whole, self.rows)

    @cached_property
    def encoded(self) -> TokenizedView:
        """The documents' tokens."""
        return load_tokenizer(self.tier.tokenizer).encode(text_view(self.documents.table["text"]))

    def table(self, paths: Sequence[Path]) -> pa.Table:
        """Return the scores of the average of the models in `paths`, one row a document."""
        from safetensors.torch import load_file

        from train.pace import fixed_threads

        model = self._model(paths[0])
        model.load_state_dict(uniform_average([load_file(path) for path in paths]))
        with fixed_threads(self.tier.threads):
            nats = document_nats(
                self.encoded, self._eos_id, self.tier.eval_context_tokens, model_nats(model), lambda _: None
            )
        return scores_table(self.documents, nats, np.diff(self.encoded.offsets))

    def _model(self, like: Path) -> Any:
        return scoring_model(like, self.tier)

    @cached_property
    def _eos_id(self) -> int:
        return load_tokenizer(self.tier.tokenizer).eos_id


def average_node(members: Sequence[Node], scorer: PanelScorer) -> Node:
    """Return the node of the average of runs of the scorer's tier, scored on its panel; its weights are not kept."""
    ordered = sorted(members, key=lambda node: node.fingerprint)
    named = {f"member-{number:03d}": node for number, node in enumerate(ordered, 1)}

    def run(context: NodeRun) -> Mapping[str, Json]:
        scores = scorer.table([context.inputs[name].path / MODEL for name in named])
        with replacing(context.out.path / DOCUMENTS) as temporary:
            write_table(temporary, scores)
        return dict(scores_by_slice(read_table(context.out.path / DOCUMENTS)))

    part: dict[str, Json] = {"panel_share": scorer.share} if scorer.share < 1 else {}
    return Node(
        kind=KIND,
        version=VERSION,
        params={"tier_digest": tier_digest(scorer.tier), "score": SCORE_VERSION, **part},
        inputs={**named, "panel": existing_node(scorer.panel)},
        run=run,
        label=f"average of {len(named)}",
    )


def scores_by_slice(table: pa.Table) -> dict[str, Json]:
    """Return bits per byte and perplexity a token, by slice, of the scores of a panel's documents."""
    slices = table["slice"].to_numpy(zero_copy_only=False)
    nats, tokens = table["nats"].to_numpy(), table["num_tokens"].to_numpy()
    bpb = bits_per_byte(table)
    perplexity: dict[str, Json] = {}
    for name in bpb:
        mine = slices == name
        perplexity[name] = math.exp(math.fsum(nats[mine]) / int(np.sum(tokens[mine])))
    return {"bpb": dict(bpb), "perplexity": perplexity}
