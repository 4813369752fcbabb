"""Values that programs compute, or keep in enumerations: the value itself, or one line that says what to give."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from slurm import Cluster, SlurmTask, task, workflow
from slurm.errors import ConfigError


class Partition(str, enum.Enum):
    GPU = "gpu"


class Queue(enum.Enum):
    GPU = "gpu"
    PAIR = ("gpu", "cpu")
    LIMIT = datetime.timedelta(minutes=5)


class Cpus(enum.IntEnum):
    FEW = 4


class Count(int, enum.Enum):
    FEW = 4


class Name(str):
    def __str__(self) -> str:
        return "<Name>"

    def __format__(self, spec: str) -> str:
        return "<Name>"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Number(int):
    def __str__(self) -> str:
        return "<Number>"

    __repr__ = __str__


class Scalar:
    """A fake of numpy's scalars and of arrays without dimensions: what they have in common."""

    def __init__(self, value: Any, kind: str = "i") -> None:
        self._value = value
        self.dtype = type("dtype", (), {"kind": kind})
        self.shape = ()

    def item(self) -> Any:
        return self._value


class Array:
    """A fake of numpy's arrays, which have ``__index__`` and may refuse it."""

    shape = (2,)

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("a repr of the user's")


TAKEN: list[tuple[str, Any, str | None]] = [
    ("partition", Partition.GPU, "gpu"),
    ("partition", Queue.GPU, "gpu"),
    ("partition", Name("gpu"), "gpu"),
    ("partition", Scalar("gpu", "U"), "gpu"),
    ("partition", ["gpu", Partition.GPU], "gpu,gpu"),
    ("cpus_per_task", Cpus.FEW, "4"),
    ("cpus_per_task", Count.FEW, "4"),
    ("cpus_per_task", Number(4), "4"),
    ("cpus_per_task", Scalar(4), "4"),
    ("mem", Scalar(4000), "4000"),
    ("time", Queue.LIMIT, "0-00:05:00"),
    ("time", Scalar(datetime.timedelta(minutes=5), "m"), "0-00:05:00"),
    ("requeue", Scalar(True, "b"), ""),
    ("exclusive", Scalar(False, "b"), None),
    ("exclude", ["c1", "c[2,4-5]"], "c1,c[2,4-5]"),
    ("gres", ("gpu:1", "nvme:1"), "gpu:1,nvme:1"),
    ("chdir", Path("/scratch"), "/scratch"),
    ("output", PurePosixPath("/logs/%j.out"), "/logs/%j.out"),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("cpus_per_task", 4.0, "give the whole number 4"),
    ("cpus_per_task", Scalar(4.0, "f"), "no value for sbatch"),
    ("cpus_per_task", decimal.Decimal(4), "give the whole number 4"),
    ("cpus_per_task", fractions.Fraction(8, 2), "give the whole number 4"),
    ("cpus_per_task", float("inf"), "give a whole number"),
    ("cpus_per_task", decimal.Decimal("NaN"), "give a whole number"),
    ("cpus_per_task", True, "needs a value"),
    ("cpus_per_task", Scalar(True, "b"), "needs a value"),
    ("cpus_per_task", 10**5000, "larger than Slurm can count"),
    ("cpus_per_task", [4], "give one text"),
    ("cpus_per_task", Array(), "give text or an int"),
    ("mem", 1.5, "such as 1536M"),
    ("mem", "1.5G", "without a fraction"),
    ("mem", "4 GB", "give a size"),
    ("mem", "", "to leave it out give None, in a Slurmfile false"),
    # In nanoseconds numpy's times are bare numbers in Python: no minutes.
    ("time", Scalar(600_000_000_000, "m"), "no value for sbatch"),
    ("time", datetime.time(1), "with quotes around it, such as '01:00:00'"),
    ("begin", datetime.datetime(2026, 1, 31, 8), "with quotes around it"),  # noqa: DTZ001 - refused
    ("partition", Queue.PAIR, "nor is what it stands for"),
    ("partition", b"gpu", "give text or an int"),
    ("partition", {"gpu"}, "in the order"),
    ("partition", [], "to leave the option out give None"),
    ("partition", ["gpu", ""], "no text"),
    ("export", ["A=1,2"], "has a comma"),
    ("comment", Unshowable(), "option comment=<Unshowable"),
    ("comment", "a\udcffb", "no UTF-8 text"),
    ("comm\udcffent", "a", "sbatch has no"),
]


