"""Jobs that somebody names."""

from __future__ import annotations

import pytest

from slurm.errors import ConfigError
from slurm.job_list import ListedJob
from slurm.job_list.chosen import in_words, named
from slurm.job_list.listed import ELEMENT
from slurm.states import JobState


def job(job_id: str, state: str = "RUNNING", directory: str = "", kind: str = "job") -> ListedJob:
    ours = bool(directory)
    return ListedJob(job_id, "train", kind, state=JobState(state), directory=directory, ours=ours)


ARRAY = [job(f"12_{task}", directory="/jobs/a", kind=ELEMENT) for task in range(3)]
REST = [job(f"13_{task}", directory="/jobs/a", kind=ELEMENT) for task in range(2)]
JOBS = [*ARRAY, *REST, job("14", directory="/jobs/b"), job("15")]


def ids(word: str) -> list[str]:
    return [one.job_id for one in named(word, JOBS)]


def test_words_stand_for_jobs_elements_and_whole_arrays() -> None:
    assert (ids("14"), ids("15"), ids("/jobs/b/")) == (["14"], ["15"], ["14"])
    assert (ids("12_1"), ids("12_[1-2]"), ids("13_[0-9]")) == (
        ["12_1"],
        ["12_1", "12_2"],
        ["13_0", "13_1"],
    )
    assert ids("12_[0,2%1]") == ["12_0", "12_2"]
    assert ids("12") == ids("/jobs/a") == [one.job_id for one in [*ARRAY, *REST]]


@pytest.mark.parametrize("word", ["99", "12_7", "14_7", "12_[5-99999999999]", "/jobs/nowhere"])
def test_what_is_not_there_is_said(word: str) -> None:
    with pytest.raises(ConfigError, match="there is no job"):
        named(word, JOBS)


@pytest.mark.parametrize(
    "word", ["train", "12_x", "", "12_", "12_[", "12_[0-1", "12_0]", "12_[0-1]%2", "12_[]", "-1"]
)
def test_what_is_no_id_is_said(word: str) -> None:
    with pytest.raises(ConfigError, match="is neither an id"):
        named(word, JOBS)


def test_of_an_id_that_was_used_again_the_live_one_is_meant_if_both_are_ours() -> None:
    old, new, plain = job("7", "COMPLETED", "/jobs/old"), job("7", directory="/jobs/new"), job("7")
    assert named("7", [old, new]) == [new]
    with pytest.raises(ConfigError, match="was the id of train in /jobs/old, which has ended"):
        named("7", [old, plain])


def test_many_are_not_all_named() -> None:
    assert in_words(JOBS[-2:]) == "14 train, 15 train"
    assert in_words(JOBS).endswith(" and 2 more")
