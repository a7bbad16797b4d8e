"""Markdown to Atlassian Document Format (ADF); pure.

ADF nests less freely than Markdown: a list item or a quote holds no heading and no table, inline code
carries no other mark but a link. What does not fit is reduced to what does, never dropped.
Shapes follow the vendor's JSON schema (package ``@atlaskit/adf-schema``), against which the tests validate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Node = dict[str, Any]
Marks = tuple[Node, ...]

MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_MARKS = {"strong": "strong", "em": "em", "s": "strike"}
_IN_ITEM = {"paragraph", "bulletList", "orderedList", "codeBlock"}
_ITEM_FIRST = {"paragraph", "codeBlock"}


def markdown_to_adf(source: str) -> Node:
    """An ADF document of CommonMark with tables and strikethrough; raw HTML in it becomes visible text."""
    return {"type": "doc", "version": 1, "content": _blocks(SyntaxTreeNode(MARKDOWN.parse(source)))}


def _blocks(parent: SyntaxTreeNode) -> list[Node]:
    return [node for child in parent.children for node in _block(child)]


def _block(node: SyntaxTreeNode) -> list[Node]:
    make = _BLOCKS.get(node.type)
    if make is None:
        # Loud, because a note must not lose a paragraph in silence.
        raise ValueError(f"Markdown block {node.type} has no ADF form")
    return make(node)


def _paragraph(node: SyntaxTreeNode) -> list[Node]:
    content = _inline(node)
    return [{"type": "paragraph", "content": content}] if content else []


def _heading(node: SyntaxTreeNode) -> list[Node]:
    level = int(node.tag.removeprefix("h"))
    return [{"type": "heading", "attrs": {"level": level}, "content": _inline(node)}]


def _code_block(node: SyntaxTreeNode) -> list[Node]:
    block: Node = {"type": "codeBlock"}
    language = (node.info or "").split(maxsplit=1)
    if language:
        block["attrs"] = {"language": language[0]}
    text = node.content.removesuffix("\n")
    if text:
        block["content"] = [{"type": "text", "text": text}]
    return [block]


def _list(node: SyntaxTreeNode) -> list[Node]:
    items = [{"type": "listItem", "content": _item(child)} for child in node.children]
    if node.type == "bullet_list":
        return [{"type": "bulletList", "content": items}]
    start = node.attrGet("start")
    return [{"type": "orderedList", "attrs": {"order": int(start) if start is not None else 1}, "content": items}]


def _item(node: SyntaxTreeNode) -> list[Node]:
    content = _only(_blocks(node), _IN_ITEM)
    if not content or content[0]["type"] not in _ITEM_FIRST:
        # ADF's schema lets an item begin with a paragraph or code alone; Jira refuses the whole note otherwise.
        content.insert(0, {"type": "paragraph", "content": []})
    return content


def _quote(node: SyntaxTreeNode) -> list[Node]:
    content = _only(_blocks(node), _IN_ITEM)
    return [{"type": "blockquote", "content": content}] if content else []


def _table(node: SyntaxTreeNode) -> list[Node]:
    rows = [row for part in node.children for row in part.children]
    return [{"type": "table", "content": [{"type": "tableRow", "content": _cells(row)} for row in rows]}]


def _cells(row: SyntaxTreeNode) -> list[Node]:
    kinds = {"th": "tableHeader", "td": "tableCell"}
    return [
        {"type": kinds[cell.type], "content": [{"type": "paragraph", "content": _inline(cell)}]}
        for cell in row.children
    ]


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], list[Node]]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code_block,
    "code_block": _code_block,
    "bullet_list": _list,
    "ordered_list": _list,
    "blockquote": _quote,
    "table": _table,
    "hr": lambda _node: [{"type": "rule"}],
}


def _only(nodes: Iterable[Node], allowed: set[str]) -> list[Node]:
    """The nodes where only some kinds are allowed; others are taken apart until they fit."""
    return [fitting for node in nodes for fitting in ([node] if node["type"] in allowed else _reduced(node, allowed))]


def _reduced(node: Node, allowed: set[str]) -> list[Node]:
    kind, content = node["type"], node.get("content", [])
    if kind == "heading":
        return [{"type": "paragraph", "content": [_with_mark(child, {"type": "strong"}) for child in content]}]
    if kind == "tableRow":
        line: list[Node] = []
        for position, cell in enumerate(content):
            line += [{"type": "text", "text": " | "}] if position else []
            line += cell["content"][0]["content"]
        return [{"type": "paragraph", "content": line}]
    if kind == "rule":
        return [{"type": "paragraph", "content": [{"type": "text", "text": "---"}]}]
    return _only(content, allowed)


def _with_mark(node: Node, mark: Node) -> Node:
    marks = node.get("marks", [])
    fixed = node["type"] != "text" or any(m["type"] in {"code", mark["type"]} for m in marks)
    return node if fixed else {**node, "marks": [*marks, mark]}


# -- inline ----------------------------------------------------------------------------------------


def _inline(node: SyntaxTreeNode) -> list[Node]:
    return _merged([out for child in node.children for out in _run(child.children, ())])


def _run(nodes: Sequence[SyntaxTreeNode], marks: Marks) -> list[Node]:
    return [out for node in nodes for out in _piece(node, marks)]


def _piece(node: SyntaxTreeNode, marks: Marks) -> list[Node]:
    kind = node.type
    if kind == "hardbreak":
        return [{"type": "hardBreak"}]
    if kind == "code_inline":
        # The schema lets inline code carry no other mark; Jira refuses bold code.
        links = [mark for mark in marks if mark["type"] == "link"]
        return _text(node.content, (*links, {"type": "code"}))
    if kind in _MARKS:
        return _run(node.children, _add(marks, {"type": _MARKS[kind]}))
    if kind in {"link", "image"}:
        target = str(node.attrGet("href") or node.attrGet("src"))
        marks = _add(marks, {"type": "link", "attrs": {"href": target}})
        return _run(node.children, marks) if kind == "link" else _text(node.content or target, marks)
    return _text(" " if kind == "softbreak" else node.content, marks)


def _add(marks: Marks, mark: Node) -> Marks:
    return marks if any(known["type"] == mark["type"] for known in marks) else (*marks, mark)


def _text(text: str, marks: Marks) -> list[Node]:
    if not text:
        return []
    node: Node = {"type": "text", "text": text}
    return [{**node, "marks": [dict(mark) for mark in marks]} if marks else node]


def _merged(nodes: Iterable[Node]) -> list[Node]:
    """Neighbouring texts with the same marks as one."""
    out: list[Node] = []
    for node in nodes:
        last = out[-1] if out else None
        if last and last["type"] == node["type"] == "text" and last.get("marks") == node.get("marks"):
            last["text"] += node["text"]
        else:
            out.append(dict(node))
    return out
