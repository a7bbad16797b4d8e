"""Brings what is due to people, by mail and in channels, until told to stop: how it leaves, whatever it says."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.approvals.notices import MAIL
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
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.outside import ChatSettings, outside_settings
from deskhand.work.outside.chat import WITH_BUTTON
from deskhand.work.outside.places import ensure_taken

AT_ONCE = 8
"""Messages that are on their way at the same moment: a server that hangs must not hold up other tenants' for long."""
SECONDS = 100.0
"""One that takes longer is given up; ``LOST_AFTER`` of what is sent is longer still."""

log = structlog.get_logger(__name__)


class Due(Protocol):
    """One message that a worker has taken."""

    @property
    def tenant(self) -> TenantConfig: ...
    @property
    def tenant_id(self) -> str: ...


class Goal(NamedTuple):
    """Where a message goes: ``mail`` and an address, or a chat and one of its channels."""

    kind: str
    name: str


class Post(NamedTuple):
    """What a channel shows: a text with a button that leads to an address."""

    text: str
    label: str
    address: str


Taken = TypeVar("Taken", bound=Due)
State = TypeVar("State", bound=StrEnum)


class Courier(ABC, Generic[Taken, State]):
    """Takes what is due in every tenant and brings it to its people, each once.

    Args:
        pool: A worker's connections, to ask where something is due.
        db: Sessions of tenants.
        secrets: Decrypts a tenant's mail and channels.
        http: Reaches the chats.
        public_url: Where people's browsers find the console.
        poll: Seconds between two looks.
    """

    what: ClassVar[str]
    """What it brings, as the log names it."""
    sent: State
    doubt: State

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
        interrupted = f"{self.what}s_interrupted"
        await repeat(self.tick, stop=self._stop, passing=DATABASE_ERRORS, pause=self._poll, event=interrupted)

    async def tick(self) -> float:
        """Send what is due now.

        Returns:
            Seconds until it is worth looking again.
        """
        taken: list[Taken] = []
        for tenant_id in await self._tenants():
            async with self._db.tenant_session(tenant_id) as session:
                taken += await self._take(session, tenant_id)
        # Each to its end although another one fails: what was taken should not wait for its worker to be missed.
        ends = await asyncio.gather(*(self._deliver(one) for one in taken), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return self._poll

    # -- what is sent ------------------------------------------------------------------------

    @abstractmethod
    async def _tenants(self) -> Sequence[str]:
        """Tenants in which something is due."""

    @abstractmethod
    async def _take(self, session: AsyncSession, tenant_id: str) -> Sequence[Taken]:
        """What is due in one, which is this worker's from the commit on."""

    @abstractmethod
    async def _hand_over(self, session: AsyncSession, one: Taken) -> bool:
        """Put on record that it leaves now; False where another worker has taken it meanwhile."""

    @abstractmethod
    async def _settle(self, session: AsyncSession, one: Taken, state: State, why: str) -> None:
        """Put on record how it ended."""

    @abstractmethod
    def _failed(self, error: DeskhandError) -> State:
        """Where it stands after an error with which it has certainly not arrived."""

    @abstractmethod
    def _goal(self, one: Taken) -> Goal: ...

    @abstractmethod
    def _write(self, mail: EmailMessage, one: Taken, domain: str) -> None:
        """Give a mail its subject, its id under the sender's domain and its text."""

    @abstractmethod
    def _post(self, one: Taken) -> Post: ...

    # -- how it leaves -----------------------------------------------------------------------

    async def _deliver(self, one: Taken) -> None:
        state, why = self.sent, ""
        try:
            async with self._room, asyncio.timeout(SECONDS):
                await self._send(one)
        except ConflictError:
            return  # another worker has it
        except TimeoutError:
            state, why = self.doubt, f"It took longer than {SECONDS:.0f} seconds."
        except DeskhandError as error:
            # Whatever else there is comes up before anything leaves.
            certain = error.certainly_not_done or not isinstance(error, MailError | OutsideError)
            state, why = self._failed(error) if certain else self.doubt, error.detail
        if why:
            log.warning(f"{self.what}_not_sent", tenant_id=one.tenant_id, to=self._goal(one).kind, state=state, why=why)
        async with self._db.tenant_session(one.tenant_id) as session:
            await self._settle(session, one, state, why)

    async def _send(self, one: Taken) -> None:
        async def on_handover() -> None:
            async with self._db.tenant_session(one.tenant_id) as session:
                if not await self._hand_over(session, one):
                    raise ConflictError(f"Another worker took this {self.what} over.")

        by = self._by_mail if self._goal(one).kind == MAIL else self._in_channel
        await by(one, on_handover)

    async def _by_mail(self, one: Taken, on_handover: Callable[[], Awaitable[None]]) -> None:
        settings = mail_settings(one.tenant, self._secrets)
        if settings is None:
            raise ForbiddenError("The tenant has no mail that can be used any more: see `email` among its connections.")
        recipient = self._goal(one).name
        mail = EmailMessage(policy=SMTP)
        mail["From"] = settings.sender
        mail["To"] = recipient
        mail["Date"] = format_datetime(utc_now())
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation responder answers it
        self._write(mail, one, settings.sender.rpartition("@")[2])
        mailer = Mailer(server=settings.server, allow_private=self._http.allow_private)
        await mailer.send(mail, sender=settings.sender, recipients=[recipient], on_handover=on_handover)

    async def _in_channel(self, one: Taken, on_handover: Callable[[], Awaitable[None]]) -> None:
        tool_id, channel = self._goal(one)
        settings = outside_settings(one.tenant, self._secrets).get(tool_id)
        if not isinstance(settings, ChatSettings) or channel not in settings.channels:
            raise ForbiddenError(f"The tenant has no {tool_id} channel '{channel}' any more.")
        post = self._post(one)
        body = WITH_BUTTON[tool_id](post.text, label=post.label, url=post.address)
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
