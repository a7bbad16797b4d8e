"""A second desk beside the one that a tenant begins with, at an address where nobody answers."""

from __future__ import annotations

from typing import Any, Protocol

import httpx2
from tests.support.desks import KINDS, new_simulator

from deskhand.simulators.base.server import run_in_process

NOWHERE = "http://127.0.0.1:9"


class HasClients(Protocol):
    """What knows a client of the tenant's administrator, as ``key``."""

    clients: dict[str, httpx2.AsyncClient]


async def second_desk(world: HasClients) -> dict[str, str]:
    """Acme with Zendesk, too; the ids of a path to it."""
    extras = {"zendesk": {"zendesk_client_id": "deskhand", "zendesk_url": NOWHERE}}
    body = {"zendesk_subdomain": "acme", "zendesk_api_token": "t" * 30, "connection_extras": extras}
    answer = await world.clients["key"].patch("/api/v1/tenants/acme", json=body)
    assert answer.status_code == 200, answer.text
    return {"tool_type": "zendesk"}


async def second_desk_as_default(world: HasClients) -> dict[str, str]:
    """The same with Zendesk as the default; the ids of a path to the other."""
    await second_desk(world)
    answer = await world.clients["key"].patch("/api/v1/tenants/acme", json={"tool_type": "zendesk"})
    assert answer.status_code == 200, answer.text
    return {"tool_type": "servicedesk_plus"}


async def answering_desk(world: Any) -> dict[str, str]:
    """Acme with a Zendesk that answers until the world ends; the ids of a path to it, and a ticket there."""
    simulator = new_simulator("zendesk")
    server = await world.api.clients.enter_async_context(run_in_process(simulator.build()))
    kind = KINDS["zendesk"]
    extras = {"zendesk": kind.extras(simulator, server.url)}
    body = {**kind.connection(simulator, server.url), "connection_extras": extras}
    answer = await world.clients["key"].patch("/api/v1/tenants/acme", json=body)
    assert answer.status_code == 200, answer.text
    ticket = simulator.file_ticket(subject="VPN drops", requester=simulator.store.person("alice@acme.test"))
    return {"tool_type": "zendesk", "ticket": ticket.id}


def zendesk_form(_: dict[str, str]) -> dict[str, Any]:
    """What is typed into the desk's form."""
    typed = {"subdomain": "acme", "api_token": "t" * 30, "client_id": "deskhand", "url": NOWHERE}
    return {f"desk.zendesk_{name}": text for name, text in typed.items()}


def nothing(_: dict[str, str]) -> dict[str, Any]:
    """What is typed into a form that has a button alone."""
    return {}


_DESK = "POST /tenants/{tenant_id}/desks/{tool_type}"
DESK_FORMS = (
    (_DESK, zendesk_form, second_desk),
    (f"{_DESK}/secret", nothing, second_desk),
    (f"{_DESK}/store-secret", lambda _: {"secret": "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"}, second_desk),
    (f"{_DESK}/default", nothing, second_desk_as_default),
    (f"{_DESK}/disconnect", nothing, second_desk),
)
"""For the audit's tests: each route of a desk's pages that saves something, what is typed, and what makes it ready."""

_TRIED = ("connection.try_note", "connection.read_note_trial")
NOTE_TRIALS = (
    ("POST /api/v1/tenants/{tenant_id}/connections/{tool_type}/note-trial", _TRIED, "key"),
    (f"{_DESK}/note-trial", _TRIED, "ann"),
)
"""Each route that tries a note, what it records, and who asks."""
