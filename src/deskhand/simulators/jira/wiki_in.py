"""Wiki markup as the vendor's own reader takes it: to an Atlassian document (ADF).

Written from the vendor's notation guide and held by recordings of the vendor's reader (package
``@atlaskit/editor-wikimarkup-transformer`` 12.2, ``tests/plugins/data``). It walks the text sign by sign, as that one
does, and knows nothing of the converter that a desk's plugin has: a fault there has to be seen on this side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Node = dict[str, Any]

MARKS = {"*": "strong", "_": "em", "-": "strike", "+": "underline", "^": "sup", "~": "sub"}
# What the vendor's document schema lets an item begin with.
ITEM_FIRST = frozenset({"paragraph", "codeBlock", "mediaSingle"})
ESCAPABLE = frozenset("-#*_+?^~|%{}[]()!@")

_LINE_KINDS = re.compile(
    r" *(?:(?P<rule>-{4,5}) *$|h(?P<level>[1-6])\. *|(?P<item>[*#]+|-) +|(?P<bq>bq\. )|(?P<row>\|))"
)
_CELL = re.compile(r"(\|{1,2})((?:\{(code|noformat)[^}\n]*\}.*?\{\3\}|\[[^\]\n]{0,500}\]|[^|])*)")
_MACRO = re.compile(r"\{(code|noformat|quote|panel)(?::([^}\n]*))?\}")
_ADDRESS = re.compile(r"(?:https?|ftp)://[^\s|\\\[\]{}!]+|mailto:[^\s|\\\[\]{}!]+")
_TARGET = re.compile(r"(?:[a-z][a-z0-9+.-]*:|[#/\\])", re.IGNORECASE)
_FACE = re.compile(r"\((?:[xyni/!?*+-]|on|off|flag|flagoff|\*[rgby])\)|[:;]-?[)(PD]")
_PICTURE = re.compile(r"!([^\s!|][^!|\n]*)(?:\|[^!\n]*)?!")
_COLOUR = re.compile(r"\{color(?::[^}\n]*)?\}|\{anchor:[^}\n]*\}")


def wiki_to_adf(source: str) -> Node:
    """The document that the vendor stores for some wiki markup."""
    return {"type": "doc", "version": 1, "content": _Reader(source.replace("\r\n", "\n")).blocks()}


def _paragraph(content: list[Node]) -> Node:
    return {"type": "paragraph", "content": content}


class _Reader:
    """Blocks of a text, from its first line to its last."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def blocks(self) -> list[Node]:
        out: list[Node] = []
        while self._at < len(self._source):
            kind = _LINE_KINDS.match(self._line())
            if not self._line().strip():
                self._next_line()
            elif block := self._macro():
                out.append(block)
            elif kind is None:
                out += self._paragraphs()
            elif kind["rule"]:
                self._next_line()
                out.append({"type": "rule"})
            elif kind["item"]:
                out += _nested(self._items(), 1)
            elif kind["row"]:
                out.append(self._table())
            else:
                out.append(self._keyword_line(kind))
        return out

    def _line(self) -> str:
        end = self._source.find("\n", self._at)
        return self._source[self._at : end if end >= 0 else len(self._source)]

    def _next_line(self) -> None:
        self._at += len(self._line()) + 1

    def _keyword_line(self, kind: re.Match[str]) -> Node:
        content = inline(self._line()[kind.end() :])
        self._next_line()
        if kind["level"]:
            return {"type": "heading", "attrs": {"level": int(kind["level"])}, "content": content}
        return {"type": "blockquote", "content": [_paragraph(content)]}

    def _macro(self) -> Node | None:
        """The macro that begins where the reader stands, if one does and somebody closed it."""
        start = _MACRO.match(self._source, self._at + len(self._line()) - len(self._line().lstrip(" ")))
        end = self._source.find(f"{{{start[1]}}}", start.end()) if start else -1
        if start is None or end < 0:
            return None
        inside = self._source[start.end() : end]
        self._at = end + len(start[1]) + 2
        # The rest of the macro's line: text behind the closing sign is a paragraph of its own.
        if self._line().strip() == "":
            self._next_line()
        if start[1] in {"code", "noformat"}:
            language = next((option for option in (start[2] or "").split("|") if option and "=" not in option), None)
            text = [{"type": "text", "text": inside.strip("\n")}] if inside.strip("\n") else []
            return {"type": "codeBlock", "attrs": {"language": language} if language else {}, "content": text}
        content = _Reader(inside).blocks() or [_paragraph([])]
        if start[1] == "quote":
            return {"type": "blockquote", "content": content}
        return {"type": "panel", "attrs": {"panelType": "info"}, "content": content}

    def _running_text(self) -> str:
        """The rest of the line, or what stands before the next macro on it."""
        line = self._line()
        for sign in _MACRO.finditer(line):
            inside_mono = line.rfind("{{", 0, sign.start()) > line.rfind("}}", 0, sign.start())
            closed = self._source.find(f"{{{sign[1]}}}", self._at + sign.end()) >= 0
            # A macro that nobody closed is text, and one behind a backslash or inside monospace too.
            if sign.start() and line[sign.start() - 1] not in "\\{" and closed and not inside_mono:
                self._at += sign.start()
                return line[: sign.start()]
        self._next_line()
        return line

    def _paragraphs(self) -> list[Node]:
        """One line of text; the vendor makes each a paragraph of its own outside of lists."""
        return [_paragraph(inline(self._running_text().strip()))]

    def _items(self) -> list[tuple[str, list[Node]]]:
        """Items up to the empty line that ends their list; a further line or a macro belongs to the item before it."""
        items: list[tuple[str, list[Node]]] = []
        while self._at < len(self._source) and self._line().strip():
            kind = _LINE_KINDS.match(self._line())
            if kind and kind["item"]:
                self._at += kind.end()
                items.append((kind["item"], []))
                if not self._line().strip():
                    self._next_line()
                    continue  # an empty item: an empty line after it ends the list like any other
            elif kind and (kind["rule"] or kind["row"]):
                break
            content = items[-1][1]
            if block := self._macro() if self._at < len(self._source) else None:
                content.append(block)
            elif text := self._running_text().strip():
                _continue(content, inline(text))
        return items

    def _table(self) -> Node:
        rows: list[Node] = []
        while (line := self._line().strip()).startswith("|"):
            rows.append({"type": "tableRow", "content": _cells(line)})
            self._next_line()
        return {"type": "table", "attrs": {"isNumberColumnEnabled": False, "layout": "default"}, "content": rows}


