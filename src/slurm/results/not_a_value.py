"""What a future says where its result was meant: ``f(1) + 1``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slurm.job_dir.tracebacks import UsersFrames

BINARY = dict(
    zip(
        [
            "add",
            "sub",
            "mul",
            "matmul",
            "truediv",
            "floordiv",
            "mod",
            "divmod",
            "pow",
            "lshift",
            "rshift",
            "and",
            "or",
            "xor",
        ],
        ["+", "-", "*", "@", "/", "//", "%", "divmod()", "**", "<<", ">>", "&", "|", "^"],
    )
)
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
UNARY = {"neg": "-", "pos": "+", "abs": "abs()", "invert": "~"}
ROUNDING = {"round": "round()", "trunc": "trunc()", "floor": "floor()", "ceil": "ceil()"}
NUMBERS = {"int": "int()", "float": "float()", "complex": "complex()", "index": "a whole number"}
# Without __iter__, which would make it an Iterable to whoever asks: a loop begins with [0].
SEQUENCE = {"getitem": "an index or a loop", "len": "len()"}


def _how(future: object) -> str:
    return ".get_result()" if hasattr(type(future), "get_result") else ".get_results()"


def refusing(word: str) -> Callable[..., Any]:
    """A method that refuses what `word` stands for."""

    def refuse(future: Any, *others: Any) -> Any:
        with UsersFrames(TypeError):
            raise TypeError(
                f"{word} was meant for the result of {future!r}: call {_how(future)} first, or hand it to "
                "another task as it is"
            )

    return refuse


class NotAValue:
    """A future whose class derives from this says how to get its result when it is used as if it were that.

    Equality, hashes and truth stay those of an object: programs keep futures in sets and ask whether there is one.
    """

    if not TYPE_CHECKING:
        for _name, _word in BINARY.items():
            vars()[f"__{_name}__"] = vars()[f"__r{_name}__"] = refusing(_word)
        for _name, _word in {**COMPARISONS, **UNARY, **NUMBERS, **ROUNDING}.items():
            vars()[f"__{_name}__"] = refusing(_word)
        del _name, _word

        def __format__(self, wanted: str) -> str:
            with UsersFrames(TypeError):
                return str(self) if not wanted else refusing(f"the format {wanted!r}")(self)

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property of its own raised an AttributeError
                return object.__getattribute__(self, name)
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                text += f"; if its result has, call {_how(self)} first"
            where = {"name": name, "obj": self} if sys.version_info >= (3, 10) else {}
            with UsersFrames(AttributeError):
                raise AttributeError(text, **where)


class NotASequence:
    """The same of a future of one value, which is no sequence."""

    if not TYPE_CHECKING:
        for _name, _word in SEQUENCE.items():
            vars()[f"__{_name}__"] = refusing(_word)
        del _name, _word

        def __bool__(self) -> bool:
            return True
