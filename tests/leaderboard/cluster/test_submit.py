"""Submitting against commands that keep a queue in a file: dependencies, repeats, budget, cancelling, bad answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from curation.backends.sites import Site
from curation.errors import SchedulerError, StudyError
from curation.progress import SilentProgress
from curation.store import Store
from leaderboard.cluster.cancel import cancel_study
from leaderboard.cluster.folder import Submission, TaskState, read_submission, write_state
from leaderboard.cluster.queue import Queued, parse_queue
from leaderboard.cluster.standing import overall, standings
from leaderboard.cluster.submit import Budget, parse_budget, ranges, refuse_beyond, refuse_unfit, submit
from leaderboard.studies.plan import plan_study

Make = Callable[[], Submission]


def asked(fake_slurm: Path) -> list[list[str]]:
    """Return job, name, array and dependency of every submission."""
    return [line.split(" ") for line in (fake_slurm / "asked").read_text().splitlines()]


def queue_of(fake_slurm: Path, given: Submission) -> list[str]:
    """Return the rows of squeue in which all that was submitted is pending."""
    names = {given.job_name(step.name): step for step in given.dag.steps}
    rows = []
    for job, name, _, _ in asked(fake_slurm):
        step = names[name]
        rows += [f"{job}_{index}|{name}|PENDING|Dependency" for index in range(step.num_tasks)] if step.is_array else [
            f"{job}|{name}|PENDING|Dependency"
        ]  # fmt: skip
    return rows


def test_each_step_waits_for_the_jobs_before_it(make_submission: Make, site: Site, fake_slurm: Path) -> None:
    given, _ = submit(make_submission(), site)
    rows = asked(fake_slurm)
    assert [row[1] for row in rows] == [given.job_name(step.name) for step in given.dag.steps]
    assert [row[3] for row in rows] == ["", *(f"afterok:{number}" for number in range(101, 108))]
    assert [row[2] for row in rows] == ["", "0-3", "0-3", "", "0-3", "", "0-1", ""]


def test_a_second_submission_of_what_is_queued_submits_nothing(
    make_submission: Make, site: Site, fake_slurm: Path
) -> None:
    given, _ = submit(make_submission(), site)
    (fake_slurm / "queue").write_text("\n".join(queue_of(fake_slurm, given)) + "\n")
    again, jobs = submit(make_submission(), site)
    assert (again.folder, jobs) == (given.folder, [])
    assert len(asked(fake_slurm)) == 8


def test_a_failed_task_is_submitted_again_with_all_that_waited_for_it(
    make_submission: Make, site: Site, fake_slurm: Path
) -> None:
    given, _ = submit(make_submission(), site)
    rows = [row for row in queue_of(fake_slurm, given) if not row.startswith("105_1|")]
    rows = [row.replace("Dependency", "DependencyNeverSatisfied") if row.startswith("106|") else row for row in rows]
    (fake_slurm / "queue").write_text("\n".join(rows) + "\n")
    _, jobs = submit(make_submission(), site)
    found = {one.step: one.indices for one in jobs}
    assert found == {"runs-pico-0.02x": (1,), "judge-pico-0.02x": (0,), "runs-pico-0.03x": (0, 1), "compare": (0,)}
    assert set((fake_slurm / "cancelled").read_text().split()) == {"--quiet", "106", "107_0", "107_1", "108"}
    judge = next(row for row in asked(fake_slurm)[8:] if "judge" in row[1])
    assert judge[3] == "afterok:105_0:105_2:105_3:109"


def test_other_words_are_another_submission(make_submission: Make, study_path: Path) -> None:
    first = make_submission()
    study_path.write_text(study_path.read_text().replace("min_words: 60", "min_words: 61"))
    assert make_submission().folder != first.folder


def test_jobs_read_the_words_that_were_submitted(
    make_submission: Make, site: Site, study_path: Path, fake_slurm: Path
) -> None:
    given, _ = submit(make_submission(), site)
    study_path.write_text("not: a study\n")
    assert read_submission(given.folder).study == given.study


def test_a_plan_beyond_the_budget_is_refused_with_both_numbers(make_submission: Make, store: Store) -> None:
    given = make_submission()
    plan = plan_study(given.study, given.where, store=store, progress=SilentProgress())
    refuse_beyond(Budget(cpu_hours=plan.cpu_hours), plan, given.where)
    with pytest.raises(StudyError, match=r"the plan of study small takes .* CPU hours .* at most 0\.0001"):
        refuse_beyond(Budget(cpu_hours=0.0001), plan, given.where)


@pytest.mark.parametrize("text", ["120", "gpuh", "1gpuh,2gpuh", "-3gpuh", "5 kwh"])
def test_a_budget_in_other_words_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match="expected hours such as 120gpuh"):
        parse_budget(text)


def test_a_budget_may_name_gpu_and_cpu_hours() -> None:
    assert parse_budget("120gpuh, 1.5cpuh") == Budget(gpu_hours=120, cpu_hours=1.5)


@pytest.mark.parametrize(
    ("partition", "told"), [("cpuu", "did you mean `cpu`"), ("old", "is down, expected up")]
)  # fmt: skip
def test_a_partition_that_cannot_be_used_is_refused_before_anything_is_submitted(
    make_submission: Make, fake_slurm: Path, partition: str, told: str
) -> None:
    with pytest.raises(SchedulerError, match=told):
        refuse_unfit(make_submission(), Site.model_validate({"cpu": {"partition": partition}}))
    assert not (fake_slurm / "asked").exists()


def test_without_slurm_the_missing_command_is_named(make_submission: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SchedulerError, match="no `sbatch` on PATH"):
        refuse_unfit(make_submission(), Site())


@pytest.mark.parametrize("answer", ["hello", "12|name|running|None", "x_1|name|RUNNING|None"])
def test_an_answer_that_is_not_squeues_is_refused(answer: str) -> None:
    with pytest.raises(SchedulerError, match="squeue: answered"):
        parse_queue(answer)


def test_an_sbatch_that_gives_no_number_is_refused(make_submission: Make, site: Site, fake_slurm: Path) -> None:
    (fake_slurm / "sbatch").write_text("#!/bin/sh\necho Submitted\n")
    with pytest.raises(SchedulerError, match="sbatch: answered `Submitted`"):
        submit(make_submission(), site)


def test_cancelling_names_every_queued_job_and_marks_the_folder_first(
    make_submission: Make, site: Site, fake_slurm: Path
) -> None:
    given, _ = submit(make_submission(), site)
    (fake_slurm / "queue").write_text(f"101|{given.job_name('pool')}|RUNNING|None\n")
    ended = cancel_study(given, seconds=0)
    assert (ended.jobs, ended.left) == (("101",), ("101",))
    assert (given.folder / "cancelled").is_file()


def test_what_was_never_submitted_cannot_be_cancelled(make_submission: Make) -> None:
    with pytest.raises(StudyError, match="nothing to cancel"):
        cancel_study(make_submission(), seconds=0)


@pytest.mark.parametrize(
    ("said", "queue", "state"),
    [
        (None, None, "open"),
        (None, ("PENDING", "Priority"), "waiting"),
        (None, ("PENDING", "DependencyNeverSatisfied"), "failed"),
        ("running", ("RUNNING", "None"), "running"),
        ("running", ("PENDING", "BeginTime"), "preempted"),
        ("preempted", ("PENDING", "BeginTime"), "preempted"),
        ("failed", ("PENDING", "Priority"), "waiting"),
        ("running", None, "failed"),
        ("preempted", None, "failed"),
        ("failed", None, "failed"),
    ],
)
def test_a_tasks_state_is_told_by_its_last_word_and_the_queue(
    make_submission: Make, site: Site, fake_slurm: Path, said: str | None, queue: tuple[str, str] | None, state: str
) -> None:
    given, _ = submit(make_submission(), site)
    if said is not None:
        write_state(given.folder, "pool", 0, TaskState(state=said, attempts=1))  # type: ignore[arg-type]
    name = given.job_name("pool")
    live = [Queued(name=name, job="1", index=0, state=queue[0], reason=queue[1])] if queue else []
    tasks = standings(given, set(), live)
    assert next(task for task in tasks if task.step == "pool").state == state
    assert overall(tasks) == state


@pytest.mark.parametrize(("numbers", "text"), [([0, 1, 2, 5], "0-2,5"), ([3], "3"), ([4, 0, 2], "0,2,4")])
def test_numbers_of_tasks_become_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text
