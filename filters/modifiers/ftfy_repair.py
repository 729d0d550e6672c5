"""The modifier `ftfy`: repairs text whose encoding was misread, with the library ftfy.

The default settings are datatrove's: mend what is broken, keep what is merely a style (curly quotes, ligatures, full
width, Unicode normalisation). `preset: ftfy` takes the library's own defaults. Each field of ftfy's `TextFixerConfig`
is a setting that overrides the preset. Texts of printable ASCII without `&` come back from ftfy
unchanged under every setting and are not given to it.
Source: ftfy (Robyn Speer); datatrove 0.10.1 `pipeline/formatters/ftfy.py`.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.modifiers.base import Modifier, NaturalSettings, Rewritten, over_texts, rewrite_rows

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

_STYLE_LEFT_ALONE = {
    "fix_latin_ligatures": False,
    "fix_character_width": False,
    "uncurl_quotes": False,
    "fix_line_breaks": False,
    "normalization": None,
}
"""Where datatrove's defaults differ from ftfy's."""

PLAIN = r"^[\t\n\x20-%'-~]*$"
"""Texts that ftfy returns as they are: printable ASCII without `&`, tabs and newlines."""
_SUSPICIOUS = re.compile(r"[^\t\n\x20-%'-~]")


class FtfySettings(NaturalSettings):
    """A preset and what differs from it; None leaves the preset's word."""

    preset: Literal["datatrove", "ftfy"] = "datatrove"
    unescape_html: Literal["auto"] | bool | None = None
    remove_terminal_escapes: bool | None = None
    fix_encoding: bool | None = None
    restore_byte_a0: bool | None = None
    replace_lossy_sequences: bool | None = None
    decode_inconsistent_utf8: bool | None = None
    fix_c1_controls: bool | None = None
    fix_latin_ligatures: bool | None = None
    fix_character_width: bool | None = None
    uncurl_quotes: bool | None = None
    fix_line_breaks: bool | None = None
    fix_surrogates: bool | None = None
    remove_control_chars: bool | None = None
    normalization: Literal["NFC", "NFD", "NFKC", "NFKD", "none"] | None = None


def fixer_config(settings: FtfySettings) -> TextFixerConfig:
    """Return ftfy's configuration under `settings`."""
    from ftfy import TextFixerConfig

    given = settings.model_dump(exclude={"preset", "applies_to"}, exclude_none=True)
    if given.get("normalization") == "none":
        given["normalization"] = None
    return TextFixerConfig(explain=False, **{**(_STYLE_LEFT_ALONE if settings.preset == "datatrove" else {}), **given})


def repair(text: str, config: TextFixerConfig) -> str:
    """Return `ftfy.fix_text(text, config)`; pieces that it would leave alone are not given to it.

    The pieces are ftfy's own: lines, cut at `max_decode_length`; one `<` ends the unescaping of HTML for the rest.
    """
    from ftfy import fix_and_explain

    out = []
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        end = min(end, begin + config.max_decode_length)
        piece = text[begin:end]
        if config.unescape_html == "auto" and "<" in piece:
            config = config._replace(unescape_html=False)
        out.append(fix_and_explain(piece, config).text if _SUSPICIOUS.search(piece) else piece)
        begin = end
    return "".join(out)


def _rewrite(texts: pa.Array, settings: Any) -> Rewritten:
    config = fixer_config(settings)

    def fixed(text: str) -> tuple[str, dict[str, int]]:
        return repair(text, config), {}

    return rewrite_rows(texts, np.flatnonzero(_suspicious(texts)), fixed)


def _suspicious(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which texts hold more than printable ASCII without `&`, tabs and newlines."""
    plain: npt.NDArray[np.bool_] = pc.match_substring_regex(texts, PLAIN).to_numpy(zero_copy_only=False)
    return ~plain


FTFY = Modifier(
    name="ftfy",
    version=f"ftfy@1+ftfy-{version('ftfy')}",
    summary="Repairs misread encodings (mojibake), stray HTML entities, terminal escapes and control characters.",
    source="ftfy; settings of datatrove 0.10.1 formatters/ftfy.py",
    settings=FtfySettings,
    rewrite=over_texts(_rewrite),
)
