"""The wall around one run: whose tickets of a desk it may see, and for whom it may file one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from pydantic_core import to_jsonable_python
from tests.support.runs import ticket

from deskhand.errors import ForbiddenError
from deskhand.kit.db.companies import EVERY_COMPANY, NO_DESK, SHARED_ONLY
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Company, Ticket, TicketDraft, TicketingToolPlugin
from deskhand.tenants.boundaries import Boundaries, stored_rules
from deskhand.work.companies import REFUSED, CompanyWall, read_ticket

NORDWIND, SUEDWERK = Company(id="1", name="Nordwind"), Company(id="2", name="Suedwerk")
APART, ONE = {"jira": "company"}, {"*": "one"}
DESKS = frozenset({"jira", "zendesk"})


class Desk:
    """A desk that has one ticket."""

    def __init__(self, there: Ticket) -> None:
        self._there = there

    async def get_ticket(self, _ref: str, *, with_notes: bool = True) -> Ticket:
        return self._there


def other(company: Company | None, tool_type: str = "jira") -> Ticket:
    return ticket(id="99", display_id="IT-99", subject="secret", company=company, tool_type=tool_type)


async def wall_of(db: Database, own: Ticket | None, mapping: dict[str, str]) -> CompanyWall:
    wall = CompanyWall(mapping, DESKS)
    async with db.tenant_session("acme") as session:
        await wall.enter(session, "acme", own)
    return wall


async def read(wall: CompanyWall, there: Ticket) -> Ticket:
    desk = cast(TicketingToolPlugin, Desk(there))
    raw = to_jsonable_python(await wall.read(desk, there.id, with_notes=False))
    return read_ticket(cast(dict[str, Any], raw))


async def shown(wall: CompanyWall, *listed: Ticket) -> list[Ticket]:
    return await wall.admitted(cast(TicketingToolPlugin, Desk(listed[0])), listed)


async def test_a_run_is_shown_tickets_of_its_own_company_alone(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    wall = await wall_of(clean_db, ticket(company=NORDWIND), APART)
    assert wall.scope == ("jira:1", "jira:=nordwind")
    assert (await read(wall, other(NORDWIND))).subject == "secret"
    assert (await read(wall, ticket(company=None))).id == ticket().id, "its own, whatever became of it"
    strangers = [other(SUEDWERK), other(None), other(NORDWIND, "zendesk")]
    for stranger in strangers:
        with pytest.raises(ForbiddenError) as refused:
            await read(wall, stranger)
        assert "secret" not in refused.value.detail
    assert await shown(wall, *strangers, other(NORDWIND)) == [other(NORDWIND)]


async def test_a_ticket_of_nobodys_company_is_shown_itself_alone(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    wall = await wall_of(clean_db, ticket(), APART)
    assert (wall.scope, wall.output({})) == (SHARED_ONLY, {})
    assert await shown(wall, other(None), other(NORDWIND), ticket()) == [ticket()]


async def test_where_all_is_one_company_every_ticket_is_shown(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    wall = await wall_of(clean_db, ticket(company=NORDWIND), ONE)
    assert (wall.scope, wall.is_up) == (EVERY_COMPANY, False)
    strangers = [other(SUEDWERK), other(None), other(NORDWIND, "zendesk")]
    assert await shown(wall, *strangers) == strangers
    # From the tenant's own desk, what another desk holds for its clients is not looked at either.
    mixed = await wall_of(clean_db, ticket(tool_type="zendesk"), {**APART, "zendesk": "one"})
    assert mixed.scope == (NO_DESK, "zendesk")
    assert await shown(mixed, *strangers) == [strangers[2]]


async def test_the_first_company_that_a_desk_names_puts_the_wall_up(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    assert (await wall_of(clean_db, ticket(), {})).scope == EVERY_COMPANY
    assert (await wall_of(clean_db, ticket(company=NORDWIND), {})).scope == ("jira:1", "jira:=nordwind")
    assert (await wall_of(clean_db, ticket(), {})).scope == SHARED_ONLY
    assert (await wall_of(clean_db, None, {})).scope == (NO_DESK, "zendesk")


async def test_a_run_files_tickets_for_its_own_company_alone(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    wall = await wall_of(clean_db, ticket(company=NORDWIND), APART)
    for allowed in (None, "1", "Nordwind"):
        wall.ensure_may_file("jira", TicketDraft(subject="s", company=allowed))
    for tool, company in (("jira", "Suedwerk"), ("jira", "2"), ("zendesk", "1")):
        with pytest.raises(ForbiddenError):
            wall.ensure_may_file(tool, TicketDraft(subject="s", company=company))
    (await wall_of(clean_db, None, APART)).ensure_may_file("jira", TicketDraft(subject="s", company="Suedwerk"))


async def test_a_company_has_changed_by_its_id_and_not_by_its_name(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    wall = await wall_of(clean_db, ticket(company=NORDWIND), APART)
    assert wall.output({}) == {"company": {"id": "1", "name": "Nordwind"}}
    assert not wall.has_moved(ticket(company=Company(id="1", name="Nordwind AG")))
    assert wall.has_moved(ticket(company=SUEDWERK))
    assert wall.has_moved(ticket(company=None))


def rules(*said: dict[str, Any]) -> Boundaries:
    return Boundaries(stored_rules({"boundaries": list(said)}))


async def test_a_sensitive_ticket_is_shown_to_its_own_run_alone(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    careful = [{"name": "HR", "effect": effect, "group": ["HR"]} for effect in ("approve", "local")]
    hr, plain = ticket(id="99", group="HR"), ticket(id="98", group="Network")
    for rule in careful:
        wall = await wall_of(clean_db, ticket(group="HR"), ONE)
        wall.boundaries = rules(rule)
        assert (await read(wall, ticket(group="HR"))).group == "HR", "its own"
        with pytest.raises(ForbiddenError, match="rule 'HR' is about"):
            await read(wall, hr)
        assert await shown(wall, plain, hr) == [plain]
    wall.boundaries = rules({"name": "HR", "group": ["HR"]})
    with pytest.raises(ForbiddenError, match="rule 'HR' is about"):
        await read(wall, ticket(group="HR"))
    assert "not_written_code" not in wall.output({"not_written": "It was solved."}), "of others it says nothing"
    own = await wall.read_own(cast(TicketingToolPlugin, Desk(hr)), "99")
    assert list(own) == [REFUSED]
    assert wall.output({"not_written": own[REFUSED]})["not_written_code"] == "kept_out"
    assert "not_written_code" not in wall.output({"note": {}})
    with pytest.raises(ForbiddenError, match="rule 'HR'"):
        wall.ensure_may_file("jira", TicketDraft(subject="s", group="hr"))


async def test_a_ticket_of_which_a_list_says_too_little_is_read(clean_db: Database, make_tenant: Any) -> None:
    await make_tenant("acme")
    wall = await wall_of(clean_db, None, ONE)
    wall.boundaries = rules({"name": "Legal", "custom": {"matter": ["yes"]}})
    listed = ticket(id="99")
    for answer, expected in (({"matter": "Yes"}, []), ({"matter": "no"}, [listed]), ({}, [listed])):
        desk = cast(TicketingToolPlugin, Desk(replace(listed, custom=answer)))
        assert await wall.admitted(desk, [listed]) == expected
