"""The suite on the cluster's login node: ``Cluster("slurm")`` needs Slurm's commands beside it.

The tests and the packages they need go to the shared volume once. A file's tests are then run there
by one pytest, through ssh; here each of them has a stand-in that tells how it ended.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import io
import shlex
import subprocess
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import slurm
from slurm.testing import ClusterError
from slurm.testing.plugin import SECTION, SHARED

SDK = Path(slurm.__file__).parent
DISTRIBUTIONS = (
    *("cloudpickle", "pytest", "pluggy", "iniconfig", "packaging", "pygments"),
    *("fastjsonschema", "filelock", "ruamel.yaml", "click"),  # of `slurm.runs` and `slurm.cli`
)
TIMEOUT = 550.0
INI = """\
[pytest]
minversion = 8.2
pythonpath = tests/conformance/tasks
addopts = --strict-markers --strict-config --import-mode=importlib -p no:cacheprovider
xfail_strict = true
markers =
    story: takes long on the local backend
    matrix: takes long on a cluster
filterwarnings = error
faulthandler_timeout = 200
"""
# $0 is the installation's directory. Several processes may want the same one.
INSTALL = """\
umask 077
exec 9>"$0.lock"
flock 9
[ ! -e "$0" ] || exit 0
mkdir -p "$0.part" && tar -xf - -C "$0.part" && mv "$0.part" "$0"
"""
# What pytest prints goes to stderr, its report to stdout.
RUN = """\
work=$(mktemp -d "$0.run-XXXXXX") && trap 'rm -rf "$work"' EXIT && cd "$0" || exit
CONFORMANCE_BACKEND=slurm PYTHONPATH="$0/lib" PYTHONDONTWRITEBYTECODE= \\
    python3 -m pytest -v --basetemp="$work/tmp" --junitxml="$work/report.xml" "$@" >&2
cat "$work/report.xml"
"""


class StandIn(pytest.Item):
    """Stands for a test that runs on the login node."""

    def __init__(self, *, there: TestsThere, original: pytest.Item, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.there = there
        self.own_markers.extend(original.own_markers)
        self.keywords.update(original.keywords)

    def runtest(self) -> None:
        problem = self.there.problem_of(self)
        if problem:
            pytest.fail(problem, pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class TestsThere:
    """The stand-ins of a session, and the runs of pytest on the login node that they stand for."""

    __test__ = False

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        self.runs: dict[Path, Run] = {}

    def stand_in_for(self, item: pytest.Item) -> pytest.Item:
        """`item`, or its stand-in if it needs the login node."""
        callspec = getattr(item, "callspec", None)
        if callspec is None or callspec.params.get("site") != "slurm" or item.parent is None:
            return item
        made: pytest.Item = StandIn.from_parent(
            item.parent,
            name=item.name,
            nodeid=item.nodeid,
            there=self,
            original=item,
        )
        return made

    def begin(self, path: Path) -> None:
        """Start the chosen tests of a file there, unless they were already or none was chosen."""
        names = [i.name for i in self.session.items if isinstance(i, StandIn) and i.path == path]
        if names and path not in self.runs:
            with contextlib.suppress(ClusterError):  # a fixture or `problem_of` will say so
                self.runs[path] = Run(self._login_node, path.name, names)

    def problem_of(self, item: StandIn) -> str:
        """Wait for the test; what was wrong with it, empty if it passed."""
        if item.path not in self.runs:
            return f"the cluster did not start; see the section {SECTION!r} at the end"
        return self.runs[item.path].problem_of(item.name)

    def end(self) -> None:
        """Stop what still runs."""
        for run in self.runs.values():
            run.stop()

    @functools.cached_property
    def _login_node(self) -> LoginNode:
        cluster = self.session.config.stash[SHARED].bring_up()
        return LoginNode(["ssh", "-F", str(cluster.ssh_config), cluster.project])


class LoginNode:
    """The login node behind the command line `ssh`, with the suite installed in `directory`."""

    def __init__(self, ssh: Sequence[str]) -> None:
        self.ssh = ssh
        content = _archive()
        self.directory = f"/shared/work/conformance-{hashlib.sha256(content).hexdigest()[:16]}"
        subprocess.run(self.argv(INSTALL), input=content, check=True, timeout=300)

    def argv(self, script: str, *arguments: str) -> list[str]:
        """The command line that runs a shell script there."""
        return [*self.ssh, "--", shlex.join(["sh", "-c", script, self.directory, *arguments])]


class Run:
    """One pytest on the login node, for the tests `names` in one file."""

    def __init__(self, node: LoginNode, file: str, names: Sequence[str]) -> None:
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by stop()
        tests = [f"tests/conformance/{file}::{name}" for name in names]
        self.process = subprocess.Popen(
            node.argv(RUN, *tests),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.output,
            text=True,
        )

    def problem_of(self, name: str) -> str:
        """Wait for the run; what was wrong with a test, empty if it passed."""
        if name not in self._problems:
            return f"it was not run on the login node:\n{self.output.read()}"
        return "\n".join(self._problems[name])

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.output.close()

    @functools.cached_property
    def _problems(self) -> dict[str, list[str]]:
        """test name -> what was wrong with it, from pytest's report."""
        try:
            report, _ = self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            report, _ = self.process.communicate()
        self.output.seek(0)  # one test tells the whole of it
        problems: dict[str, list[str]] = {}
        if report:
            for case in ET.fromstring(report).iter("testcase"):
                found = problems.setdefault(case.get("name", ""), [])
                found += [f"{p.tag} there: {p.get('message')}\n{p.text}" for p in _outcomes(case)]
        return problems


def _outcomes(case: ET.Element) -> Iterator[ET.Element]:
    return (child for child in case if child.tag in ("failure", "error", "skipped"))


def _archive() -> bytes:
    """The suite and the packages it needs, as a tar file; the same bytes for the same content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in sorted(_files()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    yield "pytest.ini", INI.encode()
    for folder, where in ((Path(__file__).parent, "tests/conformance"), (SDK, "lib/slurm")):
        for path in folder.rglob("*"):
            if path.is_file() and path.parent.name != "__pycache__":
                yield f"{where}/{path.relative_to(folder).as_posix()}", path.read_bytes()
    for name in DISTRIBUTIONS:
        for file in importlib.metadata.files(name) or ():
            if ".." not in file.parts and file.name.endswith((".py", "METADATA")):
                yield f"lib/{file.as_posix()}", file.read_binary()
