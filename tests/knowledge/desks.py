"""A simulated desk of each kind with a plugin connected to it, and a technician who solves tickets there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.support.desks import KINDS, new_simulator

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import DeskContext, TicketingToolPlugin
from deskhand.plugins.registry import BUILT_IN, PluginManager
from deskhand.simulators.base import DeskSimulator, run_in_process

SOLVED = {"servicedesk_plus": "Resolved", "jira": "Resolved", "zendesk": "solved", "servicenow": "Resolved"}
HAS_RESOLUTION_FIELD = {"servicedesk_plus", "servicenow"}
START = datetime(2026, 10, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1).total_seconds()


@dataclass
class SolvingDesk:
    """A desk whose clock stands at ``START`` and moves an hour with everything that is done."""

    simulator: DeskSimulator
    plugin: TicketingToolPlugin
    url: str

    @property
    def tool_type(self) -> str:
        return self.simulator.tool_type

    def file(self, subject: str, description: str = "Paper jam.") -> str:
        """A ticket of a requester; its internal id."""
        requester = self.simulator.store.person("alice@acme.test")
        text = self.simulator.from_markdown(description)
        ticket = self.simulator.file_ticket(subject=subject, description=text, requester=requester)
        self.simulator.clock.advance(HOUR)
        return ticket.id

    def say(
        self, ticket_id: str, words: str, *, by: str = "ines@desk.test", agent: bool = True, public: bool = True
    ) -> None:
        ticket = self.simulator.store.tickets[ticket_id]
        author = self.simulator.store.person(by, is_agent=by.endswith("@desk.test"))
        self.simulator.write_note(ticket, self.simulator.from_markdown(words), public=public, author=author)
        self.simulator.clock.advance(HOUR)

    def close(self, ticket_id: str, solution: str | None = None) -> None:
        ticket = self.simulator.store.tickets[ticket_id]
        technician = self.simulator.store.person("ines@desk.test", is_agent=True)
        fields = {"status": SOLVED[self.tool_type], **self.simulator.closing_fields(SOLVED[self.tool_type])}
        if self.tool_type in HAS_RESOLUTION_FIELD and solution is not None:
            fields["resolution"] = self.simulator.from_markdown(solution)
        self.simulator.change(ticket, fields, by=technician)
        self.simulator.clock.advance(HOUR)

    def solve(self, subject: str, solution: str = "Cleaned the rollers.") -> str:
        """File a ticket and solve it; its internal id."""
        ticket_id = self.file(subject)
        self.say(ticket_id, solution)
        self.close(ticket_id, solution)
        return ticket_id

    def shown(self, ticket_id: str) -> str:
        """The number people see."""
        return ticket_id if self.tool_type == "zendesk" else self.simulator.store.tickets[ticket_id].display_id


@asynccontextmanager
async def solving_desk(tool_type: str) -> AsyncIterator[SolvingDesk]:
    """A desk in this event loop."""
    simulator = new_simulator(tool_type)
    async with run_in_process(simulator.build()) as server:
        simulator.clock.freeze(START)
        kind = KINDS[tool_type]
        plugin_class = PluginManager.installed().get_plugin(tool_type)
        columns = {**kind.connection(simulator, server.url), **kind.extras(simulator, server.url)}
        plugin = plugin_class(
            plugin_class.config_model.model_validate(columns), DeskContext(http=HttpClientFactory(allow_private=True))
        )
        try:
            yield SolvingDesk(simulator, plugin, server.url)
        finally:
            await plugin.aclose()


assert set(SOLVED) == set(BUILT_IN), "a desk of ours without a word for solved"
