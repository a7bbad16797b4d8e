"""Triggers in the console: added, changed and removed by a form, by the rules of the API, and one at a time."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.agents.console.test_pages import person, words_of
from tests.support.api import Api
from tests.support.people import form

from deskhand.agents.console.starts import MISFIRES, TriggerForm, faults_by_box, kept_triggers, with_trigger
from deskhand.agents.models import AgentTrigger
from deskhand.agents.schemas import AgentTriggerCreate, TriggerType
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError

FILTER = '{"events": ["*created"], "priority": ["high"]}'
SCHEDULE = {"trigger_type": "schedule", "cron": "30 8 * * 1-5", "zone": "Europe/Berlin"}
OWN_SECRET = "kR8wq2Zt5uXb9Nf3Lm7Yc1Vd6Hs0Jp4G"


async def triggers(admin: httpx2.AsyncClient, agent_id: str) -> list[dict[str, Any]]:
    agent = (await admin.get(f"/api/v1/agents/{agent_id}")).json()
    return list(agent["triggers"])


async def send(client: httpx2.AsyncClient, path: str, revision: int = 1, **typed: str) -> httpx2.Response:
    page = path.removesuffix("/remove")
    return await form(client, page, path, revision=str(revision), **typed)


def test_an_untouched_form_says_what_the_trigger_is() -> None:
    webhook = AgentTrigger(id=uuid4(), trigger_type="webhook", note_word="#handover", event_filter=json.loads(FILTER))
    webhook.schedule_timezone, webhook.misfire_policy, webhook.misfire_max_age_seconds = "UTC", "latest", 3600
    clock = AgentTrigger(id=uuid4(), trigger_type="schedule", schedule_cron="0 9 * * *", schedule_timezone="UTC")
    clock.misfire_policy, clock.misfire_max_age_seconds = "skip", 60
    assert TriggerForm.of(webhook).part(0) == {
        "trigger_type": "webhook",
        "note_word": "#handover",
        "event_filter": json.loads(FILTER),
        "payload_schema": None,
    }
    assert TriggerForm.of(clock).part(1) == {
        "trigger_type": "schedule",
        "schedule_cron": "0 9 * * *",
        "schedule_timezone": "UTC",
        "event_filter": None,
        "misfire_policy": "skip",
        "misfire_max_age_seconds": 60,
    }
    for one in (webhook, clock):
        AgentTriggerCreate.model_validate(TriggerForm.of(one).part(0))
    changed = with_trigger([webhook, clock], TriggerForm.of(clock), clock.id)
    assert [one.get("id") for one in changed] == [str(webhook.id), str(clock.id)]
    assert kept_triggers([webhook, clock], without=clock.id) == [{"id": str(webhook.id), "trigger_type": "webhook"}]
    assert "id" not in with_trigger([webhook], TriggerForm.of(clock), None)[1]


def test_a_secret_that_was_typed_is_in_no_log() -> None:
    assert OWN_SECRET not in repr(TriggerForm(hmac_secret=OWN_SECRET))


def test_faults_stand_at_their_box_with_the_place_inside_a_document() -> None:
    faults = [
        FieldProblem("/triggers/1/event_filter/events/0", "too long"),
        FieldProblem("/triggers/1/schedule_timezone", "unknown"),
        FieldProblem("/triggers/0/note_word", "another one's"),
        FieldProblem("/triggers/1", "five fields are needed"),
        FieldProblem("/triggers/1", "misfire_max_age_seconds must be a whole number"),
    ]
    found = faults_by_box(InvalidInputError("No.", errors=faults), 1)
    assert {box: said for box, said in found.items() if said} == {
        "event_filter": "events.0: too long",
        "zone": "unknown",
        "cron": "five fields are needed",
        "misfire_max_age_seconds": "misfire_max_age_seconds must be a whole number",
    }
    assert not any(faults_by_box(ConflictError("No."), 0).values())


def test_each_way_of_missing_a_time_has_its_words() -> None:
    annotation = AgentTriggerCreate.model_fields["misfire_policy"].annotation
    assert set(MISFIRES) == set(annotation.__args__)  # type: ignore[union-attr]


async def test_a_webhook_is_added_with_its_secret_shown_once(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, triggers=[])
    client = await person(api, "editor")
    page = (await client.get(f"/agents/{made['id']}")).text
    assert f'href="/agents/{made["id"]}/triggers/new?kind=webhook"' in page
    path = f"/agents/{made['id']}/triggers/new"
    answer = await send(client, path, trigger_type="webhook", event_filter=FILTER, note_word="")
    shown = re.search(r'class="secret" id="[^"]+">(whsec_[^<]+)<', answer.text)
    assert answer.status_code == 200
    assert shown is not None
    [webhook] = await triggers(admin, made["id"])
    assert (webhook["event_filter"], webhook["note_word"]) == (json.loads(FILTER), None)
    assert shown[1] not in (await client.get(f"/agents/{made['id']}")).text
    # A secret of the sender's own is not shown again, and one that is too weak is refused at its box.
    weak = await send(client, path, 2, trigger_type="webhook", hmac_secret="a" * 20)
    assert weak.status_code == 422
    assert 'id="fault-hmac_secret"' in weak.text
    assert "a" * 20 not in weak.text
    own = await send(client, path, 2, trigger_type="webhook", hmac_secret=OWN_SECRET)
    assert (own.status_code, own.headers["location"]) == (303, f"/agents/{made['id']}?done=trigger")


async def test_a_schedule_is_added_changed_and_removed_and_the_others_stay(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    client = await person(api, "editor")
    new = f"/agents/{made['id']}/triggers/new"
    assert 'name="cron"' in (await client.get(f"{new}?kind=schedule")).text
    assert (await client.get(f"{new}?kind=moon")).status_code == 422
    added = await send(client, new, **SCHEDULE, misfire_policy="skip", misfire_max_age_seconds="60")
    assert added.status_code == 303
    webhook, clock = await triggers(admin, made["id"])
    assert (clock["schedule_cron"], clock["schedule_timezone"]) == ("30 8 * * 1-5", "Europe/Berlin")
    assert (clock["misfire_policy"], clock["misfire_max_age_seconds"]) == ("skip", 60)

    path = f"/agents/{made['id']}/triggers/{clock['id']}"
    shown = (await client.get(path)).text
    assert 'value="30 8 * * 1-5"' in shown
    assert "At 08:30 on Monday through Friday (Europe/Berlin)" in words_of(shown)
    assert shown.count("<time") == 5
    inside = json.dumps({"hours": "inside"})
    assert "selected" not in shown[shown.index('<select name="event_filter"') :].partition("</select>")[0]
    changed = await send(client, path, 2, **{**SCHEDULE, "cron": "0 7 * * 1", "event_filter": inside})
    assert changed.status_code == 303
    kept, clock = await triggers(admin, made["id"])
    assert (kept, clock["schedule_cron"], clock["misfire_policy"]) == (webhook, "0 7 * * 1", "latest")
    assert clock["event_filter"] == {"hours": "inside"}
    shown = (await client.get(path)).text
    assert f'value="{inside}" selected' in unescape(shown)
    assert "(Europe/Berlin), inside working time" in words_of(shown)

    assert (await send(client, f"{path}/remove", 2)).status_code == 412
    removed = await send(client, f"{path}/remove", 3)
    assert (removed.status_code, removed.headers["location"]) == (303, f"/agents/{made['id']}?done=removed")
    assert await triggers(admin, made["id"]) == [webhook]
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("typed", "box"),
    [
        ({**SCHEDULE, "cron": "61 * * * *"}, "cron"),
        ({**SCHEDULE, "cron": ""}, "cron"),
        ({**SCHEDULE, "zone": "Mars/Olympus"}, "zone"),
        ({**SCHEDULE, "misfire_policy": "sometimes"}, "misfire_policy"),
        ({**SCHEDULE, "misfire_max_age_seconds": "long"}, "misfire_max_age_seconds"),
        ({**SCHEDULE, "event_filter": '{"words": ["vpn"]}'}, "event_filter"),
        ({"trigger_type": "webhook", "event_filter": "{"}, "event_filter"),
        ({"trigger_type": "webhook", "event_filter": "[" * 100_000}, "event_filter"),
        ({"trigger_type": "webhook", "event_filter": '{"event": ["x"]}'}, "event_filter"),
        ({"trigger_type": "webhook", "payload_schema": '{"type": "nothing"}'}, "payload_schema"),
        ({"trigger_type": "webhook", "note_word": "two words"}, "note_word"),
    ],
)
async def test_what_cannot_be_is_named_beside_its_box_and_changes_nothing(
    api: Api, typed: dict[str, str], box: str
) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    client = await person(api, "editor")
    answer = await send(client, f"/agents/{made['id']}/triggers/new", **typed)
    assert answer.status_code == 422
    assert f'id="fault-{box}"' in answer.text
    assert len(await triggers(admin, made["id"])) == 1


async def test_a_trigger_keeps_its_kind_and_its_secret_whatever_a_form_says(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, triggers=[{"trigger_type": "webhook", "note_word": "#handover"}])
    client = await person(api, "editor")
    path = f"/agents/{made['id']}/triggers/{made['triggers'][0]['id']}"
    assert (await send(client, path, **SCHEDULE)).status_code == 422
    cleared = await send(client, path, trigger_type="webhook", note_word="")
    assert cleared.status_code == 303
    [webhook] = await triggers(admin, made["id"])
    assert (webhook["note_word"], webhook["has_secret"]) == (None, True)
    stranger = f"/agents/{made['id']}/triggers/{uuid4()}"
    assert (await client.get(stranger)).status_code == 404
    assert (await form(client, path, stranger, revision="2", trigger_type="webhook")).status_code == 404
    assert (await form(client, path, f"{stranger}/remove", revision="2")).status_code == 404


async def test_the_last_trigger_of_an_active_agent_stays(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, status="active")
    client = await person(api)
    path = f"/agents/{made['id']}/triggers/{made['triggers'][0]['id']}"
    assert "It is the only thing that starts this agent." in words_of((await client.get(path)).text)
    refused = await send(client, f"{path}/remove")
    assert refused.status_code == 422
    assert "At least one trigger is required" in refused.text
    assert len(await triggers(admin, made["id"])) == 1


async def test_who_may_not_change_an_agent_changes_no_trigger(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    path = f"/agents/{made['id']}/triggers/{made['triggers'][0]['id']}"
    for role in ("viewer", "operator"):
        client = await person(api, role)
        shown = (await client.get(f"/agents/{made['id']}")).text
        assert "/triggers/new" not in shown
        assert f'href="{path}"' not in shown
        assert (await client.get(path)).status_code == 403
        for address in (path, f"{path}/remove", f"/agents/{made['id']}/triggers/new"):
            answer = await form(client, "/executions", address, revision="1", trigger_type="webhook")
            assert answer.status_code == 403
    assert len(TriggerType) == 2
