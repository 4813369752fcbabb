"""Makes the environment of a wheel. The text of this file is run on the cluster, by the interpreter of the jobs.

``python - WHEEL KEY yes|no VERSION`` makes ``env-<python>-KEY`` beside the wheel, with or without what
the wheel depends on, and prints its path, after lines that begin with ``warning:``; where it is there
already it only does the latter. VERSION is that of the SDK, which travels with every job: an index is
never asked for it. Standard library only, nothing of ``slurm``.
"""

from __future__ import annotations

import email
import fcntl
import importlib.util
import os
import re
import shutil
import site
import stat
import subprocess
import sys
import venv
import zipfile

READY = ".ready"
PIP = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-user"]
SDK = "slurm-tasks"
# Another project's package, whose import name is ours.
FOREIGN = "slurm-sdk"


class Problem(Exception):
    """What keeps the environment from being made."""


def environment_for(wheel: str, key: str, dependencies: bool, version: str) -> str:
    """The path of the environment, which is there afterwards. One process at a time makes it."""
    folder = os.path.dirname(wheel)
    for path in (os.path.dirname(folder), folder):
        _require_own(path)
    place = os.path.join(folder, "env-{}.{}-{}".format(*sys.version_info[:2], key))
    with open(os.path.join(folder, ".lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(place, READY)):
            shutil.rmtree(place, ignore_errors=True)  # somebody was interrupted
            try:
                _make(place, wheel, dependencies, version)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
            with open(os.path.join(place, READY), "wb"):
                pass
    return place


def _make(place: str, wheel: str, dependencies: bool, version: str) -> None:
    """A virtual environment that sees what `sys.executable` sees, and before that the wheel."""
    inside = sys.prefix != sys.base_prefix
    venv.EnvBuilder(system_site_packages=not inside, symlinks=True).create(place)
    python = os.path.join(place, "bin", "python")
    packages = packages_of(place)
    _note_the_sdk(packages, version)
    if inside:  # a venv made by a venv would see the packages of the Python below both
        with open(os.path.join(packages, "_parent.pth"), "w", encoding="utf-8") as file:
            file.writelines(
                f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages()
            )
    needed = required_by(wheel) if dependencies else []
    if importlib.util.find_spec("pip") is not None:
        # The wheel itself, also where another copy of it can be seen; then what it depends on.
        _run([python, *PIP, "--no-deps", "--no-index", "--ignore-installed", wheel])
        if needed:
            _run([python, *PIP, "--", *needed])
    elif needed:
        raise Problem(
            f"{sys.executable} has no pip to install {', '.join(needed)} with: install it, name another "
            "interpreter with the packaging's python, or set dependencies to false"
        )
    else:
        _unpack(wheel, packages)


def packages_of(place: str) -> str:
    """Where an environment has what is installed in it."""
    return os.path.join(place, "lib", "python{}.{}".format(*sys.version_info[:2]), "site-packages")


def _note_the_sdk(packages: str, version: str) -> None:
    """Say that the SDK is there, which comes with each job: pip does not look for it elsewhere."""
    about = os.path.join(packages, f"slurm_tasks-{version}.dist-info")
    os.mkdir(about)
    metadata = "Metadata-Version: 2.1\nName: {}\nVersion: {}\nProvides-Extra: rich\n"
    texts = {"METADATA": metadata.format(SDK, version), "INSTALLER": SDK}
    for name, text in texts.items():
        with open(os.path.join(about, name), "w", encoding="utf-8") as file:
            file.write(text)


def requirements_of(wheel: str) -> list[str]:
    """What a wheel says that it depends on."""
    with zipfile.ZipFile(wheel) as archive:
        [about] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        message = email.message_from_bytes(archive.read(about))
    return [str(line) for line in message.get_all("Requires-Dist", [])]


def required_by(wheel: str) -> list[str]:
    """What is installed for a wheel: what it depends on beside extras and the SDK."""
    return [
        line
        for line in requirements_of(wheel)
        if "extra ==" not in line and not names(line, SDK) and not names(line, FOREIGN)
    ]


def names(requirement: str, distribution: str) -> bool:
    """Whether a requirement is one of this distribution, however it is spelt."""
    spelt = distribution.replace("-", "[-_.]+")
    return re.match(spelt + r"(?![-_.\w])", requirement, re.IGNORECASE) is not None


def warnings_about(wheel: str, place: str) -> list[str]:
    """What has to be said of an environment that works: another project's `slurm`."""
    name = os.path.basename(wheel)
    packages = packages_of(place)
    found = [
        os.path.join(packages, each) for each in ("slurm.py", os.path.join("slurm", "__init__.py"))
    ]
    said = []
    if any(names(line, FOREIGN) for line in requirements_of(wheel)):
        said.append(
            f"{name} depends on {FOREIGN}, another project's package that brings a `slurm` too: it is left out. "
            f"The SDK is {SDK}, and travels by itself"
        )
    if any(map(os.path.exists, found)):
        said.append(
            f"what {name} depends on brings a package `slurm` of another project: in the jobs, "
            "`import slurm` is the SDK"
        )
    return said


def _run(argv: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        raise Problem(done.stdout.decode("utf-8", "replace"))


def _unpack(wheel: str, packages: str) -> None:
    """Install a pure wheel without pip: all but its commands."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [about] = [name for name in names if name.endswith(".dist-info/WHEEL")]
        pure = b"Root-Is-Purelib: true" in archive.read(about)
        if not pure or any(name.split("/")[0].endswith(".data") for name in names):
            raise Problem(
                f"{sys.executable} has no pip, and {os.path.basename(wheel)} holds more than Python "
                "modules: install pip, or name another interpreter with the packaging's python"
            )
        archive.extractall(packages)


def _require_own(path: str) -> None:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Problem(f"{path} is not a directory that only you can write to: remove it")


def main(wheel: str, key: str, dependencies: str, version: str) -> int:
    """Print the environment's path, or what is wrong; the exit status says which."""
    os.umask(0o077)
    try:
        if sys.version_info < (3, 9):  # noqa: UP036 - whoever runs this may have any
            raise Problem("Python {}.{} is too old: jobs need 3.9".format(*sys.version_info[:2]))
        place = environment_for(wheel, key, dependencies == "yes", version)
        warnings = ["warning: " + line for line in warnings_about(wheel, place)]
        said, status = "\n".join([*warnings, place]), 0
    except (Problem, OSError) as error:
        said, status = str(error), 1
    sys.stdout.buffer.write(said.encode("utf-8", "surrogateescape") + b"\n")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
