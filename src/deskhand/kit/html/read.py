"""HTML to Markdown, in time that grows with its length and with nothing that recurses; pure.

What a reader of the ticket would see is kept: words of elements nobody knows, what was struck out, raised or tabled,
that there was a picture. What only a browser would act on is not: scripts, styles, addresses that run something.
"""

from __future__ import annotations

import re
from collections import Counter

from deskhand.kit.html.frames import Cell, Frame, Item, List, Table
from deskhand.kit.html.inline import (
    CODE,
    EM,
    STRIKE,
    STRONG,
    code_block,
    one_line,
    picture,
    safe_target,
)
from deskhand.kit.html.tokens import Tag, closed_names, tokens
from deskhand.kit.html.words import Words, typed_text

SOURCE_LIMIT = 2_000_000
"""Characters that are read; the rest is named and left out."""
QUOTES = 6
"""Quotes in each other that are shown as such: a long chain of replies is read by its order, not by its indent."""
DEPTH = 24
"""Elements in each other whose form is kept; deeper ones keep their words and their order."""

_SKIPPED = frozenset({"script", "style", "title", "iframe", "object", "noscript", "template", "svg", "math"})
_MARKS = {
    **dict.fromkeys(("b", "strong"), STRONG),
    **dict.fromkeys(("i", "em", "cite", "dfn"), EM),
    **dict.fromkeys(("s", "strike", "del"), STRIKE),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), CODE),
}
_RAISED = {"sup": "^", "sub": "_"}
_PLAIN = frozenset(
    {"a", "abbr", "acronym", "bdi", "bdo", "big", "data", "font", "ins", "label", "mark", "nobr", "output", "q", "ruby"}
    | {
        "rb",
        "rp",
        "rt",
        "small",
        "span",
        "time",
        "u",
        "var",
        "wbr",
        "html",
        "body",
        "tbody",
        "thead",
        "tfoot",
        "colgroup",
    }
    | {"col", "meta", "link", "base", "map", "area", "source", "track", "param", "picture"}
)
_BLOCKS = frozenset(
    {"address", "article", "aside", "button", "caption", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt"}
    | {
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "head",
        "header",
        "hgroup",
        "legend",
        "main",
        "menu",
        "nav",
    }
    | {"optgroup", "option", "p", "search", "section", "select", "summary", "textarea", "blockquote", "ol", "ul", "li"}
    | {"table", "tr", "td", "th", "pre", "listing", "xmp", "h1", "h2", "h3", "h4", "h5", "h6"}
)
_MEDIA = frozenset({"img", "svg", "math", "video", "audio", "iframe", "object", "embed", "canvas"})
_PREFORMATTED = frozenset({"pre", "listing", "xmp"})
_VOID = frozenset({"br", "hr", "input"})
_KNOWN = frozenset({*_MARKS, *_RAISED}) | _PLAIN | _BLOCKS | _MEDIA | _VOID | _SKIPPED
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_CELLS = frozenset({"td", "th"})
_FRAMED = _LISTS | _CELLS | {"blockquote", "li", "table"}
_LANGUAGE = re.compile(r"(?:language|lang|brush:)-?\s?([\w+#.-]{1,30})")
_SMALL_NUMBER = re.compile(r"[0-9]{1,9}")
_SHOWN_TAG = 200


def html_to_markdown(source: str | None) -> str:
    """Markdown of a vendor's HTML, or of plain text that never was HTML."""
    if not source:
        return ""
    left_out = len(source) - SOURCE_LIMIT
    beginning = source[:SOURCE_LIMIT]
    text = _Reader(beginning).read() if "<" in beginning else typed_text(beginning)
    return text if left_out <= 0 else f"{text}\n\n[{left_out} characters of HTML left out]"


def _count(text: str | None, default: int) -> int:
    return int(text) if text and _SMALL_NUMBER.fullmatch(text) else default


class _Reader:
    """Reads one text. What is open is a list of frames, so depth costs no stack."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._closed = closed_names(source)
        self._frames: list[Frame] = [Frame("")]
        self._beyond: Counter[str] = Counter()  # open elements too deep to have a frame
        self._words = Words()
        self._heading = 0
        self._preformatted = False
        self._language = ""

    def read(self) -> str:
        for token in tokens(self._source, _SKIPPED):
            if isinstance(token, str):
                self._text(token)
            elif token.name not in _KNOWN:
                self._unknown(token)
            elif token.name in _MARKS or token.name in _RAISED or token.name in _PLAIN:
                self._inline(token)
            elif token.name in _MEDIA:
                self._media(token)
            elif token.name in _VOID:
                self._void(token)
            elif token.name in _BLOCKS:
                self._block(token)
        self._end_preformatted()
        while len(self._frames) > 1:
            self._end_frame()
        self._flush()
        return "\n\n".join(self._frames[0].blocks).strip()

    # -- inline ------------------------------------------------------------------------------

    def _text(self, text: str) -> None:
        if self._preformatted:
            self._words.write(text.replace("\r\n", "\n").replace("\xa0", " "))
        else:
            self._words.flow(text)

    def _unknown(self, tag: Tag) -> None:
        """A tag of nobody's: words around it stay apart; one that is never closed was words itself (``<drive>``)."""
        if ":" in tag.name:  # Office's own, inside words
            return
        if not tag.closes and tag.name not in self._closed and len(tag.source) <= _SHOWN_TAG:
            self._words.write(tag.source)
        else:
            self._words.part()

    def _inline(self, tag: Tag) -> None:
        if self._preformatted:
            self._language = self._language or _language(tag)
        elif tag.name in _MARKS:
            self._words.mark(_MARKS[tag.name], closes=tag.closes)
        elif tag.name in _RAISED:
            self._words.lift(_RAISED[tag.name], closes=tag.closes)
        elif tag.name == "a":
            self._words.target = "" if tag.closes else safe_target(tag.attributes.get("href", ""))
        elif tag.name == "q":
            self._words.write('"')

    def _media(self, tag: Tag) -> None:
        if tag.closes:
            return
        attributes = tag.attributes
        if {attributes.get("width"), attributes.get("height")} <= {"0", "1"}:
            return  # a counting pixel shows nobody anything
        name = attributes.get("alt") or attributes.get("title") or _file_name(attributes.get("src", ""))
        is_face = 0 < len(name) <= 4 and not any(sign.isalnum() for sign in name)
        self._words.write(name if is_face else picture(name))

    def _void(self, tag: Tag) -> None:
        if tag.name == "br":
            self._words.write("\n")
        elif tag.name == "hr":
            self._flush()
            self._frames[-1].blocks.append("---")
        elif tag.attributes.get("type", "").lower() == "checkbox":
            self._words.write("[x] " if "checked" in tag.attributes else "[ ] ")

    # -- blocks ------------------------------------------------------------------------------

    def _block(self, tag: Tag) -> None:
        if tag.name in _PREFORMATTED:
            self._turn_preformatted(tag)
        elif self._preformatted:
            self._words.write("\n")
        elif tag.closes:
            self._flush()
            self._end(tag.name)
        else:
            self._flush()
            self._begin(tag)

    def _begin(self, tag: Tag) -> None:
        name = tag.name
        if name == "blockquote":
            self._open(Frame(name))
        elif name in _LISTS:
            self._open(List(name, number=_count(tag.attributes.get("start"), 1) if name == "ol" else None))
        elif name == "table":
            self._begin_table()
        elif name == "li":
            self._begin_item()
        elif name == "tr" or name in _CELLS:
            self._begin_cell(tag)
        elif name[0] == "h" and name[1:].isdigit():
            self._heading = int(name[1:])

    def _open(self, frame: Frame) -> None:
        is_quote = frame.name == "blockquote"
        # Only counted from here on, so that its end is known when it comes; its words go into the frame that is open.
        if len(self._frames) > DEPTH or (is_quote and sum(one.name == "blockquote" for one in self._frames) >= QUOTES):
            self._beyond[frame.name] += 1
        else:
            self._frames.append(frame)

    def _begin_table(self) -> None:
        around = next((frame for frame in reversed(self._frames) if isinstance(frame, Cell)), None)
        if around is not None:
            # A cell with a table in it lays out a page, and the table around it is none to a reader.
            around.holds_table = True
        self._open(Table("table"))

    def _begin_item(self) -> None:
        # The list of this item is too deep to have a frame; an item of its own would join an outer list.
        if any(self._beyond[name] for name in _LISTS):
            return
        place = self._place(_LISTS | {"li"})
        if place is not None:
            self._close_above(place if self._frames[place].name == "li" else place + 1)
        top = self._frames[-1]
        self._frames.append(Item("li", bullet=top.next_bullet() if isinstance(top, List) else "- "))

    def _begin_cell(self, tag: Tag) -> None:
        place = None if self._beyond["table"] else self._place(frozenset({"table"}), across_cells=True)
        if place is None:
            return
        self._close_above(place + 1)
        top = self._frames[-1]
        if tag.name == "tr" and isinstance(top, Table):
            top.cells.append([])
        elif isinstance(top, Table):
            columns, rows = (_count(tag.attributes.get(name), 1) or 1 for name in ("colspan", "rowspan"))
            self._frames.append(Cell(tag.name, columns=columns, rows=rows))

    def _end(self, name: str) -> None:
        self._heading = 0
        if self._beyond[name]:
            self._beyond[name] -= 1
            return
        if name not in _FRAMED or (name in _CELLS and self._beyond["table"]):
            return
        place = self._place(_CELLS if name in _CELLS else frozenset({name}), across_cells=name in _CELLS | {"table"})
        if place is not None:
            self._close_above(place)

    def _place(self, names: frozenset[str], *, across_cells: bool = False) -> int | None:
        """Where the innermost open element of these is; what is around a cell is closed only by parts of its table."""
        for place in range(len(self._frames) - 1, 0, -1):
            if self._frames[place].name in names:
                return place
            if not across_cells and isinstance(self._frames[place], Cell):
                return None
        return None

    def _close_above(self, place: int) -> None:
        while len(self._frames) > place:
            self._end_frame()

    def _end_frame(self) -> None:
        self._flush()
        frame = self._frames.pop()
        around = self._frames[-1]
        if isinstance(frame, Cell) and isinstance(around, Table):
            around.row().append(frame)
        else:
            around.blocks.extend(frame.ended())

    def _flush(self) -> None:
        text = self._words.take()
        if not text:
            return
        if self._heading:
            text = f"{'#' * self._heading} {one_line(text)}"
            self._heading = 0
        self._frames[-1].blocks.append(text)

    # -- preformatted ------------------------------------------------------------------------

    def _turn_preformatted(self, tag: Tag) -> None:
        if tag.closes:
            self._end_preformatted()
        elif not self._preformatted:
            self._flush()
            self._preformatted, self._language = True, _language(tag)

    def _end_preformatted(self) -> None:
        if not self._preformatted:
            return
        self._preformatted = False
        text = self._words.take_raw()
        if text.strip():
            self._frames[-1].blocks.append(code_block(text, self._language))


def _language(tag: Tag) -> str:
    name = _LANGUAGE.search(tag.attributes.get("class", ""))
    return name.group(1) if name else ""


def _file_name(address: str) -> str:
    """The last part of an address, if it is a name people would know."""
    name = address.split("?", 1)[0].rsplit("/", 1)[-1]
    return name if "." in name and len(name) <= 80 and not address.lower().startswith(("data:", "cid:")) else ""
