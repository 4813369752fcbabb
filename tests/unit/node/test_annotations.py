"""Contexts among a function's parameters, however they are written."""

from __future__ import annotations

import functools
import itertools
import runpy
import types
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.processes import RunPython

from slurm import JobContext, WorkflowContext
from slurm.node.binding import CallBinder
from slurm.node.context_names import may_want_context

HEADER = """
import functools, typing
import typing as t
from typing import Annotated, Any, Optional, Union, TYPE_CHECKING
from typing import Optional as Maybe
import slurm
import slurm as s
import slurm.workflow
from slurm import WorkflowContext, JobContext as Own
{alias}
if TYPE_CHECKING:
    from nowhere import Missing
    import slurm as only_for_checkers
    from slurm import JobContext
"""

# Each is written as it is, in quotes, and both with annotations that are not evaluated.
SPELLINGS = [
    "WorkflowContext",
    "s.WorkflowContext",
    "slurm.WorkflowContext",
    "Optional[WorkflowContext]",
    'Optional["WorkflowContext"]',
    "Maybe[s.WorkflowContext]",
    "t.Optional[WorkflowContext]",
    'typing.Union["WorkflowContext", None]',
    "Union[None, WorkflowContext]",
    "Union[int, 'slurm.WorkflowContext', None]",
    'Annotated[WorkflowContext, "a remark"]',
    'Annotated["WorkflowContext", 1, 2]',
    'Optional[Annotated["WorkflowContext", 1]]',
    'Annotated[Optional["s.WorkflowContext"], 1]',
    "Alias",
    "Optional[Alias]",
    '"Optional[Alias]"',
]
ONLY_TEXT = [  # no Python evaluates these, or not every one
    "WorkflowContext | None",
    "None | s.WorkflowContext",
    '"WorkflowContext" | None',
    "only_for_checkers.WorkflowContext",
    "slurm.workflow.WorkflowContext",
    "Optional[only_for_checkers.WorkflowContext] | Missing",
    "Annotated[WorkflowContext, Missing]",
    "Missing | WorkflowContext",
    " WorkflowContext ",
]
ALIASES = [
    "Alias = WorkflowContext",
    'Alias = Optional["WorkflowContext"]',
    'Alias = "slurm.WorkflowContext"',
    "Alias = Annotated[Union[int, WorkflowContext], 5]",
]
FUTURE = "from __future__ import annotations"


