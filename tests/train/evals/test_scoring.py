"""The engine `curate`: what is shared changes no log-likelihood, and what cannot be scored is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from curation.errors import RunError
from curation.randomness import generator
from curation.store import Artifact
from curation.suites.prompted import Prompted
from curation.tokenizers import load_tokenizer
from train.evals.engine import ItemScores
from train.evals.forward import our_predict
from train.evals.requests import encode_items
from train.evals.rows import BATCH_POSITIONS, batches, lay_out
from train.evals.scorer import Scorer, scorer_of
from train.export import export_model
from train.model import build_model
from train.readers import Reader, directory_reader, model_reader
from train.tiers import Tier

pytestmark = pytest.mark.filterwarnings("ignore")
CONTEXT = 48


def prompted(context: str | tuple[str, ...], *continuations: str, uncond: str | None = None, item: int = 0) -> Prompted:
    contexts = (context,) * len(continuations) if isinstance(context, str) else context
    texts = continuations * len(contexts) if len(continuations) == 1 else continuations
    return Prompted(task="t", item=item, gold=0, contexts=contexts, continuations=texts, uncond=uncond)


def made_up(sentences: Callable[..., list[str]]) -> list[Prompted]:
    """Return items of every kind: long and short contexts, choices of one and many tokens, schemas, one answer."""
    stream = generator(2, "items")
    texts = [text.strip() for text in sentences("contexts", 24, 30)]
    items = [
        prompted(
            texts[i][: int(stream.integers(1, 90))].strip(), " cat", " a mat on rain", " x = 日本", uncond="Answer:"
        )
        for i in range(16)
    ]
    items += [prompted(text[:60].strip(), " A", " B", " C", " D") for text in texts[16:20]]
    items += [prompted((f"{text} cat so the", f"{text} rain so the"), " mat looked on") for text in texts[20:22]]
    return [*items, prompted(texts[22], " über"), prompted(texts[23][:20].strip(), f" {texts[22][:40].strip()}")]


@pytest.fixture
def reader(tiny: Tier) -> Reader:
    model = build_model(tiny, 3).eval()
    for parameter in model.parameters():
        parameter.data *= 4.0  # as sharp as a trained one
    return model_reader(model, load_tokenizer(tiny.tokenizer), tiny)


@pytest.fixture
def exported(tiny: Tier, reader: Reader, tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    save_file(dict(reader.model.state_dict()), tmp_path / "run" / "model.safetensors", metadata={"format": "pt"})
    manifest = {"kind": "run", "fingerprint": "0" * 64, "summary": {"tier": tiny.name}}
    export_model(Artifact(path=tmp_path / "run", manifest=manifest), tmp_path / "hf")
    return tmp_path / "hf"


def logits_after(chosen: Reader, ids: np.ndarray) -> torch.Tensor:
    """Return float32 logits after each of the ids, of one plain pass."""
    with torch.inference_mode():
        found = chosen.model(torch.from_numpy(ids)[None])
    return (found if isinstance(found, torch.Tensor) else found.logits)[0].float()


def alone(chosen: Reader, context: str, text: str) -> ItemScores:
    """The slow twin: one pair, encoded together, in a pass of its own."""
    before, whole = (chosen.encode([one]).tokens.astype(np.int64) for one in (context.rstrip(), context + text))
    length = len(whole) - len(before)
    ids = whole if len(before) else np.concatenate([np.array([chosen.eos_id]), whole])
    kept = ids[-(CONTEXT + 1) :]
    log_p = logits_after(chosen, kept[:-1])[-length:].log_softmax(dim=-1)
    targets = torch.from_numpy(kept[-length:])
    return ItemScores(
        log_likelihoods=(float(log_p.gather(1, targets[:, None]).double().sum()),),
        greedy=(bool((log_p.argmax(dim=-1) == targets).all()),),
        num_tokens=(length,),
    )


def flat(scorer: Scorer, items: list[Prompted]) -> np.ndarray:
    return np.concatenate([[*one.log_likelihoods, *(one.uncond or ())] for one in scorer.score(items, lambda _: None)])


@pytest.mark.parametrize("which", ["ours", "library"])
def test_sharing_and_asking_each_choice_alone_agree(
    which: str, reader: Reader, exported: Path, random_sentences: Callable[..., list[str]]
) -> None:
    chosen = reader if which == "ours" else directory_reader(exported)
    scorer, items = scorer_of(chosen, CONTEXT, 1), made_up(random_sentences)
    assert scorer.sharing
    twin = [alone(chosen, *pair) for item in items for pair in item.pairs]
    found = scorer.score(items, lambda _: None)
    values = np.concatenate([one.log_likelihoods for one in found])
    np.testing.assert_allclose(values, [one.log_likelihoods[0] for one in twin], atol=2e-5, rtol=0)
    assert [flag for one in found for flag in one.greedy] == [one.greedy[0] for one in twin]
    assert [count for one in found for count in one.num_tokens] == [one.num_tokens[0] for one in twin]
    np.testing.assert_allclose(flat(scorer, items), flat(replace(scorer, sharing=False), items), atol=2e-5, rtol=0)


def test_the_number_of_threads_changes_no_bit(reader: Reader, random_sentences: Callable[..., list[str]]) -> None:
    items = made_up(random_sentences)
    one, three = (flat(scorer_of(reader, CONTEXT, workers), items) for workers in (1, 3))
    assert one.tobytes() == three.tobytes()


def test_a_shared_beginning_is_read_once_and_equal_requests_are_free(reader: Reader) -> None:
    context = "the cat sat on a mat and looked at the rain and the cat sat on the mat"
    several = [prompted(context, " cat and rain", " mat and cat", " über 日本 x")]
    apart, together = (lay_out(encode_items(reader, several, 64), sharing=sharing).rows for sharing in (False, True))
    length = len(apart[0].ids)
    assert (len(apart), len(together)) == (3, 1)
    assert len(together[0].ids) < length + 20 < sum(len(row.ids) for row in apart)
    letters = lay_out(encode_items(reader, [prompted(context, " A", " B", " C")] * 2, 64))
    assert [len(row.targets) for row in letters.rows] == [3]
    assert letters.choices[0] == letters.choices[1]


def test_a_batch_holds_rows_of_one_kind_and_bounded_size(
    reader: Reader, random_sentences: Callable[..., list[str]]
) -> None:
    rows = lay_out(encode_items(reader, made_up(random_sentences) * 9, CONTEXT), sharing=False).rows
    made = list(batches(rows))
    assert sum(batch.num_rows for batch in made) == len(rows)
    assert all(batch.ids_BT.size <= BATCH_POSITIONS for batch in made)


def test_a_context_that_does_not_fit_loses_its_beginning_and_a_choice_that_does_not_excludes_its_item(
    reader: Reader,
) -> None:
    long = "the rain and " * 40
    scores = scorer_of(reader, 16, 1).score(
        [prompted(f"{long}cat", " mat"), prompted("cat", " mat"), prompted("cat", " mat", f" {long}")], lambda _: None
    )
    assert [one.truncated for one in scores] == [True, False, False]
    assert [one.excluded for one in scores] == [None, None, "choice-longer-than-context"]
    length = scores[0].num_tokens[0]
    kept = reader.encode([f"{long}cat mat"]).tokens[-17:].astype(np.int64)
    rows = logits_after(reader, kept[:-1])[16 - length : 16].log_softmax(dim=-1)
    expected = sum(float(row[token]) for row, token in zip(rows, kept[-length:], strict=True))
    assert scores[0].log_likelihoods[0] == pytest.approx(expected, abs=1e-5)


def test_a_damaged_model_is_named_with_the_item(reader: Reader) -> None:
    reader.model.lm_head.weight.data[5] = torch.nan
    with pytest.raises(RunError, match="task `t` item 7: log-likelihoods .*nan"):
        scorer_of(reader, CONTEXT, 1).score([prompted("the cat", " sat", item=7)], lambda _: None)


def test_a_tokenizer_with_ids_that_the_model_lacks_is_refused(exported: Path) -> None:
    described = json.loads((exported / "tokenizer.json").read_text())
    described["added_tokens"].append({**described["added_tokens"][0], "id": 2_048, "content": "<extra>"})
    (exported / "tokenizer.json").write_text(json.dumps(described))
    with pytest.raises(RunError, match="ids up to 2048, the model knows 2048"):
        directory_reader(exported)


@pytest.mark.parametrize("fault", ["raises", "ignores the mask", "window"])
def test_a_model_that_cannot_share_is_asked_plainly(
    fault: str, exported: Path, monkeypatch: pytest.MonkeyPatch, random_sentences: Callable[..., list[str]]
) -> None:
    chosen = directory_reader(exported)
    plain = chosen.model.forward

    def forward(input_ids: Any, logits_to_keep: int = 0, use_cache: bool = False, **masks: Any) -> Any:
        if masks and fault == "raises":
            raise ValueError("no masks here")
        return plain(input_ids, logits_to_keep=logits_to_keep, use_cache=use_cache)

    before = flat(scorer_of(chosen, CONTEXT, 1), made_up(random_sentences))
    if fault == "window":
        chosen.model.config.sliding_window = CONTEXT - 1
    else:
        monkeypatch.setattr(chosen.model, "forward", forward)
    scorer = scorer_of(chosen, CONTEXT, 1)
    assert not scorer.sharing
    np.testing.assert_allclose(flat(scorer, made_up(random_sentences)), before, atol=2e-5, rtol=0)


def test_our_forward_gives_the_probabilities_of_the_logits(reader: Reader) -> None:
    layout = lay_out(encode_items(reader, [prompted("the cat sat", " on a mat")], CONTEXT))
    (batch,) = batches(layout.rows)
    values, greedy = our_predict(reader.model)(batch)
    with torch.inference_mode():
        logits = reader.model(torch.from_numpy(batch.ids_BT)).log_softmax(dim=-1)[0]
    expected = [float(logits[place, target]) for place, target in zip(batch.places, batch.targets, strict=True)]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert greedy.tolist() == [int(logits[p].argmax()) == t for p, t in zip(batch.places, batch.targets, strict=True)]