def _continue(content: list[Node], text: list[Node]) -> None:
    if content and content[-1]["type"] == "paragraph":
        content[-1]["content"] += [{"type": "hardBreak"}, *text]
    else:
        content.append(_paragraph(text))


def _nested(items: Sequence[tuple[str, list[Node]]], level: int) -> list[Node]:
    """Lists of flat items: an item with more signs belongs to the last one with fewer."""
    lists: list[Node] = []
    position = 0
    while position < len(items):
        signs, content = items[position]
        end = position + 1
        # By the number of signs alone: people jump levels, and the vendor nests them all the same.
        while end < len(items) and len(items[end][0]) > min(len(signs), level):
            end += 1
        kind = "orderedList" if signs[-1] == "#" else "bulletList"
        if not lists or lists[-1]["type"] != kind:
            lists.append({"type": kind, **({"attrs": {"order": 1}} if kind == "orderedList" else {}), "content": []})
        deeper = _nested(items[position + 1 : end], level + 1)
        if not content or content[0]["type"] not in ITEM_FIRST:
            content = [_paragraph([]), *content]
        lists[-1]["content"].append({"type": "listItem", "content": [*content, *deeper]})
        position = end
    return lists


def _strong(block: Node) -> Node:
    return {**block, "content": [_marked(node, _mark("*")) for node in block["content"]]}


def _cells(line: str) -> list[Node]:
    """Cells of a row.

    A bar inside a link or a macro divides nothing; any other does, even an escaped one.
    """
    cells: list[Node] = []
    for bars, text, _ in _CELL.findall(line):
        content = _Reader(text.strip()).blocks() or [_paragraph([])]
        if bars == "||":
            content = [block if block["type"] == "codeBlock" else _strong(block) for block in content]
        cells.append({"type": "tableHeader" if bars == "||" else "tableCell", "attrs": {}, "content": content})
    if len(cells) > 1 and line.endswith("|"):
        cells.pop()  # the bar that closes the row opens nothing
    return cells


# -- inside a line ---------------------------------------------------------------------------------


def inline(text: str) -> list[Node]:
    """Nodes of a line."""
    nodes: list[Node] = []
    position = 0
    while position < len(text):
        fresh, end = _sign(text, position)
        for node in fresh:
            last = nodes[-1] if nodes else {}
            if node["type"] == last.get("type") == "text" and node.get("marks") == last.get("marks"):
                last["text"] += node["text"]
            else:
                nodes.append(node)
        position = end
    return nodes


def _sign(text: str, at: int) -> tuple[list[Node], int]:
    """What begins at one place, and where it ends."""
    sign = text[at]
    if sign == "\\":
        return _backslash(text, at)
    read = {"{": _brace, "[": _bracket, "!": _picture, "?": _citation}.get(sign, _emphasis if sign in MARKS else None)
    node = read(text, at) if read else None
    if node is None and not text[at - 1 : at].isalnum():
        node = _address(text, at) or _dash(text, at) or _face(text, at)
    return node or ([{"type": "text", "text": sign}], at + 1)


Read = tuple[list[Node], int] | None


def _backslash(text: str, at: int) -> tuple[list[Node], int]:
    after = text[at + 1 : at + 2]
    if after == "\\":
        return [{"type": "hardBreak"}], at + 2
    if after in ESCAPABLE and after:
        return [{"type": "text", "text": after}], at + 2
    return [{"type": "text", "text": "\\"}], at + 1


