"""Regular expressions end in linear time: python tools/lint/patterns.py [file ...].

Anybody may write to a service desk, and ``re`` backtracks: two quantifiers that can take the same character, or a
search that starts anew in a run it has just looked through, freeze a process for minutes. Every pattern in the product
is read out of the source, given the worst strings its own parts suggest, and must not take much longer than its length
says. What is found is mended in the pattern: possessive quantifiers (``++``), a bound (``{0,80}``), a lookbehind that
lets a run begin in one place only.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]  # the parser has no public name since 3.11
from re import _parser  # type: ignore[attr-defined]  # as above
from types import FrameType
from typing import Any

SHORT, LONG = 1_000, 8_000
"""Rounds of what is repeated."""
GROWTH = 24.0
"""Times as long for a text eight times as long; linear is 8, quadratic 64."""
NOTICED = 0.012
"""Seconds of CPU below which nothing is measured."""
MOST_SECONDS = 1.0
ANYWHERE = ("search", "sub", "subn", "split", "findall", "finditer")
AT_START = ("match", "fullmatch")
USUAL = "a0 \n_.-"
"""Signs that most classes of characters have one of."""
PLACEHOLDER = "Ab1"
"""Stands for what a pattern takes in at run time; whoever puts a text into a pattern escapes it."""


@dataclass(frozen=True, slots=True)
class Use:
    """One pattern at one place, and how it is applied."""

    path: str
    line: int
    pattern: str
    flags: int
    method: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A pattern that was too slow for a text."""

    use: Use
    text: str

    def __str__(self) -> str:
        shown = self.use.pattern if len(self.use.pattern) <= 100 else f"{self.use.pattern[:100]}…"
        return f"{self.use.path}:{self.use.line}: {self.use.method} of {shown!r} backtracks on {self.text}"


# -- reading the source -----------------------------------------------------------------------


def uses(source: str, path: str, names: Mapping[str, Any]) -> Iterator[Use]:
    """Every pattern of a module.

    Args:
        source: Its text.
        path: Where it is.
        names: What its expressions may refer to.
    """
    tree = ast.parse(source, path)
    applied = _applied_methods(tree)
    for node in ast.walk(tree):
        function = _function_of_re(node)
        if not isinstance(node, ast.Call) or not node.args or function not in (*ANYWHERE, *AT_START, "compile"):
            continue
        methods = applied.get(_name_of(tree, node), {"finditer"}) if function == "compile" else {function}
        try:
            written = list(_evaluated(node, names))
        except (AttributeError, LookupError, TypeError):
            # Made of what only a run knows: what the module keeps of it is tried below; what is given to a simulator
            # harms nobody but who gave it.
            written = []
        for pattern, flags in written:
            for method in {"finditer" if one in ANYWHERE else one for one in methods}:
                yield Use(path, node.lineno, pattern, flags, method)
    # What a loop or a function made, and a name of the module keeps.
    for kept in _kept(list(names.values())):
        yield Use(path, 1, kept.pattern, kept.flags & ~re.UNICODE, "finditer")


def _kept(values: Iterable[Any]) -> Iterator[re.Pattern[str]]:
    for value in values:
        if isinstance(value, list | tuple | dict):
            yield from (one for one in _flat(value) if isinstance(one, re.Pattern))


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, list | tuple | dict):
            yield from _flat(value)
        else:
            yield value


def _function_of_re(node: ast.AST) -> str:
    """``sub`` for a call of ``re.sub``; empty for anything else."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)):
            return name
    return ""


def _name_of(tree: ast.Module, call: ast.Call) -> str:
    """The module's name for a compiled pattern; empty where it has none of its own."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.value is call and isinstance(node.targets[0], ast.Name):
            return node.targets[0].id
    return ""


def _applied_methods(tree: ast.Module) -> dict[str, set[str]]:
    """How each named pattern is applied, where every use of the name is such a call."""
    called: dict[str, set[str]] = {}
    counted: dict[str, list[int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            counted.setdefault(node.id, [0, 0])[0] += 1
        if not isinstance(node, ast.Attribute) or node.attr not in (*ANYWHERE, *AT_START):
            continue
        if isinstance(node.value, ast.Name):
            called.setdefault(node.value.id, set()).add(node.attr)
            counted.setdefault(node.value.id, [0, 0])[1] += 1
    return {name: methods for name, methods in called.items() if counted[name][0] == counted[name][1]}


def _evaluated(call: ast.Call, names: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What the call's pattern is; a name that only a run knows is a placeholder."""
    given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "flags")]
    flags = given[-1] if given and _is_flags(given[-1]) else ast.Constant(0)
    pattern = _value(call.args[0], names)
    if isinstance(pattern, re.Pattern):
        yield pattern.pattern, pattern.flags
    elif isinstance(pattern, str):
        yield pattern, int(_value(flags, names) or 0)


def _is_flags(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Attribute) and part.attr.isupper() for part in ast.walk(node))


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """What an expression of the module is; a name that only a run knows is a placeholder."""
    missing = {one.id: PLACEHOLDER for one in ast.walk(node) if isinstance(one, ast.Name)}
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "<pattern>", "eval")
    return eval(code, {**missing, **vars(builtins), **names})  # our own source, and no other


# -- the worst strings ------------------------------------------------------------------------


