"""The four simulated desks as the whole product sees them: how each is connected, and what is typed into it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from deskhand.kit.marks import find_marks
from deskhand.plugins.registry import BUILT_IN
from deskhand.plugins.text import html_to_text, markdown_to_text
from deskhand.simulators.base import DeskSimulator
from deskhand.simulators.base.server import RunningServer
from deskhand.simulators.jira.world import account_id
from deskhand.simulators.registry import make_simulator
from deskhand.simulators.zendesk.wire import CATEGORY_FIELD

DESK_KEY = "technician-key-of-the-simulator"


@dataclass(frozen=True, slots=True)
class Kind:
    """One vendor's side of a tenant.

    Attributes:
        connection: The tenant's columns, given the simulator and its address.
        extras: What the connection needs beyond them.
        medium: The vendor's word for our priority "medium".
        options: Of the simulator.
    """

    connection: Callable[[DeskSimulator, str], dict[str, str]]
    extras: Callable[[DeskSimulator, str], dict[str, Any]] = lambda _sim, _url: {}
    medium: str = "Medium"
    options: dict[str, Any] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "servicedesk_plus": Kind(
        connection=lambda _sim, url: {"servicedesk_url": url, "servicedesk_api_key": DESK_KEY},
    ),
    "jira": Kind(
        connection=lambda _sim, url: {"jira_url": url, "jira_api_token": DESK_KEY, "jira_project_key": "HELP"},
        extras=lambda sim, _url: {
            "jira_email": sim.store.bot.email,
            "jira_account_id": account_id(sim.store.bot),
        },
    ),
    "zendesk": Kind(
        connection=lambda _sim, _url: {"zendesk_subdomain": "simulator", "zendesk_api_token": DESK_KEY},
        extras=lambda sim, url: {
            "zendesk_url": url,
            "zendesk_client_id": "deskhand",
            "zendesk_email": sim.store.bot.email,
            "zendesk_user_id": int(sim.store.bot.id),
            "zendesk_category_field": CATEGORY_FIELD,
        },
        medium="normal",
        options={"export_delay": 0.0},
    ),
    "servicenow": Kind(
        connection=lambda _sim, url: {"servicenow_instance_url": url, "servicenow_api_key": DESK_KEY},
        extras=lambda _sim, _url: {"servicenow_username": "deskhand"},
        medium="3 - Moderate",
    ),
}

DESKS = [name for name in KINDS if name in BUILT_IN]


def new_simulator(tool_type: str) -> DeskSimulator:
    """A simulator whose account signs in with ``DESK_KEY``."""
    return make_simulator(tool_type, api_key=DESK_KEY, **KINDS[tool_type].options)


@dataclass
class Desk:
    """One simulated desk, running."""

    simulator: DeskSimulator
    server: RunningServer
    client: httpx2.AsyncClient

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def tool_type(self) -> str:
        return self.simulator.tool_type

    def tenant(self) -> dict[str, Any]:
        """The part of a new tenant that connects it to this desk."""
        kind = KINDS[self.tool_type]
        extras = kind.extras(self.simulator, self.url)
        return {
            "tool_type": self.tool_type,
            **kind.connection(self.simulator, self.url),
            **({"connection_extras": {self.tool_type: extras}} if extras else {}),
        }

    async def file_ticket(
        self, subject: str = "VPN drops", description: str = "It drops every ten minutes.", **fields: Any
    ) -> str:
        answer = await self.client.post(
            "/_sim/tickets",
            json={"subject": subject, "description": description, "requester": "alice@acme.test", **fields},
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def notes(self, ticket_id: str) -> list[dict[str, Any]]:
        answer = await self.client.get(f"/_sim/tickets/{ticket_id}")
        answer.raise_for_status()
        return list(answer.json()["notes"])

    async def effects(self, ticket_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/_sim/effects/{ticket_id}")
        answer.raise_for_status()
        return dict(answer.json())

    async def webhooks(self) -> dict[str, Any]:
        """The target and what became of each delivery."""
        answer = await self.client.get("/_sim/webhooks")
        answer.raise_for_status()
        return dict(answer.json())


def words_of_markdown(markdown: str) -> list[str]:
    """What a note says, without how it is set."""
    return _words(markdown_to_text(markdown))


def words_of_html(source: str) -> list[str]:
    """The same of a note as the desk shows it, without the line that carries our mark."""
    return _words(html_to_text(source))


def _words(text: str) -> list[str]:
    for mark in find_marks(text):
        text = re.sub(rf"Ref:\s*{mark}", "", text)
    return re.findall(r"\w+", text)
