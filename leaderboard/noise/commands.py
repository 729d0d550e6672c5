"""`curate noise plan|train|build|show`: measuring the noise of a tier, keeping it, and reading what it lets one see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, QuietFlag, StoreOption, give, progress_for

if TYPE_CHECKING:
    from rich.console import Console

    from curation.files import Json
    from curation.store import Artifact, Store
    from leaderboard.noise.pack import NoisePack
    from leaderboard.noise.plan import PlannedRun
    from leaderboard.noise.rows import Row

CorpusArgument = Annotated[str, typer.Argument(help="Corpus: a directory, or its name in the store.")]
TierOption = Annotated[str, typer.Option("--tier", help="Model and budget, as it will be compared: micro-0.25x.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=0, help="Ordinary runs 1..n; rule 9 asks for 8.")]
InitsOption = Annotated[int, typer.Option("--inits", min=0, help="Initialisations of the crossed table.")]
OrdersOption = Annotated[int, typer.Option("--orders", min=0, help="Orders of the crossed table.")]
SubsetsOption = Annotated[int, typer.Option("--subsets", min=0, help="Subsets of the text, the table's one counted.")]
PanelOption = Annotated[str | None, typer.Option("--panel", help="Panel artifact; default: the corpus' own.")]


def noise_plan(
    corpus: CorpusArgument,
    tier: TierOption,
    seeds: SeedsOption = 8,
    inits: InitsOption = 3,
    orders: OrdersOption = 3,
    subsets: SubsetsOption = 4,
    panel: PanelOption = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show which runs a measurement of a tier's noise trains, which of them exist, and what the rest costs."""
    from curation.store import Store
    from leaderboard.noise.plan import Design
    from leaderboard.noise.view import draw_plan

    design = Design(seeds=seeds, inits=inits, orders=orders, subsets=subsets)
    *_, runs, cost = _planned(Store.reading(store), corpus, panel, tier, design)
    listed: list[Json] = [{"run": run.label, "varies": run.purpose, "reused": run.reused} for run in runs]
    give({"runs": listed, "cost": dict(cost)}, lambda console: draw_plan(console, runs, cost), as_json=json_output)


