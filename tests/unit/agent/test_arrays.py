"""Arrays at the agent: ids as Slurm writes them, requests that share a directory, many files at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.fakes import Programs

from slurm.agent.errors import AgentError
from slurm.agent.job_ids import collapse_job_ids, expand_job_id
from slurm.api.requests import JobRequest
from slurm.api.slurm_cli import InProcessBackend, SlurmCliBackend
from slurm.errors import RemoteFileError, SchedulerUnreachable, SubmissionRefused

# --- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("12", ["12"]),
        ("12_3", ["12_3"]),
        ("12_[3]", ["12_3"]),
        ("12_[0,3-5]", ["12_0", "12_3", "12_4", "12_5"]),
        ("12_[0-6:3%2]", ["12_0", "12_3", "12_6"]),
        ("12+1", ["12+1"]),
    ],
)
def test_slurms_word_for_several_tasks_is_each_of_them(text: str, ids: list[str]) -> None:
    assert list(expand_job_id(text)) == ids


@hypothesis.given(st.sets(st.tuples(st.sampled_from(["5", "17"]), st.integers(0, 30)), min_size=1))
def test_jobs_in_few_words_are_the_same_jobs(tasks: set[tuple[str, int]]) -> None:
    ids = [f"{array}_{task}" for array, task in tasks] + ["8"]
    told = collapse_job_ids(ids)
    assert sorted(one for text in told for one in expand_job_id(text)) == sorted(ids)
    assert len(told) <= 3


def test_each_task_of_an_array_has_its_state(slurm: SlurmCliBackend, programs: Programs) -> None:
    (programs.folder / "queue").write_text(
        "12_[2-4%1]|PENDING|JobArrayTaskLimit||N/A|x\n12_1|RUNNING|None|c1|N/A|x\n"
    )
    (programs.folder / "accounts").write_text("12_0|COMPLETED|0:0|cpu|c1|1|2\n")
    seen = slurm.query_jobs([f"12_{task}" for task in (0, 1, 3, 9)])
    assert [(one.job_id, one.source, str(one.state)) for one in seen] == [
        ("12_0", "sacct", "COMPLETED"),
        ("12_1", "squeue", "RUNNING"),
        ("12_3", "squeue", "PENDING"),
        ("12_9", "absent", "UNKNOWN"),
    ]
    [sacct] = programs.calls("sacct")
    assert sacct[sacct.index("-j") + 1] == "12"


def test_tasks_of_which_the_same_is_said_are_told_of_in_few_words(
    slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs.folder / "queue").write_text(
        "12_[500-999]|PENDING|Priority||N/A|x\n"
        + "".join(f"12_{task}|RUNNING|None|c1|N/A|x\n" for task in range(500))
    )
    asked: list[Any] = []
    call = slurm.agent.call

    def listening(op: str, params: Any, blob: bytes) -> Any:
        answer = call(op, params, blob)
        asked.append((params, answer[0]))
        return answer

    monkeypatch.setattr(slurm.agent, "call", listening)
    seen = slurm.query_jobs([f"12_{task}" for task in range(1000)])
    assert [one.job_id for one in seen] == [f"12_{task}" for task in range(1000)]
    assert [str(one.state) for one in seen] == ["RUNNING"] * 500 + ["PENDING"] * 500
    [(params, rows)] = asked
    assert params == {"job_ids": ["12_[0-999]"]}
    assert sorted(row["job_id"] for row in rows) == ["12_[0-499]", "12_[500-999]"]


def test_tasks_are_cancelled_in_few_words(slurm: SlurmCliBackend, programs: Programs) -> None:
    programs.add("scancel", "exit 0")
    slurm.cancel_jobs(["12_0", "12_1", "12_2", "7", "12_9"])
    assert programs.calls("scancel") == [["--", "7", "12_[0-2,9]"]]


def test_a_lost_submission_of_an_array_is_found_by_the_arrays_id(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "queue").write_text("12_[0-4]|PENDING|None||N/A|token-of-mine note\n")
    assert slurm.agent.scheduler.find_submission("token-of-mine", "/j/job.sh", 0.0) == "12"


def test_the_largest_array_is_what_the_site_says(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("scontrol", "echo 'MaxArraySize            = 5001'")
    assert slurm.limits() == {"max_array_size": 5001}
    assert slurm.limits() == {"max_array_size": 5001}
    assert programs.calls("scontrol") == [["show", "config"]]


def test_a_controller_that_is_away_has_no_limits(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerUnreachable, match="Unable to contact"):
        slurm.limits()


# --- requests that share a directory -------------------------------------------------------------


def pieces(base: Path, *, after_previous: bool = False) -> list[JobRequest]:
    first = disk.request_for(base)._replace(
        files={"job.sh": b"#!/bin/bash\n", "array_metadata.json": b"{}"},
        directories=("tasks/000", "results"),
        metadata="array_metadata.json",
    )
    second = first._replace(
        files={"job_1.sh": b"#!/bin/bash\n"},
        script="job_1.sh",
        token="bb22",
        directories=(),
        id_key="job_id_1",
        continues=True,
        after_previous=after_previous,
    )
    return [first, second]


def test_the_parts_of_an_array_are_noted_together(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    first, second = disk.submit(scheduler, base, *pieces(base))
    folder = Path(first.job_dir)
    assert (first.job_id, second.job_id, second.job_dir) == ("101", "102", first.job_dir)
    assert json.loads((folder / "array_metadata.json").read_text()) == {
        "job_id": "101",
        "job_id_1": "102",
    }
    assert (folder / "tasks" / "000").stat().st_mode & 0o777 == 0o700
    assert [call.get("submit_options") for call in scheduler.submissions()] == [
        {"comment": "aa11"}
    ] * 2


def test_a_part_waits_for_the_one_before(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    disk.submit(scheduler, base, *pieces(base, after_previous=True))
    assert scheduler.submissions()[1]["submit_options"]["dependency"] == "afterany:101"


def test_after_a_refusal_no_part_is_asked_for(base: Path) -> None:
    scheduler = disk.SchedulerOnDisk(
        base.parent / "queue", answer=AgentError("refused", "no such partition")
    )
    answers = disk.submit(scheduler, base, *pieces(base))
    assert all(isinstance(answer.error, SubmissionRefused) for answer in answers)
    assert not (base / "train" / "1").exists()
    assert scheduler.submissions() == []


def test_a_part_that_is_refused_leaves_the_others_their_files(base: Path) -> None:
    first, second = pieces(base)
    [done] = disk.submit(disk.SchedulerOnDisk(base.parent / "queue"), base, first)
    refusing = disk.SchedulerOnDisk(base.parent / "queue", answer=AgentError("refused", "too many"))
    answers = disk.submit(refusing, base, first, second)
    assert answers[0] == done, "its own submission, once more"
    assert isinstance(answers[1].error, SubmissionRefused)
    assert sorted(path.name for path in Path(done.job_dir).iterdir() if path.suffix == ".sh") == [
        "job.sh"
    ]


# --- files ---------------------------------------------------------------------------------------


def test_many_files_come_in_few_answers(files: InProcessBackend, tmp_path: Path) -> None:
    files.together, files.large_from = 25, 25
    for number in range(5):
        (tmp_path / str(number)).write_bytes(bytes([number]) * 10)
    (tmp_path / "large").write_bytes(b"x" * 100)
    names = ["0", "1", "missing", "2", "large", "3", "4"]
    contents = list(files.read_files([str(tmp_path / name) for name in names]))
    assert contents == [
        None if name == "missing" else (tmp_path / name).read_bytes() for name in names
    ]


def test_a_file_is_assembled_where_its_parts_are(files: InProcessBackend, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"0123456789")
    target = tmp_path / "results" / "whole"
    files.assemble_file(str(target), [b"<", (str(tmp_path / "part"), 2, 3), b"|", b">"])
    assert target.read_bytes() == b"<234|>"
    with pytest.raises(RemoteFileError, match="shorter"):
        files.assemble_file(str(target), [(str(tmp_path / "part"), 8, 3)])
    assert target.read_bytes() == b"<234|>"
    assert [path.name for path in target.parent.iterdir()] == ["whole"]


def test_parts_of_several_files_take_turns(files: InProcessBackend, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"abcdef")
    two.write_bytes(b"012345")
    first, last = [(str(one), 3, 2), (str(one), 0, 1), (str(two), 0, 6)], (str(one), 5, 1)
    files.assemble_file(str(tmp_path / "whole"), [*first, b"-", b"", last])
    assert (tmp_path / "whole").read_bytes() == b"dea012345-f"
    files.assemble_file(str(tmp_path / "whole"), [])
    assert (tmp_path / "whole").read_bytes() == b""
