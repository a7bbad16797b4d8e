"""A real mail server, written by others (aiosmtpd), that keeps what it took."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope


@dataclass
class Mailbox:
    """What the server took, in order; ``answers`` are given instead of "250 OK", one for each message."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - its name
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.envelopes.append(envelope)
        return answer

    @property
    def mails(self) -> list[EmailMessage]:
        """The messages, parsed."""
        return [message_from_bytes(bytes(one.content or b""), policy=default) for one in self.envelopes]  # type: ignore[misc]

    def settings(self, *allowed: str, **more: Any) -> dict[str, Any]:
        """Mail settings of a tenant that sends through it."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "sender": "deskhand@acme.test",
            "allowed_recipients": list(allowed),
            **more,
        }


@contextlib.asynccontextmanager
async def running_mailbox(**options: Any) -> AsyncIterator[Mailbox]:
    """The server on a free port of loopback."""
    box = Mailbox()

    def session() -> SMTP:
        return SMTP(box, hostname="mail.acme.test", **options)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
