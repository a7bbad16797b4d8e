"""Which messages a machine wrote by itself, told by headers and by signs in subject and text; people who quote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.automatic import essence, is_mail_server, why_automatic

MADE_TICKETS = [
    {"subject": "Automatic reply: Ticket 4711"},
    {"subject": "Auto: Ticket 4711"},
    {"subject": "Out of Office"},
    {"subject": "Abwesenheitsnotiz: Ticket 4711"},
    {"subject": "Réponse automatique : Ticket 4711"},
    {"subject": "Respuesta automática: Ticket 4711"},
    {"subject": "Resposta automática: Ticket 4711"},
    {"subject": "Risposta automatica: Ticket 4711"},
    {"subject": "Automatisch antwoord: Ticket 4711"},
    {"subject": "Automatiskt svar: Ticket 4711"},
    {"subject": "Automatyczna odpowiedź: Ticket 4711"},
    {"subject": "Mancato recapito: Ticket 4711"},
    {"subject": "Undeliverable: Your ticket"},
    {"subject": "Undelivered Mail Returned to Sender"},
    {"subject": "Mail delivery failed: returning message to sender"},
    {"subject": "Delivery Status Notification (Failure)"},
    {"subject": "x", "address": "MAILER-DAEMON@mx.example.com"},
    {"subject": "x", "address": "postmaster@example.com"},
    {"subject": "x", "text": "Return-Path: <>\nFrom: a@b.test\n\nHello"},
    {"subject": "x", "text": "Hello\nAuto-Submitted: auto-replied\nbye"},
    {"subject": "x", "text": "X-Auto-Response-Suppress: All"},
    {"subject": "x", "text": "Precedence: auto_reply"},
    {"subject": "x", "text": "Content-Type: multipart/report; report-type=delivery-status"},
]
FILED_BY_PEOPLE = [
    {"subject": "Out of office cannot be switched off"},
    {"subject": "Automatic reply is sent to everybody"},
    {"subject": "Fwd: Undeliverable: Your invoice", "text": "My mail to a customer came back, see below."},
    {"subject": "RE: Out of Office: x"},
    {"subject": "Auto repair shop cannot print"},
    {"subject": "Risposta automatica non si disattiva"},
    {"subject": "Onbestelbaar pakket bij de receptie"},
    {"subject": "x", "text": "Sono fuori ufficio da lunedì, potete deviare il telefono?"},
    {"subject": "Please set my phone", "text": "I am out of the office from Monday on, please forward my phone."},
    {"subject": "Header", "text": "Auto-Submitted: no"},
    {"subject": "Header", "text": "We set Precedence to bulk; is that right?"},
    {"subject": "Newsletter", "text": "Precedence: list"},
    {"subject": "x", "text": "X-Auto-Response-Suppress: None"},
    {"subject": "x", "address": "noreply@monitoring.example.com"},
]
ANSWERS_OF_MACHINES = [
    "I am out of the office until 5 May.",
    "Hello,\n\nI’m on annual leave and will read your message when I am back.",
    "Guten Tag,\nich bin bis zum 12. Mai nicht im Büro.",
    "Dies ist eine automatische Antwort.",
    "Je suis actuellement absent du bureau.",
    "Estoy de vacaciones hasta el lunes.",
    "Estou de férias até segunda.",
    "Buongiorno,\nsono fuori ufficio fino al 5 maggio.",
    "Ik ben momenteel afwezig en lees uw bericht later.",
    "Jestem na urlopie do 5 maja.",
    "Thank you for your message. Our office is closed until Monday.",
    "This is an automatically generated reply.",
    "**Automatic reply:** I will answer later.",
    "Your message to helpdesk@example.com couldn't be delivered.",
]
ANSWERS_OF_PEOPLE = [
    "Yes, third floor.",
    "Thanks for your message. It works again!",
    "> I am out of the office until 5 May.\n\nThat is what he answers; can you call him?",
    "He wrote: I am out of the office. Please use my other number.",
    "It says: This is an automated message. What shall I click?",
    "The office is closed at five, please come before.",
]


@pytest.mark.parametrize("message", MADE_TICKETS, ids=str)
def test_a_ticket_that_a_machines_message_made_is_known(message: dict[str, str]) -> None:
    assert why_automatic(**message)


@pytest.mark.parametrize("message", FILED_BY_PEOPLE, ids=str)
def test_a_ticket_about_such_messages_is_a_persons(message: dict[str, str]) -> None:
    assert why_automatic(**message) is None


@pytest.mark.parametrize("text", ANSWERS_OF_MACHINES)
def test_an_answer_of_a_machine_is_known_by_its_beginning(text: str) -> None:
    assert why_automatic(text=text, is_answer=True)


@pytest.mark.parametrize("text", ANSWERS_OF_PEOPLE)
def test_an_answer_that_quotes_one_is_a_persons(text: str) -> None:
    assert why_automatic(text=text, is_answer=True) is None


@given(text=st.text(max_size=300), subject=st.text(max_size=80))
def test_whatever_is_written_it_says_something_or_nothing(text: str, subject: str) -> None:
    assert why_automatic(text=text, subject=subject, is_answer=True) != ""
    assert essence(f" {text}\n1") == essence(text)


def test_mail_servers_and_nobody_else() -> None:
    assert [is_mail_server(one) for one in (None, "", "mailer-daemon@x.test", "ada@x.test")] == [
        False,
        False,
        True,
        False,
    ]