def worst_texts(pattern: str, flags: int) -> Iterator[tuple[str, Callable[[int], str]]]:
    """Names and makers of texts that may be the pattern's worst: each repeats something it can repeat."""
    tree = _parser.parse(pattern, flags)
    signs = sorted({*_literals(tree), *USUAL})[:24]
    beginnings = ["", *dict.fromkeys(_beginnings(tree))]
    repeated = dict.fromkeys([*signs, *_repeated(tree), *(text for text in beginnings if text)])
    pairs = (first + second for first in signs[:8] for second in signs[:8] if first != second)
    for beginning, unit in [(b, u) for b in beginnings[:6] for u in repeated] + [("", pair) for pair in pairs]:
        for end in ("", "\x01") if not beginning else ("\x01",):
            yield (
                f"{beginning!r} + {unit!r} * n + {end!r}",
                lambda size, b=beginning, u=unit, e=end: b + u * size + e,  # type: ignore[misc]
            )


def _literals(tree: Iterable[Any]) -> Iterator[str]:
    for operator, value in tree:
        if operator is sre.LITERAL:
            yield chr(value)
        for part in _parts(operator, value):
            yield from _literals(part)


def _parts(operator: Any, value: Any) -> Iterator[Any]:
    """What stands inside an element of a parsed pattern."""
    if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        yield value[2]
    elif operator is sre.SUBPATTERN:
        yield value[3]
    elif operator is sre.BRANCH:
        yield from value[1]
    elif operator in (sre.ASSERT, sre.ASSERT_NOT):
        yield value[1]
    elif operator is sre.ATOMIC_GROUP:
        yield value
    elif operator is sre.IN:
        yield [part for part in value if part[0] is sre.LITERAL]
    elif operator is sre.GROUPREF_EXISTS:
        yield from (part for part in value[1:] if part)


def _sample(tree: Iterable[Any]) -> str:
    """A short text that the elements match, as far as that can be told without trying."""
    return "".join(_sample_of(operator, value) for operator, value in tree)


def _sample_of(operator: Any, value: Any) -> str:
    if operator is sre.LITERAL:
        return chr(value)
    if operator in (sre.NOT_LITERAL, sre.ANY):
        return "a"
    if operator is sre.IN:
        return next((sign for sign in (*USUAL, "A", "b", "é", "日", "<", "]") if _takes(value, sign)), "a")
    if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _sample(value[2]) * min(int(value[0]), 50)
    if operator is sre.SUBPATTERN:
        return _sample(value[3])
    if operator is sre.ATOMIC_GROUP:
        return _sample(value)
    if operator is sre.BRANCH:
        return _sample(value[1][0])
    return ""


def _takes(members: list[Any], sign: str) -> bool:
    one = _parser.SubPattern(_parser.State(), [(sre.IN, members)])
    return re._compiler.compile(one, 0).fullmatch(sign) is not None  # type: ignore[attr-defined]


def _repeated(tree: Iterable[Any]) -> Iterator[str]:
    """One round of everything that may be repeated, and of each of its branches."""
    for operator, value in tree:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield from (text for text in (_sample(value[2]), *_branches(value[2])) if text)
        for part in _parts(operator, value):
            yield from _repeated(part)


def _branches(tree: Iterable[Any]) -> Iterator[str]:
    for operator, value in tree:
        if operator is sre.BRANCH:
            yield from (_sample(part) for part in value[1])
        elif operator is sre.IN:
            yield from (chr(part[1]) for part in value if part[0] is sre.LITERAL)
        for part in _parts(operator, value):
            yield from _branches(part)


def _beginnings(tree: Iterable[Any], text: str = "") -> Iterator[str]:
    """What leads up to each repetition."""
    for operator, value in tree:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT) and text:
            yield text
        if operator is sre.SUBPATTERN:
            yield from _beginnings(value[3], text)
        if operator is sre.BRANCH:
            for part in value[1]:
                yield from _beginnings(part, text)
        text += _sample_of(operator, value)
    if text:
        yield text


# -- measuring --------------------------------------------------------------------------------


class _TooLongError(Exception):
    """The deadline came first."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLongError


def slow_text(use: Use) -> str | None:
    """The first of the worst texts that the pattern is too slow for; None if it is fast enough for all."""
    compiled = re.compile(use.pattern, use.flags)
    for name, make in worst_texts(use.pattern, use.flags):
        if _seconds(compiled, use.method, make(LONG)) < NOTICED:
            continue
        short, long = (min(_seconds(compiled, use.method, make(size)) for _ in range(3)) for size in (SHORT, LONG))
        if long >= MOST_SECONDS or (long >= NOTICED and long > GROWTH * short):
            return name
    return None


def _seconds(pattern: re.Pattern[str], method: str, text: str) -> float:
    """CPU time of one application, however loaded the machine is; ``MOST_SECONDS`` for one that was ended."""
    began = time.thread_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        if method in AT_START:
            getattr(pattern, method)(text)
        else:
            sum(1 for _ in islice(pattern.finditer(text), len(text)))
    except _TooLongError:
        return MOST_SECONDS
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.thread_time() - began


def inspect(source: str, path: str, names: Mapping[str, Any]) -> list[Finding]:
    """Check every pattern of a module; arguments as for ``uses``."""
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        seen = dict.fromkeys(uses(source, path, names))
        return [Finding(use, text) for use in seen if (text := slow_text(use)) is not None]
    finally:
        signal.signal(signal.SIGVTALRM, before)


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    below = root / "src"
    files = [Path(name).resolve() for name in arguments] or sorted((below / "deskhand").rglob("*.py"))
    warnings.simplefilter("ignore")
    found, count = 0, 0
    for file in files:
        source = file.read_text(encoding="utf-8")
        relative = file.relative_to(root).as_posix()
        if "import re\n" not in source or "migrations/" in relative:
            continue
        names = vars(importlib.import_module(".".join(file.relative_to(below).with_suffix("").parts)))
        for finding in inspect(source, relative, names):
            print(finding)
            found += 1
        count += len(list(uses(source, relative, names)))
    print(f"patterns: {count} regular expressions, {found} that backtrack")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
