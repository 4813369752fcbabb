"""Where a job's output goes, and the directories for it."""

from __future__ import annotations

import pytest

from slurm import Cluster, task
from slurm.errors import ConfigError
from slurm.submit.output import OutputFiles, output_files

OWN = {"output": "/jobs/7/slurm_%j.out", "error": "/jobs/7/slurm_%j.err"}


@task
def train() -> None:
    pass


def plan(**wanted: str) -> OutputFiles:
    return output_files(OWN, wanted, "train", "/jobs/7")


def test_it_is_in_the_jobs_directory_unless_told() -> None:
    assert plan() == OutputFiles(OWN)


@pytest.mark.parametrize(
    ("wanted", "directories"),
    [
        ({"output": "/logs/%x/%j.out"}, ("/logs/train",)),
        ({"output": "/logs/a", "error": "/logs/b"}, ("/logs",)),
        ({"output": "logs/%j.out"}, ("/jobs/7/logs",)),
        ({"output": "logs/%j.out", "chdir": "/work"}, ("/work/logs",)),
        ({"output": "%j.out", "chdir": "/work"}, ()),
        ({"output": "/dev/null", "error": "none"}, ("/dev",)),
    ],
)
def test_directories_that_are_known_are_made_before(
    wanted: dict[str, str], directories: tuple[str, ...]
) -> None:
    made = plan(**wanted)
    home = wanted.get("chdir", "/jobs/7")
    given = {
        k: v if v[0] == "/" or v == "none" else f"{home}/{v}" for k, v in wanted.items() if k in OWN
    }
    assert made.options == {**OWN, **given}
    assert set(made.directories) - {"/dev"} == set(directories) - {"/dev"}
    assert made.links == ()


def test_a_working_directory_means_itself_whatever_is_in_its_name() -> None:
    """Slurm replaces a ``%j`` in it as well."""
    assert plan(output="a/%j", chdir="/50%j").options["output"] == "/50%%j/a/%j"
    assert plan(output="a\\%j", chdir="/50%j").options["output"] == "/50%j/a\\%j"


def test_those_that_only_the_job_knows_get_a_link() -> None:
    made = plan(output="/logs/%j/out", error="e/%j/err", chdir="/work/50%")
    assert made.options == OWN
    assert made.links == (
        (OWN["output"], "/logs/%j/out"),
        (OWN["error"], "/work/50%%/e/%j/err"),
    )


def test_one_file_for_both_stays_one() -> None:
    made = plan(output="/logs/%j/both", error="/logs/%j/both")
    assert made.options == {"output": OWN["output"], "error": OWN["output"]}
    assert made.links == ((OWN["output"], "/logs/%j/both"),)


@pytest.mark.parametrize("option", ["output", "error"])
@pytest.mark.parametrize(("given", "advice"), [("logs/", "a directory"), ("~/x.log", "in full")])
def test_a_name_that_slurm_would_not_understand_is_refused(
    option: str, given: str, advice: str
) -> None:
    with pytest.raises(ConfigError, match=rf"option {option}='{given}': .*{advice}"):
        train.with_options(**{option: given})


def test_a_dry_run_shows_the_link(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(train.with_options(output="/logs/%j/it's"))
    script = request.files["job.sh"].decode()
    assert """slurm_sdk_name=/logs/"$SLURM_JOB_ID"'/it'"'"'s'""" in script
    assert f"#SBATCH --output={request.job_dir}/slurm_%j.out\n" in script
