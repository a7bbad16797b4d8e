"""Tells people what happened, by mail and in channels, until told to stop. Run one in every worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import asyncpg
import structlog

from deskhand.errors import ConflictError, DeskhandError, ForbiddenError
from deskhand.kit import outside
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.loops import repeat
from deskhand.kit.mail import Mailer, MailError
from deskhand.kit.outside import Outgoing, OutsideError
from deskhand.notifications import outbox, words
from deskhand.notifications.links import StopLinks
from deskhand.notifications.models import MessageState
from deskhand.notifications.outbox import MAIL, Message
from deskhand.tenants.mail import MailSettings, mail_settings
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.outside import ChatSettings, outside_settings
from deskhand.work.notices.sending import AT_ONCE, SECONDS
from deskhand.work.outside.chat import WITH_BUTTON
from deskhand.work.outside.places import ensure_taken

log = structlog.get_logger(__name__)


class Teller:
    """Tells people what happened.

    Args:
        pool: A worker's connections, to ask where something is due.
        db: Sessions of tenants.
        secrets: Decrypts a tenant's mail and channels, and signs the links that stop mails.
        http: Reaches the chats.
        public_url: Where people's browsers find the console.
        poll: Seconds between two looks.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        db: Database,
        secrets: SecretBox,
        http: HttpClientFactory,
        *,
        public_url: str,
        poll: float = 2.0,
    ) -> None:
        self._pool = pool
        self._db = db
        self._secrets = secrets
        self._http = http
        self._public_url = public_url.rstrip("/")
        self._poll = poll
        self._stop = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)

    def request_stop(self) -> None:
        """Send nothing more; what has been taken is finished."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``request_stop``; the database may go away and come back."""
        await repeat(self.tick, stop=self._stop, passing=DATABASE_ERRORS, pause=self._poll, event="telling_interrupted")

    async def tick(self) -> float:
        """Gather what happened and send what is due now.

        Returns:
            Seconds until it is worth looking again.
        """
        taken: list[Message] = []
        for tenant_id in await outbox.tenants_to_tell(self._pool):
            async with self._db.tenant_session(tenant_id) as session:
                taken += await outbox.take(session, tenant_id, has_mail=self._has_mail)
        # Each to its end although another one fails: what was taken should not wait for its worker to be missed.
        ends = await asyncio.gather(*(self._deliver(message) for message in taken), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return self._poll

    async def _deliver(self, message: Message) -> None:
        state, why = MessageState.SENT, ""
        try:
            async with self._room, asyncio.timeout(SECONDS):
                await self._send(message)
        except ConflictError:
            return  # another worker has it
        except TimeoutError:
            state, why = MessageState.DOUBT, f"It took longer than {SECONDS:.0f} seconds."
        except DeskhandError as error:
            state, why = _state_after(error), error.detail
        if why:
            log.warning("notification_not_sent", tenant_id=message.tenant_id, to=message.to_kind, state=state, why=why)
        async with self._db.tenant_session(message.tenant_id) as session:
            await outbox.settle(session, message, state, why=why)

    async def _send(self, message: Message) -> None:
        async def on_handover() -> None:
            async with self._db.tenant_session(message.tenant_id) as session:
                if not await outbox.hand_over(session, message):
                    raise ConflictError("Another worker took this message over.")

        send = self._mail if message.to_kind == MAIL else self._post
        await send(message, on_handover)

    async def _mail(self, message: Message, on_handover: Callable[[], Awaitable[None]]) -> None:
        settings = mail_settings(message.tenant, self._secrets)
        if settings is None:
            raise ForbiddenError(outbox.NO_MAIL)
        mailer = Mailer(server=settings.server, allow_private=self._http.allow_private)
        await mailer.send(
            self._written(message, settings),
            sender=settings.sender,
            recipients=[message.to_name],
            on_handover=on_handover,
        )

    def _written(self, message: Message, settings: MailSettings) -> EmailMessage:
        assert message.user_id is not None  # mails go to members alone
        stop = StopLinks(self._secrets, self._public_url).address(message.tenant_id, message.user_id)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = settings.sender
        mail["To"] = message.to_name
        mail["Subject"] = words.subject(message)
        mail["Date"] = format_datetime(utc_now())
        # The same at each try: a server, and its reader, can tell that two are one.
        mail["Message-ID"] = f"<notification-{message.id}@{settings.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation responder answers it
        mail["List-Unsubscribe"] = f"<{stop}>"
        if stop.startswith("https://"):  # RFC 8058 knows no other
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(words.body(message, self._public_url, stop), charset="utf-8", cte="quoted-printable")
        return mail

    async def _post(self, message: Message, on_handover: Callable[[], Awaitable[None]]) -> None:
        tool_id, channel = message.to_kind, message.to_name
        settings = outside_settings(message.tenant, self._secrets).get(tool_id)
        if not isinstance(settings, ChatSettings) or channel not in settings.channels:
            raise ForbiddenError(f"The tenant has no {tool_id} channel '{channel}' any more.")
        address = words.first_address(message, self._public_url)
        body = WITH_BUTTON[tool_id](words.chat(message), label="Sign in and look", url=address)
        url = settings.channels[channel].get_secret_value()
        outgoing = Outgoing(
            place=f"The {tool_id} channel '{channel}'",
            method="POST",
            url=url,
            headers={"Content-Type": "application/json"},
            body=json.dumps(body, ensure_ascii=False).encode(),
            secrets=(url,),
        )
        await on_handover()
        ensure_taken(outgoing.place, await outside.send(outgoing, self._http))

    def _has_mail(self, tenant: TenantConfig) -> bool:
        return mail_settings(tenant, self._secrets) is not None


def _state_after(error: DeskhandError) -> MessageState:
    if isinstance(error, MailError | OutsideError) and not error.certainly_not_done:
        return MessageState.DOUBT
    # A mail server that was set up wrongly refuses all; what was said in its refusal stands on the page.
    return MessageState.READY if error.retryable else MessageState.FAILED
