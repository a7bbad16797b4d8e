"""What is ServiceNow's own: silence about mistakes, computed priorities, hidden rows, journals, tokens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from tests.plugins.servicenow import API_KEY, RunningDesk, new_simulator

from deskhand.plugins.contract import NoteDraft, TicketChanges, TicketQuery, ValueKind
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskConflictError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.servicenow import mapping
from deskhand.plugins.servicenow.client import json_body, vendor_error
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.query import Query, Term, literal, where, words
from deskhand.simulators.base import SimTicket, run_in_process
from deskhand.simulators.servicenow.tables import choice
from deskhand.simulators.testing import TEST_HTTP

MARK = "dh-0123456789abcdef0123"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[RunningDesk]:
    simulator = new_simulator(**{"seed": id(request), **getattr(request, "param", {})})
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


def options(**values: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("desk", [values], indirect=True)


def stored(desk: RunningDesk, ticket_id: str) -> SimTicket:
    return desk.simulator.store.tickets[ticket_id]


def levels(desk: RunningDesk, ticket_id: str) -> tuple[str, str]:
    custom = stored(desk, ticket_id).custom
    return custom["impact"].value, custom["urgency"].value


async def raw(desk: RunningDesk, path: str, method: str = "GET", **kwargs: Any) -> httpx2.Response:
    async with TEST_HTTP.client(desk.server.url) as client:
        return await client.request(method, f"/api/now/table/{path}", auth=("deskhand", API_KEY), **kwargs)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (400, "bad", DeskValidationError),
        (401, "Required to provide Auth information", DeskAuthError),
        (403, "ACL Exception Update Failed", DeskPermissionError),
        (
            403,
            "Data Policy Exception: The following fields are mandatory: Close code, Close notes",
            DeskValidationError,
        ),
        (404, "Record doesn't exist or ACL restricts the record retrieval", DeskNotFoundError),
        (429, "Rate limit of 10 requests per hour for Table API exceeded", DeskRateLimitedError),
        (500, "", DeskUnavailableError),
    ],
)
def test_every_error_shape(status: int, detail: str, kind: type[DeskError]) -> None:
    body = {"error": {"message": "Said", "detail": detail}, "status": "failure"}
    error = vendor_error(httpx2.Response(status, json=body))
    assert type(error) is kind
    assert error.vendor_code == "Said"
    assert detail in error.detail
    assert error.fields == (("close_code", "close_notes") if "Policy" in detail else ())


def test_rate_limit_without_retry_after_waits_for_the_reset() -> None:
    reset = int((datetime.now(UTC) + timedelta(seconds=90)).timestamp())
    headers = {"X-RateLimit-Reset": str(reset), "X-RateLimit-Rule": "agents"}
    error = vendor_error(httpx2.Response(429, text="", headers=headers))
    assert error.retry_after is not None
    assert 80 < error.retry_after <= 90
    assert "agents" in error.detail


def test_an_answer_that_broke_off_is_no_answer() -> None:
    body = {"result": [], "error": {"message": "Transaction cancelled: maximum execution time exceeded"}}
    with pytest.raises(DeskUnavailableError, match="maximum execution time"):
        json_body(httpx2.Response(200, json=body))


@pytest.mark.parametrize("status", [502, 503])
def test_a_proxy_that_answers_html(status: int) -> None:
    assert isinstance(vendor_error(httpx2.Response(status, text="<html>")), DeskUnavailableError)


async def test_rate_rule_of_the_instance(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    desk.simulator.access.limit_rate(1)
    async with desk.plugin() as plugin:
        await plugin.get_ticket(ticket_id, with_notes=False)
        with pytest.raises(DeskRateLimitedError, match="1 requests per hour") as caught:
            await plugin.get_ticket(ticket_id)
        assert caught.value.retry_after is not None
        assert 3590 <= caught.value.retry_after <= 3600
        desk.simulator.clock.advance(3601)
        await plugin.get_ticket(ticket_id, with_notes=False)


# -- queries: nothing is injected, nothing is silently ignored ---------------------------------------


def test_queries_are_encoded() -> None:
    query = Query(((Term("a", "LIKE", "x"), Term("b", "LIKE", "x")), (Term("c", ">=", "1"),)), ("-d", "e"))
    assert query.encode() == "aLIKEx^ORbLIKEx^c>=1^ORDERBYDESCd^ORDERBYe"
    assert Query().encode() == ""


def test_words_cannot_leave_their_term() -> None:
    assert words("a^NQactive=true  b") == ("a", "NQactive=true", "b")
    assert words("javascript:JavaScript:gs.sleep(9)") == ("gs.sleep(9)",)
    for bad in ("a^b", "javascript:gs.x()", " JAVASCRIPT:x", "a\nb"):
        with pytest.raises(DeskValidationError):
            literal(bad, "name")


@pytest.mark.parametrize(
    ("term", "row", "holds"),
    [
        (Term("f", "=", "ÄB"), {"f": "äb"}, True),
        (Term("f", "LIKE", "cafe"), {"f": {"value": "Das Café", "display_value": "x"}}, True),
        (Term("f", "LIKE", "x"), {"f": "y"}, False),
        (Term("f", "IN", "6,7"), {"f": "7"}, True),
        (Term("f", "IN", "6,7"), {"f": "1"}, False),
        (Term("f", ">", "2026-01-01 00:00:00"), {"f": "2026-01-01 00:00:00"}, False),
        (Term("f", ">=", "2026-01-01 00:00:00"), {"f": "2026-01-01 00:00:00"}, True),
        (Term("f", "ISNOTEMPTY"), {"f": ""}, False),
        (Term("f", "=", "x"), {}, False),
    ],
)
def test_rows_are_checked(term: Term, row: dict[str, Any], holds: bool) -> None:
    assert term.holds(row) is holds
    if not holds:
        with pytest.raises(DeskProtocolError, match="ignored the filter"):
            where(term).check(row)


async def test_operators_in_the_text_of_a_search_find_nothing_else(desk: RunningDesk) -> None:
    wanted = desk.file_ticket("Printer ^NQactive=true on fire")
    desk.file_ticket("Printer")
    desk.file_ticket("Mail")
    async with desk.plugin() as plugin:
        for text in ("printer^NQactive=true", "printer^ORshort_descriptionISNOTEMPTY fire", "fire^EQ"):
            found = [ticket.id for ticket in (await plugin.search_tickets(TicketQuery(text=text))).tickets]
            assert found in ([wanted], [])
        assert [t.id for t in (await plugin.search_tickets(TicketQuery(text="printer^NQactive=true"))).tickets] == [
            wanted
        ]


async def test_the_simulator_ignores_what_it_does_not_know(desk: RunningDesk) -> None:
    """The trap itself: a typo in a filter returns everything, a typo in a field returns less."""
    desk.file_ticket("one")
    desk.file_ticket("two")
    for query in ("short_descriptoin=one", "rubbish", "short_description~one"):
        rows = (await raw(desk, "incident", params={"sysparm_query": query})).json()["result"]
        assert len(rows) == 2
    params = {"sysparm_query": "short_description=one", "sysparm_fields": "number,nubmer"}
    assert [list(row) for row in (await raw(desk, "incident", params=params)).json()["result"]] == [["number"]]
    ticket_id = desk.file_ticket("three")
    answer = await raw(desk, f"incident/{ticket_id}", "PATCH", json={"short_descriptoin": "x"})
    assert (answer.status_code, stored(desk, ticket_id).revision) == (200, 0)


async def test_a_filter_on_a_field_that_is_not_there_is_refused(desk: RunningDesk) -> None:
    desk.file_ticket()
    async with desk.plugin(servicenow_history_field="resolved_on") as plugin:
        with pytest.raises(DeskValidationError) as caught:
            await plugin.list_history(LONG_AGO)
        assert caught.value.fields == ("resolved_on",)
        report = await plugin.test_connection()
        assert ("Field names", False, "not in sys_dictionary: resolved_on") in report.checks


async def test_without_the_dictionary_the_answer_gives_it_away(desk: RunningDesk) -> None:
    desk.file_ticket(status="Closed")
    desk.simulator.access.closed_tables = {"sys_dictionary"}
    async with desk.plugin(servicenow_history_field="resolved_on") as plugin:
        with pytest.raises(DeskProtocolError, match="ignored the filter resolved_on"):
            await plugin.list_history(LONG_AGO)
        assert (await plugin.search_tickets(TicketQuery(text="printer"))).tickets


async def test_unknown_status_words_are_refused_and_known_values_understood(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        with pytest.raises(DeskValidationError, match="New, In Progress, On Hold") as caught:
            await plugin.search_tickets(TicketQuery(status=("Opne",)))
        assert caught.value.fields == ("state",)
        for word in ("new", "1"):
            page = await plugin.search_tickets(TicketQuery(status=(word,)))
            assert [ticket.id for ticket in page.tickets] == [ticket_id]
        statuses = await plugin.list_values(ValueKind.STATUSES)
        assert [value.name for value in statuses][:2] == ["New", "In Progress"]  # not those of `task`


# -- paging: the limit counts rows before access control ----------------------------------------------


async def test_hidden_rows_make_short_pages_not_gaps(desk: RunningDesk) -> None:
    ids = [desk.file_ticket(f"Printer {number}") for number in range(9)]
    desk.simulator.access.hidden = set(ids[:2] + ids[4:7])
    visible = {ids[2], ids[3], ids[7], ids[8]}
    async with desk.plugin() as plugin:
        for ticket_id in ids:
            if ticket_id in visible:
                await plugin.resolve(ticket_id, "done")
            else:
                changes = {"resolution": "done", **desk.simulator.closing_fields("Resolved")}
                desk.simulator.change(stored(desk, ticket_id), changes, by=desk.simulator.store.bot)
        found, cursor = [], None
        while cursor is not None or not found:
            page = await plugin.search_tickets(TicketQuery(text="printer", page_size=2, cursor=cursor))
            assert page.total == 9
            found += [ticket.id for ticket in page.tickets]
            cursor = page.next_cursor
        assert sorted(found) == sorted(visible)
        history, cursor = [], None
        while cursor is not None or not history:
            read = await plugin.list_history(LONG_AGO, cursor=cursor, page_size=2)
            history += [ticket.id for ticket in read.tickets]
            cursor = read.next_cursor
        assert history == [ids[2], ids[3], ids[7], ids[8]]


async def test_history_survives_equal_times_and_edits_between_pages(desk: RunningDesk) -> None:
    at = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    ids = sorted(desk.file_ticket(f"t{n}", status="Closed", resolved_at=at, resolution="done") for n in range(7))
    async with desk.plugin() as plugin:
        found, cursor = [], None
        while cursor is not None or not found:
            page = await plugin.list_history(at, cursor=cursor, page_size=3)
            found += [ticket.id for ticket in page.tickets]
            cursor = page.next_cursor
            if len(found) == 3:  # offset paging would now skip a row
                desk.simulator.change(stored(desk, ids[0]), {"status": "New"}, by=desk.simulator.store.bot)
        assert found == ids
        assert (await plugin.list_history(at + timedelta(seconds=1))).tickets == ()
        with pytest.raises(DeskValidationError):
            await plugin.list_history(at, cursor="2026-11-20 09:00:00|x^NQactive=true")


async def test_v1_answers_an_empty_list_with_404(desk: RunningDesk) -> None:
    async with TEST_HTTP.client(desk.server.url) as client:
        for version, status in (("v1/", 404), ("v2/", 200), ("", 200)):
            answer = await client.get(f"/api/now/{version}table/incident", auth=("deskhand", API_KEY))
            assert answer.status_code == status


# -- reading ---------------------------------------------------------------------------------------


async def test_a_ticket_is_found_by_its_number(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket(status="In Progress")
    number = stored(desk, ticket_id).display_id
    async with desk.plugin() as plugin:
        ticket = await plugin.get_ticket(number)
        assert (ticket.id, ticket.display_id, ticket.status) == (ticket_id, number, "In Progress")
        assert ticket.requester is not None
        assert ticket.requester.email == "requester@corp.test"
        receipt = await plugin.add_note(number, NoteDraft(body="hello", mark=MARK))
        assert receipt.ticket_id == ticket_id
        for bad in ("INC9999999", "x/../y", "", "INC1^NQactive=true", ticket_id.upper(), "incident?x=y"):
            with pytest.raises(DeskNotFoundError):
                await plugin.get_ticket(bad)
    # The list of files asks by a checked sys_id in its query, and has the shorter address.
    assert {path.count("/") for path in desk.paths()} == {3, 4, 5}


async def test_a_record_that_access_control_hides_is_not_found(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    desk.simulator.access.hidden = {ticket_id}
    async with desk.plugin() as plugin:
        with pytest.raises(DeskNotFoundError, match="ACL restricts"):
            await plugin.get_ticket(ticket_id)


async def test_notes_without_the_journal_table(desk: RunningDesk) -> None:
    """The journal table is hidden without an error; what the record shows is enough to read and to find a write."""
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        await plugin.add_note(ticket_id, NoteDraft(body="first\n\nsecond line", mark=MARK))
        await plugin.add_note(ticket_id, NoteDraft(body="for you", public=True))
        full = (await plugin.get_ticket(ticket_id)).notes
        desk.simulator.tables.hide_journal = True
        shown = (await plugin.get_ticket(ticket_id)).notes
        assert [(note.body, note.public, note.created_at) for note in shown] == [
            (note.body, note.public, note.created_at) for note in full
        ]
        found = await plugin.find_write(ticket_id, MARK)
        assert found is not None
        assert found.adopted
        receipt = await plugin.add_note(ticket_id, NoteDraft(body="third", mark=MARK.replace("0", "a")))
        assert receipt.id == ticket_id
        assert await plugin.find_write(ticket_id, MARK.replace("0", "b")) is None


@pytest.mark.parametrize("text", ["[code]<script>alert(1)</script><b>x</b>[/code]", "a [CODE]<b>x</b>[/Code] b"])
def test_html_between_code_tags_is_cleaned(text: str) -> None:
    read = mapping.to_markdown(text)
    assert "**x**" in read
    assert "alert" not in read


@pytest.mark.parametrize("style", ["text", "html"])
async def test_text_cannot_open_or_close_the_code_tags(desk: RunningDesk, style: str) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(servicenow_note_format=style) as plugin:
        await plugin.add_note(ticket_id, NoteDraft(body="see [/code] and [code]<img src=x>[/code]", mark=MARK))
        written = stored(desk, ticket_id).notes[0].body
        assert written.count("[code]") == written.count("[/code]") == (1 if style == "html" else 0)
        (note,) = (await plugin.get_ticket(ticket_id)).notes
        assert "see" in note.body
        assert MARK in note.body


# -- writing: one save, read back ---------------------------------------------------------------------


async def test_fields_and_note_go_in_one_save(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    changes = TicketChanges(subject="other", category="Network", priority="high", note=NoteDraft(body="why", mark=MARK))
    async with desk.plugin() as plugin:
        receipt = await plugin.update_ticket(ticket_id, changes, mark=MARK, if_revision="0")
    ticket = stored(desk, ticket_id)
    assert (ticket.subject, ticket.category, ticket.priority, ticket.revision) == ("other", "Network", "2 - High", 1)
    assert receipt.revision == "1"
    assert len(desk.paths("PATCH")) == 1


async def test_priority_changes_as_little_as_possible(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket(priority="4 - Low")
    stored(desk, ticket_id).custom.update(desk_levels("3", "2"))
    async with desk.plugin() as plugin:
        for priority, pair in (
            ("medium", ("3", "1")),
            ("critical", ("1", "1")),
            ("high", ("1", "2")),
            ("low", ("3", "2")),
        ):
            await plugin.update_ticket(ticket_id, TicketChanges(priority=priority))
            assert levels(desk, ticket_id) == pair
        assert len(desk.paths("PATCH")) == 4
        await plugin.update_ticket(ticket_id, TicketChanges(priority="low"))
        assert len(desk.paths("PATCH")) == 4


def desk_levels(impact: str, urgency: str) -> dict[str, Any]:
    return {"impact": choice("impact", impact), "urgency": choice("urgency", urgency)}


async def test_priority_words_of_the_tenant_and_of_other_languages(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(priorities={"critical": "3 - Moderate", "high": "4 - Niedrig"}) as plugin:
        await plugin.update_ticket(ticket_id, TicketChanges(priority="critical"))
        assert stored(desk, ticket_id).priority == "3 - Moderate"
        assert (await plugin.get_ticket(ticket_id)).priority == "critical"
        await plugin.update_ticket(ticket_id, TicketChanges(priority="high"))
        assert stored(desk, ticket_id).priority == "4 - Low"
        with pytest.raises(DeskValidationError, match="no priority 'P0'"):
            await plugin.update_ticket(ticket_id, TicketChanges(priority="P0"))


async def test_a_matrix_that_is_not_the_instance_s_is_noticed(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(servicenow_priority_matrix={"2,2": "1"}) as plugin:
        with pytest.raises(DeskValidationError, match="priority is '3 - Moderate'") as caught:
            await plugin.update_ticket(ticket_id, TicketChanges(priority="critical"))
        assert caught.value.fields == ("priority",)
        with pytest.raises(DeskValidationError, match="no pair makes 2"):
            await plugin.update_ticket(ticket_id, TicketChanges(priority="high"))
    async with desk.plugin(servicenow_priority_computed=False) as plugin:
        with pytest.raises(DeskValidationError, match="not every value"):
            await plugin.update_ticket(ticket_id, TicketChanges(priority="low"))


@options(computed_priority=False)
async def test_priority_of_an_instance_without_a_matrix(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(servicenow_priority_computed=False) as plugin:
        await plugin.update_ticket(ticket_id, TicketChanges(priority="high"))
    assert stored(desk, ticket_id).priority == "2 - High"
    assert levels(desk, ticket_id) == ("3", "3")


async def test_what_is_silently_not_written_is_reported(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    desk.simulator.access.read_only = {"short_description", "work_notes"}
    async with desk.plugin() as plugin:
        with pytest.raises(DeskValidationError, match="took the call but not") as caught:
            await plugin.update_ticket(ticket_id, TicketChanges(subject="other"))
        assert caught.value.fields == ("short_description",)
        with pytest.raises(DeskPermissionError, match="wrote no note"):
            await plugin.add_note(ticket_id, NoteDraft(body="hello", mark=MARK))


@options(extra_columns=("u_site",))
async def test_custom_fields(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(servicenow_extra_fields=("u_site",)) as plugin:
        await plugin.update_ticket(ticket_id, TicketChanges(custom={"u_site": "Bern", "knowledge": True}))
        ticket = await plugin.get_ticket(ticket_id)
        assert ticket.custom["u_site"] == "Bern"
        assert stored(desk, ticket_id).custom["knowledge"].value == "true"
        writes = len(desk.paths("PATCH"))
        for custom in ({"u_stie": "Bern"}, {"work_notes": "x"}, {"u site": "x"}, {"caller_id.email": "x"}):
            with pytest.raises(DeskValidationError):
                await plugin.update_ticket(ticket_id, TicketChanges(custom=custom))
        desk.simulator.access.closed_tables = {"sys_dictionary"}
        assert len(desk.paths("PATCH")) == writes
    async with desk.plugin(servicenow_table_parents=()) as plugin:  # another cache: the dictionary is closed now
        with pytest.raises(DeskValidationError, match="no field u_stie"):
            await plugin.update_ticket(ticket_id, TicketChanges(custom={"u_stie": "Bern"}))


async def test_refused_values_are_named(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        for changes, field in (
            (TicketChanges(priority="Whatever"), "priority"),
            (TicketChanges(group="No such group"), "assignment_group"),
            (TicketChanges(group="Network^NQactive=true"), "assignment_group"),
            (TicketChanges(assignee_email="nobody@desk.test"), "assigned_to"),
            (TicketChanges(category="Bikes"), "category"),
            (TicketChanges(custom={"number": "INC1"}), "number"),
        ):
            with pytest.raises(DeskValidationError) as caught:
                await plugin.update_ticket(ticket_id, changes)
            assert caught.value.fields == (field,)
        with pytest.raises(DeskUnsupportedError):
            await plugin.update_ticket(ticket_id, TicketChanges(add_tags=("x",)))
        with pytest.raises(DeskConflictError):
            await plugin.update_ticket(ticket_id, TicketChanges(subject="x"), if_revision="17")


async def test_long_texts_are_cut_visibly(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        changes = TicketChanges(subject="s" * 200, custom={"description": "d" * 5000})
        await plugin.update_ticket(ticket_id, changes)
        await plugin.resolve(ticket_id, "r" * 5000, mark=MARK)
        found = await plugin.find_write(ticket_id, MARK)
    ticket = stored(desk, ticket_id)
    assert 155 < len(ticket.subject) <= 160
    assert 3990 < len(ticket.description) <= 4000
    assert 3990 < len(ticket.resolution or "") <= 4000
    assert "characters left out" in ticket.subject
    assert "characters left out" in ticket.description
    assert (ticket.resolution or "").endswith(f"Ref: {MARK}")
    assert found is not None


async def test_resolving_meets_the_data_policy(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    refused = await raw(desk, f"incident/{ticket_id}", "PATCH", json={"state": "6", "close_code": "Duplicate"})
    assert refused.status_code == 403
    assert vendor_error(refused).fields == ("close_notes",)
    async with desk.plugin(servicenow_close_code="Solved (Permanently)") as plugin:
        with pytest.raises(DeskValidationError, match=r"no close_code 'Solved .Permanently.'"):
            await plugin.resolve(ticket_id, "done")
        assert ("Resolution code", False) in [check[:2] for check in (await plugin.test_connection()).checks]
    assert stored(desk, ticket_id).status == "New"
    async with desk.plugin(servicenow_close_code="User error") as plugin:
        await plugin.resolve(ticket_id, "done")
        ticket = await plugin.get_ticket(ticket_id)
    assert (ticket.status, ticket.custom["close_code"], ticket.resolution) == ("Resolved", "User error", "done")


# -- signing in ------------------------------------------------------------------------------------


def tokens(desk: RunningDesk) -> int:
    return desk.paths("POST").count("/oauth_token.do")


async def test_expired_token_is_renewed_once_for_all(desk: RunningDesk) -> None:
    desk.file_ticket()
    async with desk.plugin(servicenow_auth="oauth") as plugin, desk.plugin(servicenow_auth="oauth") as another:
        await plugin.search_tickets(TicketQuery())
        await another.search_tickets(TicketQuery())
        assert tokens(desk) == 1
        desk.simulator.expire_tokens()
        pages = [plugin.search_tickets(TicketQuery()) for _ in range(6)]
        await asyncio.gather(*pages, another.search_tickets(TicketQuery()))
        assert tokens(desk) == 2


async def test_wrong_credentials_are_refused(desk: RunningDesk) -> None:
    for auth in ("basic", "oauth"):
        async with desk.plugin(servicenow_auth=auth, servicenow_api_key="wrong") as plugin:
            with pytest.raises(DeskAuthError):
                await plugin.search_tickets(TicketQuery())
            assert not (await plugin.test_connection()).ok


async def test_connection_names_the_account(desk: RunningDesk) -> None:
    for auth in ("basic", "oauth"):
        async with desk.plugin(servicenow_auth=auth) as plugin:
            report = await plugin.test_connection()
            assert report.ok, report.checks
            assert report.account is not None
            assert (report.account.name, report.account.email) == ("deskhand", "deskhand@desk.test")
    changes = {"servicenow_auth": "oauth", "servicenow_username": None}
    for bot in (None, "someone"):
        async with desk.plugin(**changes, servicenow_bot_username=bot) as plugin:
            report = await plugin.test_connection()
            assert not report.ok
            assert "servicenow_bot_username" in report.checks[-1][2]


@options(time_zone="Europe/Berlin")
async def test_an_account_outside_gmt_is_refused_and_its_gaps_are_real(desk: RunningDesk) -> None:
    at = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    desk.file_ticket("t", status="Closed", resolved_at=at, resolution="done")
    async with desk.plugin() as plugin:
        report = await plugin.test_connection()
        assert [check[1] for check in report.checks] == [True, False]
        assert "Europe/Berlin" in report.checks[-1][2]
        with pytest.raises(DeskProtocolError, match="GMT"):  # 10:00 is read as 09:00 UTC: a row too many
            await plugin.list_history(datetime(2026, 11, 20, 10, 0, tzinfo=UTC))


def test_configuration_is_checked() -> None:
    good = {"servicenow_instance_url": "https://acme.service-now.com/", "servicenow_api_key": "k"}
    config = ServiceNowConfig.model_validate({**good, "servicenow_username": "deskhand"})
    assert (config.servicenow_instance_url, config.bot) == ("https://acme.service-now.com", "deskhand")
    assert "k" not in repr(config.servicenow_api_key)
    assert config.servicenow_priority_matrix["2,1"] == "2"
    for bad in (
        {},
        {"servicenow_auth": "oauth"},
        {"servicenow_username": "d", "servicenow_instance_url": "acme"},
        {"servicenow_username": "d", "servicenow_api_key": " "},
        {"servicenow_username": "d", "servicenow_table": "incident?x"},
        {"servicenow_username": "d", "servicenow_extra_fields": ("a,b",)},
        {"servicenow_username": "d", "servicenow_priority_matrix": {"high": "1"}},
        {"servicenow_username": "d", "servicenow_typo": "x"},
    ):
        with pytest.raises(ValidationError):
            ServiceNowConfig.model_validate({**good, **bad})
