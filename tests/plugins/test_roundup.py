"""What the contract does not ask: Roundup's own answers, its mail, its webhooks on the wire, half-written notes."""

from __future__ import annotations

import runpy
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.plugins.roundup_desk import SECRET, RoundupHarness, RunningTracker, running_tracker
from tests.plugins.roundup_server import installed_plugin
from tests.plugins.test_what_is_pasted import Hook
from tests.support.product import until

from deskhand.plugins.contract import NoteDraft, TicketChanges, TicketEvent, ValueKind, WebhookRequest
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskConflictError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.registry import PluginManager
from deskhand.simulators.base import Fault

MARK = "dh-0123456789abcdef0123"
DETECTOR = (
    Path(__file__).parent.parent.parent / "examples/deskhand-roundup/src/deskhand_roundup/setup/deskhand_webhook.py"
)


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[None]:
    with installed_plugin():
        yield


@pytest.fixture(scope="module")
async def tracker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningTracker]:
    async with running_tracker(tmp_path_factory.mktemp("roundup") / "tracker") as running:
        yield running


@pytest.fixture
async def desk(tracker: RunningTracker) -> AsyncIterator[RoundupHarness]:
    plugin = tracker.plugin()
    yield RoundupHarness(tracker, plugin)
    tracker.proxy.faults.clear()
    await plugin.aclose()


def messages_marked(tracker: RunningTracker, mark: str) -> int:
    with closing(tracker.database()) as db:
        (count,) = db.execute("SELECT count(*) FROM _msg WHERE _messageid LIKE ?", (f"%{mark}%",)).fetchone()
    return int(count)


async def test_a_stale_write_is_refused_by_roundup_itself(desk: RoundupHarness) -> None:
    ticket_id = await desk.create_ticket("Printer jams")
    revision = (await desk.plugin.get_ticket(ticket_id)).revision
    await desk.edit_elsewhere(ticket_id)
    with pytest.raises(DeskConflictError, match="If-Match") as caught:
        await desk.plugin.update_ticket(ticket_id, TicketChanges(subject="other"), if_revision=revision)
    assert caught.value.vendor_code == "412"
    assert caught.value.retryable


async def test_roundups_own_rate_limit_says_when_to_come_back(tracker: RunningTracker) -> None:
    plugin = tracker.plugin(roundup_user="hurried", roundup_password="hurried-password")
    for _ in range(3):
        await plugin.list_values(ValueKind.PRIORITIES)
    with pytest.raises(DeskRateLimitedError, match="rate limits exceeded") as caught:
        await plugin.list_values(ValueKind.PRIORITIES)
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 60
    assert caught.value.scope == "account"
    await plugin.aclose()


async def test_a_wrong_password_is_not_a_visitor(tracker: RunningTracker) -> None:
    plugin = tracker.plugin(roundup_user="ines", roundup_password="wrong")
    with pytest.raises(DeskAuthError):
        await plugin.list_values(ValueKind.PRIORITIES)
    report = await plugin.test_connection()
    assert not report.ok
    await plugin.aclose()


async def test_a_tracker_without_internal_messages_fails_the_check(tracker: RunningTracker) -> None:
    plugin = tracker.plugin(roundup_public_field="visible_to_all")
    report = await plugin.test_connection()
    assert [passed for _, passed, _ in report.checks] == [True, False]
    assert "visible_to_all" in report.checks[1][2]
    await plugin.aclose()


async def test_values_that_the_schema_refuses_are_named(desk: RoundupHarness) -> None:
    ticket_id = await desk.create_ticket("Printer jams")
    with pytest.raises(DeskValidationError, match="no-such-status"):
        await desk.plugin.transition(ticket_id, "no-such-status")
    with pytest.raises(DeskValidationError, match="nobody@"):
        await desk.plugin.assign(ticket_id, assignee_email="nobody@corp.test")


async def test_groups_are_what_the_tracker_has(desk: RoundupHarness, tracker: RunningTracker) -> None:
    assert [value.name for value in await desk.plugin.list_values(ValueKind.GROUPS)] == ["Service Desk", "Network"]
    plugin = tracker.plugin(roundup_group_field=None)
    with pytest.raises(DeskUnsupportedError):
        await plugin.list_values(ValueKind.GROUPS)
    with pytest.raises(DeskUnsupportedError):
        await plugin.assign("1", assignee_email=None, group="Network")
    await plugin.aclose()


async def test_the_first_message_is_the_description_and_no_note(desk: RoundupHarness) -> None:
    ticket_id = await desk.create_ticket("Printer jams", "It jams *every* morning.")
    await desk.plugin.add_note(ticket_id, NoteDraft(body="Look at the fuser.", mark=MARK))
    ticket = await desk.plugin.get_ticket(ticket_id)
    assert ticket.description == "It jams *every* morning."
    assert len(ticket.notes) == 1
    assert ticket.notes[0].author.email == "deskhand@corp.test"


async def test_our_internal_note_is_not_taken_for_the_resolution(desk: RoundupHarness) -> None:
    ticket_id = await desk.create_ticket("Printer jams", "It jams.")
    await desk.plugin.add_note(ticket_id, NoteDraft(body="A guess.", mark=MARK))
    await desk.plugin.transition(ticket_id, "resolved")
    assert (await desk.plugin.get_ticket(ticket_id)).resolution is None