def module_of(text: str, alias: str = ALIASES[0], first: str = "") -> Any:
    module = types.ModuleType("written_by_a_user")
    source = "\n".join([first, HEADER.format(alias=alias), text])
    exec(compile(source, "written", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    return module


def injected(function: Any) -> dict[str, type]:
    assert may_want_context(function)
    return CallBinder(function).injected


def written(spelling: str, first: str) -> str:
    return f"def function(number: int, ctx: {spelling}, more: int = 0): pass"


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("first", ["", FUTURE])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_context_is_found_however_it_is_written(spelling: str, first: str, alias: str) -> None:
    if "Alias" not in spelling and alias != ALIASES[0]:
        alias = ALIASES[0]
    for text in (spelling, repr(spelling)):
        module = module_of(written(text, first), alias, first)
        assert injected(module.function) == {"ctx": WorkflowContext}


@pytest.mark.parametrize("spelling", ONLY_TEXT)
def test_text_need_not_be_a_type_that_can_be_evaluated(spelling: str) -> None:
    for text, first in ((spelling, FUTURE), (repr(spelling), FUTURE), (repr(spelling), "")):
        module = module_of(written(text, first), first=first)
        assert injected(module.function) == {"ctx": WorkflowContext}


@pytest.mark.parametrize(
    "spelling", ["JobContext", 'Optional["JobContext"]', "Own", "s.JobContext"]
)
def test_a_job_context_is_found_alike(spelling: str) -> None:
    module = module_of(written(spelling, FUTURE), first=FUTURE)
    assert injected(module.function) == {"ctx": JobContext}


@pytest.mark.parametrize(
    "spelling",
    [
        *("list[WorkflowContext]", 'list["WorkflowContext"]', "dict[str, WorkflowContext]"),
        *("type[WorkflowContext]", "typing.Callable[[WorkflowContext], None]"),
        *("None", "...", "Any", "'in metres'", "'a\\0b'", "'WorkflowContext('", "Missing2"),
        *(
            "typing.Literal['WorkflowContext']",
            "Annotated[int, WorkflowContext]",
            "[WorkflowContext]",
        ),
        *("Recursive", "'Recursive'", "lambda: WorkflowContext", "Weird()"),
    ],
)
def test_what_only_names_a_context_is_none(spelling: str) -> None:
    others = """
Recursive = "Recursive"
Missing2 = typing.TypeVar("Missing2")
class Weird:
    def __getattr__(self, name): raise RuntimeError("lazy")
    def __eq__(self, other): raise RuntimeError("no")
    def __repr__(self): raise RuntimeError("no")
    __hash__ = None
"""
    for text, first in itertools.product((spelling, repr(spelling)), ("", FUTURE)):
        module = module_of(others + written(text, first), first=first)
        assert CallBinder(module.function).injected == {}
        may_want_context(module.function)


def test_a_users_own_class_of_that_name_is_no_context() -> None:
    text = "class JobContext: pass\n" + written("JobContext", FUTURE)
    assert CallBinder(module_of(text, first=FUTURE).function).injected == {}


@pytest.mark.parametrize("spelling", ["Own", "s.JobContext", 'Optional["Own"]', "'Own | None'"])
def test_functions_may_be_wrapped_bound_and_partial(spelling: str) -> None:
    """The names mean what they mean where the function was written, not where it was wrapped."""
    module = module_of(
        f"""
def function(number: int, ctx: {spelling}): pass
class Model:
    def fit(self, number: int, ctx: {spelling}): pass
    @classmethod
    def make(cls, number: int, ctx: {spelling}): pass
    @staticmethod
    def read(number: int, ctx: {spelling}): pass
    def __call__(self, number: int, ctx: {spelling}): pass
""",
        first=FUTURE,
    )

    @functools.wraps(module.function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return module.function(*args, **kwargs)

    made = module.Model()
    functions = [
        wrapper,
        functools.partial(module.function, 1),
        functools.partial(wrapper, number=1),
        functools.partial(functools.partial(made.fit), 1),
        *(made.fit, made.make, module.Model.read, made),
    ]
    for function in functions:
        assert injected(function) == {"ctx": JobContext}


def test_what_nobody_has_imported_is_found_by_its_name(
    tmp_path: Path, run_python: RunPython
) -> None:
    (tmp_path / "unimported.py").write_text(UNIMPORTED)
    done = run_python("unimported.py")
    assert done.stdout.split() == ["False", *["True", "JobContext"] * 6]


UNIMPORTED = """
from __future__ import annotations
import sys
from typing import Any, Optional, TYPE_CHECKING
import slurm as s
from slurm.node.context_names import may_want_context

if TYPE_CHECKING:
    from slurm import JobContext as JC
Alias = Optional["JobContext"]
def plain(number: int, more: Optional[Any]) -> None: pass
def named(ctx: JobContext): pass
def quoted(ctx: Optional["JobContext"]): pass
def alias(ctx: Alias): pass
def of_alias(ctx: "Optional[Alias]"): pass
def of_the_package(ctx: s.JobContext): pass

def of_checkers(ctx: Optional[JC]): pass

functions = (named, quoted, alias, of_alias, of_the_package, of_checkers)
print(may_want_context(plain))
wanted = [may_want_context(function) for function in functions]
assert not {"slurm.runtime", "slurm.workflow"} & set(sys.modules)
from slurm.node.binding import CallBinder
for function, may in zip(functions, wanted):
    print(may, CallBinder(function).injected["ctx"].__name__)
"""


ONLY_FOR_CHECKERS = """
from __future__ import annotations
import typing
from typing import Optional, TYPE_CHECKING
if TYPE_CHECKING:
    from slurm import WorkflowContext as WC
    from slurm import workflow as flow, JobContext as JC
    import slurm as only
    import slurm.runtime as run
    from nowhere import Missing as M
def one(c: WC): pass
def two(c: Optional[WC]): pass
def three(c: only.WorkflowContext | None): pass
def four(c: "JC"): pass
def five(c: run.JobContext): pass
class Model:
    def six(self, n: M, c: WC): pass
def other(c: M): pass
def partly(c: Optional[M], n: int): pass
def lost(c: "Optional[gone.Away]"): pass
def given(c: Lost = None): pass
"""


@pytest.fixture
def only_for_checkers(tmp_path: Path) -> Any:
    path = tmp_path / "only_for_checkers.py"
    path.write_text(ONLY_FOR_CHECKERS)
    names = runpy.run_path(str(path))
    return types.SimpleNamespace(**names)


@pytest.mark.parametrize(
    ("name", "context"),
    [
        *(("one", WorkflowContext), ("two", WorkflowContext), ("three", WorkflowContext)),
        *(("four", JobContext), ("five", JobContext)),
    ],
)
def test_what_only_type_checkers_import_is_found_in_the_modules_source(
    name: str, context: type, only_for_checkers: Any
) -> None:
    assert injected(getattr(only_for_checkers, name)) == {"c": context}


def test_of_other_names_only_those_of_contexts_are_found(only_for_checkers: Any) -> None:
    assert injected(only_for_checkers.Model().six) == {"c": WorkflowContext}
    assert injected(only_for_checkers.other) == {}


def imported_inside() -> Any:
    from slurm import WorkflowContext as Flow

    def local(c: Flow) -> None:
        pass

    return local


def test_a_name_that_cannot_be_found_is_said_where_its_argument_is_missing(
    only_for_checkers: Any,
) -> None:
    for function, unknown in ((imported_inside(), "Flow"), (only_for_checkers.lost, "gone.Away")):
        with pytest.raises(TypeError) as raised:
            CallBinder(function).check((), {})
        assert str(raised.value) == (
            f"missing a required argument: 'c'. Nothing is called {unknown!r}, its annotation, when the program runs: "
            'if that is a context, import it at the top of the module, or write "WorkflowContext" or "JobContext"'
        )
        CallBinder(function).check((1,), {})
    for function in (only_for_checkers.other, only_for_checkers.partly):
        with pytest.raises(TypeError, match=r"^missing a required argument: 'c'$"):
            CallBinder(function).check((), {})
    CallBinder(only_for_checkers.given).check((), {})
