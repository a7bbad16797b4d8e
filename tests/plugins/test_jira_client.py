"""The Jira wire: both error shapes, limits by scope, tokens; and what the plugin makes of hard cases."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from pydantic import ValidationError
from tests.plugins.jira_desk import TOKEN, make_simulator, reset
from tests.plugins.jira_desk import make_plugin as _make_plugin

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
from deskhand.plugins.jira import JiraPlugin, jql
from deskhand.plugins.jira.client import read_error
from deskhand.plugins.jira.config import JiraConfig
from deskhand.simulators.base import Fault, SimTicket, run_in_process
from deskhand.simulators.jira import world
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.jira.world import GROUP_FIELD, HOST_FIELD, WORKAROUND_FIELD, account_id
from deskhand.simulators.testing.contract import NOW

MARK = "dh-0123456789abcdef0123"
LIMITED = DeskRateLimitedError
Site = tuple[JiraSimulator, str]


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Site]:
    simulator = make_simulator()
    async with run_in_process(simulator.build()) as server:
        yield simulator, server.url


@pytest.fixture
def site(running: Site) -> Site:
    reset(running[0])
    running[0].issue_writes = ((20, 2.0), (100, 30.0))
    running[0].burst = None
    return running


_opened: list[JiraPlugin] = []


@pytest.fixture(autouse=True)
async def _close() -> AsyncIterator[None]:
    yield
    while _opened:
        await _opened.pop().aclose()


def make_plugin(simulator: JiraSimulator, url: str, **extra: Any) -> JiraPlugin:
    _opened.append(_make_plugin(simulator, url, **extra))
    return _opened[-1]


def file(simulator: JiraSimulator, subject: str = "Printer jams", **fields: Any) -> SimTicket:
    return simulator.file_ticket(subject=subject, requester=simulator.store.person("requester@corp.test"), **fields)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "code", "scope"),
    [
        (400, {}, {"errorMessages": [], "errors": {"priority": "cannot be set"}}, DeskValidationError, "400", None),
        (401, {}, {"errorMessages": ["no"], "errors": {}}, DeskAuthError, "401", None),
        (403, {}, {"errorMessage": "no", "i18nErrorMessage": {"i18nKey": "sd.no"}}, DeskPermissionError, "sd.no", None),
        (403, {"X-Seraph-LoginReason": "AUTHENTICATION_DENIED"}, {}, DeskAuthError, "403", None),
        (404, {}, {"errorMessages": ["Issue does not exist"]}, DeskNotFoundError, "404", None),
        (409, {}, {}, DeskConflictError, "409", None),
        (410, {}, {"errorMessages": ["removed: CHANGE-2046"]}, DeskUnsupportedError, "410", None),
        (413, {}, {}, DeskValidationError, "413", None),
        (422, {}, {}, DeskValidationError, "422", None),
        (429, {"RateLimit-Reason": "jira-burst-based"}, {}, LIMITED, "jira-burst-based", "endpoint"),
        (429, {"RateLimit-Reason": "jira-per-issue-on-write"}, {}, LIMITED, "jira-per-issue-on-write", "ticket"),
        (429, {"RateLimit-Reason": "jira-quota-tenant-based"}, {}, LIMITED, "jira-quota-tenant-based", "account"),
        (429, {"RateLimit-Reason": "jira-quota-global-based"}, {}, LIMITED, "jira-quota-global-based", "account"),
        (429, {}, {}, LIMITED, "429", "endpoint"),
        (503, {}, {}, DeskUnavailableError, "503", None),
        (302, {"Location": "/login"}, {}, DeskProtocolError, "302", None),
    ],
)  # fmt: skip
def test_errors_of_both_shapes(
    status: int, headers: dict[str, str], body: Any, kind: type[DeskError], code: str, scope: str | None
) -> None:
    error = read_error(httpx2.Response(status, headers={"Retry-After": "7", **headers}, json=body))
    assert type(error) is kind
    assert (error.vendor_code, error.scope) == (code, scope)
    assert error.detail.startswith("Jira Service Management")
    if status == 400:
        assert error.fields == ("priority",)
    if status in {429, 503}:
        assert error.retry_after == 7.0
    if status == 404:
        assert "may not see it" in error.detail


def test_an_error_without_json_is_told_by_its_status() -> None:
    error = read_error(httpx2.Response(502, text="<html>Bad gateway</html>"))
    assert isinstance(error, DeskUnavailableError)


async def test_writes_on_one_ticket_are_limited(site: Site) -> None:
    simulator, url = site
    ticket, other = file(simulator), file(simulator)
    plugin = make_plugin(simulator, url)
    for number in range(20):
        await plugin.add_note(ticket.id, NoteDraft(body=f"note {number}"))
    with pytest.raises(DeskRateLimitedError) as limited:
        await plugin.add_note(ticket.id, NoteDraft(body="one too many"))
    assert (limited.value.scope, limited.value.vendor_code) == ("ticket", "jira-per-issue-on-write")
    assert limited.value.retry_after == 2.0
    await plugin.add_note(other.id, NoteDraft(body="another ticket is free"))
    simulator.clock.advance(3)
    await plugin.add_note(ticket.id, NoteDraft(body="later"))


async def test_a_burst_on_one_endpoint_is_limited(site: Site) -> None:
    simulator, url = site
    simulator.burst = (3, 1.0)
    plugin = make_plugin(simulator, url)
    for _ in range(3):
        await plugin.list_values(ValueKind.FIELDS)
    with pytest.raises(DeskRateLimitedError) as limited:
        await plugin.list_values(ValueKind.FIELDS)
    assert limited.value.scope == "endpoint"
    assert await plugin.list_values(ValueKind.STATUSES)


async def test_a_ticket_we_may_not_see_does_not_exist(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    simulator.hidden.add(ticket.id)
    plugin = make_plugin(simulator, url)
    with pytest.raises(DeskNotFoundError, match="may not see it"):
        await plugin.get_ticket(ticket.id)
    assert (await plugin.search_tickets(TicketQuery())).tickets == ()


# -- credentials -----------------------------------------------------------------------------------


def _oauth(simulator: JiraSimulator, url: str, **extra: Any) -> dict[str, Any]:
    return {
        "jira_email": None,
        "jira_client_id": "simulated-client",
        "jira_cloud_id": simulator.cloud_id,
        "jira_gateway_url": url,
        "jira_token_url": f"{url}/oauth/token",
        **extra,
    }


async def test_an_ended_token_is_fetched_anew_once(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    plugin = make_plugin(simulator, url, **_oauth(simulator, url))
    await plugin.get_ticket(ticket.id)
    simulator.expire_tokens()
    assert (await plugin.get_ticket(ticket.id)).id == ticket.id
    assert sum(1 for call in simulator.calls if call["path"] == "/oauth/token") <= 2


async def test_wrong_credentials_are_refused_whatever_their_kind(site: Site) -> None:
    simulator, url = site
    for extra in (
        {"jira_api_token": "wrong"},
        {"jira_email": None, "jira_api_token": "wrong"},
        {"jira_email": "other@desk.test"},
        _oauth(simulator, url, jira_client_id="unknown"),
    ):
        plugin = make_plugin(simulator, url, **extra)
        with pytest.raises(DeskAuthError):
            await plugin.list_values(ValueKind.FIELDS)
        report = await plugin.test_connection()
        assert not report.ok


async def test_a_token_alone_is_a_bearer_token(site: Site) -> None:
    simulator, url = site
    plugin = make_plugin(simulator, url, jira_email=None)
    report = await plugin.test_connection()
    assert report.ok, report.checks
    assert report.account is not None
    assert report.account.id == account_id(simulator.store.bot)


async def test_the_check_says_which_step_failed(site: Site) -> None:
    simulator, url = site
    plugin = make_plugin(simulator, url, jira_project_key="OTHER")
    report = await plugin.test_connection()
    assert [(title, passed) for title, passed, _ in report.checks] == [
        ("Address", True),
        ("Credentials", True),
        ("Service project", False),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"jira_url": "example.atlassian.net"},
        {"jira_api_token": " "},
        {"jira_project_key": "HELP DESK"},
        {"jira_time_zone": "Mars/Olympus"},
        {"jira_client_id": "x"},
        {"jira_client_id": "x", "jira_cloud_id": "y", "jira_email": "a@b.test"},
        {"jira_unknown": "x"},
    ],
)
def test_configuration_is_checked(wrong: dict[str, str]) -> None:
    right = {"jira_url": "https://x.atlassian.net/", "jira_api_token": TOKEN, "jira_project_key": "HELP"}
    assert JiraConfig.model_validate(right).jira_url == "https://x.atlassian.net"
    assert JiraConfig.model_validate({**right, "jira_project_key": "help"}).jira_project_key == "HELP"
    with pytest.raises(ValidationError):
        JiraConfig.model_validate({**right, **wrong})


# -- searching -------------------------------------------------------------------------------------


def test_user_text_cannot_leave_its_place_in_the_query() -> None:
    hostile = 'x" OR project = SECRET ORDER BY key -- AND NOT (a:b) ~5 c* \\ "'
    statement = jql.search(TicketQuery(text=hostile, status=('Open" OR 1=1',)), "HELP", ZoneInfo("UTC"))
    assert statement.startswith('project = "HELP" AND text ~ ')
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "S", statement)
    assert re.fullmatch(r"project = S AND (text ~ S AND )+status in \(S\) ORDER BY updated DESC", outside)


async def test_hostile_search_text_is_accepted_by_the_desk(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator, 'He said "printer" (again) \\ AND gone?')
    plugin = make_plugin(simulator, url)
    page = await plugin.search_tickets(TicketQuery(text='"printer" (again) \\ AND gone? *:~^!'))
    assert [found.id for found in page.tickets] == [ticket.id]
    assert (await plugin.search_tickets(TicketQuery(text="printer scanner"))).tickets == ()


async def test_dates_are_in_the_zone_of_our_account(site: Site) -> None:
    simulator, url = site  # the account's zone is Europe/Berlin
    early = file(simulator)
    simulator.clock.advance(90)
    late = file(simulator)
    plugin = make_plugin(simulator, url)
    page = await plugin.search_tickets(TicketQuery(updated_since=NOW + timedelta(seconds=45)))
    assert [ticket.id for ticket in page.tickets] == [late.id]
    page = await plugin.search_tickets(TicketQuery(updated_since=NOW - timedelta(seconds=1)))
    assert [ticket.id for ticket in page.tickets] == [late.id, early.id]
    # An account whose zone we get wrong would look an hour aside.
    wrong = make_plugin(simulator, url, jira_time_zone="Asia/Kolkata")
    assert (await wrong.search_tickets(TicketQuery(updated_since=NOW))).tickets == ()


async def test_our_own_writes_are_found_before_the_index_sees_them(site: Site) -> None:
    simulator, url = site
    mine, theirs = file(simulator, "Printer one"), file(simulator, "Printer two")
    simulator.store.index_lag = 60.0
    plugin = make_plugin(simulator, url)
    assert (await plugin.search_tickets(TicketQuery(text="printer"))).tickets == ()
    await plugin.transition(mine.id, "In progress")
    await make_plugin(simulator, url).transition(theirs.id, "In progress")
    page = await plugin.search_tickets(TicketQuery(text="printer", status=("In progress",)))
    assert [ticket.id for ticket in page.tickets] == [mine.id]


async def test_a_page_token_ends_after_seven_days(site: Site) -> None:
    simulator, url = site
    for number in range(3):
        file(simulator, f"Printer {number}")
    plugin = make_plugin(simulator, url)
    first = await plugin.search_tickets(TicketQuery(text="printer", page_size=2))
    assert first.next_cursor
    query = TicketQuery(text="printer", page_size=2, cursor=first.next_cursor)
    assert len((await plugin.search_tickets(query)).tickets) == 1
    simulator.clock.advance(7 * 86_400)
    with pytest.raises(DeskValidationError, match="token"):
        await plugin.search_tickets(query)
    with pytest.raises(DeskValidationError):
        await plugin.search_tickets(replace(query, cursor="not ours"))


async def test_history_reaches_back_over_the_lag(site: Site) -> None:
    simulator, url = site
    plugin = make_plugin(simulator, url)
    ticket = file(simulator)
    await plugin.resolve(ticket.id, "Replaced the fuser.")
    in_overlap = await plugin.list_history(NOW + timedelta(seconds=90))
    assert [found.id for found in in_overlap.tickets] == [ticket.id]
    assert (await plugin.list_history(NOW + timedelta(minutes=5))).tickets == ()


# -- writing ---------------------------------------------------------------------------------------


async def test_fields_are_sent_in_the_form_the_ticket_asks_for(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    plugin = make_plugin(simulator, url, jira_group_field=GROUP_FIELD)
    custom = {"Affected host": "srv-1", WORKAROUND_FIELD: "Use the *other* printer"}
    changes = TicketChanges(category="Printing", group="network", add_tags=("ai triaged",), custom=custom)
    await plugin.update_ticket(ticket.id, changes, mark=MARK)
    read = await plugin.get_ticket(ticket.id)
    assert (read.category, read.group, read.tags) == ("Printing", "Network", ("ai-triaged",))
    assert read.custom[HOST_FIELD] == "srv-1"
    assert read.custom[WORKAROUND_FIELD] == "Use the *other* printer"
    assert ticket.custom["properties"] == {"itsm.run": {"marks": [MARK]}}
    found = await plugin.find_write(ticket.id, MARK)
    assert found is not None
    assert found.id == ticket.id
    again = await plugin.update_ticket(ticket.id, changes, mark=MARK)
    assert again.adopted


async def test_the_property_keeps_the_last_twenty_marks(site: Site) -> None:
    simulator, url = site
    simulator.issue_writes = ()
    ticket = file(simulator)
    plugin = make_plugin(simulator, url)
    marks = [f"dh-{number:020x}" for number in range(25)]
    for number, mark in enumerate(marks):
        await plugin.update_ticket(ticket.id, TicketChanges(subject=f"Printer {number}"), mark=mark)
    assert ticket.custom["properties"]["itsm.run"]["marks"] == marks[-20:]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (TicketChanges(priority="Utmost"), "priority"),
        (TicketChanges(category="Nonsense"), "components"),
        (TicketChanges(assignee_email="nobody@corp.test"), "assignee"),
        (TicketChanges(custom={"customfield_99999": "x"}), "customfield_99999"),
    ],
)
async def test_a_value_the_desk_does_not_know_is_named(site: Site, changes: TicketChanges, field: str) -> None:
    simulator, url = site
    ticket = file(simulator)
    plugin = make_plugin(simulator, url)
    with pytest.raises(DeskValidationError) as refused:
        await plugin.update_ticket(ticket.id, changes)
    assert refused.value.fields == (field,)


async def test_a_group_needs_a_field_for_it(site: Site) -> None:
    simulator, url = site
    plugin = make_plugin(simulator, url)
    with pytest.raises(DeskUnsupportedError, match="jira_group_field"):
        await plugin.assign(file(simulator).id, assignee_email=None, group="Network")


async def test_a_status_out_of_reach_lists_what_is_on_offer(site: Site) -> None:
    simulator, url = site
    plugin = make_plugin(simulator, url)
    ticket = file(simulator)
    with pytest.raises(DeskValidationError, match="on offer: In progress, Waiting for customer, Escalated, Resolved"):
        await plugin.transition(ticket.id, "Closed")
    await plugin.transition(ticket.id, "Start work")  # a transition's own name does, too
    assert ticket.status == "In progress"


async def test_an_internal_resolution_is_never_public(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    plugin = make_plugin(simulator, url, jira_resolution_public=False)
    await plugin.resolve(ticket.id, "Replaced the fuser.", mark=MARK)
    assert [note.public for note in ticket.notes] == [False]
    assert ticket.status == "Resolved"
    await plugin.resolve(ticket.id, "Replaced the fuser.", mark=MARK)
    assert len(ticket.notes) == 1


async def test_a_comment_that_a_transition_drops_is_written_apart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator, url = site
    without_screen = world.Move("99", "Done", "Resolved")
    monkeypatch.setitem(world.WORKFLOW, "Waiting for support", (without_screen,))
    ticket = file(simulator)
    plugin = make_plugin(simulator, url)
    await plugin.resolve(ticket.id, "Replaced the fuser.", mark=MARK)
    await plugin.resolve(ticket.id, "Replaced the fuser.", mark=MARK)
    assert ticket.status == "Resolved"
    assert len(ticket.notes) == 1


async def test_what_others_resolved_gets_the_text_only(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    simulator.change(ticket, simulator.closing_fields("Resolved"), by=simulator.store.person("ines@desk.test"))
    plugin = make_plugin(simulator, url)
    assert (await plugin.resolve(ticket.id, "Replaced the fuser.", mark=MARK)).adopted
    assert len(ticket.notes) == 1
    assert ticket.status == "Resolved"


async def test_people_who_hide_their_address_are_assigned_if_nobody_else_fits(site: Site) -> None:
    simulator, url = site
    ines = simulator.store.person("ines@desk.test", is_agent=True)
    simulator.private.add(ines.email)
    ticket = file(simulator)
    plugin = make_plugin(simulator, url)
    await plugin.assign(ticket.id, assignee_email="ines@desk.test")
    assert ticket.assignee is ines
    other = simulator.store.person("marines@desk.test", is_agent=True)
    simulator.private.add(other.email)
    with pytest.raises(DeskValidationError):
        await plugin.assign(ticket.id, assignee_email="ines@desk.test")
    await plugin.assign(ticket.id, assignee_email=account_id(other))
    assert ticket.assignee is other


async def test_a_note_that_became_public_is_told_and_one_beside_a_change_is_an_error(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    plugin = make_plugin(simulator, url, jira_note_route="platform")
    real = simulator.comment
    simulator.comment = lambda ticket, body, *, public, properties: real(
        ticket, body, public=True, properties=properties
    )  # type: ignore[method-assign]  # a site that ignores the property
    try:
        assert (await plugin.add_note(ticket.id, NoteDraft(body="secret", mark=MARK))).public is True
        found = await plugin.find_write(ticket.id, MARK)
        assert (found.public, found.adopted) == (True, True)
        with pytest.raises(DeskProtocolError, match="public although an internal note"):
            await plugin.close_created(ticket.id, reason="secret", mark="dh-" + "1" * 20)
    finally:
        del simulator.comment


async def test_a_long_note_is_cut_visibly(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    plugin = make_plugin(simulator, url)
    await plugin.add_note(ticket.id, NoteDraft(body="word " * 20_000, mark=MARK))
    (note,) = (await plugin.get_ticket(ticket.id)).notes
    assert "characters left out]" in note.body
    assert note.body.endswith(f"Ref: {MARK}")


async def test_priorities_come_from_the_scheme_or_the_old_list(site: Site) -> None:
    simulator, url = site
    plugin = make_plugin(simulator, url)
    names = [value.name for value in await plugin.list_values(ValueKind.PRIORITIES)]
    simulator.faults.add(Fault(status=403, path="/priorityscheme"))
    assert [value.name for value in await plugin.list_values(ValueKind.PRIORITIES)] == names
    assert names == ["Highest", "High", "Medium", "Low", "Lowest"]


async def test_the_resolution_is_the_last_word_of_staff(site: Site) -> None:
    simulator, url = site
    ticket = file(simulator)
    staff, requester = simulator.store.person("ines@desk.test", is_agent=True), ticket.requester
    simulator.write_note(ticket, simulator.from_markdown("Looking."), public=True, author=staff)
    simulator.write_note(ticket, simulator.from_markdown("Replaced the fuser."), public=True, author=staff)
    simulator.write_note(ticket, simulator.from_markdown("Thank you!"), public=True, author=requester)
    simulator.change(ticket, simulator.closing_fields("Resolved"), by=staff)
    simulator.clock.advance(3600)
    simulator.write_note(ticket, simulator.from_markdown("Archived."), public=False, author=staff)
    plugin = make_plugin(simulator, url)
    assert (await plugin.get_ticket(ticket.id)).resolution == "Replaced the fuser."
    (found,) = (await plugin.list_history(datetime(2020, 1, 1, tzinfo=UTC))).tickets
    assert found.resolution == "Replaced the fuser."


@pytest.mark.parametrize("content", [b"[" * 30_000, b'["a", 5]', b'["a", ["' + b"9" * 5_000 + b'"]]', b"\xff", b"7"])
def test_a_cursor_that_nobody_gave_out_is_refused_in_words(content: bytes) -> None:
    assert jql.unpack_cursor(jql.pack_cursor("t", [1, 2])) == ("t", [1, 2])
    with pytest.raises(DeskValidationError, match="cursor is not valid"):
        jql.unpack_cursor(base64.urlsafe_b64encode(content).decode())
