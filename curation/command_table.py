"""The commands of `curate`: words, one line of help and the place of the function; data alone, nothing is imported."""

from __future__ import annotations

from dataclasses import dataclass

from curation.law_commands import law_targets


@dataclass(frozen=True, slots=True)
class Command:
    """One verb: its words, one line of help, and where its function lives."""

    path: str
    help: str
    target: str


COMMANDS: tuple[Command, ...] = (
    Command(
        "demo",
        "Run the whole path on this machine's own text: recipes, models, a page.",
        "leaderboard.studies.commands:demo",
    ),
    Command(
        "study plan",
        "Show what a study would build, reuse and train, without doing it.",
        "leaderboard.studies.commands:study_plan",
    ),
    Command(
        "study run",
        "Build, train, score and compare all arms of a study; resumable.",
        "leaderboard.studies.commands:study_run",
    ),
    Command(
        "study kinds",
        "Show the kinds of studies: controls, seeds, budgets, measurements.",
        "leaderboard.studies.kinds_command:study_kinds",
    ),
    Command(
        "study diff",
        "Show what a study says otherwise than when it was frozen.",
        "leaderboard.studies.kinds_command:study_diff",
    ),
    Command(
        "study status",
        "Show what of a study is built, trained, running or stopped, and what is next.",
        "leaderboard.studies.commands:study_status",
    ),
    Command(
        "study cancel",
        "Cancel what a cluster has queued or runs of a study; what is finished stays.",
        "leaderboard.cluster.commands:study_cancel",
    ),
    Command(
        "study measure",
        "Show what a kind of study must measure, and what is missing.",
        "leaderboard.protocols.command:study_measure",
    ),
    Command(
        "study report",
        "Write the page of a finished study again, from its result alone.",
        "leaderboard.studies.commands:study_report",
    ),
    Command(
        "study gate",
        "Judge a study at a gate: conditions, decision, the cheapest next runs.",
        "leaderboard.gates.commands:study_gate",
    ),
    Command("build", "Build a corpus from a recipe: raw text in, sharded Parquet out.", "curation.build_command:build"),
    Command(
        "import-corpus",
        "Take files that others curated (FineWeb, DCLM, Hugging Face) as a corpus.",
        "curation.import_corpus_command:import_corpus",
    ),
    Command(
        "publish",
        "Publish a corpus to a directory, a bucket or the Hub; verified, resumable.",
        "curation.publishing.command:publish_command",
    ),
    Command("train", "Train one tier on one corpus with one seed.", "train.commands:train"),
    Command("watch", "Follow a training run live, from its files alone.", "train.watch_command:watch"),
    Command("plateaus", "List or remove the states that budgets of a model share.", "train.plateaus_command:plateaus"),
    Command("eval", "Score a trained model on suites of tasks, and on panels by slice.", "train.commands:evaluate"),
    Command(
        "import-scores lm-eval",
        "Import a result directory of lm-eval with its samples.",
        "train.evals.import_command:import_lm_eval",
    ),
    Command(
        "import-scores json",
        "Import runs of other trainers from small JSON files.",
        "train.evals.import_command:import_json",
    ),
    Command(
        "import-scores dclm",
        "Import DCLM's evaluation records.",
        "train.evals.import_command:import_dclm",
    ),
    Command(
        "compare",
        "Compare arms of a study, or two runs, slice by slice with intervals.",
        "leaderboard.commands:compare",
    ),
    Command("submit", "Write a finished study to a board as an entry.", "leaderboard.entries.submit_command:submit"),
    Command("leaderboard init", "Make a board, or add tracks to one.", "leaderboard.entries.board_commands:init"),
    Command("leaderboard tracks", "List a board's tracks and digests.", "leaderboard.entries.board_commands:tracks"),
    Command(
        "leaderboard verify",
        "Verify an entry: hashes, numbers, checkpoints, retraining.",
        "leaderboard.entries.board_commands:verify",
    ),
    Command(
        "leaderboard confirm",
        "Show or add the run of the seed that the board assigned.",
        "leaderboard.entries.board_commands:confirm",
    ),
    Command("leaderboard challenge", "Record a doubt about an entry.", "leaderboard.entries.board_commands:challenge"),
    Command(
        "leaderboard retract", "Withdraw an entry; it stays, unranked.", "leaderboard.entries.board_commands:retract"
    ),
    Command("leaderboard index", "Bring a board's index up to date.", "leaderboard.entries.board_commands:index"),
    Command(
        "leaderboard show",
        "List recipes with their places, and how sure each place is.",
        "leaderboard.ranking.command:leaderboard_show",
    ),
    Command(
        "leaderboard import dclm",
        "Import DCLM's published runs as entries of a board.",
        "leaderboard.published.command:import_dclm",
    ),
    Command(
        "leaderboard replay",
        "Replay the gates on published runs of two tiers.",
        "leaderboard.published.replay_command:replay",
    ),
    Command(
        "leaderboard stability",
        "Say whether the order of recipes at small tiers holds at the target.",
        "leaderboard.stability.command:leaderboard_stability",
    ),
    Command(
        "noise plan", "Show which runs measure a tier's noise, and their cost.", "leaderboard.noise.commands:noise_plan"
    ),
    Command("noise train", "Train the runs that measure a tier's noise.", "leaderboard.noise.commands:noise_train"),
    Command("noise build", "Build a noise pack from finished runs.", "leaderboard.noise.commands:noise_build"),
    Command(
        "noise show",
        "Show noise packs: spread, smallest detectable gain, seeds needed.",
        "leaderboard.noise.commands:noise_show",
    ),
    Command("fit list", "Explain every scaling law: variables, units, source.", "leaderboard.laws.command:fit_list"),
    *(Command(path, text, target) for path, text, target in law_targets()),
    Command("fit plan", "Plan a training: size, tokens, hours, experiments.", "leaderboard.planning.command:fit_plan"),
    Command("fit monitor", "Judge new runs by the law of earlier ones.", "leaderboard.monitor.command:fit_monitor"),
    Command(
        "fit compare",
        "Compare two recipes by the law of their difference.",
        "leaderboard.laws.difference.command:fit_compare",
    ),
    Command(
        "mix plan",
        "Preview a mixture in a tier: tokens, epochs, what repeats are worth, shortages.",
        "train.mix_plan_command:mix_plan",
    ),
    Command(
        "mix fit",
        "Fit a mixture law to runs: predictions, and weights proposed for a target.",
        "mixtures.laws.command:mix_fit",
    ),
    Command(
        "mix swarm",
        "Train many small runs under sampled mixtures: the table that laws are fitted to.",
        "train.swarm_command:mix_swarm",
    ),
    Command(
        "mix verify",
        "Train proposed mixtures afresh against natural and uniform weights.",
        "train.mix_verify_command:mix_verify",
    ),
    Command(
        "mix ablate",
        "Score unions of slices by averaging one model each (data ablations).",
        "train.ablate_command:mix_ablate",
    ),
    Command(
        "dedup run",
        "Drop near copies from Parquet or JSONL files you already have.",
        "curation.dedup.run_command:dedup_run",
    ),
    Command(
        "dedup index",
        "Add what a corpus's dedups kept to an index for later dumps.",
        "curation.dedup.index_command:dedup_index",
    ),
    Command(
        "dedup report",
        "Report duplicates: rates, clusters, sources that repeat each other.",
        "curation.dedup.report_command:dedup_report",
    ),
    Command(
        "dedup curve", "Show what MinHash settings find and let through.", "curation.dedup.curve_command:dedup_curve"
    ),
    Command(
        "tokenize",
        "Tokenize Parquet or JSONL files into packed streams that numpy maps.",
        "train.tokenize_command:tokenize",
    ),
    Command(
        "export-tokens",
        "Write token streams for Megatron-LM, OLMo-core or datatrove.",
        "train.token_exports_command:export_tokens_command",
    ),
    Command("show", "Show what an artifact holds and from what it was made.", "curation.show_command:show"),
    Command(
        "decontaminate",
        "Find benchmark items in files that you have; read-only, resumable.",
        "curation.decontaminate_command:decontaminate",
    ),
    Command(
        "panel build",
        "Make a panel of validation documents from files: Paloma, Parquet, JSONL.",
        "curation.panel_command:panel_build",
    ),
    Command(
        "panel show",
        "Show a panel's slices, languages and which may be judged.",
        "curation.panel_command:panel_show",
    ),
    Command(
        "panel curve",
        "Show a panel's bits per byte by slice through training.",
        "train.evals.curve_command:panel_curve",
    ),
    Command("doctor", "Check this installation and say what to mend.", "curation.doctor:doctor"),
    Command("filters list", "List filters and rule sets.", "filters.commands:filters_list"),
    Command("filters agree", "Compare two filters on the same documents.", "filters.agree_command:filters_agree"),
    Command("filters show", "Show a filter's rules, bounds, reasons and sources.", "filters.commands:filters_show"),
    Command("filters plot", "Show a signal's distribution by slice, with bounds.", "filters.plot_command:filters_plot"),
    Command(
        "classifier train",
        "Train a fastText classifier on good and other documents; bitwise reproducible.",
        "filters.classifier_commands:classifier_train",
    ),
    Command(
        "classifier apply",
        "Score documents with a classifier, a fastText model or a transformer.",
        "filters.classifier_commands:classifier_apply",
    ),
    Command(
        "tags fit",
        "Fit tags to documents without any: k-means over their words, one frozen file.",
        "curation.tags.commands:tags_fit",
    ),
    Command("tags show", "Show a tag model: words, sizes, examples, measures.", "curation.tags.commands:tags_show"),
    Command("tags apply", "Tag documents with a model: id, tag, confidence.", "curation.tags.commands:tags_apply"),
    Command(
        "plugins", "List what installed packages add, and what of it is broken.", "curation.plugins_command:plugins"
    ),
    Command("tiers", "List tiers, show every number of one, or plan it on cards.", "train.tiers_command:tiers"),
    Command(
        "lr-sweep", "Say whether a tier's learning rate may be frozen: x1/2, x1, x2.", "train.sweep_command:lr_sweep"
    ),
)

GROUPS = {
    "import-scores": "Results made elsewhere, to compare with your own.",
    "study": "Studies: a base recipe, one named change, its controls.",
    "leaderboard": "The memory of results.",
    "leaderboard import": "Runs that others published, as entries of a board.",
    "noise": "Noise of a tier: measure it, keep it, read what it lets one see.",
    "classifier": "Classifiers: train one, score documents with any.",
    "dedup": "Deduplication on its own: settings, runs, reports.",
    "fit": "Scaling laws: fit one to a table or to own runs.",
    "mix": "Mixtures: previews, laws of their weights, weights proposed for a target.",
    "panel": "Panels: validation documents that every model is scored on.",
    "tags": "Tags: domains of documents whose sources name none.",
    "filters": "Filters, rule sets and what they judge.",
}
