"""The demo's scene: a tenant, its desk, an agent, its history; set up over the product's own API."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx2

from deskhand.access.service import create_platform_key
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import UnavailableError
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded.models import AUTO

TENANT = "demo"
TOOL = "servicedesk_plus"
TICKETS = ("INC0000035", "INC0000030", "INC0000021")

PROMPT = """\
You are the first look of a service desk. You read a new ticket and the material that was looked up for it,
and you prepare a technician: what is this about, and what should they do next. You only use the material
you are given. You never claim that something was done or solved. You are brief.
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the demo keeps between two starts, in a file that only its user can read."""

    simulator_key: str
    platform_key: str = ""
    api_key: str = ""
    agent_id: str = ""
    webhook_secret: str = ""


def load_credentials(path: Path) -> Credentials:
    """Those of the last start, or fresh ones."""
    if path.is_file():
        return Credentials(**json.loads(path.read_text(encoding="utf-8")))
    return Credentials(simulator_key=secrets.token_hex(16))


def save_credentials(path: Path, credentials: Credentials) -> None:
    """Keep them, readable by this user alone."""
    # Made with its mode and not changed afterwards: between the two anybody on the machine could open it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(credentials), file)


def new_tickets() -> list[dict[str, str]]:
    """The tickets the demo files: real incidents, word for word (see ``data/README.md``)."""
    rows = json.loads(files("deskhand.demo").joinpath("data/new_tickets.json").read_text(encoding="utf-8"))
    by_number = {row["number"]: row for row in rows}
    return [by_number[number] for number in TICKETS]


class Scene:
    """Sets the stage and plays on it, as a client of API and desk.

    Args:
        api: Address of the API.
        desk: Address of the simulated desk.
    """

    def __init__(self, api: str, desk: str) -> None:
        http = HttpClientFactory(allow_private=True)
        self.api_url, self.desk_url = api, desk
        self._api = http.client(api)
        self._desk = http.client(desk)

    async def aclose(self) -> None:
        """Close both clients."""
        await self._api.aclose()
        await self._desk.aclose()

    async def prepare(self, db: Database, last: Credentials, *, provider: str, model: str) -> Credentials:
        """Make tenant, key and agent where they are missing, and point the desk's webhook at the agent.

        Args:
            db: For the two keys, which are made on the server's side.
            last: Credentials of the last start.
            provider: ``embedded`` or ``litellm``.
            model: The agent's model.
        """
        platform_key = last.platform_key
        if not platform_key:
            async with db.platform_session() as session:
                _, platform_key = await create_platform_key(session, name="demo")
        await self._ensure_tenant(platform_key, last.simulator_key)
        api_key = last.api_key or await self._create_api_key(platform_key)
        self._api.headers["Authorization"] = f"Bearer {api_key}"
        # A second start goes on with the first one's agent, and with the secret that the desk signs with.
        agent_id, secret = last.agent_id, last.webhook_secret
        if not agent_id:
            agent_id, secret = await self._create_agent(provider, model)
        # The agent may be of a start with another model, and a demo must show the one that runs now.
        await self._use_model(agent_id, provider, model)
        # At each start: the desk and the API listen on ports that may have been others.
        await self._point_webhook(agent_id, secret)
        return Credentials(last.simulator_key, platform_key, api_key, agent_id, secret)

    async def _ensure_tenant(self, platform_key: str, simulator_key: str) -> None:
        headers = {"Authorization": f"Bearer {platform_key}"}
        connection = {"servicedesk_url": self.desk_url, "servicedesk_api_key": simulator_key}
        tenant = await self._api.get(f"/api/v1/tenants/{TENANT}", headers=headers)
        if tenant.status_code == 200:
            await self._call("PATCH", f"/api/v1/tenants/{TENANT}", connection, headers=headers)
            return
        body = {"tenant_id": TENANT, "name": "Demo Company", "tool_type": TOOL, **connection}
        await self._call("POST", "/api/v1/tenants", body, headers=headers)

    async def _create_api_key(self, platform_key: str) -> str:
        headers = {"Authorization": f"Bearer {platform_key}"}
        body = {"name": "demo", "role": "tenant_admin"}
        created_key = await self._call("POST", f"/api/v1/tenants/{TENANT}/api-keys", body, headers=headers)
        return str(created_key["api_key"])

    async def _create_agent(self, provider: str, model: str) -> tuple[str, str]:
        agent = await self._call(
            "POST",
            "/api/v1/agents",
            {
                "name": "First look",
                "description": "Researches each new ticket and leaves an internal note.",
                "system_prompt": PROMPT,
                "llm_config": _llm_config(provider, model),
                "triggers": [{"trigger_type": "webhook"}],
                "tool_ids": [TOOL],
            },
        )
        await self._call("POST", f"/api/v1/agents/{agent['id']}/activate", None)
        return agent["id"], agent["webhook_secrets"][0]["secret"]

    async def _use_model(self, agent_id: str, provider: str, model: str) -> None:
        agent = await self._call("GET", f"/api/v1/agents/{agent_id}", None)
        if (agent["llm_config"].get("provider"), agent["llm_config"].get("model")) != (provider, model):
            await self._call("PATCH", f"/api/v1/agents/{agent_id}", {"llm_config": _llm_config(provider, model)})

    async def _point_webhook(self, agent_id: str, secret: str) -> None:
        target = {"url": f"{self.api_url}/agents/{agent_id}/webhook", "secret": secret}
        answer = await self._desk.put("/_sim/webhooks", json=target)
        answer.raise_for_status()

    async def cancel_leftovers(self) -> int:
        """Cancel what the last demo left unfinished: its tickets are gone, because the desk starts empty."""
        cancelled = 0
        for status in (status for status in ExecutionStatus if not status.is_final):
            listed = await self._call("GET", f"/api/v1/executions?status={status}&limit=200", None)
            for execution in listed["items"]:
                await self._call("POST", f"/api/v1/executions/{execution['id']}/cancel", None)
                cancelled += 1
        return cancelled

    async def file_ticket(self, ticket: dict[str, str]) -> str:
        """File a ticket in the desk, as its caller would; returns the desk's id of it."""
        requester = ticket["caller"].lower().replace(" ", ".") + "@demo.example"
        answer = await self._desk.post(
            "/_sim/tickets",
            json={"subject": ticket["short_description"], "description": ticket["description"], "requester": requester},
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def read_notes(self, ticket_id: str) -> list[dict[str, Any]]:
        """The notes on a ticket, as the desk shows them."""
        answer = await self._desk.get(f"/_sim/tickets/{ticket_id}")
        answer.raise_for_status()
        return list(answer.json()["notes"])

    async def execution_of(self, ticket_id: str) -> dict[str, Any] | None:
        """The newest run on a ticket, from the API; None if there is none.

        Raises:
            UnavailableError: The API or its database is away, so nobody can say whether there is one.
        """
        try:
            answer = await self._api.get(f"/api/v1/executions?ticket_ref={ticket_id}")
        except httpx2.TransportError as error:
            raise UnavailableError(f"The API cannot be reached: {error}") from error
        # The API answers itself while its database is away, and the supervisor starts either again.
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            raise UnavailableError("The API has no database at the moment.")
        listed = answer.raise_for_status().json()
        return listed["items"][0] if listed["items"] else None

    async def sign_in_link(self) -> str:
        """A link that opens the console once, without typing the key."""
        token = await self._call("POST", f"/api/v1/tenants/{TENANT}/sign-in-tokens", None)
        return str(token["url"])

    async def _call(self, method: str, path: str, body: object, *, headers: dict[str, str] | None = None) -> Any:
        answer: httpx2.Response = await self._api.request(method, path, json=body, headers=headers)
        if answer.is_error:
            raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None


def _llm_config(provider: str, model: str) -> dict[str, Any]:
    return {"provider": provider, "model": model or AUTO, "temperature": 0.0, "max_tokens": 600}
