"""Wheels, written by hand, and folders of them that pip and uv find in the place of an index."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

C_SOURCE = """\
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fastpart", "", -1, methods};
PyMODINIT_FUNC PyInit_fastpart(void) { return PyModule_Create(&module); }
"""


def write_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    command: str = "",
    more: str = "",
) -> Path:
    """A wheel of a module with this name, unless told what is in it; `command` is ``program = module:function``.

    `more` are lines of its metadata.
    """
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    members = dict(files or {f"{module}.py": f"VERSION = {version!r}\n"})
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
    members[f"{info}/METADATA"] = about + "".join(f"Requires-Dist: {one}\n" for one in requires)
    pure = str(tag.endswith("any")).lower()
    members[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
    if command:
        members[f"{info}/entry_points.txt"] = f"[console_scripts]\n{command}\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-{tag}.whl"
    records = []
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{member},sha256={digest},{len(data)}\n")
            archive.writestr(member, data)
        archive.writestr(f"{info}/RECORD", "".join([*records, f"{info}/RECORD,,\n"]))
    return path


def compiled_module(folder: Path) -> dict[str, str | bytes] | None:
    """The files of a module in C for this Python; None where nothing here can compile it."""
    include, compiler = sysconfig.get_path("include"), shutil.which("cc")
    if compiler is None or not os.path.isfile(os.path.join(include, "Python.h")):
        return None
    folder.mkdir(parents=True)
    (folder / "fastpart.c").write_text(C_SOURCE)
    target = f"fastpart{sysconfig.get_config_var('EXT_SUFFIX')}"
    argv = [compiler, "-shared", "-fPIC", f"-I{include}", "fastpart.c", "-o", target]
    subprocess.run(argv, cwd=folder, check=True)
    return {target: (folder / target).read_bytes()}


def only_from(folder: Path) -> dict[str, str]:
    """What has pip look into a folder alone; there is neither an index nor uv."""
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PATH": "/usr/bin:/bin",
    }
