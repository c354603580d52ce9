"""What a declaration says of an attribute: the text in quotes below it.

Python throws such texts away, so they are read from the source, and only when somebody asks: reading them while the
classes are made was a tenth of the time of a start. Invariant: asking changes nothing, and where there is no source
there is no text.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache


def attribute_texts(declaration: type) -> Mapping[str, str]:
    """The texts of the attributes of a class, its bases' included, by their names; each on one line."""
    found: dict[str, str] = {}
    for each in reversed(declaration.__mro__):
        found |= _texts(each.__module__).get(each.__qualname__, {})
    return found


@cache
def _texts(module: str) -> Mapping[str, Mapping[str, str]]:
    """Those of all classes of a module, by their qualified names."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, KeyError):
        return {}
    return dict(_classes(tree, ""))


def _classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for part in ast.iter_child_nodes(node):
        match part:
            case ast.ClassDef(name=name):
                yield f"{prefix}{name}", dict(_attributes(part))
                yield from _classes(part, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _classes(part, f"{prefix}{name}.<locals>.")
            case _:
                yield from _classes(part, prefix)


def _attributes(declaration: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, after in zip(declaration.body, declaration.body[1:], strict=False):
        match statement, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
