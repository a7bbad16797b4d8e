"""The table of requirements: complete, and every test it names exists.

``spec_requirements.json`` is the checked-in list of what the two documents ask for; where the documents are at hand
(``DESKHAND_SPEC``, or ``shared/spec`` beside the repository), they are taken apart again and compared with it.
"""

from __future__ import annotations

import ast
import json
import os
import re
from functools import cache
from pathlib import Path

import pytest
from tests.unit.spec_documents import schema_requirements, story_requirements

import deskhand.models
from deskhand.agents import llm_config, schemas
from deskhand.kit.db.base import Base

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "spec-conformance.md"
LISTED: dict[str, dict[str, str]] = json.loads((ROOT / "tests/unit/spec_requirements.json").read_text("utf-8"))
DOCUMENTS = Path(os.environ.get("DESKHAND_SPEC") or ROOT.parent / "shared" / "spec")
READERS_ONLY = 8
"""How many lines may be left to a reader (``read:``); raising it is a decision, not an accident."""
NOT_YET = 0
"""Lines that are asked for and not there; a new one, or one that has come, is a change of this figure."""


def _rows() -> dict[str, tuple[str, str, list[str]]]:
    """Id to (requirement, where, what shows it) of the page's two tables."""
    rows: dict[str, tuple[str, str, list[str]]] = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and cells[0] not in {"Id", "---"}:
            assert cells[0] not in rows, f"{cells[0]} is there twice"
            missing = cells[3].startswith("not yet: ")
            shown = [cells[3]] if missing else [one.replace("`", "").strip() for one in cells[3].split(", ")]
            rows[cells[0]] = (cells[1], cells[2], shown)
    return rows


ROWS = _rows()


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {node.name for node in tree.body if isinstance(node, kinds)}
    for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        found |= {f"{owner.name}::{node.name}" for node in owner.body if isinstance(node, kinds)}
    return frozenset(name for name in found if name.split("::")[-1].startswith("test_"))


def _fault(shown: str) -> str | None:
    """Why a cell names nothing that exists; None if it does."""
    if shown.startswith("make "):
        target = shown.removeprefix("make ")
        exists = re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return None if exists else f"no target {target}"
    if shown.startswith("not yet: "):
        return None if len(shown.split()) > 5 else "does not say what is missing"
    path, _, name = shown.removeprefix("read: ").partition("::")
    if not (ROOT / path).is_file():
        return f"no file {path}"
    if name:
        return None if name in _tests_of(path) else f"no test {name} in {path}"
    return None if shown.startswith(("read: ", "benchmarks/")) else f"{shown} names no test"


def test_every_requirement_is_in_the_table() -> None:
    asked = {**LISTED["story"], **LISTED["schema"]}
    assert sorted(asked.keys() - ROWS.keys()) == [], "in the list of requirements, not on the page"
    assert sorted(ROWS.keys() - asked.keys()) == [], "on the page, not in the list of requirements"
    said = {key: row[0].replace("\\|", "|").replace("&lt;", "<") for key, row in ROWS.items()}
    assert {key: text for key, text in asked.items() if said[key] != text} == {}


def test_every_named_test_exists() -> None:
    faults = {key: fault for key, (_, _, shown) in ROWS.items() for one in shown if (fault := _fault(one))}
    assert faults == {}
    assert [key for key, (_, where, shown) in ROWS.items() if not where or not shown] == []


def test_few_lines_are_left_to_a_reader() -> None:
    left = [key for key, (_, _, shown) in ROWS.items() if all(one.startswith("read: ") for one in shown)]
    assert len(left) <= READERS_ONLY, left


def test_what_is_not_there_yet_is_counted() -> None:
    assert len([key for key, (_, _, shown) in ROWS.items() if shown[0].startswith("not yet: ")]) == NOT_YET


def test_the_schemas_have_at_least_ten_unit_tests() -> None:
    unit = _tests_of("tests/unit/test_agent_models.py") | _tests_of("tests/unit/test_agent_schemas.py")
    assert len(unit) >= 10
    assert len(_tests_of("tests/integration/test_agent_database.py")) >= 6


def test_differences_are_numbered_and_every_reference_leads_to_one() -> None:
    numbered = set(re.findall(r"^(\d+)\. \*\*", PAGE.read_text("utf-8"), re.MULTILINE))
    referred = {number for _, where, _ in ROWS.values() for number in re.findall(r"difference (\d+)", where)}
    assert numbered == {str(number) for number in range(1, len(numbered) + 1)}
    assert referred <= numbered


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("tests/unit/test_agent_models.py::test_nothing_of_that_name", "no test"),
        ("tests/unit/test_gone.py::test_create_agent", "no file"),
        ("tests/unit/test_agent_models.py", "names no test"),
        ("make coffee", "no target"),
    ],
)
def test_the_check_sees_what_is_not_there(wrong: str, fault: str) -> None:
    assert fault in str(_fault(wrong))


def test_the_list_is_what_the_documents_ask_for() -> None:
    story, schema = DOCUMENTS / "story-8.2.md", DOCUMENTS / "database-schema.md"
    if not (story.exists() and schema.exists()):
        pytest.skip("the specification's documents are not part of the repository; set DESKHAND_SPEC to their folder")
    assert story_requirements(story.read_text("utf-8")) == LISTED["story"]
    assert schema_requirements(schema.read_text("utf-8")) == LISTED["schema"]


def test_a_new_line_in_a_document_is_a_new_requirement() -> None:
    """The comparison above would see it: each kind of line is taken up."""
    story = "## Acceptance Criteria\n\n1. One\n\n### Task 1: X\n- 1.1 Do\n  - 1.1a More\n\n### Notes\n- **Rule**: yes\n"
    assert story_requirements(story) == {
        "AC1": "One",
        "1.1": "Do",
        "1.1a": "More",
        "story/notes/item-1": "Rule: yes",
    }
    schema = "## Table\n\n| Column | Type |\n|---|---|\n| **id** | UUID |\n\n1. Rule\n\n```sql\nSELECT 1;\n```\n"
    assert list(schema_requirements(schema)) == ["schema/table/id", "schema/table/item-1", "schema/table/example-1"]


def test_models_and_schemas_have_docstrings() -> None:
    models = [mapper.class_ for mapper in Base.registry.mappers]
    described = [schemas.AgentStatus, schemas.TriggerType, schemas.AgentCreate, schemas.AgentUpdate]
    described += [schemas.AgentResponse, schemas.AgentTriggerCreate, llm_config.LLMConfig]
    for one in [*models, *described]:
        assert len((one.__doc__ or "").split()) >= 4, one
    about_agents = deskhand.models.Agent.__doc__ or ""
    assert "Multi-tenancy" in about_agents
    assert "LLM" in about_agents
    assert {"webhook", "schedule"} <= set(re.findall(r"\w+", deskhand.models.AgentTrigger.__doc__ or ""))
    assert "any-to-many" in (deskhand.models.AgentTool.__doc__ or "")


def test_the_models_are_exported() -> None:
    assert {"Agent", "AgentTrigger", "AgentTool"} <= set(deskhand.models.__all__)
