"""What jobs print where the user wants it: everything that reads it follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from tests.conformance.waiting import PATIENCE

import conformance_output as tasks
from slurm import ArrayJob, Cluster, Job
from slurm.errors import JobFailed, RemoteFileMissing

# Each symbol of sbatch that means something in all its versions, and some that do not.
SYMBOLS = "%x_%j_%4j_%12j_%J_%N_%n_%s_%t_%u_%A_%a_%b_%%j_%q_%3x_%5%.log"
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "in a directory that is not there": {"output": "{folder}/new one/deeper/plain.log"},
    "under all symbols": {"output": "{folder}/" + SYMBOLS, "error": "{folder}/e" + SYMBOLS},
    "in a directory of its id": {"output": "{folder}/%j/out.log", "error": "{folder}/%j/%x.err"},
    "in one file": {"output": "{folder}/both-%j", "error": "{folder}/both-%j"},
    "beside the job's files": {"output": "logs/%j.out"},
    "without symbols": {"output": "{folder}/a\\%j"},
}
ONE_FILE = "word\nWORD\n"


class Said(NamedTuple):
    folder: str
    jobs: Mapping[str, Job[tuple[str, str]]]
    array: ArrayJob[tuple[str, str]]
    killed: Job[Any]
    nowhere: Job[Any]


@pytest.fixture(scope="module")
def said(client: Cluster, folder: str) -> Said:
    with client.batch():
        jobs = {
            name: tasks.say.with_options(**{k: v.format(folder=folder) for k, v in how.items()})(
                "word"
            )
            for name, how in OPTIONS.items()
        }
        killed = tasks.die.with_options(error=f"{folder}/killed-%j")("last words")
        nowhere = tasks.say.with_options(output="none")("word")
        array = tasks.say.with_options(output=f"{folder}/%A_%3a-%j-%b").map(["a", "b"])
    return Said(folder, jobs, array, killed, nowhere)


@pytest.mark.parametrize("name", OPTIONS)
def test_output_is_read_from_where_it_went(name: str, said: Said, client: Cluster) -> None:
    job = said.jobs[name]
    went = job.get_result(PATIENCE)
    found = client.get_job(job.id)
    for one in (job, found):
        assert (one.stdout_path, one.stderr_path) == went
        printed = (one.get_stdout(), one.get_stderr())
        both = went[0] == went[1]
        assert printed == ((ONE_FILE, ONE_FILE) if both else ("word\n", "WORD\n"))
    assert (went[0] == went[1]) == (name == "in one file")


def test_a_directory_of_the_jobs_own_id_has_its_output(said: Said, client: Cluster) -> None:
    """Slurm would have failed the job without a word: it makes no directories."""
    job = said.jobs["in a directory of its id"]
    job.get_result(PATIENCE)
    assert client.backend.read_file(f"{said.folder}/{job.id}/out.log") == b"word\n"
    assert client.backend.read_file(f"{said.folder}/{job.id}/say.err") == b"WORD\n"


def test_elements_of_an_array_have_their_own(said: Said, client: Cluster) -> None:
    went = said.array.get_results(PATIENCE)
    for array in (said.array, client.get_array(said.array.id)):
        assert [job.stdout_path for job in array] == [out for out, _ in went]
        assert [job.get_stdout() for job in array] == ["a\n", "b\n"]
        assert [job.get_stderr() for job in array] == ["A\n", "B\n"]


def test_the_error_of_a_killed_job_has_its_last_words(said: Said) -> None:
    with pytest.raises(JobFailed, match="last words") as raised:
        said.killed.get_result(PATIENCE)
    assert "last words" in raised.value.stderr


def test_output_that_goes_nowhere_is_said_to(said: Said) -> None:
    said.nowhere.get_result(PATIENCE)
    assert said.nowhere.get_stderr() == "WORD\n"
    with pytest.raises(RemoteFileMissing, match="keeps no stdout"):
        said.nowhere.get_stdout()
