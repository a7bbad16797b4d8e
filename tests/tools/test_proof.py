"""The budgets of proof: what counts as a test, what as the product, and which module is named by none."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def proof(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("lint/proof.py")


SOURCES = {
    "src/deskhand/__init__.py": "",
    "src/deskhand/kit/pages.py": "a = 1\n" * 10 + "# A comment is neither product nor proof.\n" * 3,
    "src/deskhand/kit/sums/__init__.py": "b = 1\n" * 4,
    "src/deskhand/cli/serve.py": "c = 1\n" * 6,
    "src/deskhand/simulators/desk.py": "d = 1\n" * 5,
    "src/deskhand/migrations/versions/x.py": "e = 1\n" * 100,
    "tests/kit/test_sums.py": "from deskhand.kit import sums\n",
    "tools/lint/x.py": "f = 1\n" * 50,
}


def test_simulators_prove_migrations_and_tools_do_not_count(proof: ModuleType) -> None:
    assert proof.lines(SOURCES) == (20, 6)


def test_a_module_no_test_names_is_listed_and_commands_are_not(proof: ModuleType) -> None:
    assert list(proof.unnamed(SOURCES)) == ["deskhand.kit.pages"]
    assert list(proof.unnamed({**SOURCES, "tests/a.py": "import deskhand.kit.pages\n"})) == []
    assert list(proof.unnamed({**SOURCES, "tests/a.py": "from deskhand.kit.pages import a\n"})) == []


def test_each_budget_fails_one_beyond_it(proof: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    [too_little] = proof.findings(SOURCES)
    assert "6 lines prove 20" in too_little
    monkeypatch.setattr(proof, "LEAST_RATIO", 0.3)
    assert list(proof.findings(SOURCES)) == []
    monkeypatch.setattr(proof, "MOST_UNNAMED", 0)
    [unnamed] = proof.findings(SOURCES)
    assert "deskhand.kit.pages" in unnamed


def test_the_repository_is_within_its_budgets(proof: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert proof.main([]) == 0, capsys.readouterr().out
