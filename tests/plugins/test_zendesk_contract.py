"""Zendesk passes the contract with both credentials and both kinds of webhook, over real sockets."""

from collections.abc import AsyncIterator

import pytest
from tests.plugins.zendesk import RunningDesk, new_simulator

from deskhand.plugins.contract import LinkKind, TicketChanges
from deskhand.simulators.base import run_in_process
from deskhand.simulators.testing import PluginContract, SimulatorHarness, Vocabulary

WORDS = Vocabulary(
    working_status="pending",
    technician="ines@desk.test",
    group="Network",
    missing_id="4711",
    custom=("Asset tag", "LT-7", "LT-8"),
    company="Nordwind",
    restored_status="open",
)


class ZendeskHarness(SimulatorHarness):
    tells_images = checks_cursors = True

    async def create_target(self, kind: LinkKind) -> str:
        """Zendesk links with tickets of type problem only."""
        ticket_id = await super().create_target(kind)
        await self.plugin.update_ticket(ticket_id, TicketChanges(custom={"type": "problem"}))
        return ticket_id


@pytest.fixture(scope="module")
async def account() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator()
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


class TestOAuthAndTriggers(PluginContract):
    @pytest.fixture
    async def desk(self, account: RunningDesk) -> AsyncIterator[SimulatorHarness]:
        async with account.fresh_plugin() as plugin:
            yield ZendeskHarness(plugin, account.simulator, WORDS)


class TestApiTokenAndEventSubscription(PluginContract):
    @pytest.fixture
    async def desk(self, account: RunningDesk) -> AsyncIterator[SimulatorHarness]:
        async with account.fresh_plugin(zendesk_auth="api_token") as plugin:
            yield ZendeskHarness(plugin, account.simulator, WORDS, scheme="events")