def _brace(text: str, at: int) -> Read:
    if text.startswith("{{{}", at):
        return _monospace(text, at + 2, closing="{}}}")
    if text.startswith("{{", at):
        return _monospace(text, at)
    if colour := _COLOUR.match(text, at):
        return [], colour.end()
    sign = text[at + 1 : at + 2]
    form = f"{{{sign}}}"
    if sign in MARKS and text.startswith(form, at):
        end = text.find(form, at + 3)
        if end > at + 3:
            return [_marked(node, _mark(sign)) for node in inline(text[at + 3 : end])], end + 3
    return None


def _monospace(text: str, at: int, closing: str = "}}") -> Read:
    end = at + 2
    while end < len(text) and not (text.startswith(closing, end) and text[end + len(closing) :][:1] != "}"):
        end += 2 if text[end] == "\\" and text[end + 1 : end + 2] in ESCAPABLE else 1
    inside = re.sub(r"\\([-#*_+?^~|%{}\[\]()!@])", r"\1", text[at + 2 : end])
    if end >= len(text) or not inside.strip():
        return None
    return [{"type": "text", "text": inside, "marks": [{"type": "code"}]}], end + len(closing)


def _bracket(text: str, at: int) -> Read:
    end = text.find("]", at)
    words, bar, rest = text[at + 1 : max(end, at + 1)].partition("|")
    target = rest.split("|")[0] if bar else words
    if end < 0 or "\n" in words or not words:
        return None
    if words.startswith("~"):
        person = words[1:].removeprefix("accountid:")
        return [{"type": "mention", "attrs": {"id": person, "text": f"@{person}"}}], end + 1
    if words.startswith("^"):
        return [{"type": "mediaInline", "attrs": {"type": "file", "id": words[1:], "collection": ""}}], end + 1
    if not bar and not _TARGET.match(words):
        return None
    mark = {"type": "link", "attrs": {"href": target}}
    shown = inline(words) if bar and words != target and not _ADDRESS.fullmatch(words) else [_text(_bare(words))]
    return [_marked(node, mark) for node in shown], end + 1


def _bare(address: str) -> str:
    return address.removeprefix("mailto:")


def _address(text: str, at: int) -> Read:
    address = _ADDRESS.match(text, at)
    if address is None:
        return None
    # The sign that ends a sentence is not part of the address in it.
    href = address[0].rstrip(".,;:")
    return [_marked(_text(_bare(href)), {"type": "link", "attrs": {"href": href}})], at + len(href)


def _dash(text: str, at: int) -> Read:
    dashes = re.compile(r"(-{2,3})(?=\s)").match(text, at)
    if dashes is None or text[at - 1 : at] not in {" ", ""}:
        return None
    return [_text("–" if len(dashes[1]) == 2 else "—")], dashes.end()


def _face(text: str, at: int) -> Read:
    face = _FACE.match(text, at)
    return ([{"type": "emoji", "attrs": {"shortName": face[0], "text": face[0]}}], face.end()) if face else None


def _picture(text: str, at: int) -> Read:
    picture = _PICTURE.match(text, at)
    if picture is None or text[at - 1 : at].isalnum() or text[picture.end() : picture.end() + 1].isalnum():
        return None
    kind = "external" if _ADDRESS.match(picture[1]) else "file"
    return [{"type": "mediaInline", "attrs": {"type": kind, "id": picture[1], "collection": ""}}], picture.end()


def _citation(text: str, at: int) -> Read:
    end = text.find("??", at + 2)
    if not text.startswith("??", at) or end <= at + 2:
        return None
    return [_marked(node, {"type": "em"}) for node in [_text("— "), *inline(text[at + 2 : end])]], end + 2


def _emphasis(text: str, at: int) -> Read:
    """A pair of signs at the edges of words; inside a word they are what somebody typed."""
    sign, before, after = text[at], text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if before.isalnum() or not after.strip() or after == sign:
        return None
    end = at + 1
    while (end := text.find(sign, end + 1)) > 0:
        following, last = text[end + 1 : end + 2], text[end - 1]
        in_braces = last == "{" and following == "}"  # the form that counts inside a word, of another pair
        if last.strip() and last != "\\" and not in_braces and not following.isalnum() and following != sign:
            return [_marked(node, _mark(sign)) for node in inline(text[at + 1 : end])], end + 1
    return None


def _mark(sign: str) -> Node:
    name = MARKS[sign]
    return {"type": "subsup", "attrs": {"type": name}} if name in {"sup", "sub"} else {"type": name}


def _text(text: str) -> Node:
    return {"type": "text", "text": text}


def _marked(node: Node, mark: Node) -> Node:
    marks = node.get("marks", [])
    # The vendor's schema lets monospaced text carry a link and nothing else.
    refused = {"code", mark["type"]} if mark["type"] != "link" else {"link"}
    if node["type"] != "text" or any(other["type"] in refused for other in marks):
        return node
    return {**node, "marks": [*marks, mark]}
