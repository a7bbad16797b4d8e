"""Mail as a hand of a run: allowed recipients alone, a Message-ID that stays, and never a second one silently.

No server can be asked whether it has a mail. One whose worker died between the server's yes and our journal is in
doubt, and a person decides: whoever looks finds it by its Message-ID, which is made of the step's mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from deskhand.audit import service as audit
from deskhand.engine.journal import Journal
from deskhand.errors import ForbiddenError, InDoubtError, NotApprovedError, StoodBackError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database
from deskhand.kit.mail import Mailer, MailError
from deskhand.llm.loop import ToolInputError, ToolSpec, call_key
from deskhand.tenants.mail import MailSettings
from deskhand.tools.asking import REASON, with_reason
from deskhand.tools.mail import MAIL, SUBJECT_LIMIT
from deskhand.tools.values import Grants, Mode, ToolOperation, guarded
from deskhand.work.approvals import Approver, Call, Look, Permit
from deskhand.work.instructions import ensure_no_instructions
from deskhand.work.mail_look import NO_TICKETS, MailLook

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
        approver: Asks people about what is granted as `approve`.
        own_look: Reads the ticket that started the run, to which such a mail is bound.
        prompt: The agent's instructions, which no mail of the model may hold.
        look: Before a mail to the requester of the run's ticket.
    """

    def __init__(
        self,
        settings: MailSettings,
        mailer: Mailer,
        *,
        grants: Grants,
        journal: Journal,
        db: Database,
        actor: str,
        approver: Approver,
        own_look: Look | None = None,
        prompt: str = "",
        look: MailLook = NO_TICKETS,
    ) -> None:
        self._look = look
        self._settings = settings
        self._mailer = mailer
        self._grants = grants
        self._journal = journal
        self._db = db
        self._actor = actor
        self._approver = approver
        self._own_look = own_look
        self.kept_inside = (prompt,)

    def guard(self) -> None:
        """Let a person approve every mail, whatever was granted."""
        self._grants = guarded(self._grants, MAIL)

    def may_send(self) -> bool:
        """Whether the agent was granted to send mail."""
        grant = self._grants.get("send")
        return grant is not None

    def offered(self) -> Iterator[ToolOperation]:
        """Operations a model is offered."""
        if self.may_send():
            yield from MAIL.operations

    def spec(self, operation: ToolOperation, *, name: str, description: str) -> ToolSpec:
        """The tool of one operation."""

        async def send(args: dict[str, Any]) -> Any:
            try:
                parts = {name: args[name] for name in ("to", "subject", "body")}
                # Of the model's own mails alone: a report goes to those whom the author named.
                ensure_no_instructions(f"{args['subject']}\n{args['body']}", *self.kept_inside)
                return await self.send(**parts, key=call_key(STEP), reason=args.get(REASON, ""))
            except ForbiddenError as error:
                await self._refused(args, error.detail)
                raise ToolInputError(error.detail) from error
            except StoodBackError as error:
                return {"done": False, "withheld": error.detail}
            except NotApprovedError as error:
                return {"done": False, "not_approved": error.detail}
            except MailError as error:
                # The run is tried again for a server that is away; a refusal goes to the model, which may write to
                # somebody else.
                if error.retryable:
                    raise
                raise ToolInputError(error.detail) from error

        asks = self._grants["send"].mode is Mode.APPROVE
        return ToolSpec(
            name=name,
            description=f"{description} A person approves it first." if asks else description,
            parameters=with_reason(operation.arguments) if asks else operation.arguments,
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

    async def send(
        self, to: Sequence[str], subject: str, body: str, *, key: str, reason: str, owed: bool = False
    ) -> dict[str, Any]:
        """Send one mail, once.

        Args:
            to: Recipients.
            subject: On one line.
            body: Plain text or Markdown.
            key: Journal key; under one key one mail is sent, however often the run is resumed.
            reason: Why, for whoever approves it.
            owed: The run owes it, whatever its limits say.

        Raises:
            ForbiddenError: It is not granted, or a recipient is not allowed.
            InDoubtError: A worker died over it; a person has to look.
            MailError: The server did not take it.
            NotApprovedError: Somebody declined, or nobody answered in time.
            StoodBackError: It is for the requester, whose ticket a person has worked on meanwhile.
        """
        self.ensure_allowed(to)
        self._ensure_may_say(to, owed=owed)
        # On one line: a line break in a subject could begin a header of its own.
        subject = " ".join(subject.split())[:SUBJECT_LIMIT]
        permit = await self._ask({"to": list(to), "subject": subject, "body": body}, key=key, reason=reason)
        if permit is not None:
            to, body = permit.arguments["to"], permit.arguments["body"]
            subject = " ".join(permit.arguments["subject"].split())[:SUBJECT_LIMIT]
            # Whoever approves may have changed the recipients, and may write to nobody whom the tenant does not allow.
            self.ensure_allowed(to)
            self._ensure_may_say(to, owed=owed)
        trace = {"target": MAIL.tool_id, "to": list(to), "subject": subject, "body": body}
        if self._journal.execution.mode != "live":
            return await self._intend(trace, key=key, owed=owed)
        message_id = await self._deliver(trace, permit, key=key, owed=owed)
        return {"done": True, "message_id": message_id}

    async def _deliver(self, trace: Mapping[str, Any], permit: Permit | None, *, key: str, owed: bool) -> str:
        """Hand a mail over, unless a person was faster; its Message-ID."""
        to, subject, body = trace["to"], trace["subject"], trace["body"]
        mark = self._journal.mark_for(key)
        # Made of the mark, so that each attempt has the same one, and a receiving server may drop the second by itself.
        message_id = f"<{mark}@{self._settings.sender.rpartition('@')[2]}>"

        async def perform() -> Any:
            if permit is not None:
                await permit.ensure_fresh()
            # A report goes to whom the agent's author named, whatever became of the ticket.
            elif not owed:
                await self._look.before(to, key=key)
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

        try:
            await self._journal.step(
                name=STEP, key=key, kind="write", input=trace, body=perform, idempotent=False, recover=ask, owed=owed
            )
        except StoodBackError as error:
            await self._look.say_instead(error, subject, body, key=key)
            raise
        return message_id

    def _ensure_may_say(self, to: Sequence[str], *, owed: bool) -> None:
        # A report goes to whom the agent's author named, whoever files tickets.
        if not owed:
            self._look.ensure_may_say(to)

    async def _ask(self, arguments: dict[str, Any], *, key: str, reason: str) -> Permit | None:
        """The yes to a mail; None where it needs none, and in a dry run, which sends nothing."""
        grant = self._grants["send"]
        if grant.mode is not Mode.APPROVE or self._journal.execution.mode != "live":
            return None
        call = Call(
            key=key,
            tool_id=MAIL.tool_id,
            operation=MAIL.operations[0],
            grant=grant,
            arguments=arguments,
            reason=reason,
            ticket_id=self._journal.execution.ticket_ref,
            look=self._own_look,
        )
        return await self._approver.ask(call)

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
                after={"to": list(to), "subject": subject},
                details={"execution_id": str(execution.id), "mark": mark},
            )
