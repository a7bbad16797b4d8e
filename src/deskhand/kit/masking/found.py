"""Where in a text values stand that are to be kept from models. Pure, and linear in the text's length."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from deskhand.kit.masking.kinds import ORDER, MaskKind
from deskhand.kit.masking.names import Names
from deskhand.kit.masking.numbers import Place, cards, ibans, phones
from deskhand.kit.secrets_in_text import secrets_of

_MAIL = re.compile(r"(?<![\w.%+-])\w[\w.%+'-]{0,63}@(?:[^\W_][\w-]{0,62}\.){1,8}([^\W\d_]{2,24}+)")
_NO_DOMAIN = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "ico"})  # logo@2x.png
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
# Four numbers behind such a word are what is installed.
_VERSION = re.compile(r"(?i)(?:version|build|release|firmware|driver|treiber|\bver|\bv)[.:]?[ \u00a0]{0,2}\Z")
_VERSION_ROOM = 16


class Span(NamedTuple):
    """One value in a text."""

    start: int
    end: int
    kind: MaskKind


def spans(text: str, kinds: Collection[MaskKind], names: Names) -> list[Span]:
    """Values of these kinds, in order; those that overlap are one, of the kind that comes first."""
    seen = sorted(
        Span(start, end, kind)
        for kind in kinds
        for start, end in (names.places(text) if kind is MaskKind.NAME else _FINDERS[kind](text))
    )
    out: list[Span] = []
    for span in seen:
        if out and span.start < out[-1].end:
            # Together and not the first alone: what is left of the other would still say most of it.
            last = out[-1]
            kind = min(last.kind, span.kind, key=ORDER.__getitem__)
            out[-1] = Span(last.start, max(last.end, span.end), kind)
        else:
            out.append(span)
    return out


def _mails(text: str) -> Iterator[Place]:
    for match in _MAIL.finditer(text):
        if match[1].lower() not in _NO_DOMAIN:
            yield match.span()


def _addresses(text: str) -> Iterator[Place]:
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - _VERSION_ROOM) : match.start()]
        if _is_somebodys(match[0]) and not _VERSION.search(before):
            yield match.span()
    for match in _IPV6.finditer(text):
        # Times and paths in source code have colons, too; an address of letters alone is rarer than a word.
        if any(sign.isdigit() for sign in match[0]) and _is_somebodys(match[0]):
            yield match.span()


def _is_somebodys(written: str) -> bool:
    """Whether it is an address and not a mask of one, and of some machine and not of every one."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or written.startswith("255."))


_FINDERS: Mapping[MaskKind, Callable[[str], Iterator[Place]]] = {
    MaskKind.SECRET: secrets_of,
    MaskKind.CARD: cards,
    MaskKind.IBAN: ibans,
    MaskKind.MAIL: _mails,
    MaskKind.IP: _addresses,
    MaskKind.PHONE: phones,
}