async def test_keywords_are_category_and_tags(desk: RoundupHarness) -> None:
    ticket_id = await desk.create_ticket("VPN drops")
    for _ in range(2):
        await desk.plugin.update_ticket(ticket_id, TicketChanges(category="VPN"))
    ticket = await desk.plugin.get_ticket(ticket_id)
    assert (ticket.category, ticket.tags) == ("VPN", ("VPN",))
    assert await desk.effects(ticket_id) == (0, 1)


async def test_a_note_that_broke_off_between_its_two_calls_is_taken_up(
    desk: RoundupHarness, tracker: RunningTracker
) -> None:
    ticket_id, mark = await desk.create_ticket("Printer jams"), "dh-aaaaaaaaaaaaaaaaaaaa"
    await desk.put_fault(Fault(status=503, method="PUT"))
    with pytest.raises(DeskUnavailableError):
        await desk.plugin.add_note(ticket_id, NoteDraft(body="hello", mark=mark))
    assert await desk.plugin.find_write(ticket_id, mark) is None  # nobody who reads the issue sees it yet
    await desk.heal()
    await desk.plugin.add_note(ticket_id, NoteDraft(body="hello", mark=mark))
    assert messages_marked(tracker, mark) == 1
    assert len((await desk.plugin.get_ticket(ticket_id)).notes) == 1


async def test_internal_notes_are_not_mailed_and_public_ones_are(desk: RoundupHarness, tracker: RunningTracker) -> None:
    ticket_id = await desk.create_ticket("Printer jams", "It jams.")  # its requester is on the mailing list
    await desk.plugin.add_note(ticket_id, NoteDraft(body="for technicians only", mark=MARK))
    await desk.plugin.add_note(ticket_id, NoteDraft(body="we are on it", public=True))
    assert "we are on it" in tracker.server.mail()
    assert "requester@corp.test" in tracker.server.mail()
    assert "for technicians only" not in tracker.server.mail()


async def test_a_delivery_verifies_as_it_came_and_is_repeated_under_one_id(
    desk: RoundupHarness, tracker: RunningTracker
) -> None:
    tracker.receiver.refuses = "Printer jams twice"
    ticket_id = await desk.create_ticket("Printer jams twice")

    async def twice() -> list[WebhookRequest]:
        found = tracker.receiver.about(ticket_id, "issue.created", by_us=False)
        return found if len(found) > 1 else []

    first, second, *_ = await until(twice)
    plugin = PluginManager.installed().get_plugin("roundup")
    ids = {
        plugin.validate_webhook(delivery, secrets=[SECRET], now=datetime.now(UTC)).delivery_id
        for delivery in (first, second)
    }
    assert len(ids) == 1
    event = plugin.extract_metadata(second)
    assert isinstance(event, TicketEvent)
    assert (event.ticket.subject, event.ticket.status, event.actor.name) == (
        "Printer jams twice",
        "unread",
        "requester",
    )


async def test_our_note_comes_back_with_its_mark(desk: RoundupHarness, tracker: RunningTracker) -> None:
    ticket_id = await desk.create_ticket("Printer jams")
    await desk.plugin.add_note(ticket_id, NoteDraft(body="hello", mark=MARK))

    async def told() -> list[WebhookRequest]:
        return tracker.receiver.about(ticket_id, "issue.message_added", by_us=True)

    event = type(desk.plugin).extract_metadata((await until(told))[0])
    assert isinstance(event, TicketEvent)
    assert event.marks == (MARK,)
    assert type(desk.plugin).is_own_event(desk.plugin.config, event)


async def test_a_refused_change_sends_nothing(desk: RoundupHarness, tracker: RunningTracker) -> None:
    ticket_id = await desk.create_ticket("Printer jams")
    with pytest.raises(DeskConflictError):
        await desk.plugin.update_ticket(ticket_id, TicketChanges(subject="other"), if_revision='"stale"')
    await desk.edit_elsewhere(ticket_id)  # returns when its own, later delivery is there
    assert tracker.receiver.about(ticket_id, "issue.updated", by_us=True) == []


@pytest.mark.parametrize(
    ("answers", "retry_after", "pauses"),
    [
        ((503, 202), None, [0, 2]),
        ((503, 429, 202), "45", [0, 45, 45]),
        ((429, 202), "99999", [0, 600]),
        ((0, 500, 202), None, [0, 2, 10]),
        ((503,) * 8, None, [0, 2, 10, 30, 60, 120, 180, 240]),
        ((401,), None, [0]),
    ],
)
def test_the_detector_tells_again_over_minutes(
    answers: tuple[int, ...], retry_after: str | None, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    detector = runpy.run_path(str(DETECTOR))
    slept: list[float] = []
    with Hook(*answers, retry_after=retry_after) as hook:
        detector["send"](hook.url, SECRET, [{"event": "issue.created", "issue": {"id": "1"}}], sleep=slept.append)
    assert slept == pauses
    assert len({request.headers["webhook-id"] for request in hook.requests}) == 1
    assert ("did not take" in caplog.text) == (answers[-1] != 202)


def test_the_printed_detector_is_the_one_that_ran() -> None:
    plugin = PluginManager.installed().get_plugin("roundup")
    guide = plugin.setup_guide(webhook_url="https://hooks.corp.test/a%20b", secret="whsec_abc")
    assert "@@" not in guide
    assert "a%%20b" in guide
    for block in guide.split("```python\n")[1:]:
        compile(block.split("   ```")[0], "guide", "exec")
