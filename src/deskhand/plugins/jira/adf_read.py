"""Atlassian Document Format (ADF) to Markdown; pure.

Every node of the vendor's schema has a reading; an unknown one is read through its content, so that a
new kind of node loses its looks and not its words. Text is written as it stands: it is read by models
and by a page that renders Markdown with HTML disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from deskhand.kit.html.inline import (
    cell,
    code_block,
    indented,
    marked,
    one_line,
    quoted,
    raised,
    safe_target,
    table,
)
from deskhand.kit.times import bounded_number, read_epoch

Node = Mapping[str, Any]

DEPTH = 40
"""Levels of nodes whose form is kept."""
_PANELS = {"warning": "Warning", "error": "Error", "success": "Success", "note": "Note", "tip": "Tip"}
_ATTACHMENT = "[attachment]"


def adf_to_markdown(document: object) -> str:
    """Markdown of an ADF document; plain text is passed through, anything else is empty."""
    if isinstance(document, str):
        return document.strip()
    if not isinstance(document, Mapping):
        return ""
    return _blocks(_children(_flattened(document))).strip()


def _flattened(document: Node) -> Node:
    """The document with what lies too deep as paragraphs of its words, since the readers below recurse."""
    root: dict[str, Any] = dict(document)
    pending: list[tuple[dict[str, Any], int, bool]] = [(root, 0, False)]
    while pending:
        node, depth, in_table = pending.pop()
        if node.get("type") == "table" and in_table:
            node["type"] = "tableInTable"  # Markdown has none: its cells are read one after another
        in_table = in_table or node.get("type") == "table"
        children = _children(node)
        if depth >= DEPTH:
            # What is deeper keeps its words: a stranger's nesting must neither crash the reader nor hide text from it.
            children = [{"type": "paragraph", "content": [{"type": "text", "text": text}]} for text in _words(children)]
        copies = [dict(child) for child in children]
        node["content"] = copies
        pending.extend((copy, depth + 1, in_table) for copy in copies if depth < DEPTH and "content" in copy)
    return root


def _words(nodes: Sequence[Node]) -> list[str]:
    """The texts below some nodes, in order."""
    out: list[str] = []
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        children = _children(node)
        if children:
            pending.extend(reversed(children))
        elif str(node.get("type")) in _INLINE:
            out.append(_piece(node))
    return [text for text in out if text.strip()]


def _children(node: Node) -> list[Node]:
    content = node.get("content")
    return [child for child in content if isinstance(child, Mapping)] if isinstance(content, Sequence) else []


def _attrs(node: Node) -> Mapping[str, Any]:
    attrs = node.get("attrs")
    return attrs if isinstance(attrs, Mapping) else {}


# -- blocks ----------------------------------------------------------------------------------------


def _blocks(nodes: Iterable[Node]) -> str:
    out: list[str] = []
    loose: list[Node] = []  # inline nodes that stand where a block belongs
    for node in nodes:
        if str(node.get("type")) in _INLINE:
            loose.append(node)
            continue
        out += [_inline(loose), _block(node)]
        loose = []
    out.append(_inline(loose))
    return "\n\n".join(part for part in out if part.strip())


def _block(node: Node) -> str:
    read = _BLOCKS.get(str(node.get("type")))
    return read(node) if read else _blocks(_children(node))


def _heading(node: Node) -> str:
    # A stranger's number: a level of a million would write a million signs.
    level = int(bounded_number(_attrs(node).get("level"), default=1, low=1, high=6))
    return f"{'#' * level} {one_line(_inline(_children(node)))}"


def _list(node: Node) -> str:
    ordered = node.get("type") == "orderedList"
    # CommonMark reads at most nine digits as a list's number.
    number = int(bounded_number(_attrs(node).get("order"), default=1, low=0, high=999_999_999))
    lines = []
    for offset, item in enumerate(_children(node)):
        lines.append(_item(item, f"{number + offset}. " if ordered else "- "))
    return "\n".join(lines)


def _item(node: Node, bullet: str) -> str:
    if node.get("type") == "taskItem":
        bullet += "[x] " if _attrs(node).get("state") == "DONE" else "[ ] "
    if node.get("type") in {"bulletList", "orderedList", "taskList"}:  # a nested list without an item around it
        return "  " + indented(_block(node), 2)
    text = _tight(_children(node))
    return bullet + indented(text, len(bullet) if bullet[0] != "-" else 2)


def _tight(nodes: Sequence[Node]) -> str:
    """Content of a list item: no blank line between a text and the list below it."""
    out = ""
    loose: list[Node] = []
    for node in nodes:
        if str(node.get("type")) in _INLINE:
            loose.append(node)
            continue
        text = _block(node)
        if text:
            # A blank line would make Markdown show the whole list with paragraphs' gaps.
            gap = "\n" if str(node.get("type", "")).endswith("List") else "\n\n"
            out += (gap if out else "") + text
    return _inline(loose) + (f"\n{out}" if out and loose else out)


def _code_block(node: Node) -> str:
    text = "".join(str(child.get("text") or "") for child in _children(node))
    return code_block(text, str(_attrs(node).get("language") or ""))


def _panel(node: Node) -> str:
    kind = _PANELS.get(str(_attrs(node).get("panelType")))
    text = _blocks(_children(node))
    return quoted(f"**{kind}:** {text}" if kind else text)


def _expand(node: Node) -> str:
    title, text = str(_attrs(node).get("title") or ""), _blocks(_children(node))
    return f"**{title}**\n\n{text}" if title else text


def _table(node: Node) -> str:
    return table([[cell(_blocks(_children(one))) for one in _children(row)] for row in _children(node)])


def _card(node: Node) -> str:
    # Only addresses of the web become links: a card may name javascript: or a file.
    url = safe_target(str(_attrs(node).get("url") or ""))
    return f"<{url}>" if url else ""


def _media(node: Node) -> str:
    alt = _attrs(node).get("alt")
    return f"[attachment {alt}]" if alt else _ATTACHMENT


_BLOCKS: dict[str, Callable[[Node], str]] = {
    "paragraph": lambda node: _inline(_children(node)),
    "heading": _heading,
    "bulletList": _list,
    "orderedList": _list,
    "taskList": _list,
    "decisionList": _list,
    "codeBlock": _code_block,
    "blockquote": lambda node: quoted(_blocks(_children(node))),
    "panel": _panel,
    "expand": _expand,
    "nestedExpand": _expand,
    "rule": lambda _node: "---",
    "table": _table,
    "media": _media,
    "caption": lambda node: _inline(_children(node)),
    "blockCard": _card,
    "embedCard": _card,
    "extension": lambda node: str(_attrs(node).get("text") or ""),
}


# -- inline ----------------------------------------------------------------------------------------


def _inline(nodes: Iterable[Node]) -> str:
    return "".join(_piece(node) for node in _joined(nodes)).strip()


def _joined(nodes: Iterable[Node]) -> list[Node]:
    """Neighbouring texts with the same marks as one, so that ``**a****b**`` never arises."""
    out: list[dict[str, Any]] = []
    for node in nodes:
        last = out[-1] if out else None
        if last and last.get("type") == node.get("type") == "text" and last.get("marks") == node.get("marks"):
            last["text"] = str(last.get("text") or "") + str(node.get("text") or "")
        else:
            out.append(dict(node))
    return list(out)


def _piece(node: Node) -> str:
    read = _INLINE.get(str(node.get("type")))
    return read(node) if read else _inline(_children(node))


def _text(node: Node) -> str:
    marks = {str(mark.get("type")): mark for mark in _marks_of(node)}
    target = str(_attrs(marks["link"]).get("href") or "") if "link" in marks else ""
    text = str(node.get("text") or "")
    sign = {"sup": "^", "sub": "_"}.get(str(_attrs(marks.get("subsup", {})).get("type")))
    return marked(raised(text, sign) if sign else text, frozenset(marks), safe_target(target))


def _marks_of(node: Node) -> list[Node]:
    marks = node.get("marks")
    return [mark for mark in marks if isinstance(mark, Mapping)] if isinstance(marks, list) else []


def _mention(node: Node) -> str:
    attrs = _attrs(node)
    return "@" + str(attrs.get("text") or attrs.get("id") or "").removeprefix("@")


def _date(node: Node) -> str:
    stamp = str(_attrs(node).get("timestamp") or "")
    moment = read_epoch(stamp, per_second=1000)
    return moment.date().isoformat() if moment else stamp


def _word(*names: str) -> Callable[[Node], str]:
    return lambda node: next((str(value) for name in names if (value := _attrs(node).get(name))), "")


_INLINE: dict[str, Callable[[Node], str]] = {
    "text": _text,
    "hardBreak": lambda _node: "\\\n",
    "mention": _mention,
    "emoji": _word("text", "shortName"),
    "date": _date,
    "status": _word("text"),
    "placeholder": _word("text"),
    "inlineCard": _card,
    "mediaInline": _media,
    "inlineExtension": _word("text"),
}
