"""The words of the dockerised cluster are the same for a program, a command, pytest's options, its ini file and the page."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from slurm.testing import DockerCluster, plugin
from slurm.testing.command_options import options_of
from slurm.testing.plugin import disturbed
from slurm.testing.shape import FLAGS, Shape
from slurm.testing.shape_options import SHAPE_OPTIONS

PAGE = Path(__file__).parents[3] / "docs/how-to/use-the-test-cluster.md"
# Where it is, which a run of tests does not say: it has a cluster of its own.
PLACE = {"project", "ssh_port", "state_dir"}
# What is to become of it afterwards, which a run of tests alone says.
AFTERWARDS = {"keep"}
OF_PYTHON = {*inspect.signature(DockerCluster).parameters}
# The argument and the word of an option: one is given once for each of many.
OPTIONS = {"release": "release", **{one.argument: one.option for one in SHAPE_OPTIONS}}


class Words:
    """Notes what the plugin adds, in place of pytest's own parser; a fake."""

    def __init__(self) -> None:
        self.options: set[str] = set()
        self.of_ini: set[str] = set()

    def getgroup(self, *_: Any) -> Words:
        return self

    def addoption(self, name: str, **_: Any) -> None:
        self.options.add(name)

    def addini(self, name: str, *_: Any, **__: Any) -> None:
        self.of_ini.add(name)


def test_an_option_is_called_as_its_argument() -> None:
    """But for the number, and for one that says that something is not."""
    for argument, option in OPTIONS.items():
        singular = argument if argument in ("qos", "emulated_nodes") else argument.rstrip("s")
        word = option.removeprefix("no-").replace("-", "_")
        assert word in (argument, singular)


def test_a_program_a_command_pytest_and_its_ini_file_have_the_same() -> None:
    assert {*OPTIONS} == OF_PYTHON - PLACE
    of_up = {one.argument: one.option for one in options_of("up")}
    named = {"ssh_port" if name == "port" else name for name in of_up}
    assert named - {"verbose"} == OF_PYTHON
    assert {argument: of_up[argument] for argument in OPTIONS} == {
        argument: f"--{option}" for argument, option in OPTIONS.items()
    }
    parser = Words()
    plugin.pytest_addoption(parser)  # type: ignore[arg-type]
    assert parser.options == {f"--slurm-{one}" for one in (*OPTIONS.values(), *AFTERWARDS, "down")}
    assert parser.of_ini == {f"slurm_{one}" for one in (*OPTIONS, *AFTERWARDS)}


def test_the_page_has_all_of_them() -> None:
    rows = re.findall(
        r"^\| `slurm_(\w+)` \| `--slurm-([\w-]+)` \| `--([\w-]+)` \| `(\w+)=` \|",
        PAGE.read_text("utf-8"),
        re.M,
    )
    assert {row[0]: row[1:] for row in rows} == {
        argument: (option, option, argument) for argument, option in OPTIONS.items()
    }


def test_a_shape_has_what_can_be_said_and_flags_are_all_known() -> None:
    assert {*Shape().arguments} == {*OPTIONS} - {"release"}
    assert {*FLAGS} == {one.argument for one in SHAPE_OPTIONS if one.flag is not None}


def test_what_a_user_says_holds_on_the_cluster_that_is_broken_as_well() -> None:
    made = disturbed({"settings": {"SlurmdTimeout": "60"}, "shared_size": "1g", "users": ["ann"]})
    assert made["settings"]["SlurmdTimeout"] == "60"
    assert made["settings"]["MinJobAge"] == 5
    assert (made["shared_size"], made["users"]) == ("1g", ["ann"])
    assert disturbed({"editable": "."})["shared_size"] == "2g"
    assert disturbed({"editable": ".", "shared_size": "3g"})["shared_size"] == "3g"


def test_the_cluster_that_is_broken_starts_no_emulated_nodes() -> None:
    shape = DockerCluster(**disturbed({"emulated_nodes": 1000})).shape
    assert shape.emulated_hosts == []
    assert shape.settings["SlurmdTimeout"] == "20"
