"""The parts by themselves: who is told, how often something is tried, what is forgotten, and every word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from tests.support.notices import ANN, BOB
from tests.support.people import browser
from tests.support.preferences import send, stored
from tests.support.told import Told, told_of

from deskhand.notifications import endpoints, outbox, repository
from deskhand.notifications.gathering import Line
from deskhand.notifications.kinds import MEANINGS
from deskhand.notifications.models import Kind, MessageState, Pace
from deskhand.notifications.schemas import Choices, MessageQuery
from deskhand.notifications.words import IN_CHAT, SHOWN, body, chat, first_address, line_in_words, subject
from deskhand.tenants.models import TenantConfig

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
RUN = "0d1f0f6a-1111-4222-8333-444444444444"
BASE = "https://desk.example.com"


def a_line(kind: Kind = Kind.FAILURE, **other: Any) -> Line:
    """What has happened once of one cause."""
    values: dict[str, Any] = {
        "kind": kind.value,
        "label": "Triage",
        "detail": "desk-auth",
        "count": 1,
        "first_at": NOW,
        "last_at": NOW,
        "subject_id": RUN,
        "tickets": ["1042"],
    }
    return Line(**{**values, **other})


def a_message(*lines: Line, **other: Any) -> outbox.Message:
    """A message with these lines."""
    values: dict[str, Any] = {
        "tenant": TenantConfig(tenant_id="acme", name="Acme"),
        "id": UUID(RUN),
        "attempt": 1,
        "to_kind": "mail",
        "to_name": ANN,
        "user_id": UUID(RUN),
        "pace": "now",
        "lines": lines,
    }
    return outbox.Message(**{**values, **other})


WORDS = {
    Kind.FAILURE: ("1 run of Triage failed: desk-auth", f"/executions/{RUN}"),
    Kind.DOUBT: ("1 write of Triage is in doubt", f"/executions/{RUN}"),
    Kind.APPROVAL: ("1 call of Triage waits for a yes", "/approvals"),
    Kind.BUDGET_WARNING: ("The budget of Triage is near its end", "/costs"),
    Kind.BUDGET_STOP: ("The budget of Triage is used up: calls of models are refused", "/costs"),
    Kind.CONNECTION: ("The desk-auth Triage did not answer 1 run", "/operations"),
    Kind.SCHEDULE: ("A schedule of Triage stopped: it has no next time", "/schedules"),
    Kind.AUDIT: ("The audit log does not verify", "/audit"),
    Kind.PUBLISHED: ("1 internal note of Triage became public, and the agent is paused", f"/executions/{RUN}"),
    Kind.STORM: ("An outage on Triage: desk-auth tickets report the same", f"/storms/{RUN}"),
}


def test_each_kind_has_its_words_and_a_page_to_look_at():
    assert set(WORDS) == set(Kind)
    for kind, (words, page) in WORDS.items():
        message = a_message(a_line(kind))
        assert line_in_words(a_line(kind)) == words
        assert subject(message) == f"{words} (Acme)"
        assert first_address(message, BASE) == f"{BASE}{page}"
        assert f"1. {words}\n   Tickets: 1042\n   2026-11-29 10:00 UTC\n   {BASE}{page}\n" in body(message, BASE, "x")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.FAILURE, "3 runs of Triage failed: desk-auth"),
        (Kind.DOUBT, "3 writes of Triage are in doubt"),
        (Kind.APPROVAL, "3 calls of Triage wait for a yes"),
        (Kind.CONNECTION, "The desk-auth Triage did not answer 3 runs"),
    ],
)
def test_several_are_said_as_several(kind: Kind, words: str) -> None:
    later = a_line(kind, count=3, subject_id=None, last_at=NOW + timedelta(minutes=5))
    assert line_in_words(later) == words
    said = body(a_message(later), BASE, "x")
    assert "Tickets: 1042, and others" in said
    assert "2026-11-29 10:00 UTC to 2026-11-29 10:05 UTC" in said


def test_a_long_message_is_cut_and_says_so():
    many = a_message(*(a_line(label=f"Agent {number}") for number in range(SHOWN + 3)))
    said = body(many, BASE, f"{BASE}/stop")
    assert "… and 3 more causes." in said
    assert said.count("of Agent") == SHOWN
    assert said.endswith(f"Stop these mails without signing in: {BASE}/stop\n")
    posted = chat(many)
    assert posted.count("•") == IN_CHAT
    assert posted.startswith("**33 things need a look in Acme**")
    assert first_address(many, BASE) == f"{BASE}/home"
    assert subject(many).endswith(f", and {SHOWN + 2} more (Acme)")
    assert subject(a_message(a_line(), pace=Pace.DIGEST)) == "Deskhand, the last day: Something needs a look (Acme)"


def test_names_become_no_address_no_header_and_no_markup():
    evil = a_line(label="a\r\nBcc: x@y.example <b>[z](http://q)", detail="<i>", tickets=["https://evil.example/1"])
    for said in (subject(a_message(evil)), body(a_message(evil), BASE, "x"), chat(a_message(evil))):
        for part in ("\r", "y.example", "<b>", "http://q", "evil.example", "<i>"):
            assert part not in said, part


def test_a_body_names_kinds_and_paces_and_nothing_else():
    assert Choices(failure="digest", audit="off").paces() == {Kind.FAILURE: Pace.DIGEST, Kind.AUDIT: Pace.OFF}
    assert Choices().paces() == {}
    assert set(Choices.model_fields) == set(Kind) == set(MEANINGS)
    for wrong in ({"failure": "daily"}, {"failures": "now"}):
        with pytest.raises(ValidationError):
            Choices.model_validate(wrong)
    assert MessageQuery().state == []
    assert {route.path for route in endpoints.router.routes} == {  # type: ignore[attr-defined]  # Starlette's routes
        "/api/v1/notifications",
        "/api/v1/notifications/choices",
        "/api/v1/notifications/{notification_id}/send",
    }


async def test_a_try_is_repeated_for_half_a_day_and_then_no_more(told: Told) -> None:
    message_id = await told_of(told.api, f"mail:{ANN}", state="ready", attempt=1, why="")
    rests = []
    for attempt in range(1, outbox.MOST_TRIES + 1):
        async with told.api.db.tenant_session("acme") as session:
            await session.execute(text("UPDATE notifications SET attempt = :n, state = 'ready'"), {"n": attempt})
            now = (await session.execute(text("SELECT now()"))).scalar_one()
            taken = a_message(a_line(), id=message_id, attempt=attempt)
            await outbox.settle(session, taken, MessageState.READY, why="451 later")
        (row,) = await told.messages()
        rests.append(round((row.due_at - now) / timedelta(minutes=1)))
        assert row.state == ("failed" if attempt == outbox.MOST_TRIES else "ready")
    assert rests == [2, 4, 8, 16, 32, 64, 128, 240, 240, 240]
    assert timedelta(hours=12) < sum((timedelta(minutes=one) for one in rests[:-1]), timedelta()) < timedelta(hours=13)


async def test_what_is_old_is_forgotten_and_what_waits_is_not(told: Told) -> None:
    await told.end()
    for state in ("sent", "failed", "doubt", "open", "ready"):
        await told_of(told.api, f"mail:{state}", state=state)
    async with told.api.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE notifications SET created_at = now() - interval '91 days'"))
        await session.execute(text("UPDATE notification_facts SET happened_at = now() - interval '31 days'"))
        kept = {"facts_before": outbox.FACTS_KEPT, "messages_before": outbox.MESSAGES_KEPT}
        await repository.prune(session, **kept)
        assert len(await repository.facts(session)) == 1, "nobody has seen to it"
        await repository.seen_to(session, [one.fact_key for one in await repository.facts(session)], {})
        await repository.prune(session, **kept)
    assert await told.facts() == []
    assert sorted(one.state for one in await told.messages()) == ["open", "ready"]


async def test_of_a_cause_told_within_the_hour_only_the_number_grows(told: Told) -> None:
    await told.name(mail=[BOB], gather_seconds=0, pause_minutes=0, repeat_minutes=60)
    for number in range(3):
        await told.end()
        assert len(await told.look(after=1)) == 1, number
    waiting = [one for one in await told.messages() if one.state == "open"]
    assert [line["count"] for one in waiting for line in one.items.values()] == [2]
    await told.end(status="waiting", code="in-doubt")
    assert len(await told.look(after=1)) == 2, "what is new does not wait for it"


async def test_an_administrator_names_who_is_told_in_the_settings(told: Told) -> None:
    bob = await browser(told.api, BOB, "acme")
    typed = {
        "notifications__mail": ANN.upper(),
        "notifications__channels": "slack ops",
        "notifications__digest_hour": "7",
        "notifications__digest_timezone": "Europe/Berlin",
    }
    saved = await send(bob, "/settings/notifications", **typed)
    assert saved.headers["location"] == "/settings?saved=notifications#notifications"
    rules = (await stored(told.api))["notifications"]
    assert [one.lower() for one in rules["mail"]] == [ANN]
    assert rules["channels"] == [{"tool": "slack", "channel": "ops"}]
    assert (rules["digest_hour"], rules["digest_timezone"]) == (7, "Europe/Berlin")
    refused = await send(bob, "/settings/notifications", **{**typed, "notifications__mail": "eve@acme.example"})
    assert refused.status_code == 422
    assert "no active member of the tenant" in refused.text
    assert "by default" in (await bob.get("/notifications")).text
