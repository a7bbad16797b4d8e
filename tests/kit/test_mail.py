"""A mail is handed over whole or not at all, and what the class of a failure says of it is true."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from tests.support.mail import Mailbox, running_mailbox

from deskhand.errors import InvalidInputError
from deskhand.kit.mail import Mailer, MailError, MailInDoubtError, MailUnavailableError, SmtpServer

ANN, BOB = "ann@acme.test", "bob@acme.test"


def message(text: str = "Hello.") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "deskhand@acme.test", ANN, "Für Ann"
    made.set_content(text)
    return made


def mailer(box: Mailbox, **more: Any) -> Mailer:
    server = {"host": "127.0.0.1", "port": box.port, "security": "none", **more.pop("server", {})}
    return Mailer(server=SmtpServer(**server), **{"allow_private": True, **more})


async def send(one: Mailer, *recipients: str, text: str = "Hello.") -> None:
    await one.send(message(text), sender="deskhand@acme.test", recipients=recipients or (ANN,))


async def test_one_message_goes_to_all_its_recipients_as_it_was_written() -> None:
    async with running_mailbox() as box:
        await send(mailer(box), ANN, BOB, text="Zeile\n.\nfrom a stranger\n..\nend ü\n")
    [envelope], [mail] = box.envelopes, box.mails
    assert envelope.rcpt_tos == [ANN, BOB]
    assert mail["Subject"] == "Für Ann"
    assert mail.get_content().splitlines() == ["Zeile", ".", "from a stranger", "..", "end ü"]


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "not_done"),
    [
        ("554 5.7.1 Spam", MailError, False, True),
        ("552 5.3.4 Too large", MailError, False, True),
        ("451 4.3.0 Try later", MailUnavailableError, True, True),
        ("421 4.3.2 Closing", MailUnavailableError, True, True),
    ],
)
async def test_what_the_server_answers_to_the_message_decides_whether_it_is_tried_again(
    answer: str, kind: type[MailError], retryable: bool, not_done: bool
) -> None:
    async with running_mailbox() as box:
        box.answers.append(answer)
        with pytest.raises(MailError, match=answer[:3]) as refusal:
            await send(mailer(box))
        assert type(refusal.value) is kind
        assert (refusal.value.retryable, refusal.value.certainly_not_done) == (retryable, not_done)
        assert answer[10:] in refusal.value.detail
        assert box.envelopes == []


class Choosy(Mailbox):
    """Refuses Bob, or breaks off in the middle of the message."""

    breaks_off = False

    async def handle_RCPT(  # noqa: N802 - its name
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address == BOB:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802 - its name
        answer = await super().handle_DATA(server, session, envelope)
        if self.breaks_off:
            server.transport.abort()
        return answer


@pytest.fixture
def choosy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.mail.Mailbox", Choosy)


@pytest.mark.usefixtures("choosy")
async def test_one_recipient_that_is_refused_keeps_the_mail_from_everybody() -> None:
    async with running_mailbox() as box:
        with pytest.raises(MailError, match=r"550: .*No such mailbox") as refusal:
            await send(mailer(box), ANN, BOB)
        assert not refusal.value.retryable
        assert box.envelopes == []


@pytest.mark.usefixtures("choosy")
async def test_a_server_that_breaks_off_after_the_message_may_have_it() -> None:
    async with running_mailbox() as box:
        box.breaks_off = True  # type: ignore[attr-defined]
        with pytest.raises(MailInDoubtError) as doubt:
            await send(mailer(box))
        assert not doubt.value.certainly_not_done
        assert len(box.envelopes) == 1, "and here it has"


async def test_a_claim_that_was_lost_stops_the_message_at_the_last_moment() -> None:
    def lost() -> None:
        raise InvalidInputError("The claim is lost.")

    async with running_mailbox() as box:
        with pytest.raises(InvalidInputError, match="claim is lost"):
            await send(mailer(box, before_send=lost))
        assert box.envelopes == []


@pytest.mark.parametrize(
    ("server", "kind", "words"),
    [
        ({"security": "starttls"}, MailError, "cannot do this"),
        ({"security": "tls"}, MailUnavailableError, "cannot be reached"),
        ({"username": "u", "password": "s3cret-word"}, MailError, "cannot do this"),
    ],
    ids=["no STARTTLS", "no TLS", "no sign-in"],
)
async def test_a_server_without_what_was_asked_for_gets_no_mail_and_no_password(
    server: dict[str, Any], kind: type[MailError], words: str
) -> None:
    async with running_mailbox() as box:
        with pytest.raises(kind, match=words) as refusal:
            await send(mailer(box, server=server))
        assert "s3cret-word" not in refusal.value.detail
        assert box.envelopes == []


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1"])
async def test_a_server_inside_is_not_called_where_private_addresses_are_not_allowed(host: str, security: Any) -> None:
    one = Mailer(server=SmtpServer(host=host, port=25, security=security))
    with pytest.raises(InvalidInputError):
        await send(one)


async def test_a_server_that_is_not_there_is_told_with_its_address() -> None:
    async with running_mailbox() as box:
        gone = mailer(box)
    with pytest.raises(MailUnavailableError, match=rf"127\.0\.0\.1:{box.port} does not answer"):
        await send(gone)


async def test_the_handover_is_put_on_record_before_the_message_leaves_and_can_stop_it() -> None:
    order: list[str] = []

    async def on_handover() -> None:
        order.append(f"leaves, {len(box.mails)} taken")

    async def stop() -> None:
        raise InvalidInputError("Another worker has it.")

    async with running_mailbox() as box:
        one = mailer(box)
        await one.send(message(), sender="deskhand@acme.test", recipients=[ANN], on_handover=on_handover)
        assert order == ["leaves, 0 taken"]
        with pytest.raises(InvalidInputError, match="Another worker"):
            await one.send(message(), sender="deskhand@acme.test", recipients=[ANN], on_handover=stop)
        assert len(box.mails) == 1


async def test_what_is_refused_before_the_message_was_never_handed_over() -> None:
    left: list[str] = []

    async def on_handover() -> None:
        left.append("leaves")

    class Refusing(Mailbox):
        async def handle_RCPT(self, *_: Any) -> str:  # noqa: N802 - its name
            return "550 no such person"

    box = Refusing()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(box, hostname="mail.acme.test"), "127.0.0.1", 0
    )
    async with server:
        box.port = server.sockets[0].getsockname()[1]
        with pytest.raises(MailError, match="550") as refusal:
            await mailer(box).send(message(), sender="deskhand@acme.test", recipients=[ANN], on_handover=on_handover)
    assert refusal.value.certainly_not_done
    assert left == []
