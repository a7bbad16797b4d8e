"""A regular expression that backtracks is found by the worst strings its own parts suggest; one that cannot is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def patterns(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("lint/patterns.py")


@pytest.mark.parametrize(
    ("source", "slow"),
    [
        ('P = re.compile(r"(a+)+$")\nP.fullmatch(text)', True),
        ('P = re.compile(r"(?:a|ab|b)*c")\nP.match(text)', True),
        (r're.sub(r"\s+$", "", text)', True),
        (r're.split(r"\s*,\s*", text)', True),
        ('re.search("<title[^>]*>(.*?)</title>", text, re.DOTALL)', True),
        (r're.sub(r"\[code\](.*?)\[/code\]", "", text, flags=re.DOTALL)', True),
        (r'NAMES = "to|cc"' + "\n" + r're.findall(rf"\s*(?:{NAMES}):", text)', True),
        (r'FORMS = [re.compile(rf"{sign}+$") for sign in ("x", "y")]', True),
        (r'P = re.compile(r"\s+,")' + "\nP.match(text)", False),  # the same is slow where it may begin anywhere
        (r'P = re.compile(r"\s+,")' + "\nP.search(text)", True),
        (r're.sub(r"(?<!\s)\s++$", "", text)', False),
        (r're.search(rf"(?<!\w){re.escape(name)}\b", text)', False),
        ('re.fullmatch("[a-z]{1,60}(?:-[a-z]{1,60})*", text)', False),
    ],
)
def test_what_backtracks_is_found(patterns: ModuleType, source: str, slow: bool) -> None:
    names: dict[str, object] = {"re": re, "NAMES": "to|cc"}
    if "FORMS" in source:
        names["FORMS"] = [re.compile("x+$")]
    found = patterns.inspect(source, "src/deskhand/agents/service.py", names)
    assert bool(found) is slow, found


def test_a_finding_says_where_and_on_what(patterns: ModuleType) -> None:
    [finding] = patterns.inspect('\nre.search("b+c", text)', "src/deskhand/a.py", {"re": re})
    assert str(finding).startswith("src/deskhand/a.py:2: finditer of 'b+c' backtracks on '' + 'b' * n")
