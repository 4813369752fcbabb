"""Makes each statement of the pages of `tests.helpers.mutations.PAGES` untrue, and tells which tests did not notice.

``python -m tests.mutate_coverage`` works on copies of the checkout it is run in: first the tests that the pages name must
pass, then they must fail under the mutations in ``tests/mutations/``, whose format is told in `tests.helpers.mutations`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import itertools
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.helpers.mutations import Mutation, Tables, problems, statements

ROOT = Path(__file__).parents[1]
# Not copied: environments, caches, and what make writes beside the sources, where packages may have the same names.
CACHES = shutil.ignore_patterns(
    *(".git", ".venv*", ".*_cache", ".hypothesis", ".work", ".slurm-cluster"),
)
WRITTEN = frozenset({"build", "demo-output", "dist", "site"})
TYPED = "typed_usage.py::"
ON_THE_CLUSTER = "slurm/"
SECONDS = 120
SECONDS_ON_THE_CLUSTER = 900


def _ignored(folder: str, names: list[str]) -> set[str]:
    written = WRITTEN if Path(folder) == ROOT else frozenset()
    return CACHES(folder, names) | (written & set(names))


class Copy:
    """A copy of the checkout; one mutation at a time."""

    def __init__(self, folder: Path, origin: Path | None = None) -> None:
        self.folder, self.root, self.home = folder, folder / "tree", folder / "home"
        self.home.mkdir(parents=True)
        # One copy of another has the bytecode, and what mypy knows, as well.
        shutil.copytree(
            origin or ROOT, self.root, symlinks=True, ignore=None if origin else _ignored
        )
        # Bytecode is known by the second and the size of its source: every edit has a second of its own.
        self._seconds = itertools.count(int(time.time()) + 1000)

    @contextlib.contextmanager
    def edited(self, mutation: Mutation) -> Iterator[None]:
        """Make the edits, and undo them. Raises ``SyntaxError`` where what comes of them is no Python."""
        before: dict[Path, tuple[str, int]] = {}
        try:
            for edit in mutation.edits:
                for path in edit.files(self.root):
                    text = path.read_text("utf-8")
                    before.setdefault(path, (text, path.stat().st_mtime_ns))
                    self._write(path, text.replace(edit.find, edit.replace), next(self._seconds))
            yield
        finally:
            for path, (text, modified) in before.items():
                self._write(path, text, modified // 10**9)

    @staticmethod
    def _write(path: Path, text: str, second: int) -> None:
        if path.suffix == ".py":
            ast.parse(text)
        path.write_text(text, "utf-8")
        os.utime(path, (second, second))

    def passed(
        self, tests: Iterable[str], *, seconds: float = SECONDS, breaks_import: bool = False
    ) -> dict[str, str]:
        """Those of `tests` that do not fail here, each with what happened instead.

        With `breaks_import`, a test that cannot be loaded has failed.
        """
        tests = sorted(tests)
        typed = [test for test in tests if test.startswith(TYPED)]
        real = [test for test in tests if test.startswith(ON_THE_CLUSTER)]
        others = [test for test in tests if test not in typed and test not in real]
        outcomes: dict[str, str] = {}
        if typed:
            outcomes.update(self._checked(typed))
        if others:
            outcomes.update(self._run(others, ["-m", "not slurm"], seconds))
        if real:
            longer = max(seconds, SECONDS_ON_THE_CLUSTER)
            # Docker looks for its own files at home.
            outcomes.update(self._run(real, ["-m", "slurm"], longer, home=Path.home()))
        accepted = {"failed", "not loaded"} if breaks_import else {"failed"}
        return {test: how for test, how in outcomes.items() if how not in accepted}

    def _run(
        self, tests: list[str], options: list[str], seconds: float, home: Path | None = None
    ) -> dict[str, str]:
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        selected = [f"tests/{test}" for test in tests]
        pytest = ["pytest", "-q", "-p", "no:cacheprovider", "--timeout", str(seconds)]
        files = [f"--basetemp={self.folder / 't'}", f"--junitxml={report}"]
        if self._python([*pytest, *files, *options, *selected], seconds, home) is None:
            return dict.fromkeys(tests, "failed")
        found = _outcomes(report) if report.exists() else {}
        return {test: found.get(test, "not loaded") for test in tests}

    def _checked(self, tests: list[str]) -> dict[str, str]:
        """What mypy says of functions of the file of typed programs."""
        file = self.root / "tests" / "typed_usage.py"
        said = self._python(["mypy", str(file.relative_to(self.root))], SECONDS) or ""
        lines = {
            int(line.split(":")[1])
            for line in said.splitlines()
            if line.startswith("tests/typed_usage.py:") and " error: " in line
        }
        places = {
            f"{TYPED}{node.name}": set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            for node in ast.parse(file.read_text("utf-8")).body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        return {test: "failed" if lines & places[test] else "passed" for test in tests}

    def _python(self, arguments: list[str], seconds: float, home: Path | None = None) -> str | None:
        """Run a module here; None if it took too long. What a mutation leaves at home is left in `home`, or in one of ours."""
        path = f"{self.root / 'src'}{os.pathsep}{self.root}"
        env = {**os.environ, "PYTHONPATH": path, "HOME": str(home or self.home)}
        env["HYPOTHESIS_PROFILE"] = "full"
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS"):
            env.pop(name, None)
        # Not a pipe, which processes that tests leave could hold open.
        output = self.folder / "output"
        with output.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._end_what_is_left()
        return output.read_text("utf-8", errors="replace")

    def _end_what_is_left(self) -> None:
        """A test that fails may leave a local scheduler and its jobs: they have this copy on their search path."""
        mark = f"PYTHONPATH={self.root / 'src'}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if mark in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)


def _outcomes(report: Path) -> dict[str, str]:
    """Each test of a report, as ``file.py::name`` below ``tests/``; one with parameters fails with any of them."""
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        module, name = case.get("classname", ""), case.get("name", "")
        test = f"{'/'.join(module.split('.')[1:])}.py::{name.partition('[')[0]}"
        failed = case.find("failure") is not None or case.find("error") is not None
        if failed or outcomes.get(test) != "failed":
            outcomes[test] = "failed" if failed else "passed"
    return outcomes


def survivors(
    copies: list[Copy], wanted: list[tuple[Mutation, list[str]]], *, verbose: bool
) -> list[str]:
    """A line for each mutation under which not all of its tests failed."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def run(mutation: Mutation, tests: list[str]) -> str | None:
        copy, started = free.get(), time.monotonic()
        try:
            with copy.edited(mutation):
                passed = copy.passed(tests, breaks_import=mutation.breaks_import)
        except SyntaxError as error:
            passed = dict.fromkeys(tests, f"cannot tell: {error}")
        finally:
            free.put(copy)
        if verbose:
            print(f"{time.monotonic() - started:5.1f} s  {mutation.title}", flush=True)
        if not passed:
            return None
        how = ", ".join(f"{test} {outcome}" for test, outcome in passed.items())
        print(f"SURVIVED {mutation.title}: {how}", flush=True)
        return how

    with ThreadPoolExecutor(len(copies)) as pool:
        return [how for how in pool.map(run, *zip(*wanted, strict=True)) if how]