@pytest.mark.parametrize(("option", "value", "text"), TAKEN, ids=range(len(TAKEN)))
def test_a_value_is_taken_for_what_it_is(
    option: str, value: Any, text: str | None, fake_cluster: Cluster
) -> None:
    name = option.replace("_", "-")
    made = task(**{option: value})(int)
    assert made.options[name] == text
    assert type(made.options[name]) in (str, type(None))
    request = fake_cluster.dry_run(made, "1")
    assert request.options.get(name) == text
    line = {None: f"#SBATCH --{name}=", "": f"#SBATCH --{name}\n"}.get(text, f"#SBATCH --{name}=")
    assert (line in request.files["job.sh"].decode()) == (text is not None)


@task
def plain(number: int) -> int:
    return number


WAYS: dict[str, Callable[[Cluster, dict[str, Any]], object]] = {
    "task": lambda cluster, options: task(**options)(int),
    "workflow": lambda cluster, options: workflow(**options)(int),
    "with_options": lambda cluster, options: plain.with_options(**options),
    "submit": lambda cluster, options: cluster.submit(plain, **options),
    "map": lambda cluster, options: cluster.map(plain, [1], **options),
    "executor": lambda cluster, options: cluster.executor(**options),
    "cluster": lambda cluster, options: Cluster("local", submit=options),
}


@pytest.mark.parametrize(("option", "value", "advice"), REFUSED, ids=range(len(REFUSED)))
def test_any_other_is_refused_in_one_line_wherever_it_is_given(
    option: str, value: Any, advice: str, fake_cluster: Cluster
) -> None:
    said = set()
    for way in WAYS.values():
        with pytest.raises(ConfigError) as caught:
            way(fake_cluster, {option: value})
        said.add(str(caught.value))
    [message] = said
    assert advice in message
    assert "\n" not in message
    message.encode()


def test_the_bounds_of_an_array_are_taken_likewise(fake_cluster: Cluster) -> None:
    two: Any = Scalar(2)
    call: Any = fake_cluster.map(plain, [1, 2], Count.FEW, pack=two)._submission._state
    assert (call.call.max_concurrent, call.call.pack) == (4, 2)
    assert type(call.call.max_concurrent) is int


# --- options that are left out ---------------------------------------------------------------------


def options_of(cluster: Cluster, made: SlurmTask[..., Any]) -> dict[str, str]:
    request = cluster.dry_run(made, 1)
    script = request.files["job.sh"].decode()
    assert all((f"#SBATCH --{name}=" in script) == (name in request.options) for name in DEFAULTS)
    return {name: request.options[name] for name in DEFAULTS if name in request.options}


DEFAULTS = {"nodes": "1", "ntasks": "1", "mem": "1G", "time": "00:10:00"}


@pytest.mark.parametrize("option", DEFAULTS)
@pytest.mark.parametrize("nothing", [None, False])
def test_a_default_can_be_left_out(option: str, nothing: Any, fake_cluster: Cluster) -> None:
    left = {name: value for name, value in DEFAULTS.items() if name != option}
    assert options_of(fake_cluster, plain) == DEFAULTS
    assert options_of(fake_cluster, plain.with_options(**{option: nothing})) == left
    assert options_of(fake_cluster, task(**{option: nothing})(plain.unwrapped)) == left
    site = Cluster(fake_cluster.backend, submit={option: nothing})
    assert options_of(site, plain) == left
    assert options_of(site, plain.with_options(**{option: DEFAULTS[option]})) == DEFAULTS


