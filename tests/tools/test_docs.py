"""The documentation: generated pages say what the code does, links lead somewhere, decisions have their parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])
DECISIONS = sorted(ROOT.glob("docs/adr/[0-9]*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def docs(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("gen_docs.py")


@pytest.mark.parametrize(
    "name",
    [
        *("settings.md", "errors.md", "cli.md", "tools.md", "desks.md"),
        *("agent-file.schema.json", "tool-file.schema.json", "article-file.schema.json", "tenant-file.schema.json"),
    ],
)
def test_a_generated_page_is_current(docs: ModuleType, name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert docs.PAGES[name]() == written, "the page is behind the code; run: make docs"


def test_no_default_of_this_machine_is_in_the_settings_page(docs: ModuleType) -> None:
    assert str(Path.home()) not in docs.settings_page().replace("`~/", "")


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_to_files(page: Path) -> None:
    targets = [target.split("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=relative)
def test_every_page_is_reachable_from_the_index(page: Path) -> None:
    reached: set[Path] = set()
    todo = [ROOT / "docs" / "README.md"]
    while todo:
        current = todo.pop()
        if current in reached or current.suffix != ".md" or not current.exists():
            continue
        reached.add(current)
        targets = LINK.findall(current.read_text(encoding="utf-8"))
        todo += [(current.parent / target.split("#")[0]).resolve() for target in targets if "://" not in target]
    assert page in reached


@pytest.mark.parametrize("page", DECISIONS, ids=relative)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(r"# (\d+|N)\. ", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Alternatives",
        "Where",
    ]


@pytest.mark.parametrize("page", DECISIONS, ids=relative)
def test_a_decision_names_files_that_exist(page: Path) -> None:
    where = page.read_text(encoding="utf-8").split("## Where")[1]
    named = re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py)?)`", where)
    assert [name for name in named if not (ROOT / "src" / "deskhand" / name).exists()] == []


def test_the_readme_names_the_agent_tables_and_the_migration() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Agent management")[1].split("\n## ")[0]
    assert {"`agents`", "`agent_triggers`", "`agent_tools`"} <= set(re.findall(r"`[^`]+`", section))
    assert "alembic upgrade head" in section
