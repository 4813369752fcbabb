"""Makes environments of packages. The text of this file is run on the cluster, by the interpreter of the jobs.

`run` answers one request of ``slurm.packaging.environments.making``, as a line of JSON: what this interpreter is, where the
environment of a key is, whether it is there, and, where the request says with what, makes it. `below` is the key of another
environment, on top of which it is. Standard library only, and of ``slurm`` what is sent with it; neither pip nor venv need be
there.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import importlib.util
import json
import os
import pathlib
import shutil
import site
import stat
import subprocess
import sys
import sysconfig
import zipfile
from typing import Any

from slurm.packaging.environments.interpreter_facts import abi, facts

READY = ".ready"
BELOW = "below"  # a link to the environment on top of which one is
SDK = "slurm-tasks"
METADATA = (
    "Metadata-Version: 2.1\nName: {}\nVersion: {}\nProvides-Extra: rich\nProvides-Extra: testing\n"
)
# With Python 3.9, pip asks distutils where packages go, of which Debian 11 has a package of its own; it is told to ask sysconfig.
PIP = """\
import runpy, sys, sysconfig
sys.path.insert(0, sys.argv.pop(1))
sysconfig._PIP_USE_SYSCONFIG = True
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
QUIET = ["--disable-pip-version-check", "--no-input", "--no-user"]


class Problem(Exception):
    """What keeps the environment from being made."""


def run(request: dict[str, Any]) -> None:
    """Print the answer to a request as a line of JSON."""
    os.umask(0o077)
    try:
        if sys.version_info < (3, 9):  # noqa: UP036 - whoever runs this may have any
            raise Problem("Python {}.{} is too old: jobs need 3.9".format(*sys.version_info[:2]))
        said = answer(request)
    except (Problem, OSError) as error:
        said = {"error": str(error)}
    sys.stdout.buffer.write(("\n" + json.dumps(said) + "\n").encode("ascii"))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What is to be known of this interpreter and of the environment; see `environment_for` for what makes it."""
    place = place_of(request["folder"], request["key"])
    below = place_of(request["folder"], request["below"]) if request.get("below") else ""
    said = {
        "python": facts(),
        "place": place,
        "below": below,
        "pip": importlib.util.find_spec("pip") is not None,
        "uv": shutil.which("uv") or "",
    }
    if "wheels" in request or "requirements" in request:
        environment_for(place, request, below)
    places = [place, below] if below else [place]
    ready = all(map(_is_ready, places))
    return {**said, "ready": ready, "foreign": ready and any(map(_has_slurm, places))}


def _is_ready(place: str) -> bool:
    try:
        os.utime(os.path.join(place, READY))  # from now on it is not old
    except FileNotFoundError:
        return False
    return True


def _has_slurm(place: str) -> bool:
    """Whether a package `slurm` was installed there, which is none of the SDK's: that comes with each job."""
    names = ("slurm.py", os.path.join("slurm", "__init__.py"))
    return any(os.path.exists(os.path.join(packages_of(place), name)) for name in names)


def place_of(folder: str, key: str) -> str:
    """The environment of a key for this interpreter: for another one, and another version of it, there is another."""
    about = [key, os.path.realpath(_base()), sys.version_info[:2], abi(), sysconfig.get_platform()]
    if sys.prefix != sys.base_prefix:  # what is installed in this one can be imported there
        about.append(os.path.realpath(sys.prefix))
    return os.path.join(folder, hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16])


