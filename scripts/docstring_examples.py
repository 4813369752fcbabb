"""Has mkdocstrings show the examples of docstrings as code, in which a reader can copy what was typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from griffe import Extension

if TYPE_CHECKING:
    from griffe import Object

# From a prompt to the next empty line; the `::` of a docstring is reStructuredText's.
EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


class DocstringExamples(Extension):
    """Fences each example."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Change the docstring of a class, function or attribute before it is drawn."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
