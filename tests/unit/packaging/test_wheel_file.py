"""A built wheel: its address, what it requires, and which Pythons can have it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.wheels import write_wheel

from slurm.errors import ConfigError, PackagingError
from slurm.packaging.environments.requirements import requirements_of
from slurm.packaging.environments.target import Target
from slurm.packaging.wheels.wheel_file import Wheel
from slurm.packaging.wheels.wheel_requirements import requirements_of_wheel

ALMA = Target((3, 11, 4), "cpython", "cp311", "linux-x86_64", ("glibc", 2, 28), {})
ALPINE = Target((3, 12, 0), "cpython", "cp312", "linux-x86_64", ("musl", 1, 2), {})


def wheel(folder: Path, name: str = "mine", **about: Any) -> Wheel:
    path = write_wheel(folder, name, **about)
    return Wheel.read(path.name, path.read_bytes())


def test_its_address_is_that_of_its_content(tmp_path: Path) -> None:
    def written(name: str, text: str, year: int) -> str:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("tiny.py", (year, 1, 1, 0, 0, 0)), text)
        return Wheel.read(name, buffer.getvalue()).address

    told = [("a", "x", 2020), ("a", "x", 2024), ("a", "y", 2020), ("b", "x", 2020)]
    assert len({written(*one) for one in told}) == 3
    with pytest.raises(PackagingError, match="a is no wheel"):
        Wheel.read("a", b"text")


@pytest.mark.parametrize(
    "tag",
    [
        "py3-none-any",
        "py2.py3-none-any",
        "cp311-cp311-linux_x86_64",
        "cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp311-none-any",
    ],
)
def test_wheels_that_a_python_can_have(tag: str, tmp_path: Path) -> None:
    wheel(tmp_path, tag=tag).require_fit(ALMA, "python3")


@pytest.mark.parametrize(
    ("tag", "target", "ways"),
    [
        ("cp312-cp312-linux_x86_64", ALMA, "submit with Python 3.11"),
        ("cp311-cp311-linux_aarch64", ALMA, "submit with Python 3.11"),
        ("cp312-abi3-linux_x86_64", ALMA, "submit with Python 3.11"),
        ("cp311-cp311-manylinux_2_34_x86_64", ALMA, "submit with Python 3.11"),
        ("cp312-cp312-manylinux_2_17_x86_64", ALPINE, "submit with Python 3.12"),
    ],
)
def test_wheels_that_it_cannot_have_are_refused_with_both_and_two_ways(
    tag: str, target: Target, ways: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        wheel(tmp_path, tag=tag).require_fit(target, "/opt/python3")
    said = str(caught.value)
    begin = f"mine-1.0-{tag}.whl is compiled for "
    assert said.startswith(begin)
    assert f", and /opt/python3 on the cluster is {target}: name another interpreter there" in said
    assert ways in said
    assert "\n" not in said


def test_a_wheel_that_was_compiled_with_a_newer_c_library_is_refused(tmp_path: Path) -> None:
    def compiled(*versions: str) -> Wheel:
        names = b"".join(b"\0" + one.encode() for one in versions) + b"\0"
        files: dict[str, str | bytes] = {"mine/fast.so": b"\x7fELF" + names}
        return wheel(tmp_path, tag="cp311-cp311-linux_x86_64", files=files)

    compiled("GLIBC_2.2.5", "GLIBC_2.14", "GLIBC_2.28").require_fit(ALMA, "python3")
    with pytest.raises(ConfigError, match=r"compiled with glibc 2\.34, and python3 on .* 2\.28"):
        compiled("GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.14").require_fit(ALMA, "python3")


# --- what it requires ----------------------------------------------------------------------------

REQUIRES = [
    "numpy>=1",
    "tomli>=2; python_version < '3.11'",
    "jax; extra == 'gpu'",
    'cupy; (python_version < "3.13") and extra == "gpu"',
    "pynvml; extra == 'gpu' or extra == 'all-of-it'",
    "rich; extra == 'cli'",
    "mine[gpu,cli]; extra == 'all-of-it'",
    "slurm-tasks[rich]; extra == 'cli'",
]
EXTRAS = "".join(f"Provides-Extra: {one}\n" for one in ("gpu", "cli", "all-of-it"))
TOMLI = "tomli>=2; python_version < '3.11'"
CUPY = 'cupy; (python_version < "3.13")'
ALWAYS, NEVER = 'python_version >= "0"', 'python_version < "0"'


@pytest.mark.parametrize(
    ("extras", "lines"),
    [
        ([], ["numpy>=1", TOMLI, f"pynvml; {NEVER} or {NEVER}"]),
        (["GPU"], ["numpy>=1", TOMLI, "jax", CUPY, f"pynvml; {ALWAYS} or {NEVER}"]),
        (
            ["all_of_it"],
            ["numpy>=1", TOMLI, "jax", CUPY, f"pynvml; {ALWAYS} or {ALWAYS}", "rich"],
        ),
    ],
)
def test_what_it_requires_with_which_extras(
    extras: Sequence[str], lines: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    built = wheel(tmp_path, requires=REQUIRES, more=EXTRAS)
    found = requirements_of_wheel(built, tmp_path, extras)
    assert found is not None
    assert found.lines() == lines
    assert str(found.origin) == built.name
    with pytest.raises(ConfigError, match=r"no extra 'tpu'; it has \['all-of-it', 'cli', 'gpu'\]"):
        requirements_of_wheel(built, tmp_path, ["tpu"])


def test_what_its_sources_require_has_the_same_key_and_so_the_same_environment(
    tmp_path: Path,
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'mine'\n"
        "dependencies = ['tomli>=2;python_version<\"3.11\"', 'Numpy >= 1', 'slurm-tasks']\n"
        "optional-dependencies.gpu = ['cupy ; python_version < \"3.13\"', 'jax']\n"
    )
    requires = [line for line in REQUIRES if "pynvml" not in line]
    built = wheel(tmp_path, requires=requires, more=EXTRAS)
    for extras in ([], ["gpu"]):
        by_wheel = requirements_of_wheel(built, tmp_path, extras)
        by_sources = requirements_of(tmp_path, None, extras)
        assert by_wheel is not None
        assert by_sources is not None
        assert by_wheel.key == by_sources.key
    assert requirements_of_wheel(wheel(tmp_path), tmp_path, []) is None


def test_what_lies_here_as_source_is_no_requirement_of_a_wheel(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    built = wheel(tmp_path, requires=["lib @ file:///home/me/lib"])
    with pytest.raises(ConfigError, match=r"lies here as source: .* packaging 'source'"):
        requirements_of_wheel(built, tmp_path, [])


def test_what_it_requires_is_taken_from_where_its_project_says(tmp_path: Path) -> None:
    about, built = tmp_path / "pyproject.toml", wheel(tmp_path, requires=["far>=1", "numpy"])
    begin = "[project]\nname = 'mine'\n[tool.uv.sources]\n"
    about.write_text(f"{begin}far = {{url = 'https://example.org/far-1-py3-none-any.whl'}}\n")
    found = requirements_of_wheel(built, tmp_path, [])
    assert found is not None
    assert found.lines() == ["far @ https://example.org/far-1-py3-none-any.whl", "numpy"]
    about.write_text(f"{begin}far = {{index = 'inner'}}\n")
    with pytest.raises(ConfigError, match="far is to come from the index 'inner' alone"):
        requirements_of_wheel(built, tmp_path, [])
    about.write_text(f"{begin}far = {{workspace = true}}\n")
    with pytest.raises(ConfigError, match="lies here as source"):
        requirements_of_wheel(built, tmp_path, [])
