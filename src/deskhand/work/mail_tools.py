"""Mail as a hand of a run: allowed recipients alone, a Message-ID that stays, and never a second one silently.

No server can be asked whether it has a mail. One whose worker died between the server's yes and our journal is in
doubt, and a person decides: whoever looks finds it by its Message-ID, which is made of the step's mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from deskhand.audit import service as audit
from deskhand.engine.journal import Journal
from deskhand.errors import ForbiddenError, InDoubtError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database
from deskhand.kit.mail import Mailer, MailError
from deskhand.llm.loop import ToolInputError, ToolSpec, call_key
from deskhand.tenants.mail import MailSettings
from deskhand.tools.mail import MAIL, SUBJECT_LIMIT
from deskhand.tools.values import Grants, Mode, ToolOperation

STEP = "send_mail"


class MailHands:
    """What one run may send.

    Args:
        settings: The tenant's mail.
        mailer: Hands mails over.
        grants: Operations the agent has on ``email``.
        journal: Records every mail.
        db: For the audit log.
        actor: Name in the audit log.
    """

    def __init__(
        self, settings: MailSettings, mailer: Mailer, *, grants: Grants, journal: Journal, db: Database, actor: str
    ) -> None:
        self._settings = settings
        self._mailer = mailer
        self._grants = grants
        self._journal = journal
        self._db = db
        self._actor = actor

    def may_send(self) -> bool:
        """Whether the agent was granted to send mail."""
        grant = self._grants.get("send")
        return grant is not None and grant.mode is Mode.ALLOW

    def offered(self) -> Iterator[ToolOperation]:
        """Operations a model is offered."""
        if self.may_send():
            yield from MAIL.operations

    def spec(self, operation: ToolOperation, *, name: str, description: str) -> ToolSpec:
        """The tool of one operation."""

        async def send(args: dict[str, Any]) -> Any:
            try:
                return await self.send(args["to"], args["subject"], args["body"], key=call_key(STEP))
            except ForbiddenError as error:
                await self._refused(args, error.detail)
                raise ToolInputError(error.detail) from error
            except MailError as error:
                # The run is tried again for a server that is away; a refusal goes to the model, which may write to
                # somebody else.
                if error.retryable:
                    raise
                raise ToolInputError(error.detail) from error

        return ToolSpec(
            name=name,
            description=description,
            parameters=operation.arguments,
            handler=send,
            kind="write",
            idempotent=False,
            keeps_own_steps=True,
        )

    async def _refused(self, args: dict[str, Any], why: str) -> None:
        async def refusal() -> Any:
            return {"refused": why}

        # Without the body: to say what the hand refused, recipient and subject are enough.
        trace = {"tool": MAIL.tool_id, "operation": "send", "arguments": {"to": args["to"], "subject": args["subject"]}}
        await self._journal.step(name="refuse_call", key=call_key("refused"), kind="compute", input=trace, body=refusal)

    def ensure_allowed(self, recipients: Sequence[str]) -> None:
        """Refuse what was not granted, and whom the tenant does not allow.

        Raises:
            ForbiddenError: Says what to do about it.
        """
        if not self.may_send():
            raise ForbiddenError("The agent may not send mail. Grant it 'send' of the tool 'email'.")
        refused = self._settings.refused(list(recipients))
        if refused:
            raise ForbiddenError(
                f"The tenant's agents may not write to {', '.join(refused)}. Allowed are:"
                f" {', '.join(self._settings.allowed_recipients[:20])}."
            )

    async def send(self, to: Sequence[str], subject: str, body: str, *, key: str, owed: bool = False) -> dict[str, Any]:
        """Send one mail, once.

        Args:
            to: Recipients.
            subject: On one line.
            body: Plain text or Markdown.
            key: Journal key; under one key one mail is sent, however often the run is resumed.
            owed: The run owes it, whatever its limits say.

        Raises:
            ForbiddenError: It is not granted, or a recipient is not allowed.
            InDoubtError: A worker died over it; a person has to look.
            MailError: The server did not take it.
        """
        self.ensure_allowed(to)
        # On one line: a line break in a subject could begin a header of its own.
        subject = " ".join(subject.split())[:SUBJECT_LIMIT]
        trace = {"target": MAIL.tool_id, "to": list(to), "subject": subject, "body": body}
        if self._journal.execution.mode != "live":
            return await self._intend(trace, key=key, owed=owed)
        mark = self._journal.mark_for(key)
        # Made of the mark, so that each attempt has the same one, and a receiving server may drop the second by itself.
        message_id = f"<{mark}@{self._settings.sender.rpartition('@')[2]}>"

        async def perform() -> Any:
            message = self._message(to, subject, body, message_id)
            await self._mailer.send(message, sender=self._settings.sender, recipients=to)
            await self._audit(to, subject, message_id, mark)
            return {"id": message_id, "mark": mark}

        async def ask() -> Any:
            raise InDoubtError(
                f"The mail '{subject}' to {', '.join(to)} was begun by a worker that died, and its server cannot say"
                f" whether it took it. Look for the Message-ID {message_id} at the server or the recipient, then answer"
                " here: was it sent?"
            )

        await self._journal.step(
            name=STEP, key=key, kind="write", input=trace, body=perform, idempotent=False, recover=ask, owed=owed
        )
        return {"done": True, "message_id": message_id}

    async def _intend(self, trace: dict[str, Any], *, key: str, owed: bool) -> dict[str, Any]:
        async def intent() -> Any:
            return {"intent": STEP}

        await self._journal.step(name=STEP, key=key, kind="compute", input=trace, body=intent, owed=owed)
        return {"done": True, "message_id": "", "dry_run": True}

    def _message(self, to: Sequence[str], subject: str, body: str, message_id: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._settings.sender
        message["To"] = ", ".join(to)
        message["Subject"] = subject
        message["Date"] = format_datetime(utc_now())
        message["Message-ID"] = message_id
        # RFC 3834: it keeps vacation responders from answering a machine.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body, charset="utf-8", cte="quoted-printable")
        return message

    async def _audit(self, to: Sequence[str], subject: str, message_id: str, mark: str) -> None:
        execution = self._journal.execution
        async with self._db.tenant_session(execution.tenant_id) as session:
            await audit.record(
                session,
                tenant_id=execution.tenant_id,
                actor=self._actor,
                operation="mail.send",
                resource_type="mail",
                resource_id=message_id,
                details={"execution_id": str(execution.id), "to": list(to), "subject": subject, "mark": mark},
            )
