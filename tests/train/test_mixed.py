"""Runs with a mixture or a start of their own: in the fingerprint, in the draws, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node, existing_node
from curation.store import Artifact
from train.mixed import Mixed, byte_shares_of, refuse_other_model, stream_shares, with_mixture
from train.run import Watch, run_node
from train.shards import tokens_node
from train.supply import shortage, supply_of
from train.tiers import Tier, load_tier

PICO = "ladder-pico@1"
Build = Callable[[Node], Artifact]


def mixed(tokens: Node, panel: Node, weights: dict[str, float], initial: Artifact | None = None) -> Node:
    run = run_node(tokens, panel, "tiny", 1, Watch(keep=(1.0,)))
    return with_mixture(run, Mixed(weights=byte_shares_of(weights), initial=initial))


def digests(run: Artifact, *but: str) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in run.path.iterdir() if path.name not in {"build.lock", *but}}


def test_a_run_without_a_mixture_keeps_the_fingerprint_it_had(small_corpus: Node, small_panel: Node) -> None:
    run = run_node(tokens_node(small_corpus, PICO), small_panel, "pico-0.1x", 1)
    assert sorted(run.inputs) == ["panel", "tokens"]
    assert sorted(run.params) == ["score", "seed", "tier", "tier_digest"]


def test_shares_are_part_of_the_run_and_the_streams_are_shared(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    tokens = tokens_node(small_corpus, PICO)
    one = build(mixed(tokens, small_panel, {"code": 0.25, "web": 0.75}))
    two = mixed(tokens, small_panel, {"code": 0.75, "web": 0.25})
    assert one.fingerprint != two.fingerprint
    drawn = cast("dict[str, int]", one.summary["tokens_by_slice"])
    shares = stream_shares(build(tokens), (("code", 0.25), ("web", 0.75)))
    assert drawn == {name: pytest.approx(share * tiny.num_tokens, abs=64) for name, share in shares.items()}
    assert len(list(one.path.parent.glob("tokens-*"))) == 1


def test_a_slice_of_weight_zero_is_never_read(build: Build, tiny: Tier, small_corpus: Node, small_panel: Node) -> None:
    run = build(mixed(tokens_node(small_corpus, PICO), small_panel, {"code": 1.0, "web": 0.0}))
    assert run.summary["tokens_by_slice"] == {"code": tiny.num_tokens}
    assert sorted(cast("dict[str, float]", run.summary["bpb"])) == ["code", "web"]


def test_the_natural_mixture_reads_what_the_plain_run_reads(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    tokens = tokens_node(small_corpus, PICO)
    plain = build(run_node(tokens, small_panel, "tiny", 1, Watch(keep=(1.0,))))
    counts = {str(e["slice"]): float(e["bytes"]) for e in build(tokens).summary["schedule"]}  # type: ignore[union-attr,index,call-overload,arg-type]
    same = build(mixed(tokens, small_panel, counts))
    assert same.fingerprint != plain.fingerprint
    assert digests(same, "manifest.json") == digests(plain, "manifest.json")


def test_it_starts_from_no_plateau_and_leaves_none(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    made = build(mixed(tokens_node(small_corpus, PICO), small_panel, {"code": 0.5, "web": 0.5}))
    assert not list(made.path.parent.glob("plateau-*"))


def test_it_begins_with_the_weights_it_is_given(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    from train.orders import order_for, planned
    from train.parallel import ALONE
    from train.recovery import SKIP_ONLY
    from train.run import load_model
    from train.start import initial_model

    tokens = tokens_node(small_corpus, PICO)
    seed = build(run_node(tokens, small_panel, "tiny", 2))
    fresh, begun = (mixed(tokens, small_panel, {"code": 0.5, "web": 0.5}, one) for one in (None, seed))
    assert begun.fingerprint != fresh.fingerprint
    runs = [build(one) for one in (fresh, begun)]
    assert runs[1].summary["final_train_loss"] < runs[0].summary["final_train_loss"]  # type: ignore[operator]
    first = _first_row(runs[1].path)
    assert first < _first_row(runs[0].path)
    training = planned_of(begun, build, order_for, planned, ALONE, SKIP_ONLY)
    weights = load_model(seed.path / "model.safetensors", tiny).state_dict()
    own = initial_model(training, 7).state_dict()
    assert all((own[name] == weights[name]).all() for name in weights)


def planned_of(node: Node, build: Build, order_for, planned, alone, skip):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    from curation.nodes import NodeRun
    from curation.progress import SilentProgress
    from curation.store import ArtifactWriter, Store

    inputs = {name: build(one) for name, one in node.inputs.items()}
    store = Store(inputs["tokens"].path.parent)
    out = ArtifactWriter(path=store.path_of("run", node.fingerprint), kind="run", fingerprint=node.fingerprint)
    context = NodeRun(out=out, inputs=inputs, workers=1, progress=SilentProgress(), store=store)
    order = order_for(context, load_tier("tiny"), 1, keep=(), recovery=skip)
    return planned(order, alone, lambda _: None).training


def _first_row(run: Path) -> float:
    import json

    return float(json.loads((run / "metrics.jsonl").read_text().splitlines()[0])["loss"])


def test_an_unknown_slice_is_named_with_the_nearest(build: Build, tiny: Tier, small_corpus: Node) -> None:
    tokens = build(tokens_node(small_corpus, PICO))
    with pytest.raises(RunError, match=r"slice `cod`, which has no text.*did you mean `code`"):
        stream_shares(tokens, (("cod", 0.5), ("web", 0.5)))


def test_weights_need_something_above_zero() -> None:
    for weights in ({"a": 0.0, "b": 0.0}, {"a": 2.0, "b": -1.0}):
        with pytest.raises(RunError, match="expected none below 0 and one above"):
            byte_shares_of(weights)
    assert byte_shares_of({"b": 3.0, "a": 1.0, "c": 0.0}) == (("a", 0.25), ("b", 0.75))


def test_own_shares_decide_what_a_slice_must_hold(build: Build, tiny: Tier, small_corpus: Node) -> None:
    tokens = build(tokens_node(small_corpus, PICO))
    tier = load_tier("tiny-8x")
    assert shortage(supply_of(tokens, tier)) == ""
    assert "of slice `code`" in shortage(supply_of(tokens, tier, {"code": 1.0}))


def test_a_seed_of_another_model_is_refused(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, make_panel: Callable[..., Node]
) -> None:
    seed = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    refuse_other_model(seed, tiny, build(small_panel))
    with pytest.raises(RunError, match=r"model `tiny`.*expected `pico`.*only models with one start"):
        refuse_other_model(seed, load_tier("pico"), build(small_panel))
    with pytest.raises(RunError, match="rule 1"):
        refuse_other_model(seed, tiny, build(make_panel({"web": ["another panel"]})))
    with pytest.raises(RunError, match="holds a panel, expected a run"):
        refuse_other_model(build(small_panel), tiny, build(small_panel))
    assert existing_node(seed).fingerprint == seed.fingerprint
