"""What a word after `--against` means: shipped suites, aliases, groups, and the folder where suites lie.

The folder is `CURATE_EVALS`, else `evals` in `CURATE_SHARED` (default `../shared`) when it is there. A suite is found
in it by the name of its file or folder. An alias lists the names that one benchmark goes by, the best first; a name
further back is a stand-in, which is said. `core` is the aggregate of DCLM (arXiv:2406.11794, appendix G): its entries
without repetition, hellaswag counting twice there with zero and ten examples.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from curation.suites.formats import is_readable
from curation.suites.layout import SUFFIXES

ALIASES: Mapping[str, tuple[str, ...]] = {
    "mmlu": ("mmlu", "hf_mmlu"),
    "gsm8k": ("gsm8k", "gsm8k_test"),
    "math": ("math", "math_test", "hendrycks_math"),
    "hellaswag": ("hellaswag", "olmes_hellaswag_rc_5shot"),
    "sciq": ("sciq", "hf_sciq_validation"),
    "jeopardy": ("jeopardy", "jeopardy_all"),
    "humaneval": ("humaneval", "human_eval", "openai_humaneval"),
    "lambada": ("lambada", "lambada_openai"),
    "winograd": ("winograd", "winograd_wsc", "wsc273"),
    "openbookqa": ("openbookqa", "openbook_qa"),
    "commonsenseqa": ("commonsenseqa", "commonsense_qa"),
    "socialiqa": ("socialiqa", "siqa", "social_iqa"),
    "lsat": ("lsat", "agi_eval_lsat_ar"),
}
"""Other names of one benchmark, in order of preference."""

STAND_INS: Mapping[str, str] = {"olmes_hellaswag_rc_5shot": "hellaswag's first 1,000 items only"}

CORE = (
    "agi_eval_lsat_ar", "arc_challenge", "arc_easy", "bigbench_cs_algorithms", "bigbench_dyck_languages",
    "bigbench_language_identification", "bigbench_operators", "bigbench_qa_wikidata", "bigbench_repeat_copy_logic",
    "boolq", "commonsense_qa", "copa", "coqa", "hellaswag", "jeopardy", "lambada_openai", "openbook_qa", "piqa",
    "squad", "winograd", "winogrande",
)  # fmt: skip

GROUPS: Mapping[str, tuple[str, ...]] = {
    "core": CORE,
    "arc": ("arc_challenge", "arc_easy"),
    "code": ("humaneval", "mbpp"),
    "bigbench": tuple(name for name in CORE if name.startswith("bigbench_")),
    "xquad": ("xquad_de", "xquad_en", "xquad_es", "xquad_zh"),
}
"""Groups: those present are taken, the missing ones are named."""

ALL = "all"
"""Every suite of the folder."""


def evals_folder() -> Path | None:
    """Return the folder where suites are looked up by name, None when there is none."""
    if chosen := os.environ.get("CURATE_EVALS"):
        return Path(chosen)
    folder = Path(os.environ.get("CURATE_SHARED", "../shared")) / "evals"
    return folder if folder.is_dir() else None


def present(folder: Path | None) -> dict[str, Path]:
    """Return the suites in the folder by name: its files, and its folders."""
    if folder is None or not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not (path.is_dir() or is_readable(path)):
            continue
        found.setdefault(_suite_name(path), path)
    return found


def namesakes(folder: Path, path: Path) -> list[Path]:
    """Return the other files and folders in `folder` that go by the same name as `path`: copa.jsonl, copa.jsonl.zst."""
    name = _suite_name(path)
    near = sorted(folder.glob(f"{glob.escape(name)}*")) if path.parent == folder else []
    return [one for one in near if one != path and (one.is_dir() or is_readable(one)) and _suite_name(one) == name]


def _suite_name(path: Path) -> str:
    name = path.name
    for suffix in () if path.is_dir() else SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def known_names(folder: Path | None) -> list[str]:
    """Return every word that means something, sorted: groups, aliases, suites of the folder."""
    return sorted({ALL, *GROUPS, *ALIASES, *present(folder)})


def spelled(name: str, here: Mapping[str, Path]) -> str | None:
    """Return the name under which the folder holds a benchmark, or None."""
    if name in here:
        return name
    names = next((names for alias, names in ALIASES.items() if name == alias or name in names), ())
    return next((other for other in names if other in here), None)
