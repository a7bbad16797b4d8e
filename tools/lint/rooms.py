"""Where things stand: python tools/lint/rooms.py

Two rules that the import contracts cannot say. A file-name prefix shared by three files of a folder is a folder that
was not made. A public function that nothing in the product calls is not part of the product: it is deleted, or it gets
a caller, or it is named below with who calls it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SHARED_PREFIX = 3
"""So many files with one prefix before the first underscore are a folder."""

FREE_FILES = ("/contract.py", "/models.py", "/values.py")
"""What the rest is written against: contracts and tables say more than is used today."""

FREE_FOLDERS = ("src/deskhand/simulators/", "src/deskhand/migrations/")
"""Test equipment, which tests call, and history, which Alembic calls."""

CALLED_FROM_OUTSIDE: Mapping[str, str] = {
    "after_model_request": "pydantic-ai calls its capabilities",
    "get_source": "jinja2 calls its loader",
    "ignore_aliases": "PyYAML asks its dumper",
    "in_durable_context": "pydantic-ai's durability surface",
    "get_default_run_id": "pydantic-ai's durability surface",
    "get_default_conversation_id": "pydantic-ai's durability surface",
    "get_durable_operation_backend": "pydantic-ai's durability surface",
    "create_database": "tests and benchmarks make databases on a server of their own",
    "drop_database": "tests and benchmarks make databases on a server of their own",
    "ensure_roles": "tests make the roles on a server that is shared",
    "superuser_url": "tests and benchmarks look at a server past the roles",
}
"""Public names without a caller in the product, and who calls them."""

_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[.:][A-Za-z_][A-Za-z0-9_]*)*")


def shared_prefixes(paths: Iterable[str]) -> Iterator[str]:
    """Findings about names of files. A date before the name is no prefix: it puts revisions in their order.

    Args:
        paths: Relative paths of the source files.
    """
    prefixes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        prefix, underscore, _ = name.removesuffix(".py").partition("_")
        if prefix and underscore and not name.startswith("__") and not prefix.isdigit():
            prefixes[folder, prefix].append(name)
    for (folder, prefix), names in sorted(prefixes.items()):
        if len(names) >= SHARED_PREFIX:
            yield f"{folder}: {', '.join(sorted(names))} share a prefix: make a folder {prefix}/"


def uncalled(sources: Mapping[str, str], pages: str) -> Iterator[str]:
    """Findings about public functions that nothing calls.

    Names decide, not types: a method counts as called where any code says its name. That misses some dead code and
    never blames living code.

    Args:
        sources: Source text by relative path.
        pages: All templates in one text; what a page calls is called.
    """
    trees = {path: ast.parse(text, path) for path, text in sources.items()}
    said = {name for tree in trees.values() for name in _names_said(tree)} | set(_WORDS.findall(pages))
    said |= {part for word in said for part in re.split(r"[.:]", word)}
    for path, tree in trees.items():
        if path.endswith(FREE_FILES) or path.startswith(FREE_FOLDERS):
            continue
        for name, line in _public_functions(tree):
            if name not in said and name not in CALLED_FROM_OUTSIDE:
                yield f"{path}:{line}: nothing calls {name}(): delete it, or call it"


def _names_said(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(text)) if _WORDS.fullmatch(text):
                yield text


def _public_functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        # A decorator has the function: a route, a command, a validator. A property is an attribute.
        if all(_is_property(decorator) for decorator in node.decorator_list):
            yield node.name, node.lineno


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id in {"property", "staticmethod", "classmethod"}


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    files = sorted((root / "src").rglob("*.py"))
    sources = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "src").rglob("*.html")))
    findings = [*shared_prefixes(sources), *uncalled(sources, pages)]
    for finding in findings:
        print(finding)
    print(f"rooms: {len(sources)} files; {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
