"""Jira wiki markup to Markdown, as it arrives in webhooks and from servicedeskapi; pure.

Unknown macros lose their braces and keep their text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deskhand.plugins.jira.adf_read import markdown_link

_BLOCK_MACRO = re.compile(r"\{(code|noformat)(?::([^}]*))?\}(.*?)\{\1\}", re.DOTALL)
_KEPT = "\x00{}\x00"
_KEPT_REF = re.compile(r"\x00(\d+)\x00")
_HEADING = re.compile(r"h([1-6])\.\s*(.*)")
_LIST = re.compile(r"([*#]{1,20}|-)\s+(.*)")
_TABLE_ROW = re.compile(r"\|.*\|\s*$")
_OPEN_QUOTE = re.compile(r"\{(quote|panel)(?::[^}]*)?\}")
_ESCAPE = re.compile(r"(?<!\\)\\([-#*_+?^~|%{}\[\]()!@])")
_MONO = re.compile(r"\{\{(.+?)\}\}(?!\})")
_LINK = re.compile(r"(?<!\\)\[([^\]\n]+)\]")
_PICTURE = re.compile(r"(?<![\\\w])!([^\s!|][^!|\n]*)(?:\|[^!\n]*)?!(?!\w)")
_STYLE_MACRO = re.compile(r"(?<!\\)\{/?(?:color|anchor|panel|quote|section|column)(?::[^}]*)?\}")
_BREAK = re.compile(r"\\\\[ \t]*\n?")
_MARKS = (("*", "**"), ("_", "*"), ("-", "~~"), ("+", ""), ("^", ""), ("~", ""))
_FORMS = [
    (
        re.compile(rf"\{{{re.escape(sign)}\}}(\S(?:[^\n]*?\S)?)\{{{re.escape(sign)}\}}"),
        re.compile(
            rf"(?<![\w\\{{{re.escape(sign)}])\{sign}(?=[^\s{re.escape(sign)}])([^\n]*?[^\s\\])\{sign}(?![\w}}])"
        ),
        markdown,
    )
    for sign, markdown in _MARKS
]


class _Kept:
    """Texts set aside while the rest is rewritten: code, links, protected characters."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def put(self, text: str) -> str:
        """A stand-in for the text."""
        self._texts.append(text)
        return _KEPT.format(len(self._texts) - 1)

    def restore(self, text: str) -> str:
        """The text with every stand-in replaced, however deep."""
        while _KEPT_REF.search(text):
            text = _KEPT_REF.sub(lambda found: self._texts[int(found.group(1))], text)
        return text


def wiki_to_markdown(source: str | None) -> str:
    """Markdown of wiki markup (or of plain text, which is nearly the same)."""
    if not source:
        return ""
    kept = _Kept()
    text = source.replace("\r\n", "\n").replace("\x00", "")
    text = _BLOCK_MACRO.sub(lambda found: "\n\n" + kept.put(_fence(found)) + "\n\n", text)
    out = kept.restore("\n".join(_lines(text.split("\n"), lambda line: _inline(line, kept))))
    return re.sub(r"\n{3,}", "\n\n", out).strip().replace("\u200b", "")


def _fence(found: re.Match[str]) -> str:
    options = (found.group(2) or "").split("|")
    language = next((option for option in options if option and "=" not in option), "")
    text = found.group(3).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language if language != 'none' else ''}\n{text}\n{fence}"


def _lines(lines: list[str], inline: Callable[[str], str]) -> list[str]:
    out: list[str] = []
    quoted = False
    table_line = 0
    for raw in lines:
        line = raw.strip()
        table_line = table_line + 1 if _TABLE_ROW.match(line) else 0
        if _OPEN_QUOTE.fullmatch(line):
            quoted = not quoted
            out.append("")
            continue
        written = _table_row(line, table_line, inline) if table_line else _line(line, inline)
        out += [f"> {text}".rstrip() if quoted else text for text in written]
    return out


def _line(line: str, inline: Callable[[str], str]) -> list[str]:
    if heading := _HEADING.match(line):
        return ["", f"{'#' * int(heading.group(1))} {inline(heading.group(2))}", ""]
    if re.fullmatch(r"-{4,5}", line):
        return ["", "---", ""]
    if line.startswith("bq. "):
        return ["", f"> {inline(line[4:])}", ""]
    if item := _LIST.match(line):
        signs = item.group(1)
        indent = "".join("   " if sign == "#" else "  " for sign in signs[:-1])
        return [f"{indent}{'1.' if signs[-1] == '#' else '-'} {inline(item.group(2))}"]
    return [inline(line)]


def _table_row(line: str, number: int, inline: Callable[[str], str]) -> list[str]:
    line = re.sub(r"\[[^\]\n]*\]", lambda link: link.group().replace("|", "\x01"), line)
    header = line.startswith("||")
    cells = re.split(r"(?<!\\)\|{1,2}", line.strip("|"))
    written = [inline(cell.strip().replace("\x01", "|")).replace("|", "\\|") for cell in cells]
    rule = ["|" + " --- |" * len(cells)] if number == 1 else []
    if number == 1 and not header:  # Markdown has no table without a head
        return ["", "|" + "  |" * len(cells), *rule, "| " + " | ".join(written) + " |"]
    return [*([""] if number == 1 else []), "| " + " | ".join(written) + " |", *rule]


def _inline(text: str, kept: _Kept) -> str:
    text = _MONO.sub(lambda found: kept.put(_code(found.group(1))), text)
    text = _LINK.sub(lambda found: kept.put(_link(found.group(1), kept)), text)
    text = _PICTURE.sub(lambda found: kept.put(f"[attachment {found.group(1)}]"), text)
    text = _STYLE_MACRO.sub("", text)
    text = _ESCAPE.sub(lambda found: kept.put(found.group(1)), text)
    text = _BREAK.sub(lambda _found: kept.put("\\\n"), text)
    return _emphasis(text)


def _emphasis(text: str) -> str:
    for inside_word, at_edge, markdown in _FORMS:
        for pattern in (inside_word, at_edge):
            text = pattern.sub(lambda found, sign=markdown: f"{sign}{found.group(1)}{sign}", text)  # type: ignore[misc]  # lambda default
    return text


def _code(text: str) -> str:
    plain = _ESCAPE.sub(r"\1", text)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _link(inside: str, kept: _Kept) -> str:
    if inside.startswith("~"):
        return "@" + inside[1:].removeprefix("accountid:")
    if inside.startswith("^"):
        return f"[attachment {inside[1:]}]"
    text, _, target = inside.partition("|")
    target = target.split("|")[0]
    if not target:
        return f"<{text}>" if re.match(r"[a-z]+:", text) else f"[{text}]"
    words = _inline(text, kept)
    return f"<{target}>" if text == target else markdown_link(words, target)
