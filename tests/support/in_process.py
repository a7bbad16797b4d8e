"""Outbound HTTP that reaches a function or an application of this process: no socket, no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from deskhand.kit.http import HttpClientFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess(HttpClientFactory):
    """Makes clients of one transport; for what is said, not for how long it takes or how it breaks off.

    Attributes:
        transport: Answers every client.
        guarded: Clients without a base address are real ones, as strict as an installation's.
    """

    transport: httpx2.AsyncBaseTransport
    guarded: bool = False

    def client(self, base_url: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> httpx2.AsyncClient:
        if self.guarded and not base_url:
            return HttpClientFactory.client(self, headers=headers, **more)
        return httpx2.AsyncClient(base_url=base_url, headers=headers, transport=self.transport)
