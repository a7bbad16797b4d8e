"""A running Zendesk simulator and plugins connected to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import DeskContext
from deskhand.plugins.zendesk import ZendeskPlugin
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.simulators.base import RunningServer
from deskhand.simulators.testing import TEST_HTTP
from deskhand.simulators.zendesk.simulator import ZendeskSimulator

API_KEY = "client-secret-of-the-simulator"
PATIENT_HTTP = HttpClientFactory(allow_private=True, read_timeout=20.0)


def new_simulator(**options: Any) -> ZendeskSimulator:
    return ZendeskSimulator(**{"api_key": API_KEY, "export_delay": 0.0, **options})


@dataclass
class RunningDesk:
    simulator: ZendeskSimulator
    server: RunningServer

    def config(self, **changes: Any) -> ZendeskConfig:
        fields = {
            "zendesk_subdomain": "simulator",
            "zendesk_url": self.server.url,
            "zendesk_api_token": API_KEY,
            "zendesk_client_id": "deskhand",
            "zendesk_email": self.simulator.store.bot.email,
            "zendesk_user_id": self.simulator.store.bot.id,
        }
        return ZendeskConfig.model_validate({**fields, **changes})

    @asynccontextmanager
    async def plugin(self, http: HttpClientFactory = PATIENT_HTTP, **changes: Any) -> AsyncIterator[ZendeskPlugin]:
        plugin = ZendeskPlugin(self.config(**changes), DeskContext(http=http))
        try:
            yield plugin
        finally:
            await plugin.aclose()

    @asynccontextmanager
    async def fresh_plugin(self, **changes: Any) -> AsyncIterator[ZendeskPlugin]:
        """A plugin in front of an empty account, as impatient as the contract wants it."""
        self.simulator.reset()
        async with self.plugin(TEST_HTTP, **changes) as plugin:
            yield plugin

    def file_ticket(self, subject: str = "Printer jams", **fields: Any) -> str:
        requester = self.simulator.store.person("requester@corp.test")
        return self.simulator.file_ticket(subject=subject, requester=requester, **fields).id

    def paths(self, method: str = "") -> list[str]:
        """Vendor paths called so far."""
        return [call["path"] for call in self.simulator.calls if not method or call["method"] == method]
