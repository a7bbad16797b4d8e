"""The simulated mail server: it takes what is handed over as a tenant's settings say, shows it, and admits no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from email.message import EmailMessage
from typing import Any

import pytest

from deskhand.kit.mail import Mailer, MailError, MailUnavailableError, SmtpServer
from deskhand.simulators.mail import MailSimulator, in_words
from deskhand.tenants.mail import MailSettings, mail_faults

KEY = "a key of the simulator"
LEADS = "leads@example.com"


def mail(text: str = "Three tickets.", subject: str = "Digest ü") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "deskhand@acme.test", LEADS, subject
    message.set_content(text)
    return message


async def send(settings: dict[str, Any], message: EmailMessage | None = None, **server: Any) -> None:
    """As a worker sends it: by the tenant's settings."""
    assert mail_faults(settings) == []
    known = MailSettings.model_validate({**settings, **server})
    mailer = Mailer(server=known.server, allow_private=True)
    await mailer.send(message or mail(), sender=known.sender, recipients=[LEADS])


async def test_a_mail_is_taken_kept_and_shown_once() -> None:
    shown: list[EmailMessage] = []
    async with MailSimulator(key=KEY, show=shown.append) as simulator:
        settings = simulator.settings("example.com")
        await send(settings)
        assert settings["allowed_recipients"] == ["example.com"]
        assert KEY not in repr(simulator)
    assert [one["Subject"] for one in shown] == [one["Subject"] for one in simulator.mails] == ["Digest ü"]
    assert simulator.envelopes[0].rcpt_tos == [LEADS]
    words = in_words(shown[0])
    assert words.startswith(f"From: deskhand@acme.test\nTo: {LEADS}\nSubject: Digest ü\n")
    assert words.endswith("\n\nThree tickets.\n")
    assert in_words(EmailMessage()).strip() == ""


@pytest.mark.parametrize("login", [{"password": "another"}, {"username": "somebody"}, {"username": None}])
async def test_who_does_not_know_the_key_sends_nothing(login: dict[str, Any]) -> None:
    async with MailSimulator(key=KEY) as simulator:
        with pytest.raises(MailError, match="53"):
            await send(simulator.settings("example.com"), **login)
        assert simulator.envelopes == []


async def test_a_refusal_that_was_ordered_is_given_once() -> None:
    async with MailSimulator() as simulator:
        simulator.answers.append("451 4.3.0 Try later")
        with pytest.raises(MailUnavailableError, match="451"):
            await send(simulator.settings("example.com"))
        await send(simulator.settings("example.com"))
        assert len(simulator.mails) == 1


async def test_the_command_prints_settings_that_work_and_each_mail_that_it_takes() -> None:
    command = [sys.executable, "-m", "deskhand.cli", "simulator", "mail", "--port", "0"]
    environment = {**os.environ, "DESKHAND_SIMULATOR_KEY": KEY, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            printed = process.stdout.readline()
            while not printed.endswith("\n}\n"):
                line = process.stdout.readline()
                assert line, "the simulator has ended"
                printed += line
            settings = json.loads(printed[printed.index("\n{") :])["email"]
            await send(settings, mail("One\x1b[2J line.", subject="Shown"))
            taken = ""
            while "line." not in taken:
                line = process.stdout.readline()
                assert line, "the simulator has ended"
                taken += line
        finally:
            process.kill()
    assert f"To: {LEADS}\nSubject: Shown\n" in taken
    assert "\x1b" not in taken


def test_without_tls_it_is_for_this_machine_alone() -> None:
    server = MailSettings.model_validate(MailSimulator(port=25).settings("example.com")).server
    assert server == SmtpServer(host="127.0.0.1", port=25, security="none")
