"""ADF to Jira wiki markup, for bodies that take no ADF (servicedeskapi, REST v2); pure.

Escaping follows the vendor's own reader (package ``@atlaskit/editor-wikimarkup-transformer`` 12.2, Apache-2.0):
a backslash protects only the characters in ``_ESCAPABLE``, two backslashes are a line break, signs of
emphasis count only at the edge of a word, and ``{*}`` is the form that counts inside one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from deskhand.plugins.jira.adf_write import markdown_to_adf

Node = Mapping[str, Any]

_ESCAPABLE = r"\-#*_+?^~|%{}\[\]()!@"
_ALWAYS = re.compile(r"[{}\[\]|]")
_AT_EDGE = re.compile(r"(?<![0-9A-Za-z])[*_+^~\-](?=\S)|(?<=[^\s\\])[*_+^~\-](?![0-9A-Za-z])")
_LONE_SIGN = re.compile(r"^[*_+^~\-](?=\s|$)|(?<=\s)[*_+^~\-]$")
"""Beside a sign of emphasis it would be taken for one."""
_PICTURE = re.compile(r"!(?=\S)")
_CITATION = re.compile(r"\?\?")
_FACE = re.compile(r"\((?=(?:[xyni/!?*+]|\\?[*+\-]|on|off|flag|flagoff|\*[rgby])\))|(?<=[:;])[()]")
_LINE_START = re.compile(r"^(#|\*|-)(?=[#*]* )", re.MULTILINE)
_KEYWORD_START = re.compile(r"^(?=h[1-6]\.|bq\.)", re.MULTILINE)
_WORD = re.compile(r"\S+")
_UNESCAPABLE = re.compile(
    r"\\\\|:[DP](?![0-9A-Za-z])|(?:https?|ftps?|mailto|file|irc|news|nntp|smb|notes|skype|sip|callto|tel|onenote):\S",
    re.IGNORECASE,
)
_GLUED = re.compile(r"[0-9A-Za-z]|[^\x00-\x7f\xa0]")
_TAKEN_FOR_ESCAPE = re.compile(rf"\\(?=[{_ESCAPABLE}])")
_LANGUAGES = {
    *("actionscript", "ada", "applescript", "bash", "c", "c#", "c++", "cpp", "css", "erlang", "go", "groovy"),
    *("haskell", "html", "java", "javascript", "js", "json", "lua", "objc", "perl", "php", "python", "r", "ruby"),
    *("scala", "sh", "sql", "swift", "visualbasic", "xml", "yaml"),
}
_SIGNS = {"strong": "*", "em": "_", "strike": "-", "underline": "+"}
_BAR = r"\|"  # the vendor's table reader splits even at an escaped bar
_VERBATIM = ("{noformat}", "{code}")
_BAR_IN_MONOSPACE = re.compile(r"\{\{(?:[^{}|\n]|\{(?!\{)|\}(?!\}))*+\|")


def markdown_to_wiki(source: str) -> str:
    """Wiki markup of Markdown."""
    return adf_to_wiki(markdown_to_adf(source))


def adf_to_wiki(document: Node) -> str:
    """Wiki markup of an ADF document."""
    return _blocks(document).strip("\n")


def _children(node: Node) -> Sequence[Node]:
    return [child for child in node.get("content") or () if isinstance(child, Mapping)]


def _blocks(node: Node, gap: str = "\n\n") -> str:
    return gap.join(text for child in _children(node) if (text := _block(child)))


def _block(node: Node) -> str:
    write = _BLOCKS.get(str(node.get("type")))
    return write(node) if write else (_blocks(node) or _inline([node]))


def _paragraph(node: Node) -> str:
    return _verbatim(node) or _inline(_children(node))


def _verbatim(node: Node) -> str:
    """A paragraph that no escaping keeps as it is, as preformatted text; empty for every other.

    A backslash of the text before a sign would be taken for its escape and vanish, and a line that begins like a
    keyword cannot be escaped at all. Commands have to stay as they were, without a character that nobody sees.
    """
    text = "".join(
        "\n" if child.get("type") == "hardBreak" else str(child.get("text") or "") for child in _children(node)
    )
    nodes = _children(node)
    ends = [child for child in nodes if str(child.get("text") or "").rstrip().endswith("\\")]
    meets_mark = any(child is not nodes[-1] or child.get("marks") for child in ends)
    meets_brace = any(word.endswith("\\") and _UNESCAPABLE.search(word) for word in text.split())
    if not (meets_mark or meets_brace or _TAKEN_FOR_ESCAPE.search(text) or _KEYWORD_START.search(text)):
        return ""
    return _preformatted(text)


def _preformatted(text: str) -> str:
    # A text about the macro itself would end it early, so the other one encloses it.
    macro = "noformat" if "{noformat" not in text else "code"
    safe = text.replace("{" + macro, "{ " + macro)
    return f"{{{macro}}}\n{safe}\n{{{macro}}}"


def _heading(node: Node) -> str:
    if text := _verbatim(node):
        return text
    return f"h{(node.get('attrs') or {}).get('level', 1)}. {_inline(_children(node))}"


def _list(node: Node, prefix: str = "") -> str:
    prefix += "#" if node.get("type") == "orderedList" else "*"
    lines = []
    for item in _children(node):
        first, *rest = _children(item) or ({},)
        lines.append(f"{prefix} {_block(first)}")
        for block in rest:
            # Wiki text shows depth by repeating the signs in front, not by blanks.
            nested = str(block.get("type")) in {"bulletList", "orderedList"}
            lines.append(_list(block, prefix) if nested else _block(block))
    return "\n".join(lines)


def _code_block(node: Node) -> str:
    text = "".join(str(child.get("text") or "") for child in _children(node))
    language = str((node.get("attrs") or {}).get("language") or "").casefold()
    # A language the macro does not know makes Jira show an error in its place.
    if language in _LANGUAGES and "{code" not in text:
        return f"{{code:{language}}}\n{text}\n{{code}}"
    return _preformatted(text)


def _enclosed(text: str) -> str:
    """A quotation; one that names the macro itself would end there, and one of nothing is left out."""
    if not text:
        return ""
    macro = next((name for name in ("quote", "panel") if "{" + name not in text), "")
    return f"{{{macro}}}\n{text}\n{{{macro}}}" if macro else text


def _table(node: Node) -> str:
    lines = []
    for row in _children(node):
        line, sign = "", "|"
        for cell in _children(row):
            sign = "||" if cell.get("type") == "tableHeader" else "|"
            line += f"{sign}{_cell(cell) or ' '}"
        lines.append(line + sign)
    return "\n".join(lines)


def _cell(node: Node) -> str:
    """A cell on one line. Its bars: of running text they get another form, of commands a macro protects them."""
    # A line break would end the row.
    text = " ".join(_blocks(node).split())
    if text.startswith(_VERBATIM):
        return text
    if _BAR_IN_MONOSPACE.search(text):
        return " ".join(_preformatted("".join(_texts(node))).split())
    return text.replace(_BAR, "¦")


def _texts(node: Node) -> Iterable[str]:
    yield str(node.get("text") or "")
    for child in _children(node):
        yield from _texts(child)


_BLOCKS: dict[str, Callable[[Node], str]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "bulletList": _list,
    "orderedList": _list,
    "codeBlock": _code_block,
    "blockquote": lambda node: _enclosed(_blocks(node)),
    "panel": lambda node: f"{{panel}}\n{_blocks(node)}\n{{panel}}",
    "rule": lambda _node: "----",
    "table": _table,
}


def _inline(nodes: Iterable[Node]) -> str:
    nodes = list(nodes)
    out = ""
    for position, node in enumerate(nodes):
        following = nodes[position + 1] if position + 1 < len(nodes) else {}
        out += _piece(node, out[-1:], str(following.get("text") or "")[:1])
    return _LINE_START.sub(r"\\\1", out)


def _piece(node: Node, before: str, after: str) -> str:
    kind, attrs = node.get("type"), node.get("attrs") or {}
    # A line end breaks a line of wiki text as two backslashes do, and needs no escaping.
    if kind == "hardBreak":
        return "\n"
    if kind == "mention":
        return f"[~accountid:{attrs.get('id')}]"
    if kind == "inlineCard":
        return f"[{attrs.get('url')}|{attrs.get('url')}|smart-link]"
    if kind == "emoji":
        return str(attrs.get("text") or attrs.get("shortName") or "")
    if kind != "text":
        return str(attrs.get("text") or "")
    return _text(node, before, after)


def _text(node: Node, before: str, after: str) -> str:
    text = str(node.get("text") or "")
    marks = {str(mark.get("type")): mark for mark in node.get("marks") or ()}
    core = text.strip()
    if not core or not marks:
        return escape(text, before, after) if core else text
    # Outside the signs: "* bold*" with a blank behind its sign is read as a list.
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    inside_word = (not lead and before.isalnum()) or (not trail and after.isalnum())
    around = (lead[-1:] or before, trail[:1] or after)
    shown = escape(core, *around)
    # Inside a style or a link the vendor's reader takes the escapes away and then reads what is left as markup.
    acts = any(form.search(core) for form in (_LINE_START, _KEYWORD_START, _LONE_SIGN))
    is_inert, is_code = shown == core and not acts, "code" in marks
    written = _monospace(core, *around) if is_code else shown
    if is_inert and not is_code:
        for name, sign in _SIGNS.items():
            if name in marks:
                form = "{" + sign + "}" if inside_word else sign
                written = f"{form}{written}{form}"
    if "link" in marks:
        target = _target(str((marks["link"].get("attrs") or {}).get("href") or ""))
        written = f"[{written}|{target}]" if is_inert else f"{written} [{target}]".removeprefix(f"{{{{{target}}}}} ")
    return f"{lead}{written}{trail}"


def _target(address: str) -> str:
    # Each of them would end the link in wiki text; encoded, the address leads to the same place.
    for sign, coded in (("|", "%7C"), ("[", "%5B"), ("]", "%5D"), (" ", "%20")):
        address = address.replace(sign, coded)
    return address


def escape(text: str, before: str = "", after: str = "") -> str:
    """Text that the vendor's reader shows as it stands.

    What cannot be escaped becomes monospace: two backslashes (a UNC path), which would be a line break; a bare
    address, which would be a link of whoever wrote it, or a picture that tells its host who reads the note; a colon
    before a D or P, which would be a face.

    Args:
        text: Any text on one line.
        before: The sign in front of it, if any.
        after: The sign behind it.
    """
    out, position = "", 0
    for word in _WORD.finditer(text):
        # Word by word: monospace for a whole line would hide what is emphasised in the rest of it.
        if _UNESCAPABLE.search(word.group()) is None:
            continue
        start, end = word.span()
        out += _escaped(text[position:start], after=position > 0, before=True)
        out += _monospace(word.group(), text[start - 1 : start] or before, text[end : end + 1] or after)
        position = end
    return out + _escaped(text[position:], after=position > 0)


def _escaped(text: str, *, after: bool = False, before: bool = False) -> str:
    """Text with its signs escaped; a word stands next to it where ``after`` or ``before`` says so."""
    # A letter stands in for the neighbour, because the patterns ask whether a sign is at the edge of a word.
    text = f"{'x' if after else ''}{text}{'x' if before else ''}"
    for pattern in (_ALWAYS, _AT_EDGE, _PICTURE, _CITATION, _FACE):
        text = pattern.sub(lambda found: "".join("\\" + sign for sign in found.group()), text)
    return text[int(after) : len(text) - int(before)]


def _monospace(text: str, before: str, after: str) -> str:
    """Text that is read as it stands; next to a letter or a sign beyond ASCII only the form with braces counts."""
    # A closing brace next to the closing pair would be read as part of it.
    inner = re.sub(r"[{}]", lambda brace: "\\" + brace.group(), text)
    is_glued = _GLUED.search(before) or _GLUED.search(after)
    return f"{{{{{{}}{inner}{{}}}}}}" if is_glued else f"{{{{{inner}}}}}"
