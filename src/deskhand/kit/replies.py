"""What somebody wrote in a mail, apart from the mails quoted below it and the signature; pure, in linear time.

Written for Markdown as ``kit.html`` makes it of mail, and for plain text; in English, German, French, Spanish and
Portuguese. Nothing is thrown away for good: what is quoted comes along, since a desk does not have every mail that is
quoted to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_QUOTED = re.compile(r"[ \t]{0,3}\\?>")
_MARKS = re.compile(r"(?:[ \t]{0,3}\\?>)+ ?")
_SENTENCE_START = re.compile(r"(?:On|Am|Le|El|Em|Il)\b[ \t]", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"(?:\bwrote|\bhat geschrieben|\ba écrit|\bescribió|\bescreveu|\bschrieb\b.{0,200})[ \t\xa0]{0,3}:$", re.IGNORECASE
)
_SENTENCE_LINES, _SENTENCE_CHARS = 3, 300
_RULE = re.compile(
    r"[-_=* ]{0,40}\b(?:Original (?:Message|Appointment)|Ursprüngliche Nachricht|Originalnachricht|Message d['’]origine"
    r"|Mensaje original|Mensagem original|Forwarded message|Weitergeleitete Nachricht|Message transféré"
    r"|Mensaje reenviado|Mensagem (?:encaminhada|reencaminhada)|Begin forwarded message)\b:?[-_=* ]{0,40}",
    re.IGNORECASE,
)
_LINE = re.compile(r"[_*\-=─—]{3,200}")
_REPLY_ABOVE = re.compile(
    r"[#\-=_* ]{0,20}(?:please )?(?:type|write|enter) your reply above this line[.#\-=_* ]{0,20}", re.IGNORECASE
)
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_WHOSE = re.compile(r"[^\n]{0,200}@[^\n]{0,200}:")
_HEADER = re.compile(r"[*_ ]{0,4}([A-Za-zÀ-ÿ][A-Za-zÀ-ÿ ]{0,20}?)[*_ ]{0,4}[ \xa0]?:[*_]{0,3}(?:[ \t\xa0]|$)")
_FROM = frozenset({"from", "von", "de", "da"})
_OTHERS = frozenset(
    {"sent", "date", "gesendet", "datum", "envoyé", "envoyé le", "date d'envoi", "enviado", "enviado el", "enviado em"}
    | {"enviada em", "enviada", "fecha", "data", "to", "an", "à", "para", "pour", "a", "cc", "kopie", "bcc"}
)
_SUBJECT = frozenset({"subject", "betreff", "objet", "asunto", "assunto"})
_NAMES = _FROM | _OTHERS | _SUBJECT
_HEADERS = 8
_SIGN_OFF = re.compile(
    r"(?:(?:kind|best|warm|many|with) (?:kind |best )?regards|regards|best wishes|cheers|sincerely|yours (?:sincerely|"
    r"truly)|mit (?:freundlichen|besten|herzlichen) grü(?:ß|ss)en|(?:viele|beste|liebe|freundliche|schöne) grü(?:ß|ss)e"
    r"|mfg|lg|(?:bien )?cordialement|sincères salutations|bien à vous|(?:un )?(?:cordial(?:es)? )?saludos?"
    r"(?: cordiales)?|atentamente|atenciosamente|com os melhores cumprimentos|(?:melhores )?cumprimentos|abraços?)"
    r"[,.! ]{0,3}",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"(?:sent from|von meinem|gesendet (?:mit|von)|envoyé (?:de|depuis)|enviado (?:desde|do|de|a partir)|obter o|get"
    r" \[?outlook)\b.{0,120}",
    re.IGNORECASE,
)
_SIGNATURE_LINES, _SIGNATURE_CHARS = 8, 70
_SAYS_MORE = re.compile(r"[.?!…]$|^p\.?\s?s\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_ANSWERS = re.compile(
    r"\s*(?:(?:re|aw|antw|fwd?|wg|tr|rv|res|enc)(?:\[\d{1,3}\])?\s?:|\[(?:ext|external|extern)\])", re.IGNORECASE
)
_TOGETHER = 4
"""Words in a row by which a quoted text is known again; mail programs break its lines anew."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in its two parts.

    Attributes:
        own: What its author wrote, answers between quoted lines included, without the signature.
        quoted: What it quotes, without the signs of quoting and the lines that say whose it is.
    """

    own: str
    quoted: str


def split_mail(text: str) -> Mail:
    """The parts of a mail or of any other comment."""
    own: list[str] = []
    quoted: list[str] = []
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    at = 0
    in_code = False
    while at < len(lines):
        in_code ^= _FENCE.match(lines[at]) is not None
        if in_code:
            # ">" is a prompt there, and "From:" a key.
            own.append(lines[at])
            at += 1
        elif _QUOTED.match(lines[at]):
            quoted.append(_MARKS.sub("", lines[at], count=1))
            at += 1
        elif after := _heading_end(lines, at):
            at = after
            # Where the quoted lines carry their sign, what follows without one is the author's again.
            if not _QUOTED.match(next((line for line in lines[at : at + 3] if line), "")):
                quoted.extend(_MARKS.sub("", line, count=1) for line in lines[at:])
                break
        else:
            own.append(lines[at])
            at += 1
    return Mail(_joined(_unsigned(own)), _joined(_without_headings(quoted)))


def in_order(text: str) -> str:
    """A mail as it is read: what its author wrote, then what it quotes, without signature and headers of quoted mails.

    For what a ticket was filed with: nobody has read yet what stands quoted there.
    """
    mail = split_mail(text)
    return "\n\n".join(part for part in (mail.own, mail.quoted and f"(quoted) {mail.quoted}") if part) or text


def bare_subject(subject: str) -> str:
    """A mail's subject without "RE:", "AW:" or "[EXTERNAL]" before it; as it is where nothing else is left."""
    rest = subject
    while (match := _ANSWERS.match(rest)) is not None:
        rest = rest[match.end() :]
    return rest.strip() or subject


