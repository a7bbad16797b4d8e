"""Tells people that calls wait for them. Run one in every worker: what one has taken the others leave to it."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.approvals import notices
from deskhand.approvals.models import NoticeState
from deskhand.approvals.notices import Notice
from deskhand.errors import DeskhandError
from deskhand.work.notices import words
from deskhand.work.notices.courier import Courier, Goal, Post


class Notifier(Courier[Notice, NoticeState]):
    """Tells people that calls wait."""

    what = "notice"
    sent, doubt = NoticeState.SENT, NoticeState.DOUBT

    async def _tenants(self) -> Sequence[str]:
        return await notices.tenants_to_notify(self._pool)

    async def _take(self, session: AsyncSession, tenant_id: str) -> Sequence[Notice]:
        return await notices.take(session, tenant_id)

    async def _hand_over(self, session: AsyncSession, one: Notice) -> bool:
        return await notices.hand_over(session, one)

    async def _settle(self, session: AsyncSession, one: Notice, state: NoticeState, why: str) -> None:
        await notices.settle(session, one, state, why=why)

    def _failed(self, error: DeskhandError) -> NoticeState:  # noqa: ARG002 - each is tried again while its call waits
        return NoticeState.FAILED

    def _goal(self, one: Notice) -> Goal:
        return Goal(one.recipient.kind, one.recipient.name)

    def _write(self, mail: EmailMessage, one: Notice, domain: str) -> None:
        mail["Subject"] = words.subject(one)
        # By it whoever looks after the server finds the mail that the audit log speaks of.
        mail["Message-ID"] = f"<notice-{one.message_id}@{domain}>"
        mail.set_content(words.body(one, self._public_url), charset="utf-8", cte="quoted-printable")

    def _post(self, one: Notice) -> Post:
        return Post(words.message(one), "Sign in and answer", words.address(one, self._public_url))
