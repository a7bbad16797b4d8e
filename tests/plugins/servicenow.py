"""A running ServiceNow simulator and plugins connected to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from deskhand.plugins.contract import DeskContext
from deskhand.plugins.servicenow import ServiceNowPlugin
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.simulators.base import RunningServer
from deskhand.simulators.servicenow.simulator import ServiceNowSimulator
from deskhand.simulators.testing import TEST_HTTP

API_KEY = "password-of-the-simulator"


def new_simulator(**options: Any) -> ServiceNowSimulator:
    return ServiceNowSimulator(**{"api_key": API_KEY, **options})


@dataclass
class RunningDesk:
    simulator: ServiceNowSimulator
    server: RunningServer

    def config(self, **changes: Any) -> ServiceNowConfig:
        fields = {
            "servicenow_instance_url": self.server.url,
            "servicenow_api_key": API_KEY,
            "servicenow_username": "deskhand",
            "servicenow_client_id": "simulator-client",
            "servicenow_bot_username": "deskhand",
        }
        return ServiceNowConfig.model_validate({**fields, **changes})

    @asynccontextmanager
    async def plugin(
        self, *, priorities: dict[str, str] | None = None, **changes: Any
    ) -> AsyncIterator[ServiceNowPlugin]:
        context = DeskContext(http=TEST_HTTP, priority_mapping=priorities or {})
        plugin = ServiceNowPlugin(self.config(**changes), context)
        try:
            yield plugin
        finally:
            await plugin.aclose()

    @asynccontextmanager
    async def fresh_plugin(self, **changes: Any) -> AsyncIterator[ServiceNowPlugin]:
        """A plugin in front of an empty instance."""
        self.simulator.reset()
        async with self.plugin(**changes) as plugin:
            yield plugin

    def file_ticket(self, subject: str = "Printer jams", **fields: Any) -> str:
        requester = self.simulator.store.person("requester@corp.test")
        return self.simulator.file_ticket(subject=subject, requester=requester, **fields).id

    def paths(self, method: str = "") -> list[str]:
        """Vendor paths called so far."""
        return [call["path"] for call in self.simulator.calls if not method or call["method"] == method]
