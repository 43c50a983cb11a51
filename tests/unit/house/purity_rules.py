"""What keeps the core deterministic and the daemon small, read from the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.unit.house.layer_rules import PURE
from tests.unit.house.source_tree import Module, at_import_time, imported

CLOCK = "runtime/clock.py"
CATCH_ALL_ALLOWED = ("runtime/supervisor.py", "runtime/senders.py", "__main__.py")  # the last: exit code 70, one line
IMPURE = frozenset({
    "asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "socket", "sqlite3", "structlog", "subprocess", "tempfile", "threading", "time", "urllib", "uuid", "websockets",
    "ccxt", "duckdb", "numpy.random",
})
HEAVY = ("arch", "ccxt", "cvxpy", "pandas", "plotly", "pyarrow", "scipy.stats", "sklearn", "skfolio", "statsmodels")
CLOCK_READS = frozenset({
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
    "process_time_ns",
    "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns", "localtime", "gmtime", "ctime",
})


def clock_reads(source: Module) -> list[str]:
    """Reads of a clock outside the one module that may."""
    if source.path == CLOCK:
        return []
    aliases = {
        alias.asname or alias.name
        for node in ast.walk(source.tree) if isinstance(node, ast.Import)
        for alias in node.names if alias.name == "time"
    }
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time" and not node.level:
            names = [alias.name for alias in node.names if alias.name in CLOCK_READS]
            found += [f"{source.path}:{node.lineno}: from time import {name}" for name in names]
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            last = owner.rpartition(".")[2]
            if (
                (owner in aliases and node.attr in CLOCK_READS)
                or (last in ("datetime", "date", "Timestamp") and node.attr in ("now", "utcnow", "today"))
                or (node.attr == "time" and last.rstrip("()").endswith("loop"))
            ):
                found.append(f"{source.path}:{node.lineno}: {owner}.{node.attr}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("datetime64") and any(
            isinstance(arg, ast.Constant) and arg.value in ("now", "today") for arg in node.args
        ):
            found.append(f"{source.path}:{node.lineno}: datetime64 of now")
    return found


def impure_imports(source: Module) -> list[str]:
    """Imports in a pure layer of what does I/O, reads randomness or logs."""
    if source.layer not in PURE:
        return []
    return [
        f"{source.path}:{line}: imports {name}"
        for line, name in imported(source, ast.walk(source.tree))
        if name.partition(".")[0] in IMPURE or any(name == bad or name.startswith(f"{bad}.") for bad in IMPURE)
    ]


def awaits(source: Module) -> list[str]:
    """Coroutines in a pure layer."""
    if source.layer not in PURE:
        return []
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    return [f"{source.path}:{node.lineno}: async" for node in ast.walk(source.tree) if isinstance(node, kinds)]


def set_iterations(source: Module) -> list[str]:
    """Walks over a set in a pure layer: its order depends on the hash seed. `sorted(...)` of one is fine."""
    if source.layer not in PURE:
        return []
    attributes = {
        node.target.id
        for body in ast.walk(source.tree) if isinstance(body, ast.ClassDef)
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_set_type(node.annotation)
    }
    attributes |= {
        node.target.attr
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute) and _is_set_type(node.annotation)
    }
    found: dict[int, str] = {}
    scopes = [n for n in ast.walk(source.tree) if isinstance(n, ast.Module | ast.FunctionDef)]
    for scope in scopes:
        names = set(_set_names(scope))
        for line, walked in _walked(scope):
            if _is_set(walked, names, attributes):
                found[line] = f"{source.path}:{line}: walks a set: {ast.unparse(walked)}"
    return [found[line] for line in sorted(found)]


def _walked(scope: ast.AST) -> Iterator[tuple[int, ast.expr]]:
    """Expressions whose order of iteration matters."""
    for node in ast.walk(scope):
        if isinstance(node, ast.For):
            yield node.lineno, node.iter
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
            if not _feeds_sorted(scope, node):
                yield from ((node.lineno, part.iter) for part in node.generators)
        elif isinstance(node, ast.Starred):
            yield node.lineno, node.value
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in ("list", "tuple", "enumerate", "zip", "map", "filter", "sum", "join", "iter", "next", "fsum"):
                yield from ((node.lineno, arg) for arg in node.args)


def _feeds_sorted(scope: ast.AST, inner: ast.AST) -> bool:
    """Whether the comprehension is the argument of something that does not care for order."""
    return any(
        isinstance(node, ast.Call) and inner in node.args
        and ast.unparse(node.func) in ("sorted", "set", "frozenset", "any", "all", "min", "max", "len")
        for node in ast.walk(scope)
    )


def _set_names(scope: ast.Module | ast.FunctionDef) -> Iterator[str]:
    """Names of this scope that hold sets: by annotation, or by what they are first given."""
    if isinstance(scope, ast.FunctionDef):
        arguments = (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)
        yield from (arg.arg for arg in arguments if arg.annotation and _is_set_type(arg.annotation))
    body = ast.walk(scope) if isinstance(scope, ast.FunctionDef) else iter(scope.body)
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_set_type(node.annotation):
            yield node.target.id
        elif isinstance(node, ast.Assign) and _is_set(node.value, set(), set()):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _is_set_type(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).partition("[")[0].rpartition(".")[2] in ("set", "frozenset", "Set", "AbstractSet")


def _is_set(node: ast.expr, names: set[str], attributes: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(attr=name):
            return name in attributes
        case ast.BinOp(left=left, op=ast.Sub() | ast.BitOr() | ast.BitAnd() | ast.BitXor(), right=right):
            return any(_is_set(side, names, attributes) or _is_keys(side) for side in (left, right))
    return False


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def catch_alls(source: Module) -> list[str]:
    """Handlers that would swallow a mistake of ours; one that tidies up and ends in a bare `raise` does not."""
    if source.path in CATCH_ALL_ALLOWED:
        return []
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            last = node.body[-1]
            if isinstance(last, ast.Raise) and last.exc is None:
                continue
            if any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds):
                found.append(f"{source.path}:{node.lineno}: catches everything")
    return found


def approvals(source: Module) -> list[str]:
    """Places outside `bot/risk` that make, or could make under another name, an `ApprovedOrder`."""
    if source.layer == "risk":
        return []
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "ApprovedOrder":
            found.append(f"{source.path}:{node.lineno}: constructs an ApprovedOrder")
        elif isinstance(node, ast.ImportFrom) and any(a.name == "ApprovedOrder" and a.asname for a in node.names):
            found.append(f"{source.path}:{node.lineno}: imports ApprovedOrder under another name")
    return found


def heavy_imports(source: Module) -> list[str]:
    """Research libraries imported when the module is, and duckdb anywhere but in `storage/history*`."""
    found = [
        f"{source.path}:{line}: imports {name} at the top"
        for line, name in imported(source, at_import_time(source.tree))
        if any(name == heavy or name.startswith(f"{heavy}.") for heavy in HEAVY)
    ]
    if not source.path.startswith("storage/history"):
        names = imported(source, ast.walk(source.tree))
        found += [f"{source.path}:{line}: imports duckdb" for line, name in names if name.partition(".")[0] == "duckdb"]
    return found
