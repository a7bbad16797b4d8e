"""Sends notices until told to stop. Run one in every worker: what one has taken the others leave to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import asyncpg
import structlog

from deskhand.approvals import notices
from deskhand.approvals.models import NoticeState
from deskhand.approvals.notices import MAIL, Notice
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
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.outside import ChatSettings, outside_settings
from deskhand.work.notices import words
from deskhand.work.outside.chat import WITH_BUTTON
from deskhand.work.outside.places import ensure_taken

AT_ONCE = 8
"""Notices that are on their way at the same moment: a server that hangs must not hold up other tenants' for long."""
SECONDS = 100.0
"""One that takes longer is given up; ``notices.LOST_AFTER`` is longer still."""

log = structlog.get_logger(__name__)


class Notifier:
    """Tells people that calls wait.

    Args:
        pool: A worker's connections, to ask where something is due.
        db: Sessions of tenants.
        secrets: Decrypts a tenant's mail and channels.
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
        poll: float = 1.0,
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
        await repeat(self.tick, stop=self._stop, passing=DATABASE_ERRORS, pause=self._poll, event="notices_interrupted")

    async def tick(self) -> float:
        """Send what is due now.

        Returns:
            Seconds until it is worth looking again.
        """
        taken: list[Notice] = []
        for tenant_id in await notices.tenants_to_notify(self._pool):
            async with self._db.tenant_session(tenant_id) as session:
                taken += await notices.take(session, tenant_id)
        # Each to its end although another one fails: what was taken should not wait for its worker to be missed.
        ends = await asyncio.gather(*(self._deliver(notice) for notice in taken), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return self._poll

    async def _deliver(self, notice: Notice) -> None:
        state, why = NoticeState.SENT, ""
        try:
            async with self._room, asyncio.timeout(SECONDS):
                await self._send(notice)
        except ConflictError:
            return  # another worker has it
        except TimeoutError:
            state, why = NoticeState.DOUBT, f"It took longer than {SECONDS:.0f} seconds."
        except DeskhandError as error:
            # Whatever else there is comes up before anything leaves.
            certain = error.certainly_not_done or not isinstance(error, MailError | OutsideError)
            state, why = NoticeState.FAILED if certain else NoticeState.DOUBT, error.detail
        if why:
            log.warning("notice_not_sent", tenant_id=notice.tenant_id, to=notice.recipient.kind, state=state, why=why)
        async with self._db.tenant_session(notice.tenant_id) as session:
            await notices.settle(session, notice, state, why=why)

    async def _send(self, notice: Notice) -> None:
        async def on_handover() -> None:
            async with self._db.tenant_session(notice.tenant_id) as session:
                if not await notices.hand_over(session, notice):
                    raise ConflictError("Another worker took this notice over.")

        send = self._mail if notice.recipient.kind == MAIL else self._post
        await send(notice, on_handover)

    async def _mail(self, notice: Notice, on_handover: Callable[[], Awaitable[None]]) -> None:
        settings = mail_settings(notice.tenant, self._secrets)
        if settings is None:
            raise ForbiddenError("The tenant has no mail that can be used any more.")
        message = EmailMessage(policy=SMTP)
        message["From"] = settings.sender
        message["To"] = notice.recipient.name
        message["Subject"] = words.subject(notice)
        message["Date"] = format_datetime(utc_now())
        # By it whoever looks after the server finds the mail that the audit log speaks of.
        message["Message-ID"] = f"<notice-{notice.message_id}@{settings.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation responder answers it
        message.set_content(words.body(notice, self._public_url), charset="utf-8", cte="quoted-printable")
        mailer = Mailer(server=settings.server, allow_private=self._http.allow_private)
        await mailer.send(message, sender=settings.sender, recipients=[notice.recipient.name], on_handover=on_handover)

    async def _post(self, notice: Notice, on_handover: Callable[[], Awaitable[None]]) -> None:
        tool_id, channel = notice.recipient.kind, notice.recipient.name
        settings = outside_settings(notice.tenant, self._secrets).get(tool_id)
        if not isinstance(settings, ChatSettings) or channel not in settings.channels:
            raise ForbiddenError(f"The tenant has no {tool_id} channel '{channel}' any more.")
        address = words.address(notice, self._public_url)
        body = WITH_BUTTON[tool_id](words.message(notice), label="Sign in and answer", url=address)
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
