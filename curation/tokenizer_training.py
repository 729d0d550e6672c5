"""Training of a tokenizer that will be frozen: byte-level BPE on equal bytes per slice (rule 7).

    python -m curation.tokenizer_training NAME VOCAB_SIZE BYTES_PER_SLICE PART.parquet ...

Parts are pool parts (`id, text, slice, license`). Within a slice, documents are taken in the order of a hash of
their id, each cut to `MAX_DOC_BYTES` so that one book is not the slice, until the slice's bytes are full. Documents
under a non-commercial licence are left out. The file holds no added tokens: `<|endoftext|>` is a vocabulary entry
that no merge produces, so the same characters inside a document are plain text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from curation.batches import read_table
from curation.errors import CurateError
from curation.files import write_text
from curation.randomness import stable_hash
from curation.tokenizers import EOS_TOKEN, tokenizer_path

MAX_DOC_BYTES = 50_000
EXCLUDED_LICENSE = "-NC"


def train_bpe(texts: Iterable[str], vocab_size: int) -> str:
    """Return the tokenizer.json of a byte-level BPE with `vocab_size` entries: EOS, 256 bytes, then merges.

    The pre-tokenizer is GPT-2's; there is no normaliser, so decoding gives back exactly the input bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = []
    if len(described["model"]["vocab"]) != vocab_size:
        found = len(described["model"]["vocab"])
        raise CurateError(f"training text: gives {found:,} entries, expected {vocab_size:,}; give more text")
    return json.dumps(described, ensure_ascii=False, indent=0) + "\n"


def balanced_texts(documents: Iterable[tuple[str, str, str]], bytes_per_slice: int) -> list[str]:
    """Return texts of (id, slice, text) rows with at most `bytes_per_slice` UTF-8 bytes a slice, in a fixed order."""
    taken: dict[str, int] = {}
    texts: list[str] = []
    for _, slice_name, text in sorted(documents, key=lambda row: (stable_hash("tokenizer", row[0], row[1]), row)):
        room = min(bytes_per_slice - taken.get(slice_name, 0), MAX_DOC_BYTES)
        if room <= 0:
            continue
        cut = text.encode("utf-8")[:room].decode("utf-8", "ignore")
        taken[slice_name] = taken.get(slice_name, 0) + len(cut.encode("utf-8"))
        texts.append(cut)
    return texts


def read_documents(parts: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield (id, slice, text) of the pool parts whose licence allows publishing statistics."""
    for path in parts:
        rows = read_table(path, ["id", "slice", "text", "license"])
        columns: Mapping[str, list[str | None]] = rows.to_pydict()
        for name, slice_name, text, licence in zip(
            columns["id"], columns["slice"], columns["text"], columns["license"], strict=True
        ):
            if EXCLUDED_LICENSE not in (licence or ""):
                yield name or "", slice_name or "", text or ""


def main(arguments: Sequence[str]) -> None:
    """Train and write one tokenizer file; refuses to change a frozen one."""
    if len(arguments) < 4:
        raise SystemExit(__doc__)
    name, vocab_size, bytes_per_slice, *parts = arguments
    path = tokenizer_path(name)
    if path.exists():
        raise CurateError(f"{path}: exists and is frozen; expected a new name; raise the number after `@`")
    texts = balanced_texts(read_documents([Path(part) for part in parts]), int(bytes_per_slice))
    write_text(path, train_bpe(texts, int(vocab_size)))
    print(f"{path}: {vocab_size} entries from {sum(len(text.encode()) for text in texts):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