@pytest.mark.parametrize(
    ("site", "own", "left"),
    [
        ({"mem": "2G"}, {"mem": None}, {}),
        ({"mem": None}, {"mem_per_cpu": "2G"}, {"mem-per-cpu": "2G"}),
        ({"mem_per_cpu": "2G"}, {"mem": None}, {"mem-per-cpu": "2G"}),
        ({"mem": "2G"}, {"mem_per_cpu": None}, {"mem": "2G"}),
        ({"partition": "gpu"}, {"partition": None}, {"mem": "1G"}),
        ({"exclusive": True}, {"exclusive": False}, {"mem": "1G"}),
        ({"requeue": True}, {"requeue": False}, {"mem": "1G"}),
        ({}, {"nodes": None, "ntasks_per_node": None}, {"mem": "1G", "ntasks": "1"}),
        ({}, {"signal": None, "open_mode": None, "requeue": True}, {"mem": "1G", "requeue": ""}),
    ],
)
def test_what_is_left_out_stays_out_and_excludes_nothing(
    site: dict[str, Any], own: dict[str, Any], left: dict[str, str], fake_cluster: Cluster
) -> None:
    cluster = Cluster(fake_cluster.backend, submit=site)
    request = cluster.dry_run(plain.with_options(**own), 1)
    asked = {*(name.replace("_", "-") for name in {**site, **own}), "mem", *left}
    assert {name: request.options[name] for name in asked if name in request.options} == left


def test_a_workflow_has_its_hour_unless_somebody_leaves_it_out(fake_cluster: Cluster) -> None:
    def time_of(made: SlurmTask[..., Any], **site: Any) -> str | None:
        cluster = Cluster(fake_cluster.backend, submit=site)
        return cluster.dry_run(made, 1).options.get("time")

    pipeline = workflow(plain.unwrapped)
    assert time_of(pipeline) == time_of(pipeline, time="5") == "01:00:00"
    assert time_of(pipeline.with_options(time=None)) is None
    assert time_of(workflow(time=None)(plain.unwrapped), time="5") is None
    assert time_of(pipeline, time=False) is None
    assert time_of(pipeline.with_options(time="7"), time=False) == "7"


def test_a_job_without_a_time_of_its_own_is_warned_a_minute_before_the_sites(
    fake_cluster: Cluster,
) -> None:
    request = fake_cluster.dry_run(plain.with_options(time=None), 1)
    assert request.options["signal"] == "B:USR1@60"
    silent = fake_cluster.dry_run(plain.with_options(time=None, signal=None), 1)
    assert "signal" not in silent.options
    assert b"USR1" not in silent.files["job.sh"]


def test_a_slurmfile_leaves_out_with_false(tmp_path: Path, fake_cluster: Cluster) -> None:
    path = tmp_path / "Slurmfile.toml"
    path.write_text("[default.submit]\nmem = false\ntime = false\n[big.submit]\nmem = '8G'\n")
    assert options_of(Cluster.from_env(path), plain) == {"nodes": "1", "ntasks": "1"}
    big = Cluster.from_env(path, env="big")
    assert options_of(big, plain) == {"nodes": "1", "ntasks": "1", "mem": "8G"}
    for refused in ("mem = ''", "mem = true", "mem = 1.5", "mem = 'null'", "time = 01:00:00"):
        path.write_text(f"[default.submit]\n{refused}\n")
        with pytest.raises(ConfigError, match=r"option (mem|time)=") as caught:
            Cluster.from_env(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_workflows_own_jobs_leave_out_what_the_site_leaves_out(fake_cluster: Cluster) -> None:
    site = Cluster(fake_cluster.backend, submit={"mem": None}).site
    assert site.of_children({}, "/jobs")["submit"] == {"mem": None}
    assert task(mem=None)(int).own_options == {"mem": None}
