"""HTML cut into tags and texts in time that grows with its length alone; pure.

Anybody may write to a service desk, so whatever is slow or deep in a parser will be sent to it. Every search below
either consumes what it looked through or is never made again; nothing backtracks and nothing recurses.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z][^\s/<>]{0,60}")
_ATTRIBUTE = re.compile(r"([^\s=/>\"'<]{1,60})(?:[ \t\n\r\f]?=[ \t\n\r\f]?(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+)))?")
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9A-Fa-f]{8,};?")
_CLOSING = re.compile(r"</([A-Za-z][^\s/<>]{0,60})")
_TAG_SIGN = re.compile("[\"'>]")
_TAG_LIMIT = 20_000
"""Characters of one tag that are read for attributes; a longer one (a picture inside its address) keeps its name."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as it stands, opening or closing; ``source`` is its own text."""

    name: str
    closes: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


def tokens(source: str, skipped: frozenset[str]) -> Iterator[Tag | str]:
    """Tags, and the texts between them with their references resolved.

    Args:
        source: HTML, or plain text that never was.
        skipped: Elements that are left out with their content.
    """
    scan = _Scan(source, skipped)
    while (token := scan.next()) is not None:
        yield token


def closed_names(source: str) -> frozenset[str]:
    """Names that some closing tag of the text has: what nobody closes and nobody knows may never have been a tag."""
    return frozenset(name.lower() for name in _CLOSING.findall(source))


def resolved(text: str) -> str:
    """Text with character references replaced; one of more digits than a character has is no reference."""
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


class _Scan:
    def __init__(self, source: str, skipped: frozenset[str]) -> None:
        self._source = source
        self._skipped = skipped
        self._at = 0
        # Looked for once, from the end: a search for a sign that never comes, made at each tag, would be quadratic.
        self._last_end = source.rfind(">")
        self._last_quote = {sign: source.rfind(sign) for sign in "\"'"}

    def next(self) -> Tag | str | None:
        while self._at < len(self._source):
            if self._source[self._at] != "<" or self._at > self._last_end:
                return self._text()
            token = self._markup()
            if token is not None:
                return token
        return None

    def _text(self, start: int | None = None) -> str:
        """Text up to the next tag; from ``start`` if a sign before turned out to be text."""
        start = self._at if start is None else start
        end = self._source.find("<", max(self._at, start + 1)) if self._at <= self._last_end else -1
        self._at = len(self._source) if end < 0 else end
        return resolved(self._source[start : self._at])

    def _markup(self) -> Tag | str | None:
        start = self._at
        if self._source.startswith("<!--", start):
            self._skip_to("-->", start + 4)
            return None
        if self._source.startswith(("<!", "<?"), start):
            self._skip_to(">", start + 2)
            return None
        closes = self._source.startswith("</", start)
        name = _NAME.match(self._source, start + 1 + closes)
        if name is None:
            self._at = start + 1
            return self._text(start)  # a lone sign, as in "a < b"
        self._at = self._tag_end(name.end())
        tag = Tag(
            name.group().lower(),
            closes,
            {} if closes else self._attributes(name.end(), self._at - 1),
            self._source[start : self._at],
        )
        if tag.name in self._skipped and not closes:
            self._skip_element(tag.name)
        return tag

    def _skip_to(self, end: str, start: int) -> None:
        position = self._source.find(end, start)
        self._at = len(self._source) if position < 0 else position + len(end)

    def _tag_end(self, position: int) -> int:
        """Behind the ``>`` that ends a tag; one between quotes does not, and a quote that nothing closes is a sign."""
        while (match := _TAG_SIGN.search(self._source, position)) is not None:
            sign, position = match.group(), match.end()
            if sign == ">":
                return position
            if self._last_quote[sign] >= position:
                closing = self._source.find(sign, position)
                position = position if closing > self._last_end else closing + 1
        return len(self._source)

    def _attributes(self, start: int, end: int) -> dict[str, str]:
        values: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(self._source, start, min(end, start + _TAG_LIMIT)):
            name, *written = match.groups()
            value = next((text for text in written if text is not None), "")
            # The first of two wins, as in a browser: what a reader sees there is what is read here.
            values.setdefault(name.lower(), resolved(value))
        return values

    def _skip_element(self, name: str) -> None:
        # An element that is never closed takes the rest of the text, so this search is not made a second time.
        end = re.compile(rf"</{re.escape(name)}[\s/>]", re.IGNORECASE).search(self._source, self._at)
        self._at = end.start() if end else len(self._source)
