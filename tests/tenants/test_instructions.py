"""What a tenant tells about certain tickets: read as it is stored, and told where that is sure."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.runs import ticket

from deskhand.errors import ConfigurationError
from deskhand.plugins.contract import Company, Person
from deskhand.tenants.boundaries import NO_BOUNDARIES, Boundaries
from deskhand.tenants.instructions import AT_ONCE, Instruction, instructions_for, stored_instructions

NORDWIND = {"name": "Nordwind", "company": ["Nordwind"], "rules": ["Ask before a restart."], "contacts": ["Ann: 55"]}
ALL = {"name": "Jira", "desk": ["jira"], "articles": ["KB-1"]}


def names(about: Any, *told: dict[str, Any], known: Boundaries = NO_BOUNDARIES) -> list[str]:
    instructions = stored_instructions({"instructions": list(told)})
    return [one.name for one in instructions_for(instructions, known.of_ticket(about))]


def test_each_that_surely_fits_is_told_in_its_order() -> None:
    assert names(ticket(company=Company(id="1", name="nordwind")), NORDWIND, ALL) == ["Nordwind", "Jira"]
    assert names(ticket(company=Company(id="2", name="Suedwerk")), NORDWIND, ALL) == ["Jira"]
    assert names(ticket(), NORDWIND) == []
    # Of an id without a name nobody can tell, and another client's contact is worse than none.
    nameless = ticket(company=Company(id="1", name="1"))
    assert names(nameless, NORDWIND) == []
    assert names(nameless, NORDWIND, known=Boundaries((), {("jira", "1"): "Nordwind"})) == ["Nordwind"]
    hidden = {**ALL, "name": "Board", "requester": ["@board.example"]}
    assert names(ticket(requester=Person(id="9")), hidden) == []
    assert len(names(ticket(), *[{**ALL, "name": str(number)} for number in range(AT_ONCE + 2)])) == AT_ONCE


def test_what_cannot_be_read_is_not_taken_for_nothing() -> None:
    assert stored_instructions(None) == stored_instructions({}) == ()
    for broken in ("none", [{"name": "x", "rules": ["y"]}]):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            stored_instructions({"instructions": broken})


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": None, "contacts": None},
        {"company": None},
        {"rules": []},
        {"rules": [" "]},
        {"rules": ["x" * 301]},
        {"articles": ["1", "2", "3", "4"]},
        {"tools": ["reply"]},
    ],
    ids=["tells nothing", "about every ticket", "an empty list", "blanks", "too long", "too many", "grants a tool"],
)
def test_an_instruction_tells_something_about_certain_tickets_and_grants_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Instruction.model_validate({**NORDWIND, **wrong})


def test_the_document_asks_for_a_condition_and_for_something_told() -> None:
    about, told = Instruction.model_json_schema()["allOf"]
    assert {"company", "words"} <= {one["required"][0] for one in about["anyOf"]}
    assert [one["required"] for one in told["anyOf"]] == [["rules"], ["contacts"], ["articles"]]
