"""A mail server that delivers nothing: it keeps what it takes, for people who try mails and tests that read them back.

aiosmtpd speaks the protocol, so a mail arrives as any server would get it. ``deskhand simulator mail`` runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "deskhand"


@dataclass
class MailSimulator:
    """The server, on loopback unless it is told otherwise.

    Attributes:
        port: 0 picks one; once it runs, the one it listens on.
        key: The password of the user ``deskhand``; empty lets everybody in.
        options: More of the protocol's, as aiosmtpd takes them.
        show: Called with each mail that was taken.
        envelopes: What was taken, in order.
        answers: Given instead of "250 OK", one for each message; another number than 250 refuses it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    show: Callable[[EmailMessage], None] | None = None
    envelopes: list[Envelope] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._session, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Begin a message, for somebody who has said the key."""
        if self.key and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a message, or refuse it as somebody has ordered."""
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.envelopes.append(envelope)
            if self.show is not None:
                self.show(_parsed(envelope))
        return answer

    @property
    def mails(self) -> list[EmailMessage]:
        """The messages that were taken, parsed."""
        return [_parsed(one) for one in self.envelopes]

    def settings(self, *allowed: str, **more: Any) -> dict[str, Any]:
        """Mail settings of a tenant that sends through it, to these addresses and domains alone."""
        login = {"username": USER, "password": self.key} if self.key else {}
        return {
            "host": self.host,
            "port": self.port,
            "security": "none",
            **login,
            "sender": "deskhand@acme.test",
            "allowed_recipients": list(allowed),
            **more,
        }

    def _session(self) -> SMTP:
        return SMTP(self, hostname="mail.acme.test", **(self._guarded() | dict(self.options)))

    def _guarded(self) -> dict[str, Any]:
        if not self.key:
            return {}
        # Without TLS, which on this machine has nobody to keep out.
        return {"authenticator": self._admits, "auth_require_tls": False}

    def _admits(self, _server: SMTP, _session: Any, _envelope: Envelope, _mechanism: str, said: Any) -> AuthResult:
        right = isinstance(said, LoginPassword) and said == LoginPassword(USER.encode(), self.key.encode())
        return AuthResult(success=right, handled=right)


def in_words(mail: EmailMessage) -> str:
    """A mail as a person reads it on a terminal."""
    body = mail.get_body(("plain", "html"))
    heads = [f"{name}: {mail[name]}" for name in ("From", "To", "Subject", "Message-ID") if mail[name]]
    text = "" if body is None or body.get_payload() is None else str(body.get_content())
    return "\n".join([*heads, "", text]).rstrip() + "\n"


def _parsed(envelope: Envelope) -> EmailMessage:
    parsed: EmailMessage = message_from_bytes(envelope.original_content or b"", policy=policy.default)
    return parsed
