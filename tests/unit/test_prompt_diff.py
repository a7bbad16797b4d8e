from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import pytest

from deskhand.agents import versions

NAMES = ("version 1", "version 2")


def test_prompts_made_to_be_slow_are_compared_without_difflib(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Callable[[], None]:
        raise AssertionError("difflib must not see this")

    monkeypatch.setattr(difflib, "unified_diff", refuse)
    before, after = ["same", *"ab" * 8000, "end"], ["same", *"ba" * 8000, "end"]
    diff = versions.prompt_diff(before, after, NAMES)
    assert diff[2] == "@@ -2,16000 +2,16000 @@"
    assert versions.prompt_diff(before, before, NAMES) == []


def test_ordinary_prompts_are_compared_line_by_line() -> None:
    before = [f"line {number}" for number in range(300)]
    after = [*before[:10], "new", *before[10:200], *before[201:]]
    changed = [line for line in versions.prompt_diff(before, after, NAMES) if line[0] in "+-"]
    assert changed == ["--- version 1", "+++ version 2", "+new", "-line 200"]
