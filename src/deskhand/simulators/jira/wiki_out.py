"""Wiki markup as the vendor gives it out for a stored document (ADF): API version 2, servicedeskapi, webhooks.

Its counterpart in the product is not used here, for the reason given in ``wiki_in``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deskhand.simulators.jira.wiki_in import MARKS

Node = dict[str, Any]

_SIGNS = {name: sign for sign, name in MARKS.items()}
_BRACKETS = frozenset("{}[]|!")


def adf_to_wiki(document: Node) -> str:
    """Wiki markup of a document."""
    return _stack(document)


def _stack(node: Node) -> str:
    return "\n\n".join(text for child in node.get("content", ()) if (text := _block(child)))


def _block(node: Node) -> str:
    kind = node["type"]
    if write := _BLOCKS.get(kind):
        return write(node)
    inner = node.get("content", ())
    # A kind that is not known here is written by what it holds, so that no text of it is lost.
    if any(child["type"] in {"paragraph", "bulletList", "orderedList", "codeBlock", "media"} for child in inner):
        return _stack(node)
    return _line(inner)


def _heading(node: Node) -> str:
    return f"h{node['attrs']['level']}. {_line(node.get('content', ()))}"


def _code(node: Node) -> str:
    language = (node.get("attrs") or {}).get("language")
    macro = f"code:{language}" if language else "noformat"
    text = "".join(str(child.get("text", "")) for child in node.get("content", ()))
    return f"{{{macro}}}\n{text}\n{{{macro.partition(':')[0]}}}"


def _framed(macro: str) -> Callable[[Node], str]:
    return lambda node: f"{{{macro}}}\n{_stack(node)}\n{{{macro}}}"


def _list(node: Node) -> str:
    return "\n".join(_items(node, ""))


def _media(node: Node) -> str:
    attrs = node.get("attrs") or {}
    return f"!{attrs.get('alt') or attrs.get('id') or 'file'}!"


def _items(node: Node, outer: str) -> list[str]:
    signs = outer + ("#" if node["type"] == "orderedList" else "*")
    lines: list[str] = []
    for item in node.get("content", ()):
        first, *rest = item.get("content") or [{"type": "paragraph"}]
        inline_item = item["type"] in {"taskItem", "decisionItem"}
        lines.append(f"{signs} {_line(item.get('content', ())) if inline_item else _block(first)}")
        for block in () if inline_item else rest:
            nested = block["type"] in {"bulletList", "orderedList"}
            lines += _items(block, signs) if nested else [_block(block)]
    return lines


def _row(row: Node) -> str:
    cells = row.get("content", ())
    signs = ["||" if cell["type"] == "tableHeader" else "|" for cell in cells]
    texts = [" ".join(_stack(cell).split()) or " " for cell in cells]
    return "".join(sign + text for sign, text in zip(signs, texts, strict=True)) + (signs[-1] if signs else "")


_BLOCKS: dict[str, Callable[[Node], str]] = {
    "heading": _heading,
    "codeBlock": _code,
    "blockquote": _framed("quote"),
    "panel": _framed("panel"),
    "rule": lambda _node: "----",
    "table": lambda node: "\n".join(_row(row) for row in node.get("content", ())),
    "media": _media,
    **dict.fromkeys(("bulletList", "orderedList", "taskList", "decisionList"), _list),
}


def _line(nodes: Sequence[Node]) -> str:
    out = ""
    for position, node in enumerate(nodes):
        after = str(nodes[position + 1].get("text", ""))[:1] if position + 1 < len(nodes) else ""
        out += _piece(node, out[-1:], after)
    return out


def _piece(node: Node, before: str, after: str) -> str:
    kind, attrs = node["type"], node.get("attrs") or {}
    if kind == "text":
        return _text(node, before, after)
    if kind == "hardBreak":
        return "\n"
    if kind == "mention":
        return f"[~accountid:{attrs.get('id')}]"
    if kind in {"inlineCard", "blockCard"}:
        return f"[{attrs.get('url')}|{attrs.get('url')}|smart-link]"
    if kind == "mediaInline":
        return f"[^{attrs.get('id')}]"
    return str(attrs.get("text") or attrs.get("shortName") or "")


def _text(node: Node, before: str, after: str) -> str:
    text, marks = str(node["text"]), {mark["type"]: mark for mark in node.get("marks", ())}
    core = text.strip()
    if not core or not marks:
        return _escaped(text, before, after)
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    in_word = (not lead and before.isalnum()) or (not trail and after.isalnum())
    core = "{{" + core.replace("{", "\\{").replace("}", "\\}") + "}}" if "code" in marks else _escaped(core, "", "")
    for name, mark in marks.items():
        if sign := _SIGNS.get(mark["attrs"]["type"] if name == "subsup" else name):
            core = f"{{{sign}}}{core}{{{sign}}}" if in_word else f"{sign}{core}{sign}"
    if "link" in marks:
        href = str(marks["link"]["attrs"]["href"])
        core = f"[{href}]" if text.strip() == href.removeprefix("mailto:") else f"[{core}|{href}]"
    return f"{lead}{core}{trail}"


def _escaped(text: str, before: str, after: str) -> str:
    """The text with a backslash before each sign that would act: brackets anywhere, others at the edge of a word."""
    out = ""
    for position, sign in enumerate(text):
        previous = text[position - 1] if position else before
        following = text[position + 1] if position + 1 < len(text) else after
        opens = not previous.isalnum() and following.strip() != ""
        closes = not following.isalnum() and previous.strip() != ""
        acts = sign in _BRACKETS or (sign in MARKS and (opens or closes))
        out += f"\\{sign}" if acts else sign
    return out
