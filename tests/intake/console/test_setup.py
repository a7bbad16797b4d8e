"""The set-up page: the text to paste with the secret in it once, and "I heard it" for whatever came, taken or not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy import update
from tests.support.api import Api
from tests.support.desk_pages import DESKS, DeskPages, desk_pages, said
from tests.support.people import form

from deskhand.agents.models import Agent
from deskhand.intake import heard as heard_module
from deskhand.intake.console.setup import PLACE_OF_SECRET
from deskhand.intake.freshness import NO_AGENT
from deskhand.intake.heard import Heard, LastHeard
from deskhand.intake.schemas import Outcome
from deskhand.kit.clock import utc_now
from deskhand.plugins.registry import BUILT_IN
from deskhand.plugins.signatures import hub_headers

SETUP = f"{DESKS}/servicedesk_plus/setup"
SECRET = "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"


def event(name: str = "request.created", ticket_id: str = "7") -> bytes:
    return json.dumps({"event": name, "request_id": ticket_id, "subject": "VPN drops"}).encode()


async def send(api: Api, body: bytes, *, secret: str = SECRET, path: str = "acme/servicedesk_plus") -> dict[str, Any]:
    client = await api.client()
    answer = await client.post(f"/webhooks/{path}", content=body, headers=hub_headers(secret, body))
    return dict(answer.json())


async def heard(pages: DeskPages, tool_type: str = "servicedesk_plus") -> str:
    """What the part of the page says that is fetched again and again; as the whole page says it."""
    part = await pages.boss.get(f"{DESKS}/{tool_type}/heard", headers={"HX-Request": "true"})
    whole = said(await pages.page(f"{tool_type}/setup"))
    words = said(f"<main>{part.text}</main>").strip()
    assert words in whole, "the page without scripts says the same"
    return words


async def active_agent(api: Api, name: str = "Triage notes", **fields: Any) -> str:
    """An agent that a delivery starts; its model is nobody's concern here."""
    acme = await api.member("acme", "tenant_admin")
    made = await api.agent(acme, name=name, **fields)
    async with api.db.tenant_session("acme") as session:
        await session.execute(update(Agent).where(Agent.id == made["id"]).values(status="active"))
    return str(made["id"])


@pytest.mark.parametrize("tool_type", BUILT_IN)
async def test_the_text_names_the_desks_address_and_no_stored_secret(api: Api, tool_type: str) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    page = await pages.page(f"{tool_type}/setup")
    assert f"http://deskhand.example.com/webhooks/acme/{tool_type}" in page
    assert PLACE_OF_SECRET in page
    assert SECRET not in page
    assert "Nothing heard yet" in await heard(pages, tool_type)


async def test_a_new_secret_is_filled_in_shown_once_and_counts(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    made = await form(pages.boss, SETUP, f"{DESKS}/servicedesk_plus/secret")
    shown = re.search(r'<code id="secret">([^<]+)</code>', made.text)
    assert shown is not None
    assert (made.headers["cache-control"], made.text.count(shown[1]) > 1) == ("no-store", True)
    assert PLACE_OF_SECRET not in made.text
    assert 'http-equiv="refresh"' not in made.text, "a page that reloads itself would take the secret away"
    assert shown[1] not in await pages.page("servicedesk_plus/setup")
    assert (await send(api, event()))["code"] == "invalid-signature"
    assert (await send(api, event(), secret=shown[1]))["deliveries"][0]["reason"] == NO_AGENT
    assert shown[1] not in str([entry.details for entry in await pages.log()])
    assert (await pages.log())[-1].details["fields"] == ["webhook_signing_secret"]


async def test_a_secret_that_the_desk_made_is_stored_unless_it_can_be_guessed(api: Api) -> None:
    pages = await desk_pages(api)
    weak = await form(pages.boss, SETUP, f"{DESKS}/zendesk/store-secret", secret="password")
    assert (weak.status_code, "Nothing was stored." in said(weak.text)) == (422, True)
    empty = await form(pages.boss, SETUP, f"{DESKS}/zendesk/store-secret", secret="")
    assert empty.status_code == 422
    taken = await form(pages.boss, SETUP, f"{DESKS}/zendesk/store-secret", secret=SECRET)
    assert taken.headers["location"] == f"{DESKS}/zendesk/setup?stored=1"
    page = (await pages.boss.get(taken.headers["location"])).text
    assert ("Stored." in said(page), SECRET in page) == (True, False)
    assert (await send(api, event()))["deliveries"][0]["status"] == "ignored"


async def test_a_desk_is_heard_before_any_agent_listens(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    await send(api, event(), secret="another-secret-of-32-characters-x")
    words = await heard(pages)
    assert ("I heard the desk, and refused it" in words, "Signed with another secret" in words) == (True, True)
    await send(api, b"[]")
    assert "Not what the desk sends" in await heard(pages)
    await send(api, event())
    words = await heard(pages)
    assert ("I heard it" in words, "No agent listens here" in words) == (True, True)
    listed = await pages.page()
    assert "Heard</span>" in listed[listed.index('id="desk-servicedesk_plus"') :].split("</tr>")[0]
    assert "Nothing heard yet" in await heard(pages, "zendesk"), "another desk is another desk"
    await send(api, event(), path="nobody/servicedesk_plus")
    await send(api, event(), path="acme/nothing")
    assert "I heard it" in await heard(pages)


async def test_the_tenants_limit_is_heard_too(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET, rate_limits={"webhooks_per_minute": 1})
    answers = [await send(api, event()) for _ in range(3)]
    assert answers[-1]["code"] == "rate-limited"
    assert "Too many at once" in await heard(pages)


async def test_a_delivery_that_was_accepted_is_heard_with_its_run(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    await active_agent(api)
    answer = (await send(api, event()))["deliveries"][0]
    assert answer["status"] == "accepted"
    words = await heard(pages)
    for one in ("I heard it", "Accepted: it started a run", "request.created", "#7"):
        assert one in words
    assert f'/executions/{answer["execution_id"]}"' in await pages.page("servicedesk_plus/setup")
    await send(api, event("request.note_added", "8"))
    assert "about ticket #8" in await heard(pages), "the newest counts"
    await send(api, event(), secret="another-secret-of-32-characters-x")
    assert "and refused it" in await heard(pages), "refused at the desk's address, it is that desk's"
    assert "Nothing heard yet" in await heard(pages, "jira")


async def test_what_nobody_could_read_counts_for_the_desks_of_its_agent(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    agent = await active_agent(api, tool_ids=["zendesk"])
    client = await api.client()
    refused = await client.post(f"/agents/{agent}/webhook", content=event())
    assert refused.status_code == 401
    assert "Not signed" in await heard(pages, "zendesk")
    assert "Nothing heard yet" in await heard(pages)


async def test_the_part_is_answered_with_nothing_while_nothing_happened(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    address = re.search(r'hx-get="([^"]+heard[^"]+)"', await pages.page("servicedesk_plus/setup"))
    assert address is not None
    assert (await pages.boss.get(address[1])).status_code == 204
    await send(api, event())
    again = await pages.boss.get(address[1])
    assert (again.status_code, "I heard it" in again.text) == (200, True)
    assert address[1] not in again.text, "it asks for what comes after this"


def test_only_the_desks_that_spoke_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard_module, "MOST_DESKS", 2)
    last, one = LastHeard(), Heard(at=utc_now(), outcome=Outcome.IGNORED)
    for tenant_id in ("a", "b", "a", "c"):
        last.keep(tenant_id, "jira", one)
    assert [last.of(tenant_id, "jira") for tenant_id in ("a", "b", "c")] == [one, None, one]
