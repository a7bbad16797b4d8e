"""How much there is to prove with: python tools/lint/proof.py

Two figures, and the budgets they are held to. The first is lines of tests for each line of the product: blank lines
and docstrings count on both sides, lines of comment on neither, since they neither do nor prove anything. Simulators
and the contract suite count as tests, since they are test equipment that ships; migrations count on neither side,
since nobody writes them twice. The second is how many modules of the product no test imports by name: those are met
through the whole product only, and what fails in them is found far from where it broke.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

LEAST_RATIO = 1.0
"""The least that this house holds itself to: 1.03 stood here when the floor was raised to it."""
MOST_UNNAMED = 47
"""It may fall, and is then lowered here; a new module brings a test that names it."""

PRODUCT = "src/deskhand/"
SIMULATORS = f"{PRODUCT}simulators/"
MIGRATIONS = f"{PRODUCT}migrations/"
COMMANDS = (f"{PRODUCT}cli/", f"{PRODUCT}__main__.py")
"""Tests run commands as processes of their own; nothing of them is imported."""


def lines(sources: Mapping[str, str]) -> tuple[int, int]:
    """Lines of the product, and of what proves it.

    Args:
        sources: Source text by path, relative to the repository.
    """
    product = tests = 0
    for path, text in sources.items():
        count = sum(not line.lstrip().startswith("#") for line in text.splitlines())
        if path.startswith(MIGRATIONS):
            continue
        if path.startswith(("tests/", SIMULATORS)):
            tests += count
        elif path.startswith(PRODUCT):
            product += count
    return product, tests


def unnamed(sources: Mapping[str, str]) -> Iterator[str]:
    """Modules of the product with code in them that no test imports by name."""
    named = {name for path, text in sources.items() if path.startswith("tests/") for name in _imported(text, path)}
    for path, text in sorted(sources.items()):
        if not path.startswith(PRODUCT) or path.startswith((SIMULATORS, MIGRATIONS, *COMMANDS)) or not text.strip():
            continue
        module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if module not in named:
            yield module


@functools.cache  # a run asks for the findings and for the count, and reading all tests is what either costs
def _imported(text: str, path: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)


def findings(sources: Mapping[str, str]) -> Iterator[str]:
    """What is over budget, and what to do."""
    product, tests = lines(sources)
    if tests < LEAST_RATIO * product:
        yield f"{tests} lines prove {product}, {LEAST_RATIO} for each are due: test the edges of what is newest"
    modules = list(unnamed(sources))
    if len(modules) > MOST_UNNAMED:
        yield f"{len(modules)} modules are imported by no test, {MOST_UNNAMED} may be: {', '.join(modules)}"


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    files = [path for folder in ("src", "tests") for path in sorted((root / folder).rglob("*.py"))]
    sources = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}
    faults = list(findings(sources))
    for fault in faults:
        print(fault)
    if "--list" in arguments:
        print("\n".join(unnamed(sources)))
    product, tests = lines(sources)
    count = len(list(unnamed(sources)))
    print(
        f"proof: {tests} lines prove {product}, {tests / max(1, product):.3f} for each; {count} modules without a test"
        f" that names them; {len(faults)} findings"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
