"""Which desk keeps its client companies apart, and what a run for one of them may see."""

from __future__ import annotations

import pytest
from tests.conftest import MakeTenant

from deskhand.kit.db.companies import EVERY_COMPANY, NO_DESK, SHARED_ONLY
from deskhand.kit.db.session import Database
from deskhand.tenants.companies import known_companies, mode_of, naming_desks, note_companies, scope_of

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
