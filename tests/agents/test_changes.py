"""Triggers of an agent as they are to be: a trigger that stays keeps its secret, a schedule has its next time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet

from deskhand.agents.changes import plan_schedules, restore_triggers, set_triggers
from deskhand.agents.models import Agent
from deskhand.agents.schemas import AgentTriggerUpdate
from deskhand.errors import InvalidInputError
from deskhand.kit.crypto import SecretBox

BOX = SecretBox([Fernet.generate_key().decode()])
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
WEBHOOK, DAILY = {"trigger_type": "webhook"}, {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}
STRONG = "q7Zt2mXw9LrV4bNc8KdH1sPy6GfJ3aEu"


def agent(**more: Any) -> Agent:
    return Agent(**{"id": uuid4(), "tenant_id": "acme", "status": "active", "triggers": [], **more})


def wanted(*triggers: dict[str, Any]) -> list[AgentTriggerUpdate]:
    return [AgentTriggerUpdate.model_validate(one) for one in triggers]


def test_a_webhook_gets_a_secret_once_and_keeps_it_where_it_is_named_by_its_id() -> None:
    one = agent()
    made = set_triggers(one, wanted(WEBHOOK, DAILY), secrets=BOX)
    webhook, schedule = one.triggers
    assert list(made) == [webhook.id]
    assert BOX.decrypt(webhook.hmac_secret or "") == made[webhook.id]
    assert (webhook.webhook_url, schedule.hmac_secret) == (f"/agents/{one.id}/webhook", None)
    before = webhook.hmac_secret
    again = set_triggers(one, wanted({**WEBHOOK, "id": str(webhook.id)}), secrets=BOX)
    assert (again, one.triggers, webhook.hmac_secret) == ({}, [webhook], before)


def test_a_secret_that_is_sent_replaces_both_that_were_in_force() -> None:
    one = agent()
    set_triggers(one, wanted(WEBHOOK), secrets=BOX)
    [webhook] = one.triggers
    webhook.previous_hmac_secret, webhook.previous_hmac_secret_expires_at = "old", NOW
    assert set_triggers(one, wanted({**WEBHOOK, "id": str(webhook.id), "hmac_secret": STRONG}), secrets=BOX) == {}
    assert BOX.decrypt(webhook.hmac_secret or "") == STRONG
    assert (webhook.previous_hmac_secret, webhook.previous_hmac_secret_expires_at) == (None, None)


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({**WEBHOOK, "id": str(UUID(int=9))}, "/triggers/1/id"),
        ({**WEBHOOK, "hmac_secret": "a" * 40}, "/triggers/1/hmac_secret"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_at_its_place_and_nothing_changes(
    sent: dict[str, Any], pointer: str
) -> None:
    one = agent()
    set_triggers(one, wanted(DAILY), secrets=BOX)
    before = list(one.triggers)
    with pytest.raises(InvalidInputError) as refusal:
        set_triggers(one, wanted(WEBHOOK, sent), secrets=BOX)
    assert [fault.pointer for fault in refusal.value.errors] == [pointer]
    assert one.triggers == before


def test_a_trigger_does_not_become_one_of_the_other_kind() -> None:
    one = agent()
    set_triggers(one, wanted(WEBHOOK), secrets=BOX)
    with pytest.raises(InvalidInputError, match="is a webhook trigger"):
        set_triggers(one, wanted({**DAILY, "id": str(one.triggers[0].id)}), secrets=BOX)


def test_a_removed_webhook_comes_back_with_its_address_and_a_new_secret() -> None:
    one, gone = agent(), uuid4()
    made = restore_triggers(one, [{**WEBHOOK, "id": str(gone)}, {**DAILY, "id": str(uuid4())}], secrets=BOX)
    webhook, schedule = one.triggers
    assert (list(made), webhook.id, webhook.webhook_url) == ([gone], gone, f"/agents/{one.id}/webhook")
    assert (schedule.schedule_cron, schedule.hmac_secret) == ("0 9 * * *", None)
    assert restore_triggers(one, [{**WEBHOOK, "id": str(gone)}], secrets=BOX) == {}


@pytest.mark.parametrize(
    ("status", "paused", "stored", "planned"),
    [
        ("active", False, None, datetime(2026, 5, 5, 9, tzinfo=UTC)),
        ("active", False, datetime(2026, 5, 4, 8, tzinfo=UTC), datetime(2026, 5, 4, 8, tzinfo=UTC)),
        ("active", True, datetime(2026, 5, 4, 8, tzinfo=UTC), None),
        ("suspended", False, datetime(2026, 5, 4, 8, tzinfo=UTC), None),
        ("draft", False, None, None),
    ],
)
def test_only_an_active_agents_schedule_has_a_next_time_and_a_missed_one_is_kept(
    status: str, paused: bool, stored: datetime | None, planned: datetime | None
) -> None:
    one = agent(status=status)
    set_triggers(one, wanted(DAILY, WEBHOOK), secrets=BOX)
    schedule, webhook = one.triggers
    schedule.is_paused, schedule.next_fire_at = paused, stored
    plan_schedules(one, now=NOW)
    assert (schedule.next_fire_at, webhook.next_fire_at) == (planned, None)