def environment_for(place: str, request: dict[str, Any], below: str = "") -> None:
    """Make the environment, unless it is there. One process at a time does, and repeats what another was killed at.

    `wheels` is a directory with all that is to be in it, and with pip; of these `wheel` alone, if that is named; `requirements` is the text of a file that pip or uv
    is to look for in the index they are configured with here, `complete` whether that names everything, `pip` a wheel of
    pip for where there is none.
    """
    folder = os.path.dirname(place)
    os.makedirs(folder, exist_ok=True)
    for path in (os.path.dirname(folder), folder):
        _require_own(path)
    with open(f"{place}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(place, READY)):
            shutil.rmtree(place, ignore_errors=True)  # somebody was interrupted
            try:
                _make(place, request, below, lock.fileno())
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise


def _make(place: str, request: dict[str, Any], below: str, lock: int) -> None:
    python = make_virtual_environment(place, below)
    if "wheels" in request:
        _install_wheels(python, request["wheels"], request.get("wheel"), lock)
    else:
        _install_from_index(python, place, request, lock)
    _note_the_sdk(packages_of(place), request["sdk"])
    if below:
        _take_commands(place, below)
    about = {name: request.get(name) for name in ("wheels", "origin", "wheel")}
    with open(os.path.join(place, f"{READY}.new"), "w", encoding="utf-8") as file:
        json.dump({**about, "below": below or None}, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(file.name, os.path.join(place, READY))


def make_virtual_environment(place: str, below: str = "") -> str:
    """A virtual environment that sees what this interpreter sees, before that what is `below`, and first its own.

    Returns its interpreter.
    """
    inside = sys.prefix != sys.base_prefix
    base, python = _base(), os.path.join(place, "bin", "python")
    packages = packages_of(place)
    os.makedirs(os.path.dirname(python))
    os.makedirs(packages)
    if os.path.isdir("/lib64"):
        os.symlink("lib", os.path.join(place, "lib64"))
    os.symlink(base, python)
    for name in ("python3", "python{}.{}".format(*sys.version_info[:2])):
        os.symlink("python", os.path.join(place, "bin", name))
    with open(os.path.join(place, "pyvenv.cfg"), "w", encoding="utf-8") as file:
        file.write(f"home = {os.path.dirname(base)}\n")
        file.write(f"include-system-site-packages = {'false' if inside else 'true'}\n")
        file.write("version = {}.{}.{}\n".format(*sys.version_info[:3]))
    if below:
        os.symlink(below, os.path.join(place, BELOW))
        with open(os.path.join(packages, "_below.pth"), "w", encoding="utf-8") as file:
            file.write(f"import site; site.addsitedir({packages_of(below)!r})\n")
    if inside:  # one that is made by another would see the packages of the Python below both
        with open(os.path.join(packages, "_parent.pth"), "w", encoding="utf-8") as file:
            file.writelines(
                f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages()
            )
    return python


def packages_of(place: str) -> str:
    """Where an environment has what is installed in it."""
    return os.path.join(place, "lib", "python{}.{}".format(*sys.version_info[:2]), "site-packages")


def _base() -> str:
    return os.path.abspath(getattr(sys, "_base_executable", None) or sys.executable)


def _note_the_sdk(packages: str, version: str) -> None:
    """Say that the SDK is there, which comes with each job: pip does not look for it elsewhere."""
    if glob.glob(os.path.join(glob.escape(packages), "slurm_tasks-*.dist-info")):
        return
    about = os.path.join(packages, f"slurm_tasks-{version}.dist-info")
    os.mkdir(about)
    for name, text in (("METADATA", METADATA.format(SDK, version)), ("INSTALLER", SDK)):
        with open(os.path.join(about, name), "w", encoding="utf-8") as file:
            file.write(text)


def _stub_of_sdk(folder: str, version: str) -> str:
    """A wheel of the SDK with nothing in it: who requires the SDK in any version gets this one, and no index is asked."""
    about = f"slurm_tasks-{version}.dist-info"
    path = os.path.join(folder, f"slurm_tasks-{version}-py3-none-any.whl")
    kind = f"Wheel-Version: 1.0\nGenerator: {SDK}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{about}/{name},,\n" for name in ("METADATA", "WHEEL", "RECORD"))
    texts = {"METADATA": METADATA.format(SDK, version), "WHEEL": kind, "RECORD": record}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"{about}/{name}", text)
    return path


def _take_commands(place: str, below: str) -> None:
    """Have the commands of the environment below here, run by this one's interpreter: so they see what is in both."""
    theirs, mine = os.path.join(below, "bin"), os.path.join(place, "bin")
    for name in sorted(set(os.listdir(theirs)) - set(os.listdir(mine))):
        source, target = os.path.join(theirs, name), os.path.join(mine, name)
        if os.path.islink(source) or not os.path.isfile(source):
            continue
        with open(source, "rb") as file:
            first = file.readline(4096) + file.readline(4096)  # a long path stands in the second
            rest = file.read()
        python, own = (os.fsencode(os.path.join(one, "python")) for one in (theirs, mine))
        if not first.startswith(b"#!") or python not in first:
            os.symlink(source, target)
            continue
        with open(target, "wb") as file:
            file.write(first.replace(python, own) + rest)
        os.chmod(target, stat.S_IMODE(os.stat(source).st_mode))


def _install_wheels(python: str, folder: str, only: str | None, lock: int) -> None:
    """All that is there, or one of it; they are chosen already, and nothing else is looked for."""
    wheels = sorted(glob.glob(os.path.join(glob.escape(folder), "*.whl")))
    pip = next((path for path in wheels if os.path.basename(path).startswith("pip-")), None)
    if pip is None:
        raise Problem(f"there is no wheel of pip in {folder}")
    paths = [os.path.join(folder, only)] if only else wheels
    # As addresses: of a path, pip takes what follows a semicolon as a condition.
    wanted = [pathlib.Path(os.path.abspath(path)).as_uri() for path in paths]
    chosen = ["--no-index", "--no-deps", "--ignore-installed", "--no-cache-dir"]
    # Nothing that pip is configured with here can change what is sent.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    install = [python, "-c", PIP, pip, "install", *QUIET, *chosen, *wanted]
    _run(install, {**kept, "PIP_CONFIG_FILE": os.devnull}, lock)


def _install_from_index(python: str, place: str, request: dict[str, Any], lock: int) -> None:
    listed, wanted = os.path.join(place, "requirements.txt"), request["requirements"]
    if not request.get("complete"):
        stub = pathlib.Path(_stub_of_sdk(place, request["sdk"])).as_uri()
        wanted += f"{SDK} @ {stub}\n"
    with open(listed, "w", encoding="utf-8") as file:
        file.write(wanted)
    if importlib.util.find_spec("pip") is not None:
        install = [python, "-m", "pip", "install", *QUIET]
    elif shutil.which("uv"):
        install = ["uv", "pip", "install", "--python", python]
    else:
        install = [python, "-c", PIP, request["pip"], "install", *QUIET]
    more = ["--no-deps"] if request.get("complete") else []
    _run([*install, *more, "-r", listed], dict(os.environ), lock)


def _run(argv: list[str], environment: dict[str, str], lock: int) -> None:
    """Run a program, which holds the lock as well: it may go on where this one is killed."""
    for name in ("PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)
    done = subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lock],
        check=False,
    )
    if done.returncode != 0:
        raise Problem(done.stdout.decode("utf-8", "replace"))


def _require_own(path: str) -> None:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Problem(f"{path} is not a directory that only you can write to: remove it")
