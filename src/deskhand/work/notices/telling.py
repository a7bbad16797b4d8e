"""Tells people what happened. Run one in every worker: what one has taken the others leave to it."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import DeskhandError
from deskhand.notifications import outbox, words
from deskhand.notifications.links import StopLinks
from deskhand.notifications.models import MessageState
from deskhand.notifications.outbox import Message
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.models import TenantConfig
from deskhand.work.notices.courier import Courier, Goal, Post


class Teller(Courier[Message, MessageState]):
    """Tells people what happened."""

    what = "notification"
    sent, doubt = MessageState.SENT, MessageState.DOUBT

    async def _tenants(self) -> Sequence[str]:
        return await outbox.tenants_to_tell(self._pool)

    async def _take(self, session: AsyncSession, tenant_id: str) -> Sequence[Message]:
        return await outbox.take(session, tenant_id, has_mail=self._has_mail)

    async def _hand_over(self, session: AsyncSession, one: Message) -> bool:
        return await outbox.hand_over(session, one)

    async def _settle(self, session: AsyncSession, one: Message, state: MessageState, why: str) -> None:
        await outbox.settle(session, one, state, why=why)

    def _failed(self, error: DeskhandError) -> MessageState:
        # A mail server that was set up wrongly refuses all; what was said in its refusal stands on the page.
        return MessageState.READY if error.retryable else MessageState.FAILED

    def _goal(self, one: Message) -> Goal:
        return Goal(one.to_kind, one.to_name)

    def _write(self, mail: EmailMessage, one: Message, domain: str) -> None:
        assert one.user_id is not None  # mails go to members alone
        stop = StopLinks(self._secrets, self._public_url).address(one.tenant_id, one.user_id)
        mail["Subject"] = words.subject(one)
        # The same at each try: a server, and its reader, can tell that two are one.
        mail["Message-ID"] = f"<notification-{one.id}@{domain}>"
        mail["List-Unsubscribe"] = f"<{stop}>"
        if stop.startswith("https://"):  # RFC 8058 knows no other
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(words.body(one, self._public_url, stop), charset="utf-8", cte="quoted-printable")

    def _post(self, one: Message) -> Post:
        return Post(words.chat(one), "Sign in and look", words.first_address(one, self._public_url))

    def _has_mail(self, tenant: TenantConfig) -> bool:
        return mail_settings(tenant, self._secrets) is not None
