"""Unicode repair: ftfy's own function under the same configuration, whatever the prescan skips."""

from __future__ import annotations

from typing import Any

import ftfy
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.recipe import validate
from filters.modifiers.ftfy_repair import FTFY, fixer_config, repair
from filters.modifiers.rewriting import rewrite_table


def repaired(text: str, **params: Any) -> str:
    chosen = validate(FTFY.settings, params, "test")
    made = rewrite_table(FTFY, chosen, pa.table({"text": pa.array([text], pa.large_string())}))
    return str(made.texts[0].as_py())


@given(st.text(alphabet="aZ09 \n\t\r&;<>~'\"\x00\x1b[m\x7fÃ©â€™é中\u00a0\ufb01", max_size=40))
@example("sÃ­ &amp; <b>")
@example("&lt;\n<\n&lt;\nÃ©")
@settings(max_examples=300, deadline=None)
def test_it_does_what_ftfy_does_with_datatroves_configuration(text: str) -> None:
    from datatrove.pipeline.formatters.ftfy import FTFYFormatter

    assert repaired(text) == FTFYFormatter().format(text)


@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x7F), max_size=60))
@settings(max_examples=300, deadline=None)
def test_the_prescan_skips_nothing_that_ftfy_would_change(text: str) -> None:
    assert repaired(text, preset="ftfy") == ftfy.fix_text(text)


@given(st.lists(st.sampled_from(["&amp;", "<", "\n", "Ã©", "\r", "plain", "â€", "™"]), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
def test_pieces_are_cut_as_ftfy_cuts_them(text: str) -> None:
    for config in (ftfy.TextFixerConfig(explain=False), ftfy.TextFixerConfig(explain=False, max_decode_length=3)):
        assert repair(text, config) == ftfy.fix_text(text, config)


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("schÃ¶n", "schön"),
        ("itâ€™s", "it’s"),
        ("fish &amp; chips", "fish & chips"),
        ("\x1b[36mblue\x1b[0m", "blue"),
        ("bell\x07", "bell"),
    ],
)
def test_what_is_broken_is_mended(broken: str, whole: str) -> None:
    assert repaired(broken) == whole


@pytest.mark.parametrize("text", ["“curly”", "ﬁne", "ｆｕｌｌ", "a\r\nb", "<a> &amp; b", "e\u0301"])
def test_style_is_left_alone(text: str) -> None:
    assert repaired(text) == text


def test_settings_override_the_preset() -> None:
    assert repaired("“x”", uncurl_quotes=True) == '"x"'
    assert repaired("“x”", preset="ftfy") == '"x"'
    assert repaired("“x”", preset="ftfy", uncurl_quotes=False) == "“x”"
    assert repaired("fish &amp; chips", unescape_html=False) == "fish &amp; chips"
    assert repaired("e\u0301", normalization="NFC") == "\u00e9"
    assert repaired("e\u0301", preset="ftfy", normalization="none") == "e\u0301"


def test_every_field_of_the_configuration_is_a_setting() -> None:
    fields = set(ftfy.TextFixerConfig._fields) - {"explain", "max_decode_length"}
    assert fields == set(FTFY.settings.model_fields) - {"preset", "applies_to"}
    assert fixer_config(FTFY.settings(preset="ftfy")) == ftfy.TextFixerConfig(explain=False)


def test_the_version_of_the_library_is_part_of_the_version() -> None:
    assert ftfy.__version__ in FTFY.version
