"""The one door out for mail: SMTP over TLS, to a server whose address passed the same guard as every other.

A mail cannot be taken back and a server cannot be asked whether it has one. So it matters when something fails: before
the message was handed over nothing was sent, and after that nobody can say.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

import aiosmtplib
import httpcore2

from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.http import public_addresses
from deskhand.kit.storable import storable_text

Security = Literal["starttls", "tls", "none"]
SECONDS = 30.0
_NOT_ABLE = (aiosmtplib.SMTPNotSupported, aiosmtplib.SMTPException)
"""What the library raises, as these very classes, where the server has no STARTTLS or no sign-in."""


class MailError(DeskhandError):
    """A mail was not sent, because its server refused it, its sender, a recipient or our credentials."""

    code = "mail-refused"
    status = 502
    title = "Mail refused"
    certainly_not_done = True


class MailUnavailableError(MailError):
    """The mail server cannot be reached, or is busy; nothing was handed over."""

    code = "mail-unavailable"
    status = 503
    title = "Mail server unavailable"
    retryable = True


class MailInDoubtError(MailError):
    """The connection broke while the message was handed over: the server may have it."""

    code = "mail-in-doubt"
    status = 503
    title = "Mail in doubt"
    certainly_not_done = False
    retryable = True  # the next try finds it begun and asks a person


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail is handed over.

    Attributes:
        security: ``starttls`` upgrades the connection and fails if it cannot be; ``tls`` is encrypted from the start;
            ``none`` is for servers on this machine, and only where private addresses are allowed.
    """

    host: str
    port: int
    security: Security = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailer:
    """Hands mails over.

    Attributes:
        server: Where.
        allow_private: Permit servers on loopback and private addresses, as for ``HttpClientFactory``.
        before_send: Called just before the message leaves; raises to stop it.
    """

    server: SmtpServer
    allow_private: bool = False
    before_send: Callable[[], None] | None = None

    async def send(
        self,
        message: EmailMessage,
        *,
        sender: str,
        recipients: Sequence[str],
        on_handover: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Hand one message over to all its recipients, or to none.

        Args:
            message: As it is sent.
            sender: Of the envelope.
            recipients: Of the envelope.
            on_handover: Puts on record that the message leaves now; raises to stop it.

        Raises:
            InvalidInputError: The server's address is one that must not be called.
            MailError: It was refused, or could not be handed over; the class says whether it may have been.
        """
        client = await self._connected()
        try:
            await self._envelope(client, sender, recipients)
            # After the envelope: what the server refuses up to here was certainly not sent, and needs no person to
            # look.
            if self.before_send is not None:
                self.before_send()
            if on_handover is not None:
                await on_handover()
            await self._data(client, message)
        finally:
            client.close()

    async def _connected(self) -> aiosmtplib.SMTP:
        server = self.server
        if server.security == "none" and not self.allow_private:
            raise InvalidInputError("Mail without TLS is allowed to servers on this machine alone: use 'starttls'.")
        client = aiosmtplib.SMTP(
            # The name is there for the certificate; the connection goes to the address that the guard has judged.
            hostname=server.host,
            sock=await self._socket(),
            timeout=SECONDS,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=ssl.create_default_context(),
            local_hostname="deskhand",
        )
        try:
            await client.connect()
            if server.username is not None:
                await client.login(server.username, server.password or "")
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            raise self._refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            if type(error) in _NOT_ABLE:
                raise MailError(f"The mail server {server.host} cannot do this: {_said(error)}") from error
            raise MailUnavailableError(f"The mail server {server.host} cannot be reached: {_said(error)}") from error
        return client

    async def _socket(self) -> socket.socket:
        """A connection to the very address that was judged."""
        host, port = self.server.host, self.server.port
        try:
            addresses = [host] if self.allow_private else await public_addresses(host)
        except httpcore2.ConnectError as error:
            raise MailUnavailableError(f"The mail server's name cannot be resolved: {_said(error)}") from error
        failure: OSError | None = None
        for address in addresses:
            try:
                return await asyncio.to_thread(socket.create_connection, (address, port), SECONDS)
            except OSError as error:
                failure = error
        raise MailUnavailableError(f"The mail server {host}:{port} does not answer: {_said(failure)}")

    async def _envelope(self, client: aiosmtplib.SMTP, sender: str, recipients: Sequence[str]) -> None:
        try:
            await client.mail(sender)
            for recipient in recipients:
                await client.rcpt(recipient)
        except aiosmtplib.SMTPResponseException as error:
            raise self._refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUnavailableError(f"The mail server broke off: {_said(error)}") from error

    async def _data(self, client: aiosmtplib.SMTP, message: EmailMessage) -> None:
        try:
            await client.data(message.as_bytes())
        except aiosmtplib.SMTPResponseException as error:
            raise self._refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailInDoubtError(f"The mail server broke off while it took the message: {_said(error)}") from error

    def _refusal(self, error: aiosmtplib.SMTPResponseException) -> MailError:
        # RFC 5321, 4.2.1: 4yz asks the client to try again later, 5yz tells it not to repeat the same request.
        passing = 400 <= error.code < 500
        kind = MailUnavailableError if passing else MailError
        return kind(f"The mail server {self.server.host} answered {error.code}: {_said(error)}")


def _said(error: object) -> str:
    # The server's words end up in the database, which takes no NUL, and a server may say as much as it likes.
    message = getattr(error, "message", None)
    return storable_text(str(message or error))[:300]
