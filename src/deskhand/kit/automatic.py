"""Whether a message was written by a machine that answers by itself: an out-of-office, a bounce, a receipt; pure.

RFC 3834 has a header for it, and mail programs have had others before. Desks hide headers, so the signs in the text
count too: what vacation responders and mail servers put into a subject or begin with, in eight languages. A person who
quotes such words writes others around them; so a text counts by its beginning alone.
"""

from __future__ import annotations

import re

_LINES, _CHARACTERS = 3, 300
_HEADER_LINES = 60
_SUBJECT = re.compile(
    # With what follows it: a person files "Out of office cannot be switched off", and forwards a bounce with a prefix.
    r"(?:auto(?:matic)?[- ]?(?:reply|response|answer)|auto|out of (?:the )?office(?: reply)?|ooo|automatische antwort"
    r"|abwesenheits(?:notiz|meldung|assistent)|réponse automatique|absence du bureau|message d['’]absence"
    r"|risposta automatica|fuori ufficio|automatisch antwoord|afwezigheidsbericht|autosvar|automatiskt svar"
    r"|automatyczna odpowiedź|poza biurem|mancato recapito|onbestelbaar|niet bezorgd|nie można dostarczyć"
    r"|respuesta automática|fuera de (?:la )?oficina|resposta automática|fora do escritório|undeliverable|unzustellbar"
    r"|nicht zustellbar|non remis|échec de remise|returned mail|warning: message [\w-]{1,60} delayed)(?:\s?:|$)"
    r"|undelivered mail returned to sender|delivery status notification|mail delivery (?:failed|failure|subsystem)"
    r"|failure notice$",
    re.IGNORECASE,
)
_BEGINNING = re.compile(
    r"(?:this is an? (?:automatic|automated|auto-?generated)"
    r"|(?:this|the following) (?:message|mail|e-?mail|reply) (?:was|is|has been) (?:sent |created )?automatic"
    r"|(?:thank you|thanks) for (?:your|the) (?:e-?mail|message)[^.!\n]{0,60}[.!]\s{0,3}"
    r"(?:i am|i['’]m|we are|our office)[^.\n]{0,60}(?:out|away|closed|leave|vacation|holiday|absent)"
    r"|i(?: am|['’]m) (?:currently |presently )?(?:out of (?:the )?office|away from"
    r"|on (?:annual |sick |parental )?(?:leave|vacation|holiday))"
    r"|ich bin [^\n]{0,80}(?:nicht im (?:büro|haus)|abwesend|im urlaub"
    r"|außer haus)|dies ist eine automatische?|diese (?:nachricht|e-?mail) wurde automatisch"
    r"|je suis (?:actuellement )?(?:absent|en congé)|ceci est (?:un message|une réponse) automatique"
    r"|estoy (?:fuera de la oficina|de vacaciones|ausente)|este es un (?:mensaje|correo) automático"
    r"|estou (?:fora do escritório|de férias|ausente)|esta é uma (?:mensagem|resposta) automática"
    r"|sono (?:fuori ufficio|in ferie|assente)|questo è un messaggio automatico|questa è una risposta automatica"
    r"|ik ben (?:momenteel )?(?:afwezig|niet aanwezig|niet op kantoor|met vakantie)|dit is een automatisch"
    r"|jestem (?:obecnie )?(?:poza biurem|na urlopie)|przebywam (?:obecnie )?na urlopie|to jest automatyczna"
    r"|(?:your|the following) message (?:could not|couldn['’]t|to [^\n]{1,100} couldn['’]t) be delivered"
    r"|delivery (?:to the following|has failed to these) recipients?|this is the mail system at host)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\s{0,3}([A-Za-z][A-Za-z-]{3,40}):\s{0,5}([^\n]{0,200})$")
_PRECEDENCE = frozenset({"bulk", "auto_reply", "auto-reply", "junk"})
_MAILERS = ("mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon")


def why_automatic(
    *, subject: str | None = None, text: str | None = None, address: str | None = None, is_answer: bool = False
) -> str | None:
    """The sign by which a message is a machine's, in a few words; None where it has none.

    Args:
        subject: Of the message, or of the ticket that it made.
        text: Markdown or plain, whole; some desks put a mail's headers into it.
        address: Of its sender.
        is_answer: It stands on a ticket that was there already. What a responder begins with, a person may file.
    """
    if is_mail_server(address):
        return "a mail server wrote it"
    if subject and _SUBJECT.match(subject.strip()[:_CHARACTERS]):
        return "its subject says so"
    return _sign_in_text(text, is_answer=is_answer) if text else None


def is_mail_server(address: str | None) -> bool:
    """Whether an address is one that mail servers write from."""
    return bool(address) and str(address).casefold().partition("@")[0].startswith(_MAILERS)


def essence(text: str) -> str:
    """A text without what differs between two sendings of one message: blanks, case, signs, digits."""
    return " ".join(re.findall(r"[^\W\d_]+", text.casefold()))


def _sign_in_text(text: str, *, is_answer: bool) -> str | None:
    lines = [line.strip(" \t*_#") for line in text.splitlines() if line.strip()]
    beginning = lines[:_LINES] if is_answer else []
    if any(_BEGINNING.match(line[:_CHARACTERS]) or _SUBJECT.match(line[:_CHARACTERS]) for line in beginning):
        return "its text begins as an automatic answer does"
    # A salutation, and then the sentence.
    if len(beginning) > 1 and _BEGINNING.match(" ".join(beginning[1:])[:_CHARACTERS]):
        return "its text begins as an automatic answer does"
    for line in lines[:_HEADER_LINES]:
        header = _HEADER.match(line)
        if header and _says_automatic(header[1], header[2]):
            return f"a header in its text ({header[1]}) says so"
    return None


def _says_automatic(name: str, value: str) -> bool:
    """By what responders set (RFC 3834, and what was there before it)."""
    name, value = name.casefold(), value.strip().casefold()
    if name == "auto-submitted":
        return bool(value) and not value.startswith("no")
    if name == "x-auto-response-suppress":
        # Exchange lets any of its kinds keep an automatic answer away; "none" asks for none of that.
        return bool(value) and value != "none"
    if name == "precedence":
        return value in _PRECEDENCE
    if name in {"x-autoreply", "x-autorespond", "x-autoresponse"}:
        return value not in {"", "no", "false"}
    # A bounce has no sender to answer to, and is a report.
    return (name == "return-path" and value == "<>") or (
        name == "content-type" and value.startswith("multipart/report")
    )
