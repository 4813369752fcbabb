"""The main guard of a script does not hold in a job, and everything else sees the name ``__main__``."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from slurm.job_dir.main_guard import code_without_main_part, has_main_guard

GUARDS = [
    "if __name__ == '__main__': ran = True",
    "if '__main__' == __name__: ran = True",
    "if not __name__ != '__main__': ran = True",
    "if __name__ in ('__main__', 'program'): ran = True",
    "if __name__ in {'__main__', '__mp_main__'} and __name__ != '__mp_main__': ran = True",
    "if __name__ is not None and __name__ == '__main__' and len('x'): ran = True",
    "if None is None == ('__main__' == __name__): ran = True",
    "ran = __name__ == '__main__'",
    "ran = [n for n in [1] if __name__ == '__main__'] != []",
    "def main():\n    if __name__ != '__main__':\n        return\n    globals()['ran'] = True\nmain()",
    "class Program:\n    if __name__ == '__main__':\n        ran = True\nran = hasattr(Program, 'ran')",
    "main = lambda: __name__ == '__main__'\nran = main()",
]
ALIKE = [
    "ran = __name__ == 'program'",
    "import sys\nclass Mine: pass\nran = Mine.__module__ != __name__",
    "print(__name__)",
    "text = '''if __name__ == '__main__': no'''",
    "name = ''\nran = '__main__' == name",
]


def run(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(code_without_main_part(source.encode(), "program.py"), namespace)  # noqa: S102
    return namespace


@pytest.mark.parametrize("source", GUARDS)
def test_no_main_guard_holds(source: str) -> None:
    assert has_main_guard(source.encode())
    assert not run(source).get("ran")


def test_nor_does_one_by_match() -> None:
    """A statement of Python 3.10 and later; before, no script has it."""
    source = "match __name__:\n    case '__main__':\n        ran = True"
    assert has_main_guard(source.encode()) == (sys.version_info >= (3, 10))
    assert sys.version_info < (3, 10) or "ran" not in run(source)


@pytest.mark.parametrize("source", ALIKE)
def test_what_is_no_guard_is_none(source: str) -> None:
    assert not has_main_guard(source.encode())
    assert not run(source).get("ran")


def test_the_name_is_main_for_all_else() -> None:
    found = run(
        "from __future__ import annotations\n"
        "import collections, enum, logging, typing\n"
        "x: Undefined = 1\n"
        "class Plain: pass\n"
        "Pair = collections.namedtuple('Pair', 'a b')\n"
        "Typed = typing.NamedTuple('Typed', [('a', int)])\n"
        "Color = enum.Enum('Color', 'RED')\n"
        "def f(): return __name__\n"
        "log = logging.getLogger(__name__)\n"
        "names = [__name__, *(__name__ for _ in range(1)), f(), log.name, f.__module__]\n"
        "if __name__ == '__main__': names.append('main part')\n"
    )
    kinds = [found[name].__module__ for name in ("Plain", "Pair", "Typed", "Color")]
    assert {*found["names"], *kinds} == {"__main__"}
    assert found["__annotations__"] == {"x": "Undefined"}


def test_lines_stay_where_they_are() -> None:
    source = (
        "# -*- coding: latin-1 -*-\nif __name__ == '__main__':\n    pass\nword = '\xe9'\n1 / 0\n"
    )
    code = code_without_main_part(source.encode("latin-1"), "my program.py")
    found: dict[str, Any] = {"__name__": "__main__"}
    with pytest.raises(ZeroDivisionError) as raised:
        exec(code, found)  # noqa: S102
    assert found["word"] == "\xe9"
    assert raised.traceback[-1].lineno == 4  # counted from 0
    assert raised.traceback[-1].frame.code.raw.co_filename == "my program.py"


def test_what_is_no_python_has_no_guard() -> None:
    assert not has_main_guard(b"if __name__ == '__main__'")
    assert not has_main_guard(b"\0")
    with pytest.raises(SyntaxError, match=r"program\.py"):
        code_without_main_part(b"if __name__ == '__main__'", "program.py")
