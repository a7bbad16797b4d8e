"""Every request the plugin sends and every answer the simulator gives, held against the vendor's OpenAPI document."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.plugins.vendor_spec import SPECS, Allowance, Exchange, Recorder, load_spec
from tests.plugins.zendesk import RunningDesk, new_simulator

from deskhand.plugins.contract import NoteDraft, TicketChanges, TicketQuery
from deskhand.plugins.errors import DeskConflictError, DeskError
from deskhand.simulators.base import run_in_process
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.zendesk.wire import CATEGORY_FIELD, RESOLUTION_FIELD

DOCUMENT = "zendesk-support-oas.2026-08.json"
MARK = "dh-0123456789abcdef0123"
ALLOWED = [
    Allowance(
        r"^GET /api/v2/search: query parameter (page|per_page) is unknown",
        "offset paging is described on the Search page and in the answer's next_page; the document leaves it out",
    ),
    Allowance(
        r"^GET /api/v2/incremental/tickets/cursor: query parameter (per_page|include) is unknown",
        "described in 'Using the Incremental Export API' (page size, sideloads); the document leaves them out",
    ),
    Allowance(
        r"/(custom_fields|fields)/\*/value: None is not valid",
        "accounts send null for a field nobody filled in; the document knows no null there",
    ),
    Allowance(
        r"^PUT /api/v2/tickets/\{ticket_id\}: answer 200 /audit/events/\*/value: None is not valid",
        "an assignee or group that was taken away is null in its Change event",
    ),
    Allowance(
        r"^POST /oauth/tokens: a body is sent where none is expected",
        "the document forgets the body, which the page 'Grant-type tokens' describes",
    ),
]


async def use_everything(desk: RunningDesk) -> None:
    """Each operation, in the ways that send different requests."""
    sim = desk.simulator
    ines = sim.store.person("ines@desk.test", is_agent=True)
    ticket_id, other = desk.file_ticket(tags=["vpn"]), desk.file_ticket("VPN drops", assignee=ines, status="open")
    log = SimFile(sim.new_file_id(), "client log.txt", b"0x80070035", "text/plain")
    filed = desk.file_ticket("With a file", attachments=[log])
    async with desk.plugin(zendesk_category_field=CATEGORY_FIELD, zendesk_resolution_field=RESOLUTION_FIELD) as plugin:
        assert (await plugin.test_connection()).ok
        for kind in plugin.manifest.value_kinds:
            await plugin.list_values(kind)
        await plugin.add_note(ticket_id, NoteDraft(body="**hello**", mark=MARK))
        for file in (await plugin.get_ticket(filed)).files:
            assert await plugin.read_file(filed, file) == log.content
        revision = (await plugin.get_ticket(ticket_id)).revision
        changes = TicketChanges(
            subject="Printer",
            priority="critical",
            category="printing",
            group="Network",
            assignee_email=ines.email,
            add_tags=("ai",),
            custom={"type": "incident", "Asset tag": "P-17"},
            note=NoteDraft(body="renamed", public=True, mark="dh-eeeeeeeeeeeeeeeeeeee"),
        )
        await plugin.update_ticket(ticket_id, changes, mark="dh-ffffffffffffffffffff", if_revision=revision)
        with pytest.raises(DeskConflictError):
            await plugin.update_ticket(ticket_id, TicketChanges(subject="stale"), if_revision=revision)
        await plugin.assign(other, assignee_email=None)
        await plugin.transition(other, "Waiting for vendor")
        await plugin.resolve(other, "Replaced the fuser.", mark=MARK)
        assert await plugin.find_write(other, MARK)
        await plugin.search_tickets(
            TicketQuery(text="printer", status=("open",), updated_since=datetime(2026, 1, 1, tzinfo=UTC))
        )
        border = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await plugin.search_tickets(TicketQuery(cursor=f"export:{border}|", page_size=1))
        since = datetime.now(UTC) - timedelta(days=9)
        page = await plugin.list_history(since, page_size=1)
        assert page.next_cursor
        await plugin.list_history(since, cursor=page.next_cursor)
    async with desk.plugin() as plugin:  # without a field for it the resolution is read from the comments
        await plugin.list_history(since)
    async with desk.plugin(zendesk_auth="api_token", zendesk_api_token="wrong") as plugin:
        with pytest.raises(DeskError):
            await plugin.get_ticket(ticket_id)


@pytest.fixture(scope="module")
async def exchanges() -> list[Exchange]:
    simulator = new_simulator()
    recorder = Recorder(simulator.build())
    async with run_in_process(recorder) as server:
        await use_everything(RunningDesk(simulator, server))
    return [exchange for exchange in recorder.exchanges if exchange.path.startswith(("/api/", "/oauth/"))]


def test_requests_and_answers_follow_the_document(exchanges: list[Exchange]) -> None:
    errors = [exchange for exchange in exchanges if exchange.status >= 400]  # the document describes no error bodies
    assert {exchange.status for exchange in errors} == {401, 409}
    report = load_spec(DOCUMENT).check([exchange for exchange in exchanges if exchange.status < 400], ALLOWED)
    assert not report.problems
    assert not report.unused
    assert len(report.operations) >= 14, report.operations


def test_no_field_is_sent_that_the_document_does_not_know(exchanges: list[Exchange]) -> None:
    """The desk drops unknown names without a word, so a typing error would go unnoticed."""
    load_spec(DOCUMENT)
    schemas = json.loads((SPECS / DOCUMENT).read_text("utf-8"))["components"]["schemas"]
    bodies = [json.loads(exchange.request) for exchange in exchanges if exchange.method == "PUT"]
    assert bodies
    for body in bodies:
        assert set(body) == {"ticket"}
        assert set(body["ticket"]) <= set(schemas["TicketObject"]["properties"])
        assert set(body["ticket"].get("comment", {})) <= set(schemas["TicketCommentObject"]["properties"])
