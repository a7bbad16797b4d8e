"""A mail's own words are parted from what it quotes and from its signature; nothing is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.replies import Known, bare_subject, in_order, split_mail

OLD = "The VPN drops every ten minutes."
HEADINGS = {
    "english": "On Mon, Nov 2, 2026 at 9:00 AM Ann Lee <[ann@acme.test](mailto:ann@acme.test)> wrote:",
    "english over two lines": "On Mon, Nov 2, 2026 at 9:00 AM Ann Lee\n<ann@acme.test> wrote:",
    "german": "Am 02.11.2026 um 09:00 schrieb Ann Lee <ann@acme.test>:",
    "german, gmail": "Am Mo., 2. Nov. 2026 um 09:00 Uhr schrieb Ann Lee <\nann@acme.test>:",
    "french": "Le lun. 2 nov. 2026 à 09:00, Ann Lee <ann@acme.test> a écrit :",
    "spanish": "El lun, 2 nov 2026 a las 9:00, Ann Lee (<ann@acme.test>) escribió:",
    "portuguese": "Em seg., 2 de nov. de 2026 às 09:00, Ann Lee <ann@acme.test> escreveu:",
    "a rule": "-----Original Message-----",
    "a german rule": "-----Ursprüngliche Nachricht-----\nVon: Ann Lee\nGesendet: Montag\nAn: Hilfe\nBetreff: VPN",
    "a french rule": "-----Message d'origine-----",
    "a spanish rule": "-----Mensaje original-----",
    "a portuguese rule": "-----Mensagem original-----",
    "outlook": "From: Ann Lee <ann@acme.test>\nSent: Monday, November 2, 2026 9:00 AM\nTo: Help\nSubject: VPN",
    "outlook, bold": "**Von:** Ann Lee\n**Gesendet:** Montag, 2. November 2026 09:00\n**An:** Hilfe\n**Betreff:** VPN",
    "outlook, under a line": "________________________________\nDe : Ann Lee\nEnvoyé : lundi\nÀ : Aide\nObjet : VPN",
    "outlook, spanish": "De: Ann Lee\nEnviado el: lunes\nPara: Ayuda\nAsunto: VPN",
    "outlook, portuguese": "De: Ann Lee\nEnviada em: segunda-feira\nPara: Ajuda\nAssunto: VPN",
    "a desk's own rule": "##- Please type your reply above this line -##",
    "apple mail": "On 2 Nov 2026, at 09:00, Ann Lee <ann@acme.test> wrote:",
    "under a rule of Markdown": "---\n\n**From:** Ann Lee\n**Sent:** Monday\n**To:** Help\n**Subject:** VPN",
    "forwarded": "---------- Forwarded message ---------\nFrom: Ann <ann@acme.test>\nDate: Mon, Nov 2\nSubject: VPN",
}


@pytest.mark.parametrize("heading", HEADINGS.values(), ids=HEADINGS)
@pytest.mark.parametrize("sign", ["", "> ", "\\> "], ids=["plain", "quoted", "escaped"])
def test_what_is_quoted_is_parted_from_what_is_said(heading: str, sign: str) -> None:
    mail = split_mail(f"It was the driver.\n\n{heading}\n\n{sign}{OLD}\n{sign}Please help.")
    assert (mail.own, mail.quoted) == ("It was the driver.", f"{OLD}\nPlease help.")


@pytest.mark.parametrize(
    "heading",
    [
        "Den 2 nov 2026 kl. 09:00 skrev Ann Lee <ann@acme.test>:",
        "2026-11-02 9:00 GMT+01:00 Ann Lee <ann@acme.test>:",
        "2026年11月2日(月) 9:00 Ann Lee <ann@acme.test>:",
    ],
)
def test_in_other_languages_a_heading_is_known_by_its_address_and_what_follows(heading: str) -> None:
    mail = split_mail(f"It was the driver.\n\n{heading}\n\n> {OLD}")
    assert (mail.own, mail.quoted) == ("It was the driver.", OLD)


def test_answers_between_and_under_quoted_lines_are_the_authors() -> None:
    quoted = f"> {OLD}\nSince when?\n> > Older.\n> On Sunday Bob wrote:"
    mail = split_mail(f"On Monday Ann wrote:\n{quoted}\n\nSince Monday.")
    assert mail.own == "Since when?\n\nSince Monday."
    assert mail.quoted == f"{OLD}\nOlder."


@pytest.mark.parametrize(
    "signature",
    [
        "--\nAnn Lee\nAcme Ltd, +49 30 5550100",
        "Best regards,\nAnn Lee\n\nAcme Ltd",
        "Mit freundlichen Grüßen\n\nAnn Lee\nAcme GmbH",
        "Viele Grüsse\nAnn",
        "Cordialement,\n**Ann Lee**",
        "Un cordial saludo,\nAnn",
        "Atenciosamente,\nAnn",
        "Sent from my iPhone",
        "Get [Outlook for iOS](https://aka.ms/o0ukef)",
        "Von meinem iPhone gesendet",
        "Best regards\nAnn\n\nEnvoyé de mon iPhone",
    ],
)
@pytest.mark.parametrize("heading", ["", "\n\nAm 2.11. schrieb Bob:\n> alt"], ids=["alone", "above a quoted mail"])
def test_a_signature_is_no_part_of_what_is_said(signature: str, heading: str) -> None:
    assert split_mail(f"The code is 0x80070005.\n\n{signature}{heading}").own == "The code is 0x80070005."


@pytest.mark.parametrize(
    "text",
    [
        "From: Berlin\nTo: Hamburg\nDate: 3 May",  # a form of the desk's own
        "On Monday I wrote a mail and nothing came back.",
        "Run it with\n--\nverbose, and tell me what it says.",
        "Best regards,\nAnn\nP.S. the code is 0x80070005",
        "Regards\nThe second printer has the same fault. It is srv-prn02.",
        "De nada: it works",
        "Data: 2026-05-04\nHost: srv-vpn01\nCode: 809",
        "a <b> c > d",
        "Run this:\n```\n> SELECT 1;\nFrom: x\nSubject: y\n```\nand tell me.",
        "~~~\n> never closed",
        "Write to ann@acme.test:\nshe knows.",
    ],
)
def test_what_only_looks_like_a_mail_is_left_as_it_is(text: str) -> None:
    assert (split_mail(text).own, split_mail(text).quoted) == (text, "")


def test_of_a_quoted_text_what_was_read_before_is_known_again_however_its_lines_are_broken() -> None:
    known = Known()
    known.add(f"{OLD} It says error 809.")
    assert known.new_lines("The VPN drops every\nten minutes. It says\nerror 809.") == ""
    assert known.new_lines(f"{OLD}\nThe gateway is srv-vpn07, says the vendor.") == (
        "The gateway is srv-vpn07, says the vendor."
    )
    assert known.new_lines("error 809") == ""
    assert known.new_lines("error 810 again") == "error 810 again"


LINES = ["word", "> quoted", "On a", "wrote:", "--", "From: a", "Subject: b", ""]


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_every_word_of_a_text_is_its_authors_or_quoted_or_of_a_heading_or_a_signature(lines: list[str]) -> None:
    text = "\n".join(lines)
    mail = split_mail(text)
    kept = mail.own.split() + mail.quoted.split()
    # A heading, a signature and signs of quoting are what goes; nothing is made up, and nothing comes twice.
    assert all(kept.count(word) <= text.split().count(word) for word in kept)


def test_what_a_ticket_was_filed_with_is_read_in_order_without_signature_and_headers() -> None:
    filed = f"Still no change.\n\nBest regards\nAnn Lee | Accounts\n\n{HEADINGS['outlook']}\n\n{OLD}"
    assert in_order(filed) == f"Still no change.\n\n(quoted) {OLD}"
    assert in_order(f"{HEADINGS['forwarded']}\n\n{OLD}") == f"(quoted) {OLD}"


@pytest.mark.parametrize("text", ["", OLD, f"{OLD}\n\nSteps:\n1. Dial in.\n2. Wait.", "```\n> dir\nFrom: x\n```"])
def test_a_ticket_that_quotes_nothing_is_read_as_it_was_filed(text: str) -> None:
    assert in_order(text) == text


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("RE: RE: Outlook", "Outlook"),
        ("AW: WG: [EXTERNAL] Drucker", "Drucker"),
        ("Re[2]: FW : VPN", "VPN"),
        ("TR: Imprimante", "Imprimante"),
        ("Reset my password", "Reset my password"),
        ("Request: a new mouse", "Request: a new mouse"),
        ("RE:", "RE:"),
        ("", ""),
    ],
)
def test_a_subject_is_bare_of_what_mail_programs_put_before_it(subject: str, bare: str) -> None:
    assert bare_subject(subject) == bare
    assert bare_subject("re: " * 10_000 + "VPN") == "VPN"
