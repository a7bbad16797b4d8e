"""A running ServiceDesk Plus simulator and plugins connected to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from deskhand.plugins.contract import DeskContext
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.plugins.servicedesk_plus.config import Dialect, ServiceDeskPlusConfig
from deskhand.simulators.base import RunningServer, run_in_process
from deskhand.simulators.servicedesk_plus.simulator import ServiceDeskPlusSimulator
from deskhand.simulators.testing import TEST_HTTP

API_KEY = "3F0C-technician-key"
CLIENT_SECRET = "client-secret"


def new_simulator(dialect: Dialect, **options: Any) -> ServiceDeskPlusSimulator:
    return ServiceDeskPlusSimulator(dialect=dialect, api_key=API_KEY, client_secret=CLIENT_SECRET, **options)


@dataclass
class RunningDesk:
    simulator: ServiceDeskPlusSimulator
    server: RunningServer

    def config(self, **changes: Any) -> ServiceDeskPlusConfig:
        fields = {
            "servicedesk_url": self.server.url,
            "servicedesk_api_key": API_KEY,
            "servicedesk_dialect": self.simulator.dialect,
            "servicedesk_client_id": "1000.SIMULATOR",
            "servicedesk_client_secret": CLIENT_SECRET,
            "servicedesk_accounts_url": self.server.url,
            "servicedesk_bot_email": self.simulator.store.bot.email,
        }
        return ServiceDeskPlusConfig.model_validate({**fields, **changes})

    @asynccontextmanager
    async def plugin(self, **changes: Any) -> AsyncIterator[ServiceDeskPlusPlugin]:
        plugin = ServiceDeskPlusPlugin(self.config(**changes), DeskContext(http=TEST_HTTP))
        try:
            yield plugin
        finally:
            await plugin.aclose()

    @asynccontextmanager
    async def fresh_plugin(self) -> AsyncIterator[ServiceDeskPlusPlugin]:
        """A plugin in front of an empty desk."""
        self.simulator.reset()
        async with self.plugin() as plugin:
            yield plugin


@asynccontextmanager
async def running_desk(dialect: Dialect) -> AsyncIterator[RunningDesk]:
    """A desk that speaks a dialect, for the length of a ``with`` block."""
    simulator = new_simulator(dialect)
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)
