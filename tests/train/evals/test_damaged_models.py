"""`curate eval --model DIR` on directories that are damaged or changed, and on text that spells a special token."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from curation.cli import main
from curation.errors import RunError
from curation.files import Json, replacing, write_json
from curation.nodes import Node, NodeRun
from curation.store import Artifact
from curation.tokenizers import EOS_TOKEN
from train.evals.models import directory_model, run_model
from train.export import export_model
from train.model import build_model
from train.tiers import Tier

pytestmark = pytest.mark.filterwarnings("ignore")
TEXT = f"the cat {EOS_TOKEN} sat"


@pytest.fixture
def run(build: Callable[[Node], Artifact], tiny: Tier) -> Artifact:
    """Return a run of initial values."""

    def write(context: NodeRun) -> Mapping[str, Json]:
        with replacing(context.out.path / "model.safetensors") as temporary:
            save_file(dict(build_model(tiny, 1).state_dict()), temporary, metadata={"format": "pt"})
        facts = {"tokens_seen": 1, "tokenizer": tiny.tokenizer, "context": tiny.eval_context_tokens}
        return {"tier": tiny.name, "seed": 1, **facts}

    return build(Node(kind="run", version="1", params={"seed": 1}, inputs={}, run=write))


@pytest.fixture
def exported(run: Artifact, tmp_path: Path) -> Path:
    export_model(run, tmp_path / "hf")
    return tmp_path / "hf"


def refusal(model: Path) -> str:
    with pytest.raises(RunError) as refused:
        directory_model(model).load()
    return str(refused.value)


def scaled(path: Path) -> None:
    """Multiply all weights by 1.5."""
    weights = {name: value * 1.5 for name, value in load_file(path / "model.safetensors").items()}
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})


def edited(path: Path, **changes: object) -> None:
    write_json(path, {**json.loads(path.read_text()), **changes})


def test_truncated_weights_are_one_named_error(exported: Path) -> None:
    weights = exported / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5_000])
    assert "hf: cannot be loaded as a causal language model" in refusal(exported)


def test_a_configuration_of_other_shapes_is_told_without_colours_or_a_report(exported: Path) -> None:
    edited(exported / "config.json", vocab_size=1_000)
    told = refusal(exported)
    assert "config.json and the weights disagree in shapes" in told
    assert "\x1b" not in told
    assert "\n" not in told


def test_layers_without_weights_are_not_made_up(exported: Path) -> None:
    edited(exported / "config.json", num_hidden_layers=3, layer_types=["full_attention"] * 3)
    assert "no weights for model.layers.2." in refusal(exported)


@pytest.mark.parametrize("left", [(), ("tokenizer_config.json",)])
def test_a_directory_without_a_tokenizer_is_refused(exported: Path, left: tuple[str, ...]) -> None:
    for path in exported.glob("tokenizer*"):
        if path.name not in left:
            path.unlink()
    assert "tokenizer" in refusal(exported)


def test_a_suite_of_which_nothing_can_be_scored_is_an_error_and_no_artifact(
    run: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "say.jsonl").write_text(
        json.dumps({"context": "a", "continuation": "the cat looked at rain"})
    )
    monkeypatch.setenv("CURATE_EVALS", str(tmp_path / "evals"))
    suite = tmp_path / "own.yaml"
    suite.write_text("name: own\nversion: 1\ntasks:\n  say: {family: reasoning, kind: lm, accuracy: acc_raw}\n")
    words = ["eval", str(run.path), "--suite", str(suite), "--context", "2", "--quiet", "--store", str(tmp_path / "s")]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "no item of own could be scored at context 2 (choice-longer-than-context 1)" in capsys.readouterr().err
    assert not list((tmp_path / "s").glob("scores-*/manifest.json"))


@pytest.mark.parametrize("older", [False, True])
def test_a_special_token_spelled_in_text_is_plain_text_in_a_run_and_in_its_export(
    run: Artifact, exported: Path, older: bool
) -> None:
    if older:  # exports had no word on it
        edited(exported / "tokenizer_config.json", split_special_tokens=False)
    ours, theirs = run_model(run).load().reader, directory_model(exported).load().reader
    ids = [reader.encode([TEXT]).tokens.astype(np.int64).tolist() for reader in (ours, theirs)]
    assert ids[0] == ids[1]
    assert ours.eos_id not in ids[0]


def test_other_programs_read_a_spelled_special_token_of_an_export_as_text_too(exported: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(exported)
    assert tokenizer.eos_token_id not in tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_tokens_to_ids(EOS_TOKEN) == tokenizer.eos_token_id


def test_an_export_is_its_run(run: Artifact, exported: Path) -> None:
    facts = directory_model(exported).facts
    assert (facts.name, facts.seed, facts.tier) == (f"run-{run.fingerprint[:8]}", 1, "tiny-1x")


def change_weights(path: Path) -> None:
    scaled(path)


def change_configuration(path: Path) -> None:
    edited(path / "config.json", rms_norm_eps=0.1)


def change_weights_of_an_older_export(path: Path) -> None:
    held: dict[str, Any] = json.loads((path / "run.json").read_text())
    del held["exported"]
    write_json(path / "run.json", held)
    scaled(path)


@pytest.mark.parametrize("change", [change_weights, change_configuration, change_weights_of_an_older_export])
def test_a_changed_export_goes_by_its_own_name_and_no_seed(exported: Path, change: Callable[[Path], None]) -> None:
    change(exported)
    model = directory_model(exported)
    assert (model.facts.name, model.facts.seed, model.facts.arm, model.facts.tier) == ("hf", None, None, None)
    assert "is not what run-" in str(model.note)
