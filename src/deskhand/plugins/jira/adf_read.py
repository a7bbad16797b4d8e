"""Atlassian Document Format (ADF) to Markdown; pure.

Every node of the vendor's schema has a reading; an unknown one is read through its content, so that a
new kind of node loses its looks and not its words. Text is written as it stands: it is read by models
and by a page that renders Markdown with HTML disabled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from deskhand.kit.times import read_epoch

Node = Mapping[str, Any]

_BACKTICKS = re.compile(r"`+")
_EDGES = re.compile(r"^(\s*)(.*?)(\s*)$", re.DOTALL)
_PANELS = {"warning": "Warning", "error": "Error", "success": "Success", "note": "Note", "tip": "Tip"}
_ATTACHMENT = "[attachment]"


def adf_to_markdown(document: object) -> str:
    """Markdown of an ADF document; plain text is passed through, anything else is empty."""
    if isinstance(document, str):
        return document.strip()
    if not isinstance(document, Mapping):
        return ""
    return _blocks(_children(document)).strip()


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
    level = min(6, max(1, int(_attrs(node).get("level") or 1)))
    return f"{'#' * level} {_one_line(_inline(_children(node)))}"


def _list(node: Node) -> str:
    ordered = node.get("type") == "orderedList"
    number = int(_attrs(node).get("order") or 1)
    lines = []
    for offset, item in enumerate(_children(node)):
        lines.append(_item(item, f"{number + offset}. " if ordered else "- "))
    return "\n".join(lines)


def _item(node: Node, bullet: str) -> str:
    if node.get("type") == "taskItem":
        bullet += "[x] " if _attrs(node).get("state") == "DONE" else "[ ] "
    if node.get("type") in {"bulletList", "orderedList", "taskList"}:  # a nested list without an item around it
        return _indented(_block(node), 2, first=True)
    text = _tight(_children(node))
    return bullet + _indented(text, len(bullet) if bullet[0] != "-" else 2)


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
            gap = "\n" if str(node.get("type", "")).endswith("List") else "\n\n"
            out += (gap if out else "") + text
    return _inline(loose) + (f"\n{out}" if out and loose else out)


def _indented(text: str, width: int, *, first: bool = False) -> str:
    pad = " " * width
    lines = [pad + line if line else "" for line in text.split("\n")]
    return "\n".join(lines) if first else "\n".join(lines).removeprefix(pad)


def _code_block(node: Node) -> str:
    text = "".join(str(child.get("text") or "") for child in _children(node))
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{_attrs(node).get('language') or ''}\n{text}\n{fence}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _panel(node: Node) -> str:
    kind = _PANELS.get(str(_attrs(node).get("panelType")))
    text = _blocks(_children(node))
    return _quoted(f"**{kind}:** {text}" if kind else text)


def _expand(node: Node) -> str:
    title, text = str(_attrs(node).get("title") or ""), _blocks(_children(node))
    return f"**{title}**\n\n{text}" if title else text


def _table(node: Node) -> str:
    rows = [[_cell(cell) for cell in _children(row)] for row in _children(node)]
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cell(node: Node) -> str:
    return _one_line(_blocks(_children(node))).replace("|", "\\|")


def _card(node: Node) -> str:
    url = str(_attrs(node).get("url") or "")
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
    "blockquote": lambda node: _quoted(_blocks(_children(node))),
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
    text = str(node.get("text") or "")
    marks = {str(mark.get("type")): mark for mark in node.get("marks") or () if isinstance(mark, Mapping)}
    before, core, after = _EDGES.match(text).groups()  # type: ignore[union-attr]  # the pattern fits any text
    if not core:
        return text
    if "code" in marks:
        core = _code(core)
    else:
        for kind, sign in (("strike", "~~"), ("em", "*"), ("strong", "**")):
            core = f"{sign}{core}{sign}" if kind in marks else core
    if "link" in marks:
        core = markdown_link(core, str(_attrs(marks["link"]).get("href") or ""))
    return f"{before}{core}{after}"


def markdown_link(text: str, target: str) -> str:
    """A Markdown link; one whose text is its target is written as an autolink."""
    if not target:
        return text
    if text == target and ":" in target and not re.search(r"[\s<>]", target):
        return f"<{target}>"
    return f"[{text}](<{target}>)" if re.search(r"[\s()]", target) else f"[{text}]({target})"


def _code(text: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


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


def _one_line(text: str) -> str:
    return " ".join(text.replace("\\\n", " ").split())
