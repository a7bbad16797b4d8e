"""Stored documents (ADF) of the simulated site: which are sound, what they say, how its own page shows them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

Node = dict[str, Any]

_NODES = {
    *("doc", "paragraph", "heading", "bulletList", "orderedList", "listItem", "codeBlock", "blockquote", "panel"),
    *("rule", "table", "tableRow", "tableHeader", "tableCell", "text", "hardBreak", "mention", "emoji", "date"),
    *("status", "inlineCard", "blockCard", "expand", "nestedExpand", "mediaSingle", "mediaGroup", "media", "taskList"),
    *("taskItem", "decisionList", "decisionItem", "mediaInline", "embedCard"),
}
_TAGS = {
    **{"paragraph": "p", "bulletList": "ul", "orderedList": "ol", "listItem": "li", "blockquote": "blockquote"},
    **{"codeBlock": "pre", "panel": "blockquote", "table": "table", "tableRow": "tr", "tableHeader": "th"},
    **{"tableCell": "td", "taskList": "ul", "taskItem": "li", "decisionList": "ul", "decisionItem": "li"},
}
_MARK_TAGS = {"strong": "strong", "em": "em", "strike": "del", "underline": "u", "code": "code"}
_NODES_OF_TAGS = {
    **{"p": "paragraph", "ul": "bulletList", "ol": "orderedList", "li": "listItem", "blockquote": "blockquote"},
    **{"pre": "codeBlock", "table": "table", "tr": "tableRow", "th": "tableHeader", "td": "tableCell"},
    **{f"h{level}": "heading" for level in range(1, 7)},
}
_MARKS_OF_TAGS = {"strong": "strong", "em": "em", "s": "strike", "del": "strike", "code": "code", "a": "link"}
_HOLD_PARAGRAPHS = {"doc", "listItem", "blockquote", "tableHeader", "tableCell"}


def is_sound(node: Mapping[str, Any]) -> bool:
    """Whether a node and all below it are kinds that the vendor takes."""
    if node.get("type") not in _NODES or (node["type"] == "text" and not node.get("text")):
        return False
    content = node.get("content", [])
    return isinstance(content, list) and all(isinstance(child, Mapping) and is_sound(child) for child in content)


def words(node: Node) -> str:
    """What a document says, without its looks; the search index and the limits of length see this."""
    if node["type"] == "text":
        return str(node["text"])
    attrs = node.get("attrs") or {}
    own = "\n" if node["type"] == "hardBreak" else str(attrs.get("text") or attrs.get("url") or "")
    inner = [words(child) for child in node.get("content", ())]
    return own + ("" if node["type"] in {"paragraph", "heading", "codeBlock"} else "\n").join(inner)


def to_html(node: Node) -> str:
    """The document on the site's page."""
    kind, attrs = node["type"], node.get("attrs") or {}
    if kind == "text":
        return _text_html(node)
    if kind in {"hardBreak", "rule"}:
        return "<br>" if kind == "hardBreak" else "<hr>"
    inner = "".join(to_html(child) for child in node.get("content", ()))
    if kind == "heading":
        return f"<h{attrs.get('level', 1)}>{inner}</h{attrs.get('level', 1)}>"
    if tag := _TAGS.get(kind):
        return f"<{tag}>{inner}</{tag}>"
    return inner + html.escape(str(attrs.get("text") or attrs.get("url") or attrs.get("alt") or ""))


def _text_html(node: Node) -> str:
    out = html.escape(str(node["text"]))
    for mark in node.get("marks", ()):
        if tag := _MARK_TAGS.get(mark["type"]):
            out = f"<{tag}>{out}</{tag}>"
        elif mark["type"] == "link":
            out = f'<a href="{html.escape(mark["attrs"]["href"])}">{out}</a>'
    return out


def from_html(source: str) -> Node:
    """The document of what somebody put into the site's editor."""
    editor = _Editor()
    editor.feed(source)
    editor.close()
    return editor.document


class _Editor(HTMLParser):
    """Builds nodes while it reads; only for HTML that this machine made of Markdown, so every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.document: Node = {"type": "doc", "version": 1, "content": []}
        self._open: list[Node] = [self.document]
        self._marks: list[Node] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node: Node = {"type": _NODES_OF_TAGS.get(tag, ""), "content": []}
        if tag in {"br", "hr"}:
            self._open[-1]["content"].append({"type": "hardBreak" if tag == "br" else "rule"})
        elif tag in _MARKS_OF_TAGS and self._open[-1]["type"] != "codeBlock":
            mark: Node = {"type": _MARKS_OF_TAGS[tag]}
            self._marks.append(mark | ({"attrs": {"href": dict(attrs).get("href") or ""}} if tag == "a" else {}))
        elif node["type"]:
            self._leave_loose_paragraph()
            node |= {"attrs": {"level": int(tag[1])}} if node["type"] == "heading" else {}
            node |= {"attrs": {"order": int(dict(attrs).get("start") or 1)}} if tag == "ol" else {}
            self._open[-1]["content"].append(node)
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag in _MARKS_OF_TAGS and self._open[-1]["type"] != "codeBlock":
            self._marks.pop()
        elif tag in _NODES_OF_TAGS:
            if _NODES_OF_TAGS[tag] != "paragraph":
                self._leave_loose_paragraph()
            self._open.pop()

    def handle_data(self, data: str) -> None:
        in_code = self._open[-1]["type"] == "codeBlock"
        # In code every line end counts; elsewhere HTML folds it to a blank.
        text = data.removesuffix("\n") if in_code else data.replace("\n", " ")
        holder = self._open[-1]["type"]
        if not text or (not text.strip() and holder not in {"paragraph", "heading"}):
            return
        # These kinds hold blocks and never bare text, which the vendor would refuse.
        if holder in _HOLD_PARAGRAPHS:
            self._open[-1]["content"].append({"type": "paragraph", "loose": True, "content": []})
            self._open.append(self._open[-1]["content"][-1])
        marks = [dict(mark) for mark in self._marks]
        self._open[-1]["content"].append({"type": "text", "text": text, **({"marks": marks} if marks else {})})

    def _leave_loose_paragraph(self) -> None:
        """Close the paragraph that a tight item or a cell has without a tag for it."""
        if self._open[-1].pop("loose", False):
            self._open.pop()
