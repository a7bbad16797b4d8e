"""The simulated site as its routes and events know it: what it keeps, and how a ticket of it is found."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from starlette.requests import Request

from deskhand.plugins.jira.manifest import TOOL_TYPE
from deskhand.simulators.base import DeskSimulator, SimNote, SimTicket
from deskhand.simulators.jira import world
from deskhand.simulators.jira.issue import Issues
from deskhand.simulators.jira.wire import refuse

_PAGE_TOKEN_LIFE = timedelta(days=7)


class JiraSite(DeskSimulator):
    """Without routes and events; ``JiraSimulator`` adds them.

    Args:
        project: Key of the service project.
        time_zone: Zone of the bot account, in which its JQL dates are read.
        **kwargs: As for ``DeskSimulator``.
    """

    tool_type = TOOL_TYPE
    product = "Jira Service Management"
    priorities: ClassVar[tuple[str, ...]] = world.PRIORITIES
    statuses: ClassVar[tuple[str, ...]] = tuple(world.STATUSES)

    def __init__(self, *, project: str = "HELP", time_zone: str = "Europe/Berlin", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.zone = ZoneInfo(time_zone)
        self.hidden: set[str] = set()
        """Ids of tickets that our account may not see: they answer 404."""
        self.private: set[str] = set()
        """Addresses that their owners hide."""
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.pages: dict[str, tuple[datetime, str, list[str]]] = {}
        self.category_changed: dict[str, datetime] = {}
        self._comment_properties: dict[str, list[dict[str, Any]]] = {}
        self.issues = Issues(self.store, project, self.category_changed, self._comment_properties)

    def reset(self) -> None:
        super().reset()
        for book in (self.category_changed, self._comment_properties, self.history, self.pages):
            book.clear()
        self.hidden.clear()
        self.private.clear()

    # -- what the routes use ---------------------------------------------------------------------

    @staticmethod
    def base(request: Request) -> str:
        """Address of the site, for links."""
        # Links name the site even where the call came through the cloud's gateway address.
        return str(request.base_url).rstrip("/").partition("/ex/jira/")[0]

    def ticket(self, request: Request) -> SimTicket:
        """The ticket of the path, by id or key; one that is hidden does not exist."""
        name = request.path_params["id"]
        match = self.store.get(name) or next(
            (ticket for ticket in self.store.tickets.values() if ticket.display_id == name.upper()), None
        )
        if match is None or match.id in self.hidden:
            raise refuse(request, 404, "Issue does not exist or you do not have permission to see it.")
        return match

    def comment(self, ticket: SimTicket, body: str, *, public: bool, properties: list[dict[str, Any]]) -> SimNote:
        """Write a comment as the account that calls."""
        note = self.write_note(ticket, body, public=public, author=self.store.bot)
        self._comment_properties[note.id] = properties
        return note

    def rewrite(self, ticket: SimTicket, note: SimNote, body: str) -> None:
        """Edit a comment as the account that calls; a site announces it."""
        self.store.edit_note(ticket, note, body, by=self.store.bot)

    def set_properties(self, ticket: SimTicket, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """The ticket's own dictionary with entity properties added."""
        properties = dict(ticket.custom.get("properties", {}))
        properties.update({str(row["key"]): row.get("value") for row in rows})
        return {**ticket.custom, "properties": properties}

    def remember_page(self, jql: str, ids: list[str]) -> str:
        """A page token for the rows still to come; it lives seven days."""
        token = base64.b64encode(f"{self.store.random.getrandbits(64):016x}".encode()).decode()
        # With its query: the vendor refuses a token that comes with another one.
        self.pages[token] = (self.clock() + _PAGE_TOKEN_LIFE, jql, ids)
        return token

    # -- what the kit asks for -------------------------------------------------------------------

    def new_ticket_id(self) -> str:
        return str(10_000 + self.store.number - 1000)

    def initial_fields(self) -> dict[str, Any]:
        return {
            "status": self.statuses[0],
            "priority": "Medium",
            "group": "Service Desk",
            "display_id": f"{self.project}-{self.store.number - 999}",
        }

    def closing_fields(self, status: str) -> dict[str, Any]:
        done = world.is_done(status)
        return {"status": status, "resolution": "Done" if done else None, "resolved_at": self.clock() if done else None}


class Part:
    """Handlers of some of the site's routes.

    Args:
        sim: The simulator.
    """

    def __init__(self, sim: JiraSite) -> None:
        self._sim = sim
