"""The parsed sources of `bot`, as the house rules read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[3]
BOT = REPO / "bot"


class Module(NamedTuple):
    """One module: its path below `bot` in POSIX spelling, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        """The folder below `bot`, or the name of a module directly in it; empty for `bot/__init__.py`."""
        head = self.path.partition("/")[0].removesuffix(".py")
        return "" if head == "__init__" else head

    @property
    def package(self) -> tuple[str, ...]:
        """The dotted package this module's relative imports start from."""
        return ("bot", *self.path.split("/")[:-1])

    @property
    def dotted(self) -> str:
        """The name under which it is imported."""
        return ".".join(("bot", *self.path.removesuffix(".py").split("/"))).removesuffix(".__init__")


def module(path: str, text: str) -> Module:
    """A module from its text, as the planted violations use it."""
    return Module(path, text, ast.parse(text, filename=path))


def modules(root: Path = BOT) -> list[Module]:
    """Every module below `root`, in the order of their paths."""
    return [module(file.relative_to(root).as_posix(), file.read_text("utf-8")) for file in sorted(root.rglob("*.py"))]


def imported(module: Module, nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything those nodes import; `from a import b` gives `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.package[: len(module.package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *((node.module,) if node.module else ())))
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: nothing inside functions or `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from at_import_time(other)
            continue
        yield child
        yield from at_import_time(child)


def _called(node: ast.Call) -> str:
    """The last word of what is called: `x.y.z(...)` gives `z`."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
