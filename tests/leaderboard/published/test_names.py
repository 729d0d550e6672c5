"""Names of published runs: settings are read back, variants make another recipe, tiers follow from N and D."""

from __future__ import annotations

import pytest

from leaderboard.published.draft import slug
from leaderboard.published.names import params_of, read_name, recipe_text, tier_of

PLAIN = "evaluation_c4_original-open_lm_1b-warm=5000-lr=0p003-wd=0p033-cd=3e-05-bs=256-mult=1p0-seed=42"


def test_settings_and_seed_are_read_with_their_decimal_points() -> None:
    named = read_name(f"{PLAIN}-tokens=28795904000_heavy", "open_lm_1b")
    assert (named.dataset, named.seed, named.tokens, named.variant) == ("c4_original", 42, 28_795_904_000, "")
    assert named.settings == {"warm": "5000", "lr": "0.003", "wd": "0.033", "cd": "3e-05", "bs": "256", "mult": "1"}


@pytest.mark.parametrize("mark", ["_heavy", "_heavy_copy", "_heavy_copy2", ""])
def test_marks_of_the_evaluation_are_no_variant(mark: str) -> None:
    assert read_name(PLAIN + mark, "open_lm_1b").variant == ""


@pytest.mark.parametrize(
    ("mark", "variant"),
    [
        ("-norm=rms_norm_heavy", "norm=rms_norm"),
        ("_zloss=1e-6_heavy", "zloss=1e-6"),
        ("avg=poly_64_heavy", "avg=poly_64"),
    ],
)
def test_another_change_of_training_is_another_recipe(mark: str, variant: str) -> None:
    named = read_name(PLAIN + mark, "open_lm_1b")
    assert named.variant == variant
    assert recipe_text("open_lm_1b", named) != recipe_text("open_lm_1b", read_name(PLAIN, "open_lm_1b"))


def test_settings_in_the_name_of_a_dataset_are_not_the_runs_own() -> None:
    named = read_name(
        "evaluation_dfn-d=576-warm=400-lr=0p1-seed=0_top10-open_lm_1b-warm=5000-lr=0p003_heavy", "open_lm_1b"
    )
    assert (named.dataset, named.settings["lr"], named.seed) == (
        "dfn-d=576-warm=400-lr=0p1-seed=0_top10",
        "0.003",
        None,
    )


def test_a_name_without_settings_says_so() -> None:
    named = read_name("evaluation_mistral_7b_heavy", "mistralai/Mistral-7B-v0.1")
    assert recipe_text("x", named) == "x settings not published"


@pytest.mark.parametrize(
    ("params", "tokens", "tier"),
    [
        (411_616_256, 8_232_325_120, "dclm-400m-1x"),
        (1_439_795_200, 143_979_520_000, "dclm-1b-5x"),
        (6_889_410_560, 275_576_422_400, "dclm-7b-2x"),
        (6_889_410_560, 300_000_000_000, "dclm-7b-2.18x"),
        (None, 300, "published"),
    ],
)
def test_the_tier_is_twenty_tokens_a_parameter_times_its_multiple(params: int | None, tokens: int, tier: str) -> None:
    assert tier_of(params, tokens) == tier


def test_architectures_of_one_scale_have_one_size() -> None:
    assert params_of("open_lm_7b_swiglutorch") == params_of("open_lm_7b") == 6_889_410_560
    assert params_of("open_lm_70b") is None


def test_a_slug_is_short_and_keeps_both_ends() -> None:
    assert slug("A b/ü" + "x" * 100 + "END") == "a-b-" + "x" * 43 + "." + "x" * 13 + "end"
    assert slug("<script>") == "script"
