"""The tests themselves. See the package's docstring for how to run them against a desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deskhand.errors import SignatureError
from deskhand.plugins.contract import (
    Ignored,
    NoteDraft,
    Operation,
    Ticket,
    TicketChanges,
    TicketEvent,
    TicketPage,
    TicketQuery,
    ValueKind,
    WebhookRequest,
)
from deskhand.plugins.errors import (
    DeskConflictError,
    DeskNotFoundError,
    DeskUnavailableError,
    DeskUnsupportedError,
    NotAVendorPayloadError,
)
from deskhand.plugins.registry import describe, find_faults
from deskhand.simulators.base import Fault
from deskhand.simulators.testing.failures import CALLS, FAILURES, MARK, OTHER_MARK, WRITES, offers, raised
from deskhand.simulators.testing.files import FilesContract
from deskhand.simulators.testing.further import FurtherContract
from deskhand.simulators.testing.harness import DeskHarness
from deskhand.simulators.testing.undo import UndoContract
from deskhand.simulators.testing.worklogs import WorkLogContract

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MARKDOWN = "## Steps\n\n- restart the **client**\n- see [the page](https://kb.corp.test/vpn)\n\n1. `ipconfig /flushdns`"


class PluginContract(FurtherContract, FilesContract, UndoContract, WorkLogContract):
    """Subclass it and give it a fixture ``desk`` (a ``DeskHarness``); do not override its tests."""

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test for each cell of the failure tables."""
        if metafunc.function.__name__ in {"test_every_failure_is_translated", "test_no_failure_escapes_the_check"}:
            metafunc.parametrize("failure", FAILURES)
        if "operation" in metafunc.fixturenames:
            metafunc.parametrize("operation", CALLS)
        if "write" in metafunc.fixturenames:
            metafunc.parametrize("write", WRITES)

    # -- description -----------------------------------------------------------------------------

    async def test_plugin_can_be_registered(self, desk: DeskHarness) -> None:
        assert list(find_faults(type(desk.plugin))) == []
        assert describe(type(desk.plugin))["config_schema"]["properties"]

    async def test_setup_guide_names_address_and_secret(self, desk: DeskHarness) -> None:
        guide = type(desk.plugin).setup_guide(webhook_url="https://hooks.corp.test/a1", secret=desk.secret)
        assert "https://hooks.corp.test/a1" in guide
        assert desk.secret in guide

    # -- reading ---------------------------------------------------------------------------------

    async def test_connection_is_proven(self, desk: DeskHarness) -> None:
        report = await desk.plugin.test_connection()
        assert report.ok, report.checks
        assert report.checks

    async def test_ticket_is_read(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams", MARKDOWN)
        ticket = await desk.plugin.get_ticket(ticket_id)
        assert (ticket.tool_type, ticket.id, ticket.subject) == (
            desk.plugin.manifest.tool_type,
            ticket_id,
            "Printer jams",
        )
        assert ticket.display_id
        assert ticket.revision
        assert not ticket.is_closed
        assert ticket.requester is not None
        assert ticket.created_at is not None
        assert ticket.created_at.utcoffset() == timedelta(0)
        assert_text(ticket.description, rich=desk.rich_text)

    async def test_missing_ticket_is_not_found(self, desk: DeskHarness) -> None:
        await raised(DeskNotFoundError, desk.plugin.get_ticket(desk.words.missing_id))

    async def test_an_id_cannot_become_another_address(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        await raised(DeskNotFoundError, desk.plugin.get_ticket(f"x/../{ticket_id}"))

    async def test_search_finds_words_newest_change_first(self, desk: DeskHarness) -> None:
        first = await desk.create_ticket("Printer on floor 3 jams")
        second = await desk.create_ticket("Printer offline")
        await desk.create_ticket("Mail is slow")
        await desk.edit_elsewhere(first)
        page = await desk.plugin.search_tickets(TicketQuery(text="printer"))
        assert [ticket.id for ticket in page.tickets] == [first, second]
        assert page.next_cursor is None

    async def test_search_pages_without_gap_or_repeat(self, desk: DeskHarness) -> None:
        expected = {await desk.create_ticket(f"Printer {number}") for number in range(5)}
        listed: list[str] = []
        query = TicketQuery(text="printer", page_size=2)
        for _ in range(10):
            page = await desk.plugin.search_tickets(query)
            assert len(page.tickets) <= 2
            listed += [ticket.id for ticket in page.tickets]
            if page.next_cursor is None:
                break
            query = replace(query, cursor=page.next_cursor)
        assert len(listed) == 5
        assert set(listed) == expected

    async def test_search_filters_by_status_and_time(self, desk: DeskHarness) -> None:
        moved = await desk.create_ticket("Printer one")
        await desk.create_ticket("Printer two")
        await desk.plugin.transition(moved, desk.words.working_status)
        by_status = await desk.plugin.search_tickets(TicketQuery(status=(desk.words.working_status,)))
        assert [ticket.id for ticket in by_status.tickets] == [moved]
        later = await desk.plugin.search_tickets(TicketQuery(updated_since=datetime.now(UTC) + timedelta(days=2)))
        assert later.tickets == ()

    async def test_history_holds_resolved_tickets_only(self, desk: DeskHarness) -> None:
        await desk.create_ticket("Still open")
        done = [await desk.create_ticket(f"Done {number}") for number in range(3)]
        for ticket_id in done:
            await desk.plugin.resolve(ticket_id, f"Replaced the fuser of {ticket_id}.")
        tickets: list[Ticket] = []
        page = TicketPage(tickets=(), next_cursor=None)
        for _ in range(10):
            page = await desk.plugin.list_history(LONG_AGO, cursor=page.next_cursor, page_size=2)
            tickets += page.tickets
            if page.next_cursor is None:
                break
        assert [ticket.id for ticket in tickets] == done
        assert all(ticket.is_closed for ticket in tickets)
        assert all("Replaced the fuser" in (ticket.resolution or "") for ticket in tickets)
        # The clock of the listing: an import goes on from the last of these, and must leave nothing out.
        stamps = [ticket.listed_at for ticket in tickets if ticket.listed_at is not None]
        assert len(stamps) == len(tickets)
        assert stamps == sorted(stamps)
        later = await desk.plugin.list_history(datetime.now(UTC) + timedelta(days=2))
        assert later.tickets == ()

    async def test_values_have_ids_and_names(self, desk: DeskHarness) -> None:
        for kind in ValueKind:
            if kind not in desk.plugin.manifest.value_kinds:
                await raised(DeskUnsupportedError, desk.plugin.list_values(kind))
                continue
            values = await desk.plugin.list_values(kind)
            assert values, kind
            assert all(value.id and value.name for value in values)

    # -- writing ---------------------------------------------------------------------------------

    async def test_note_is_written_once_and_found_by_its_mark(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        assert await desk.plugin.find_write(ticket_id, MARK) is None
        receipt = await desk.plugin.add_note(ticket_id, NoteDraft(body=MARKDOWN, mark=MARK))
        assert (receipt.ticket_id, receipt.mark, receipt.adopted) == (ticket_id, MARK, False)
        looked_up = await desk.plugin.find_write(ticket_id, MARK)
        assert looked_up is not None
        assert (looked_up.id, looked_up.adopted) == (receipt.id, True)
        assert await desk.plugin.find_write(ticket_id, OTHER_MARK) is None
        assert (await desk.effects(ticket_id))[0] == 1
        (note,) = (await desk.plugin.get_ticket(ticket_id)).notes
        assert note.id == receipt.id
        assert not note.public
        assert_text(note.body, rich=desk.rich_text)

    async def test_public_note_is_public(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.add_note(ticket_id, NoteDraft(body="We are on it.", public=True, mark=MARK))
        (note,) = (await desk.plugin.get_ticket(ticket_id)).notes
        assert note.public
        assert "We are on it." in note.body

    async def test_markup_in_a_note_stays_text(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.add_note(ticket_id, NoteDraft(body="Type <b>x</b> & press `<Enter>`.", mark=MARK))
        (note,) = (await desk.plugin.get_ticket(ticket_id)).notes
        assert "<Enter>" in note.body
        assert "&amp;" not in note.body

    async def test_update_sets_fields_and_repeating_it_is_harmless(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        changes = TicketChanges(subject="Printer jams on floor 3", priority=desk.words.priorities[0])
        receipt = await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
        await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
        ticket = await desk.plugin.get_ticket(ticket_id)
        assert ticket.subject == "Printer jams on floor 3"
        assert ticket.priority == desk.words.priorities[0]
        assert receipt.ticket_id == ticket_id
        assert (await desk.effects(ticket_id))[1] == 1

    async def test_every_priority_survives_the_round_trip(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        for priority in desk.words.priorities:
            await desk.plugin.update_ticket(ticket_id, TicketChanges(priority=priority))
            assert (await desk.plugin.get_ticket(ticket_id)).priority == priority

    async def test_stale_update_is_refused(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        revision = (await desk.plugin.get_ticket(ticket_id)).revision
        await desk.edit_elsewhere(ticket_id)
        stale = desk.plugin.update_ticket(ticket_id, TicketChanges(subject="other"), if_revision=revision)
        await raised(DeskConflictError, stale)
        fresh = await desk.plugin.get_ticket(ticket_id)
        assert fresh.subject == "Printer jams"
        assert fresh.revision != revision
        await desk.plugin.update_ticket(ticket_id, TicketChanges(subject="other"), if_revision=fresh.revision)
        assert (await desk.plugin.get_ticket(ticket_id)).subject == "other"

    async def test_update_with_a_note_writes_the_note_once(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        changes = TicketChanges(subject="other", note=NoteDraft(body="renamed", mark=MARK))
        await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
        await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
        assert (await desk.effects(ticket_id))[0] == 1

    async def test_assign_and_unassign(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.assign(ticket_id, assignee_email=desk.words.technician, group=desk.words.group)
        ticket = await desk.plugin.get_ticket(ticket_id)
        assert ticket.assignee is not None
        assert desk.words.group is None or ticket.group == desk.words.group
        await desk.plugin.assign(ticket_id, assignee_email=None)
        assert (await desk.plugin.get_ticket(ticket_id)).assignee is None

    async def test_transition(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        before = (await desk.plugin.get_ticket(ticket_id)).status
        await desk.plugin.transition(ticket_id, desk.words.working_status)
        ticket = await desk.plugin.get_ticket(ticket_id)
        assert before != ticket.status == desk.words.working_status
        assert not ticket.is_closed

    async def test_resolve_once(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.resolve(ticket_id, "Replaced the **fuser**.", mark=MARK)
        effects = await desk.effects(ticket_id)
        await desk.plugin.resolve(ticket_id, "Replaced the **fuser**.", mark=MARK)
        assert await desk.effects(ticket_id) == effects
        ticket = await desk.plugin.get_ticket(ticket_id)
        assert ticket.is_closed
        assert "Replaced the" in (ticket.resolution or "")
        assert ticket.resolved_at is not None

    async def test_undeclared_operations_are_refused(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        for operation in set(Operation) - desk.plugin.manifest.operations:
            await raised(DeskUnsupportedError, CALLS[operation.value](desk.plugin, desk.words, ticket_id))

    # -- failures --------------------------------------------------------------------------------

    async def test_every_failure_is_translated(self, desk: DeskHarness, operation: str, failure: str) -> None:
        if not offers(desk.plugin, operation):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        fault, default = FAILURES[failure]
        await desk.put_fault(fault)
        kind = desk.expected_error(operation, failure, default)
        error = await raised(kind, CALLS[operation](desk.plugin, desk.words, ticket_id))
        assert type(error) is kind
        assert error.detail
        assert error.retry_after == (7.0 if failure == "429" else None)
        await desk.heal()
        assert await desk.effects(ticket_id) == (0, 0)

    async def test_no_failure_escapes_the_check(self, desk: DeskHarness, failure: str) -> None:
        await desk.put_fault(FAILURES[failure][0])
        report = await desk.plugin.test_connection()
        assert not report.ok
        assert any(not passed and said for _, passed, said in report.checks)

    async def test_refused_write_has_no_effect(self, desk: DeskHarness, write: str) -> None:
        if not offers(desk.plugin, write):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.put_fault(Fault(status=503, writes_only=True))
        await raised(DeskUnavailableError, CALLS[write](desk.plugin, desk.words, ticket_id))
        assert await desk.effects(ticket_id) == (0, 0)

    async def test_lost_answer_is_adopted_not_repeated(self, desk: DeskHarness, write: str) -> None:
        """The write took effect and the connection broke: asking first, then repeating, leaves one effect."""
        if not offers(desk.plugin, write):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.get_ticket(ticket_id)  # signed in, so that what is cut off is the write itself
        await desk.put_fault(Fault(kind="outage", writes_only=True, after_effect=True))
        await raised(DeskUnavailableError, CALLS[write](desk.plugin, desk.words, ticket_id))
        await desk.heal()
        effects = await desk.effects(ticket_id)
        assert sum(effects) >= 1
        # As the journal does it: what is repeatable is repeated, and anything else only where the mark is not found.
        if Operation(write).is_repeatable or await desk.plugin.find_write(ticket_id, MARK) is None:
            await CALLS[write](desk.plugin, desk.words, ticket_id)
        assert await desk.effects(ticket_id) == effects

    # -- webhooks --------------------------------------------------------------------------------

    async def test_webhook_is_proven_and_read(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        for kind in ("created", "updated", "note"):
            request = await desk.webhook(ticket_id, kind, now=NOW)
            verified = type(desk.plugin).validate_webhook(request, secrets=[desk.secret], now=NOW)
            assert verified.delivery_id
            event = type(desk.plugin).extract_metadata(request)
            assert isinstance(event, TicketEvent)
            assert event.ticket.ticket_id == ticket_id
            assert event.event in desk.plugin.manifest.events

    async def test_both_secrets_of_a_rotation_hold(self, desk: DeskHarness) -> None:
        request = await desk.webhook(await desk.create_ticket("Printer jams"), "created", now=NOW)
        for secrets in (["another secret", desk.secret], [desk.secret, "another secret"]):
            type(desk.plugin).validate_webhook(request, secrets=secrets, now=NOW)

    async def test_forged_webhooks_are_refused(self, desk: DeskHarness) -> None:
        request = await desk.webhook(await desk.create_ticket("Printer jams"), "created", now=NOW)
        # An empty secret is the classic hole: an HMAC with an empty key is one that anybody can make.
        for secrets in ([], [""], ["another secret"], ["", "another secret"]):
            await assert_refused(desk, request, secrets=secrets)
        await assert_refused(desk, replace(request, headers={"content-type": "application/json"}))
        if desk.signs_body:
            await assert_refused(desk, replace(request, body=request.body + b" "))
        if desk.signs_time:
            await assert_refused(desk, request, now=NOW + timedelta(hours=1))
            await assert_refused(desk, request, now=NOW - timedelta(hours=1))

    async def test_a_redelivery_keeps_its_id(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        first = await self._delivery_id(desk, ticket_id, NOW)
        assert await self._delivery_id(desk, ticket_id, NOW + timedelta(seconds=90)) == first
        await desk.edit_elsewhere(ticket_id)
        assert await self._delivery_id(desk, ticket_id, NOW) != first

    async def test_foreign_bodies_are_not_ours(self, desk: DeskHarness) -> None:
        for body in (desk.words.foreign_body, b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{}"):
            request = WebhookRequest(headers={"content-type": "application/json"}, body=body)
            error = await raised(NotAVendorPayloadError, _read(desk, request))
            assert error.detail

    async def test_our_own_event_is_recognised(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        for by_us in (True, False):
            event = type(desk.plugin).extract_metadata(await desk.webhook(ticket_id, "updated", now=NOW, by_us=by_us))
            assert not isinstance(event, Ignored)
            assert type(desk.plugin).is_own_event(desk.plugin.config, event) is by_us

    async def _delivery_id(self, desk: DeskHarness, ticket_id: str, now: datetime) -> str:
        request = await desk.webhook(ticket_id, "updated", now=now)
        return type(desk.plugin).validate_webhook(request, secrets=[desk.secret], now=now).delivery_id


async def _read(desk: DeskHarness, request: WebhookRequest) -> object:
    return type(desk.plugin).extract_metadata(request)


async def _verify(desk: DeskHarness, request: WebhookRequest, secrets: list[str], now: datetime) -> object:
    return type(desk.plugin).validate_webhook(request, secrets=secrets, now=now)


async def assert_refused(
    desk: DeskHarness, request: WebhookRequest, *, secrets: list[str] | None = None, now: datetime = NOW
) -> None:
    """The webhook is refused, and the refusal does not tell a secret."""
    in_force = [desk.secret] if secrets is None else secrets
    error = await raised(SignatureError, _verify(desk, request, in_force, now))
    assert desk.secret not in error.detail


def assert_text(text: str, *, rich: bool) -> None:
    """What matters of ``MARKDOWN`` is still there."""
    plain = ("Steps", "restart the", "client", "the page", "https://kb.corp.test/vpn", "ipconfig /flushdns")
    for part in plain:
        assert part in text
    if rich:
        for part in ("## Steps", "- restart the **client**", "[the page](https://kb.corp.test/vpn)", "1. `ipconfig"):
            assert part in text
