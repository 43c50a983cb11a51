"""Modules and functions that fit in the head, under names that say what they know."""

from __future__ import annotations

import ast

from tests.unit.house.source_tree import Module

MODULE_LINES_MAX = 350
FUNCTION_LINES_MAX = 80
EMPTY_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "misc"})


def long_modules(source: Module) -> list[str]:
    """Modules too long to be one concept."""
    lines = sum(1 for line in source.text.splitlines() if line.strip())
    return [f"{source.path}: {lines} lines that are not blank"] if lines > MODULE_LINES_MAX else []


def long_functions(source: Module) -> list[str]:
    """Functions that do not fit a screen, counted from `def` to their last line."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                found.append(f"{source.path}:{node.lineno}: {node.name} has {lines} lines")
    return found


def empty_names(source: Module) -> list[str]:
    """Files and folders named after nothing they know."""
    parts = source.path.removesuffix(".py").split("/")
    words = [word for part in parts for word in part.split("_")]
    return [f"{source.path}: say what it knows"] if EMPTY_NAMES & set(words) else []
