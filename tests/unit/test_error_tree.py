"""One error tree: what a class says is what is stored, answered, drawn and documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import deskhand
import deskhand.errors
from deskhand.engine.retry import decide
from deskhand.errors import DeskhandError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "deskhand"
CODE = re.compile(r"^[a-z]+(-[a-z]+)*$")
# An assignment or an argument that stores a code as a bare word, in Python or SQL.
STORED = re.compile(r"error_code\s*=\s*(?:CASE[^;]*?END|[\"'][a-z-]+[\"'])")
WORD = re.compile(r"[\"']([a-z]+(?:-[a-z]+)+|cancelled)[\"']")


def tree(root: type[DeskhandError]) -> list[type[DeskhandError]]:
    """The class and everything of ours below it, in the order of definition."""
    below = [one for child in root.__subclasses__() for one in tree(child)]
    return [root, *(one for one in below if one.__module__.startswith("deskhand."))]


def all_errors() -> list[type[DeskhandError]]:
    for module in pkgutil.walk_packages(deskhand.__path__, "deskhand."):
        if not module.name.startswith("deskhand.migrations"):
            importlib.import_module(module.name)
    return list(dict.fromkeys(tree(DeskhandError)))


ERRORS = all_errors()


def drawn() -> dict[str, tuple[str, str]]:
    """Name to (parent, what stands in the brackets), read from the drawing in the docstring."""
    stack: list[str] = []
    lines: dict[str, tuple[str, str]] = {}
    for line in inspect.cleandoc(deskhand.errors.__doc__ or "").splitlines():
        match = re.match(r"^((?:    |│   |├── |└── )*)(\w+) \(([^)]*)\)", line.removeprefix("    "))
        if match:
            depth = len(match[1]) // 4
            del stack[depth:]
            lines[match[2]] = (stack[-1] if stack else "", match[3])
            stack.append(match[2])
    return lines


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_a_class_says_everything_about_itself(error: type[DeskhandError]) -> None:
    assert CODE.match(error.code)
    assert 400 <= error.status < 600
    assert error.title
    assert isinstance(error.retryable, bool)
    assert error.retry_after is None or error.retry_after > 0


def test_no_two_classes_share_a_code() -> None:
    codes = [error.code for error in ERRORS]
    assert sorted(set(codes)) == sorted(codes)


def test_the_drawing_is_the_tree() -> None:
    expected = {
        error.__name__: (
            "" if error is DeskhandError else error.__mro__[1].__name__,
            f"{error.status} {error.code}{', retried' if error.retryable else ''}",
        )
        for error in ERRORS
    }
    assert drawn() == expected


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_what_a_run_stores_is_what_the_class_says(error: type[DeskhandError]) -> None:
    instance = error.__new__(error)
    DeskhandError.__init__(instance, "Something.", retry_after=7.0)
    decision = decide(instance, attempt=1, max_attempts=15)
    assert (decision.code, decision.again) == (error.code, error.retryable)
    assert not decision.again or decision.delay >= 7.0


def test_every_code_that_is_stored_as_a_word_is_one_of_a_class() -> None:
    codes = {error.code for error in ERRORS}
    words = {
        (path.relative_to(ROOT).as_posix(), word)
        for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.sql")]
        if "migrations" not in path.parts  # their copies are history
        for statement in STORED.findall(path.read_text(encoding="utf-8"))
        for word in WORD.findall(statement)
    }
    assert words
    assert [(path, word) for path, word in sorted(words) if word not in codes] == []


def test_an_ending_of_a_run_is_no_server_error() -> None:
    assert {error.status for error in tree(deskhand.errors.RunInterrupted)} <= {409, 422, 503}
