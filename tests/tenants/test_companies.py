"""Which desk keeps its client companies apart, and what a run for one of them may see."""

from __future__ import annotations

import pytest
from tests.conftest import MakeTenant

from deskhand.kit.db.companies import EVERY_COMPANY, NO_DESK, SHARED_ONLY
from deskhand.kit.db.session import Database
from deskhand.tenants.companies import (
    ids_by_name,
    known_companies,
    mode_of,
    naming_desks,
    note_companies,
    scope_of,
)

DESKS = ("jira", "zendesk")
NORDWIND = ("1", "Nordwind")
OWN = ("zendesk:1", "zendesk:=nordwind")


@pytest.mark.parametrize(
    ("mapping", "naming", "mode"),
    [
        ({}, (), "one"),
        ({}, ("zendesk",), "company"),
        ({}, ("jira",), "one"),
        ({"*": "one"}, ("zendesk",), "one"),
        ({"zendesk": "one", "*": "company"}, ("zendesk",), "one"),
        ({"zendesk": "company", "*": "one"}, (), "company"),
        ({"zendesk": "compny"}, (), "company"),  # what nobody understands must not open anything
    ],
)
def test_a_desk_is_one_company_until_it_names_one_or_somebody_says(
    mapping: dict[str, str], naming: tuple[str, ...], mode: str
) -> None:
    assert mode_of(mapping, "zendesk", naming) == mode


@pytest.mark.parametrize(
    ("mapping", "naming", "tool", "company", "scope"),
    [
        ({}, (), "zendesk", None, EVERY_COMPANY),
        ({}, (), None, None, EVERY_COMPANY),
        ({}, ("zendesk",), "zendesk", NORDWIND, OWN),
        ({}, ("zendesk",), "zendesk", None, SHARED_ONLY),
        ({}, ("zendesk",), "zendesk", ("1", " "), OWN[:1]),
        # The tenant's own desk beside one that serves others: what is the tenant's own stays its own.
        ({}, ("zendesk",), "jira", None, (NO_DESK, "jira")),
        ({}, ("zendesk",), None, None, (NO_DESK, "jira")),
        ({"*": "company"}, (), "zendesk", None, SHARED_ONLY),
        ({"*": "company"}, (), None, None, (NO_DESK,)),
        ({"*": "one"}, ("zendesk",), "zendesk", NORDWIND, EVERY_COMPANY),
        ({"jira": "company"}, (), "zendesk", None, (NO_DESK, "zendesk")),
    ],
)
def test_a_run_sees_its_company_or_the_desks_that_are_one(
    mapping: dict[str, str],
    naming: tuple[str, ...],
    tool: str | None,
    company: tuple[str, str] | None,
    scope: tuple[str, ...],
) -> None:
    assert scope_of(mapping, naming, DESKS, tool_type=tool, company=company) == scope


async def test_companies_are_known_by_their_newest_name(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    for named in ([], [("zendesk", "1", "Nordwind"), ("jira", "1", "Else")], [("zendesk", "1", "Nordwind AG\x00")]):
        async with clean_db.tenant_session("acme") as session:
            await note_companies(session, "acme", named)
    async with clean_db.tenant_session("acme") as session:
        assert await naming_desks(session) == {"jira", "zendesk"}
        known = [(one.tool_type, one.company_id, one.name) for one in await known_companies(session)]
    assert known == [("jira", "1", "Else"), ("zendesk", "1", "Nordwind AG")]


async def test_the_first_name_is_a_companys_for_good(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    told = (
        [("zendesk", "1", "Nordwind")],
        # Two changed names, and a third one took what the first had.
        [("zendesk", "1", "Suedwerk"), ("zendesk", "2", "Suedwerk alt"), ("zendesk", "3", " NORDWIND ")],
        # Another desk's company, and what is known by a name alone.
        [("jira", "9", "Nordwind"), ("jira", "=suedwerk", "Suedwerk")],
    )
    first: dict[tuple[str, str], str] = {}
    for named in told:
        async with clean_db.tenant_session("acme") as session:
            first |= await note_companies(session, "acme", named)
    async with clean_db.tenant_session("acme") as session:
        # Told once more, a company answers as before.
        assert await note_companies(session, "acme", told[1]) == {
            key: first[key] for key in first if key[0] == "zendesk"
        }
        called = await ids_by_name(session, {"zendesk", "jira"})
    assert first == {
        ("zendesk", "1"): "nordwind",
        ("zendesk", "2"): "suedwerk alt",
        ("zendesk", "3"): "",
        ("jira", "9"): "nordwind",
        ("jira", "=suedwerk"): "",
    }
    assert called == {
        ("zendesk", "=suedwerk"): "1",
        ("zendesk", "=suedwerk alt"): "2",
        ("zendesk", "=nordwind"): "3",
        ("jira", "=nordwind"): "9",
    }


async def test_a_name_that_two_bear_names_neither(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    async with clean_db.tenant_session("acme") as session:
        await note_companies(
            session, "acme", [("jira", "1", "Nordwind"), ("jira", "2", "nordwind"), ("jira", "3", "Else")]
        )
        assert await ids_by_name(session, {"jira"}) == {("jira", "=else"): "3"}
        assert await ids_by_name(session, set()) == {}