def chosen(
    tables: Tables, options: argparse.Namespace
) -> tuple[list[tuple[Mutation, list[str]]], int]:
    """The mutations asked for, each with its tests that can run here; and how many have none."""
    page, skipped = statements(ROOT), 0
    wanted: list[tuple[Mutation, list[str]]] = []
    for mutation in tables.mutations:
        if options.k not in mutation.statement or options.table not in ("", mutation.table):
            continue
        named = page.get(mutation.statement, []) if mutation.tests is None else mutation.tests
        tests = [test for test in named if options.slurm or not test.startswith(ON_THE_CLUSTER)]
        if tests:
            wanted.append((mutation, tests))
        else:
            skipped += 1
    return wanted, skipped


def main() -> int:
    """Run what is asked for on the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate_coverage", description=__doc__)
    parser.add_argument("table", nargs="?", default="", help="one file of tests/mutations/")
    parser.add_argument("-k", default="", metavar="TEXT", help="statements that have this text")
    parser.add_argument("--slurm", action="store_true", help="those that need Docker as well")
    parser.add_argument("--processes", type=int, default=2, help="mutations at once (2)")
    parser.add_argument("-v", dest="verbose", action="store_true", help="print every mutation")
    options = parser.parse_args()

    tables = Tables.read(ROOT)
    found = problems(ROOT, tables)
    print(*found, sep="\n", end="\n" if found else "")
    wanted, skipped = chosen(tables, options)
    with tempfile.TemporaryDirectory(
        prefix="mutate-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"), ignore_cleanup_errors=True
    ) as folder:
        first = Copy(Path(folder, "0"))
        named = {test for _, tests in wanted for test in tests}
        unmutated = first.passed(named, seconds=10 * SECONDS)
        wrong = sorted(test for test in named if unmutated.get(test) != "passed")
        if wrong:
            print("Without any mutation these do not pass:", *wrong, sep="\n")
            return 1
        count = min(options.processes, len(wanted))
        copies = [first, *(Copy(Path(folder, str(n)), first.root) for n in range(1, count))]
        survived = survivors(copies, wanted, verbose=options.verbose) if wanted else []
    skips = f", {skipped} need --slurm" if skipped else ""
    print(f"{len(wanted)} mutations, {len(survived)} survived, {len(found)} problems{skips}")
    return 1 if survived or found else 0


if __name__ == "__main__":
    sys.exit(main())
