"""Whose a row of a file is: what exports call a company, in which shapes, and what stands in for an id. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deskhand.kit.db.companies import company_scope, id_by_name, scope_text
from deskhand.knowledge.exports.tickets import ticket_fields
from deskhand.knowledge.importer import NOBODYS, CompanyOf, of_company
from deskhand.knowledge.schemas import ArticleIn, SystemRow, TicketRow

TICKET = {"number": "INC1", "short_description": "VPN drops"}
ARTICLE = {"article_id": "KB1", "title": "VPN", "body": "Update the client."}


@pytest.mark.parametrize(
    ("columns", "company_id", "name"),
    [
        ({}, None, None),
        ({"company": "Nordwind"}, "=nordwind", "Nordwind"),
        ({"Company Name": "  Nord  Wind "}, "=nord wind", "Nord  Wind"),
        ({"Organization": "Nordwind", "Organization ID": 4711}, "4711", "Nordwind"),
        # What the desks' own APIs answer: a reference with its id, by either name.
        ({"company": {"display_value": "Nordwind", "value": "abc"}}, "abc", "Nordwind"),
        (
            {"company": {"display_value": "Nordwind", "link": "https://x.example/api/now/table/core_company/abc"}},
            "abc",
            "Nordwind",
        ),
        ({"account": {"id": "31", "name": "Nordwind"}}, "31", "Nordwind"),
        ({"organizations": [{"id": "1", "name": "Nordwind"}, {"id": "2", "name": "Suedwerk"}]}, "1", "Nordwind"),
        ({"organization_id": "4711"}, "4711", None),
        ({"company": "", "company_id": " "}, None, None),
    ],
)
def test_a_ticket_of_an_export_names_its_company(
    columns: dict[str, Any], company_id: str | None, name: str | None
) -> None:
    row = TicketRow.model_validate({**TICKET, **columns})
    assert (row.company_id, row.company_name) == (company_id, name)


@pytest.mark.parametrize("column", ["customer", "client", "site", "requester"])
def test_what_is_often_a_person_or_a_place_is_no_company_of_a_ticket(column: str) -> None:
    assert TicketRow.model_validate({**TICKET, column: "Nordwind"}).company_id is None


@pytest.mark.parametrize(
    ("value", "shared"),
    [("yes", True), ("true", True), ("1", True), (True, True), ("no", False), ("", False), (None, False)],
)
def test_what_is_shared_is_said(value: Any, shared: bool) -> None:
    assert ArticleIn.model_validate({**ARTICLE, "shared": value}).shared is shared


def test_a_word_that_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(ValidationError, match="shared"):
        ArticleIn.model_validate({**ARTICLE, "shared": "perhaps"})


@pytest.mark.parametrize(
    ("fields", "company_id"),
    [
        ({"client": "Nordwind"}, "=nordwind"),
        ({"client": "Nordwind", "company_id": "7"}, "7"),
        ({"client": "Nordwind", "company_name": "Suedwerk"}, "=suedwerk"),
        ({"client": ""}, None),
        ({}, None),
    ],
)
def test_the_client_of_a_system_is_its_company_unless_it_names_one(
    fields: dict[str, str], company_id: str | None
) -> None:
    row = SystemRow.model_validate({"hostname": "srv-1", **fields})
    assert row.company_id == company_id
    assert "company_id" not in row.attributes()


@pytest.mark.parametrize(
    ("row", "company", "expected"),
    [
        ({}, NOBODYS, {}),
        ({}, CompanyOf(name="Nordwind"), {"company_name": "Nordwind", "shared": False, "tool_type": "jira"}),
        ({}, CompanyOf(company_id="7"), {"company_id": "7", "shared": False, "tool_type": "jira"}),
        ({}, CompanyOf(shared=True), {"shared": True}),
        # A row's own word is believed, whatever is said of the whole file.
        ({"company_name": "Suedwerk"}, CompanyOf(shared=True), {"company_name": "Suedwerk", "tool_type": "jira"}),
        ({"shared": "yes"}, CompanyOf(name="Nordwind"), {"shared": "yes"}),
        (
            {"client": "Suedwerk", "tool_type": "zendesk"},
            CompanyOf(name="Nordwind"),
            {"client": "Suedwerk", "tool_type": "zendesk"},
        ),
    ],
)
def test_a_whole_file_is_whose_its_import_says_where_the_rows_do_not(
    row: dict[str, Any], company: CompanyOf, expected: dict[str, Any]
) -> None:
    fields = of_company(row, company, desk="jira")
    # What is not said and what is not so are the same: the row's own default.
    assert {name: value for name, value in fields.items() if value not in (None, False)} == {
        name: value for name, value in expected.items() if value is not False
    }


def test_fields_that_were_understood_are_left_alone() -> None:
    fields = ticket_fields({**TICKET, "company": {"id": "1", "name": "Nordwind"}})
    assert ticket_fields(fields) is fields
    assert (fields["company_id"], fields["company_name"]) == ("1", "Nordwind")


def test_names_are_compared_without_case_and_blanks_and_ids_as_they_are() -> None:
    assert id_by_name("  NORD\twind ") == id_by_name("Nord Wind") == "=nord wind"
    assert company_scope("jira", "A1", "Nord Wind") == ("jira:A1", "jira:=nord wind")
    assert company_scope("jira", "A1", " ") == ("jira:A1",)
    assert len(id_by_name("x" * 1000)) == 255
    assert scope_text(()) == ""
    assert scope_text(company_scope("jira", 'a"\\', "")) == '["jira:a\\"\\\\"]'
