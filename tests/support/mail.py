"""A real mail server that keeps what it took: the simulator we ship, whose protocol others wrote (aiosmtpd)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from deskhand.simulators.mail import MailSimulator

__all__ = ["Mailbox", "running_mailbox"]

Mailbox = MailSimulator


@contextlib.asynccontextmanager
async def running_mailbox(**options: Any) -> AsyncIterator[MailSimulator]:
    """The server on a free port of loopback."""
    async with Mailbox(options=options) as box:
        yield box
