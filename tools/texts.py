"""Writes every text of the Admin UI that can be translated, as a template for a catalog: `python -m tools.texts`.

Texts come from where the pages take them: from the templates, with the very reader that puts translations into them;
from the scripts; from the schema, whose keys become labels and help; from the code of the pages, where a text is a
constant. What is put together in the code with values in it is found where it goes through `say`. Invariant: the same
code gives the same bytes.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, nodes

from pointsman.console.language.choice import say
from pointsman.console.language.po import write
from pointsman.console.language.templating import translate
from pointsman.console.template import script_texts
from pointsman.schema.health import NodeState
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import Key
from pointsman.web.ui.forms.label import label_of, section_label
from pointsman.web.ui.objects.kinds import KINDS, SETTINGS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "pointsman"
TEMPLATES = (SOURCE / "console" / "templates", SOURCE / "web" / "ui" / "templates")
CODE = (
    SOURCE / "web" / "ui",
    SOURCE / "console" / "login.py",
    SOURCE / "control" / "troubles.py",
    SOURCE / "control" / "status.py",
    SOURCE / "control" / "node_story.py",
)
"""Whose constants are shown on pages."""
HEADER = """Project-Id-Version: Pointsman Admin UI
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
X-Language-Name: the language, as its speakers call it
"""
MOST_PLACES = 3
_MARKS = frozenset({"ok", "warn", "error", "off"})
_SENTENCE = re.compile(r"[A-Z][^_<>{}=|]*[a-z.][^_<>{}=|]*|[a-z][a-z,' -]* [a-z,' -]*[a-z]")
_NO_TEXT = re.compile(
    r"[A-Z][a-z]+(-[A-Z][a-z]+)+|[a-z]+(-[a-z]+)+|.*/[a-z].*|[A-Z]+|\S+!\S+|[A-Z][a-z]+[A-Z]\w*"
)
_UNSHOWN = frozenset({"words", "permission", "type", "path"})
"""What arguments are called that people do not see."""

Found = dict[str, list[str]]
"""Messages with the places that use them."""


def catalog() -> str:
    """The template of a catalog."""
    return write(HEADER, [(text, "", places) for text, places in texts().items()])


def texts() -> Mapping[str, Sequence[str]]:
    """Every message, with a few of the places that use it."""
    found: Found = {}
    for text, place in [*_of_templates(), *_of_scripts(), *_of_code(), *_of_schema()]:
        if not re.search(r"[^\W\d_]", text):
            continue
        places = found.setdefault(text, [])
        if place not in places and len(places) < MOST_PLACES:
            places.append(place)
    return dict(sorted(found.items(), key=lambda one: (one[1][0], one[0])))


def _of_templates() -> Iterator[tuple[str, str]]:
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    trees = {
        path: environment.parse(path.read_text("utf-8"))
        for folder in TEMPLATES
        for path in sorted(folder.glob("*.html"))
    }
    spoken = _spoken_parameters(trees.values())
    for path, tree in trees.items():
        found: list[tuple[str, int]] = []
        for macro in tree.find_all(nodes.Macro):
            first = len(macro.args) - len(macro.defaults)
            for number in spoken[macro.name]:
                if number >= first:
                    found += [(text, macro.lineno) for text in _results(macro.defaults[number - first])]
        for node in tree.find_all((nodes.Filter, nodes.Call)):
            found += [(text, node.lineno) for text in _said(node, spoken)]

        def record(message: str, line: int, found: list[tuple[str, int]] = found) -> None:
            found.append((message, line))

        translate(tree, record)
        for text, line in sorted(found, key=lambda one: one[1]):
            yield text, f"{path.relative_to(ROOT)}:{line}"


def _spoken_parameters(trees: Iterable[nodes.Template]) -> Mapping[str, Sequence[int]]:
    """Of each macro the numbers of the parameters that it looks up, itself or by another macro."""
    macros = [macro for tree in trees for macro in tree.find_all(nodes.Macro)]
    spoken: dict[str, set[int]] = {macro.name: set() for macro in macros}
    for _ in range(3):  # as deep as macros call one another
        for macro in macros:
            names = [argument.name for argument in macro.args]
            for filtered in macro.find_all(nodes.Filter):
                if (
                    filtered.name == "say"
                    and isinstance(filtered.node, nodes.Name)
                    and filtered.node.name in names
                ):
                    spoken[macro.name].add(names.index(filtered.node.name))
            for call in macro.find_all(nodes.Call):
                for argument in _spoken_arguments(call, spoken):
                    if isinstance(argument, nodes.Name) and argument.name in names:
                        spoken[macro.name].add(names.index(argument.name))
            # A list whose parts are looked up counts as a whole.
            for loop in macro.find_all(nodes.For):
                inner = [one.name for one in loop.target.find_all(nodes.Name)]
                said = [one.node for one in loop.find_all(nodes.Filter) if one.name == "say"]
                listed = loop.iter.name if isinstance(loop.iter, nodes.Name) else ""
                if listed in names and any(isinstance(one, nodes.Name) and one.name in inner for one in said):
                    spoken[macro.name].add(names.index(listed))
    return {name: sorted(numbers) for name, numbers in spoken.items()}


def _spoken_arguments(call: nodes.Call, spoken: Mapping[str, Iterable[int]]) -> list[nodes.Expr]:
    if not isinstance(call.node, nodes.Name):
        return []
    return [call.args[number] for number in spoken.get(call.node.name, ()) if number < len(call.args)]


def _said(node: nodes.Node, spoken: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """The constants that a filter or the call of a macro looks up."""
    if isinstance(node, nodes.Filter) and node.name == "say" and node.node is not None:
        yield from _results(node.node)
    elif isinstance(node, nodes.Call):
        for argument in _spoken_arguments(node, spoken):
            yield from _results(argument)


def _results(expression: nodes.Node) -> Iterator[str]:
    """The constants that an expression may give."""
    match expression:
        case nodes.Const(value=str(text)) if re.search("[a-z]", text) and text not in _MARKS:
            yield text
        case nodes.CondExpr(expr1=first, expr2=second):
            yield from _results(first)
            yield from [] if second is None else _results(second)
        case nodes.Or(left=first, right=second) | nodes.And(left=first, right=second):
            yield from [*_results(first), *_results(second)]
        case nodes.Tuple(items=items) | nodes.List(items=items):
            for one in items:
                yield from _results(one)
        case nodes.Dict(items=items):
            for pair in items:
                yield from _results(pair.value)
        case nodes.Call(node=nodes.Getattr(node=inner), args=arguments):
            yield from _results(inner)
            for one in arguments[1:]:
                yield from _results(one)
        case nodes.Getitem(node=inner):
            yield from _results(inner)


def _of_scripts() -> Iterator[tuple[str, str]]:
    for text in sorted(script_texts()):
        yield text, "src/pointsman/console/static"


def _of_code() -> Iterator[tuple[str, str]]:
    for path in CODE:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for text, line in _constants(ast.parse(file.read_text("utf-8"))):
                yield text, f"{file.relative_to(ROOT)}:{line}"


def _constants(module: ast.Module) -> Iterator[tuple[str, int]]:
    skipped: set[int] = set()
    for node in ast.walk(module):
        match node:
            case ast.Expr(value=ast.Constant() as text) | ast.keyword(value=ast.Constant() as text) if (
                isinstance(node, ast.Expr) or node.arg in _UNSHOWN
            ):
                skipped.add(id(text))
            case ast.JoinedStr(values=parts):
                skipped |= {id(part) for part in parts}
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]) if (
                name == say.__name__
            ):
                yield text, node.lineno
            case ast.Dict(keys=keys):
                skipped |= {id(key) for key in keys}
            case ast.Tuple(elts=parts) | ast.Call(args=parts):
                words = [
                    part for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                if any(word.value in _MARKS for word in words):
                    yield from ((str(word.value), word.lineno) for word in words if word.value not in _MARKS)
    for node in ast.walk(module):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in skipped:
                if _SENTENCE.fullmatch(text) and not _NO_TEXT.fullmatch(text):
                    yield text, node.lineno


def _of_schema() -> Iterator[tuple[str, str]]:
    for state in NodeState:
        yield state.value, "schema:states"
    for pages in (*SETTINGS, *KINDS):
        shown = (
            pages.kind.title,
            pages.kind.plural,
            pages.what,
            *pages.columns,
            *(one.title for one in pages.groups),
        )
        for text in (*shown, pages.title):
            if text:
                yield text, f"schema:{pages.type}"
    for kind in RESOURCE_TYPES:
        for key in kind.keys:
            yield section_label(key.section), f"schema:{kind.path}"
            for text in _of_key(key):
                yield text, f"schema:{kind.path}/{key.path}"


def _of_key(key: Key) -> Iterator[str]:
    yield label_of(key.name)
    yield from (text for text in (key.help, key.unit) if text)
    yield from (word.replace("_", " ") for word in key.choices if word)
    for column in key.columns:
        yield from _of_key(column)


if __name__ == "__main__":
    sys.stdout.write(catalog())