def _joined(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _heading_end(lines: list[str], at: int) -> int:
    """The line after those that introduce a quoted mail, or 0 if none begins here."""
    line = lines[at].strip()[:_SENTENCE_CHARS]
    if not line:
        return 0
    if _RULE.fullmatch(line) or _REPLY_ABOVE.fullmatch(line):
        return _headers_end(lines, at + 1) or at + 1
    if _SENTENCE_START.match(line.lstrip("*_ ")):
        for count in range(1, _SENTENCE_LINES + 1):
            sentence = " ".join(part[:_SENTENCE_CHARS] for part in lines[at : at + count]).strip(" *_")
            if _SENTENCE_END.search(sentence[-_SENTENCE_CHARS:]):
                return at + count
    # In any language: a line with an address and a colon, and then what it introduces.
    if _WHOSE.fullmatch(line) and _QUOTED.match(next((one for one in lines[at + 1 : at + 3] if one), "")):
        return at + 1
    start = at + 1 if _LINE.fullmatch(line) else at
    return _headers_end(lines, start)


def _headers_end(lines: list[str], start: int) -> int:
    """The line after a block of a mail's headers: who it is from, and at least one more; else 0."""
    names: list[str] = []
    has_address = False
    at = start
    # A blank line may stand before the block and, in some programs, between its lines.
    for at in range(start, min(len(lines), start + 2 * _HEADERS)):
        line = lines[at][:_SENTENCE_CHARS]
        header = _HEADER.match(line)
        name = header.group(1).strip().lower() if header else ""
        if name in _NAMES:
            names.append(name)
            has_address = has_address or "@" in line
        elif line.strip():
            break
    else:
        at = min(len(lines), start + 2 * _HEADERS)
    # A form may ask for "From:" and "To:" as well; a mail has a subject, or somebody's address.
    others = set(names) - _FROM
    is_mail = bool(others & _SUBJECT) or (bool(others) and has_address)
    return at if names and names[0] in _FROM and is_mail else 0


def _without_headings(lines: list[str]) -> list[str]:
    """Quoted lines without those that introduce a mail quoted in the quoted one."""
    kept: list[str] = []
    at = 0
    while at < len(lines):
        if after := _heading_end(lines, at):
            at = max(after, at + 1)
        else:
            kept.append(lines[at])
            at += 1
    return kept


def _unsigned(lines: list[str]) -> list[str]:
    """Lines without the signature at their end: under ``--``, or a short block under a greeting."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or _DEVICE.fullmatch(lines[end - 1].strip(" *_"))):
        end -= 1
    lines = lines[:end]
    # Only near the end: "--" in the middle of a long text is a rule, or an option of a command.
    for at in range(max(0, len(lines) - 2 * _SIGNATURE_LINES), len(lines)):
        line = lines[at].strip(" *_\\\xa0")
        if line in ("--", "—") and _is_card(lines[at + 1 :]):
            return lines[:at]
        if _SIGN_OFF.fullmatch(line) and _is_card(lines[at + 1 :]):
            return lines[:at]
    return lines


def _is_card(lines: list[str]) -> bool:
    """Whether lines are a name and an address, and say nothing."""
    said = [line.strip() for line in lines if line.strip()]
    return len(said) <= _SIGNATURE_LINES and not any(
        len(line) > _SIGNATURE_CHARS or _SAYS_MORE.search(line) for line in said
    )


@dataclass(slots=True)
class Known:
    """What was read already, by its words in a row; tells what of a quoted text is new."""

    _runs: set[int] = field(default_factory=set)
    _lines: set[int] = field(default_factory=set)
    _words: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Remember a text."""
        # A short line stands among other neighbours where it is quoted, so it is known as a whole besides.
        self._lines.update(_hash_of(line) for line in text.split("\n"))
        words = _WORD.findall(text.casefold())
        self._words.update(words)
        self._runs.update(hash(tuple(words[at : at + _TOGETHER])) for at in range(len(words) - _TOGETHER + 1))

    def new_lines(self, text: str) -> str:
        """The lines of a quoted text that were not read before."""
        lines = text.split("\n")
        words = [(number, word) for number, line in enumerate(lines) for word in _WORD.findall(line.casefold())]
        known = [word in self._words and len(words) < _TOGETHER for _, word in words]
        for at in range(len(words) - _TOGETHER + 1):
            if hash(tuple(word for _, word in words[at : at + _TOGETHER])) in self._runs:
                known[at : at + _TOGETHER] = [True] * _TOGETHER
        new: dict[int, int] = {}
        of: dict[int, int] = {}
        for (number, _), is_known in zip(words, known, strict=True):
            of[number] = of.get(number, 0) + 1
            new[number] = new.get(number, 0) + (not is_known)
        # One strange word in a known line is a program's doing: a link spelled out, a word broken.
        kept = [
            line
            for number, line in enumerate(lines)
            if new.get(number, 0) * 2 > of.get(number, 0) and _hash_of(line) not in self._lines
        ]
        return "\n".join(kept).strip()


def _hash_of(line: str) -> int:
    return hash(tuple(_WORD.findall(line.casefold())))