def noise_train(
    corpus: CorpusArgument,
    tier: TierOption,
    seeds: SeedsOption = 8,
    inits: InitsOption = 3,
    orders: OrdersOption = 3,
    subsets: SubsetsOption = 4,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Runs at once (default: as many as fit).")] = None,
    epochs: Annotated[float, typer.Option("--epochs", min=1, help="Permit so many repeats of a small corpus.")] = 1.0,
    panel: PanelOption = None,
    store: StoreOption = None,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Train the runs of a noise measurement that the store lacks; killed, the same command goes on.

    Noise runs vary initialisation, order and subset of the text one by one. They enter noise packs only.
    """
    from curation.nodes import Planner
    from curation.store import Store
    from leaderboard.noise.plan import Design
    from train.many_runs import train_runs

    design = Design(seeds=seeds, inits=inits, orders=orders, subsets=subsets)
    opened = Store.open(store)
    text, judged, runs, _ = _planned(opened, corpus, panel, tier, design)
    planner = Planner(store=opened, workers=1, progress=progress_for(quiet=quiet or json_output))
    planner.adopt(text)
    planner.adopt(judged)
    done = train_runs(planner, text, judged, [run.wanted for run in runs], jobs=jobs, epochs=epochs)
    value: Json = {run.label: str(artifact.path) for run, artifact in zip(runs, done, strict=True)}
    names = " ".join(artifact.path.name for artifact in done)
    give(
        value,
        lambda console: console.print(f"next: curate noise build {names}", soft_wrap=True, markup=False),
        as_json=json_output,
    )


def noise_build(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN|RESULTS_DIR|TABLE.json]...", help="Runs, their results of suites, or one table."),
    ] = None,
    tier: Annotated[str | None, typer.Option("--tier", help="Take all runs of this tier in the store.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File (default: noise/ of the store).")] = None,
    device: Annotated[str, typer.Option("--device", help="What it ran on, in words (default: what runs say).")] = "",
    date: Annotated[str, typer.Option("--date", help="Day of the measurement (default: today).")] = "",
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Build a noise pack from finished runs of one tier on one corpus and panel.

    With 8 stable runs 1..n it is measured and found by comparisons and verdicts; else it says why not.
    """
    from curation.errors import RunError
    from curation.store import Store
    from leaderboard.comparison.finding import unused_scores
    from leaderboard.noise.build import build_pack
    from leaderboard.noise.pack_files import write_pack
    from leaderboard.noise.read_runs import gather_runs, runs_in
    from leaderboard.noise.rows import rows_json, rows_of
    from leaderboard.noise.view import draw_pack

    opened = Store.open(store)
    if not runs and tier is None:
        raise RunError("noise build: neither runs nor --tier, expected one; `curate noise plan` says what to train")
    names = runs or runs_in(opened, cast("str", tier))
    if not names:
        raise RunError(f"noise build: {opened.root} holds no run of {tier}; train them with `curate noise train`")
    pack = build_pack(gather_runs(opened, names, tier), date=date or _today(), device=device)
    path = out or opened.root / "noise" / pack.file_name
    write_pack(path, pack)
    rows = rows_of(pack)
    value: Json = {"pack": str(path), "status": pack.status, "why": list(pack.why), "rows": rows_json(rows)}
    unused = unused_scores(opened, frozenset(run.fingerprint for run in pack.runs), pack.provenance.suites)

    def draw(console: Console) -> None:
        draw_pack(console, path, pack, rows)
        for suite, folders in unused.items():
            given = " ".join([*names, *map(str, folders)])
            text = f"the store holds {suite} scores of {len(folders)} of these runs, which the pack has not; with them:"
            console.print(f"{text} curate noise build {given}", markup=False, soft_wrap=True)

    give(value, draw, as_json=json_output)


def noise_show(
    packs: Annotated[
        list[Path] | None, typer.Argument(metavar="[PACK.json]...", help="Files (default: all that are found).")
    ] = None,
    tier: Annotated[str | None, typer.Option("--tier", help="Only packs of this tier.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only this slice or task.")] = None,
    signal: Annotated[
        Path | None, typer.Option("--signal", metavar="STUDY_DIR", help="Study whose arms are the signal of the SNR.")
    ] = None,
    gain: Annotated[
        list[float] | None,
        typer.Option("--gain", help="A claimed gain in per cent: how many seeds does it need? Repeatable."),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.svg", help="Also draw it there.")] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show noise packs: spread, causes, smallest detectable gain, and the seeds that a claimed gain needs.

    Without arguments: those that comparisons find, shipped and of the store. One tier or file is shown in full.
    """
    from curation.store import Store
    from leaderboard.noise.find import known_packs
    from leaderboard.noise.pack_files import read_pack
    from leaderboard.noise.power import gains_of
    from leaderboard.noise.rows import rows_json
    from leaderboard.noise.view import draw_pack, draw_packs

    found = [(path, read_pack(path)) for path in packs] if packs else known_packs(Store.reading(store).root)
    chosen = _of_tier(found, tier)
    shown = _rows(chosen, name, signal, gains_of(gain or [])) if packs or tier or name or gain else []
    if plot is not None:
        _draw_picture(plot, shown)
    listed: list[Json] = [
        {"file": str(path), "pack": pack.as_json(), "rows": rows_json(rows)} for path, pack, rows in shown
    ] or [{"file": str(path), "tier": pack.tier, "status": pack.status, "why": list(pack.why)} for path, pack in chosen]

    def draw(console: object) -> None:
        from rich.console import Console

        assert isinstance(console, Console)
        if not shown:
            draw_packs(console, chosen)
            console.print("one in full: curate noise show --tier TIER", style="dim")
        for path, pack, rows in shown:
            draw_pack(console, path, pack, rows)
        if plot is not None:
            console.print(f"picture: {plot}", soft_wrap=True, markup=False)

    give({"packs": listed}, draw, as_json=json_output)


def _planned(
    opened: Store, corpus: str, panel: str | None, tier: str, design: object
) -> tuple[Artifact, Artifact, list[PlannedRun], Mapping[str, str]]:
    from leaderboard.noise.plan import Design, span, wanted_runs, with_state
    from train.cpu_plan import cpu_hours
    from train.lookup import find_artifact, panel_of
    from train.tiers import load_tier

    assert isinstance(design, Design)
    text = find_artifact(opened, corpus, "corpus")
    judged = panel_of(opened, text) if panel is None else find_artifact(opened, panel, "panel")
    runs = with_state(opened, text, judged, wanted_runs(tier, design))
    missing, loaded = sum(not run.reused for run in runs), load_tier(tier)
    cost = {
        "to train": f"{missing} of {len(runs)} runs, {missing * loaded.num_tokens:,} tokens",
        "work": f"{missing * loaded.num_flops:.2e} FLOPs, about {span(missing * cpu_hours(loaded))} on a CPU",
    }
    return text, judged, runs, cost


def _of_tier(found: Sequence[tuple[Path, NoisePack]], tier: str | None) -> list[tuple[Path, NoisePack]]:
    from curation.errors import RunError, nearest
    from train.tiers import load_tier

    wanted = None if tier is None else load_tier(tier).name
    chosen = [(path, pack) for path, pack in found if wanted in (None, pack.tier)]
    if wanted and not chosen:
        raise RunError(f"noise show: no noise pack of {wanted}; {nearest(wanted, {pack.tier for _, pack in found})}")
    return chosen


def _rows(
    chosen: Sequence[tuple[Path, NoisePack]], name: str | None, signal: Path | None, gains: Mapping[str, float]
) -> list[tuple[Path, NoisePack, list[Row]]]:
    from curation.errors import RunError, nearest
    from leaderboard.noise.rows import rows_of

    shown = []
    for path, pack in chosen:
        rows = rows_of(pack, _signal(signal, pack.tier) if signal else None, gains)
        shown.append((path, pack, [row for row in rows if name in (None, row.name)]))
    if name and not any(rows for _, _, rows in shown):
        known = {measure.name for _, pack in chosen for measure in pack.measures}
        raise RunError(f"noise show: no pack measures `{name}`; {nearest(name, known)}")
    return shown


def _signal(study: Path, tier: str) -> dict[str, Sequence[float]]:
    """Return the mean bits per byte of each arm of a study at a tier, by slice."""
    from leaderboard.studies.results import read_result

    runs = [run for run in read_result(study).runs if run.tier == tier]
    arms = list(dict.fromkeys(run.arm for run in runs))
    names = sorted(set.intersection(*(set(run.bpb) for run in runs))) if runs else []
    return {
        name: [
            sum(run.bpb[name] for run in runs if run.arm == arm) / sum(run.arm == arm for run in runs) for arm in arms
        ]
        for name in names
    }


def _draw_picture(path: Path, shown: Sequence[tuple[Path, NoisePack, Sequence[Row]]]) -> None:
    from curation.errors import RunError
    from curation.files import write_text
    from leaderboard.noise.picture import picture

    if len(shown) != 1:
        raise RunError(f"--plot {path}: {len(shown)} packs, expected one; choose it with --tier or by its file")
    _, pack, rows = shown[0]
    write_text(path, picture(f"Run noise of {pack.tier} ({pack.status}), {pack.provenance.device}", rows))


def _today() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).date().isoformat()
