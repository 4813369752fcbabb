"""File name patterns, as Slurm 22.05 and 24.11 were seen to expand them for batch jobs."""

from __future__ import annotations

import subprocess

import pytest

from slurm.sbatch.filename_pattern import (
    NO_INDEX,
    JobNames,
    directory_of,
    expand,
    shell_word,
    symbols_in,
)

JOB = JobNames(14, NO_INDEX, 14, node="c1", user="dev", name="nm")
ELEMENT = JobNames(81, 12, 83, node="c1", user="dev", name="nm")
ENVIRONMENT = {"SLURM_JOB_ID": "83", "SLURM_ARRAY_JOB_ID": "81", "SLURM_ARRAY_TASK_ID": "12"}
ENVIRONMENT |= {"SLURMD_NODENAME": "c1.site", "SLURM_JOB_NAME": "nm", "PATH": "/usr/bin:/bin"}

# A pattern, and the name of a job's file and of an array element's.
SEEN = [
    ("A%A", "A14", "A81"),
    ("a%a", "a4294967294", "a12"),
    ("J%J", "J14", "J83"),
    ("j%j", "j14", "j83"),
    ("N%N", "Nc1", "Nc1"),
    ("n%n", "n0", "n0"),
    ("s%s", "sbatch", "sbatch"),
    ("t%t", "t0", "t0"),
    ("u%u", "udev", "udev"),
    ("x%x", "xnm", "xnm"),
    ("b%b", "b4", "b2"),
    ("pct%%j", "pct%j", "pct%j"),
    ("w%4j", "w0014", "w0083"),
    ("w%12j", "w0000000014", "w0000000083"),
    ("%3a", "4294967294", "012"),
    ("w%04x", "wnm", "wnm"),
    ("%5N", "c1", "c1"),
    ("%3s", "batch", "batch"),
    ("U%U", "U%U", "U%U"),
    ("q%q", "q%q", "q%q"),
    ("tr%", "tr%", "tr%"),
    ("k%5%j", "k514", "k583"),
    ("z%4", "z4", "z4"),
    ("7", "7", "7"),
    ("a b/%x's $(id)%j", "a b/nm's $(id)14", "a b/nm's $(id)83"),
]
LITERAL = [
    ("none", "/dev/null"),
    ("NONE", "/dev/null"),
    (r"bs\%j", "bs%j"),
    (r"\%j", "%j"),
    (r"a\\b%j", r"a\b%j"),
]


@pytest.mark.parametrize(("pattern", "job", "element"), SEEN)
def test_symbols_become_what_slurm_makes_of_them(pattern: str, job: str, element: str) -> None:
    assert expand(pattern, JOB.values) == job
    assert expand(pattern, ELEMENT.values) == element


@pytest.mark.parametrize(("pattern", "name"), LITERAL)
def test_some_have_no_symbols(pattern: str, name: str) -> None:
    assert expand(pattern, JOB.values) == name
    assert symbols_in(pattern) == frozenset()


def test_what_is_not_known_stays() -> None:
    assert expand("%x-%4j-%N", JobNames(name="nm").values) == "nm-%4j-%N"
    assert symbols_in("%x-%4j-%%N-%5") == {"x", "j"}


def test_bash_makes_the_same_of_them() -> None:
    """All in one call of it. Outside of an array it is bash that knows no index."""
    patterns = [pattern for pattern, _, _ in SEEN if "%u" not in pattern]
    script = f"printf '%s\\n' {' '.join(map(shell_word, patterns))}"
    for names, left_out in ((ELEMENT, ()), (JOB, ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"))):
        environ = {k: v for k, v in ENVIRONMENT.items() if k not in left_out}
        environ["SLURM_JOB_ID"] = str(names.job_id)
        done = subprocess.run(
            ["bash", "-c", script], env=environ, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [expand(one, names.values) for one in patterns]


@pytest.mark.parametrize(
    ("pattern", "directory"),
    [
        ("/logs/%x/%j.out", "/logs/nm"),
        ("/logs/%%j/%j.out", "/logs/%j"),
        ("/logs/%j/out", None),
        ("%A/%a.out", None),
        (r"/logs\/%j/out", "/logs/%j"),
        ("plain.log", ""),
        ("none", "/dev"),
    ],
)
def test_a_directory_may_be_known_before_the_job(pattern: str, directory: str | None) -> None:
    assert directory_of(pattern, {"x": "nm"}) == directory
