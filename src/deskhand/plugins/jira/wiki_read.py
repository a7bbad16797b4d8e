"""Jira wiki markup to Markdown, as it arrives in webhooks and from servicedeskapi; pure.

Unknown macros lose their braces and keep their text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import takewhile

from deskhand.kit.html.inline import code_block, code_span, markdown_link

_BLOCK_MACRO = re.compile(r"\{(code|noformat)(?::([^}]*))?\}(.*?)\{\1\}", re.DOTALL)
_KEPT = "\x00{}\x00"
_KEPT_REF = re.compile(r"\x00(\d+)\x00")
_HEADING = re.compile(r"h([1-6])\.\s*(.*)")
_LIST = re.compile(r"([*#]{1,20}|-)\s+(.*)")
_TABLE_ROW = re.compile(r"\|.*\|\s*$")
_QUOTE_SIGN = re.compile(r"(?<!\\)\{(?:quote|panel)(?::[^}]*)?\}")
_ESCAPE = re.compile(r"(?<!\\)\\([-#*_+?^~|%{}\[\]()!@])")
_MONO = re.compile(r"\{\{(.+?)\}\}(?!\})")
_LINK = re.compile(r"(?<!\\)\[([^\]\n]+)\]")
_PICTURE = re.compile(r"(?<![\\\w])!([^\s!|][^!|\n]*)(?:\|[^!\n]*)?!(?!\w)")
_STYLE_MACRO = re.compile(r"(?<!\\)\{/?(?:color|anchor|panel|quote|section|column)(?::[^}]*)?\}")
_BREAK = re.compile(r"\\\\(?=\s|$)[ \t]*")  # before a word it is the start of a UNC path
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
    text = _QUOTE_SIGN.sub(lambda found: f"\n{found.group()}\n", text)
    lines = _Blocks(lambda line: _inline(line, kept)).read(text.split("\n"))
    out = kept.restore("\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", out).strip().replace("\u200b", "")


def _fence(found: re.Match[str]) -> str:
    options = (found.group(2) or "").split("|")
    language = next((option for option in options if option and "=" not in option), "")
    text = found.group(3).strip("\n")
    return code_block(text, language if language != "none" else "")


class _Blocks:
    """Reads line by line; what a line means depends on the one before (lists, tables, broken lines).

    Args:
        inline: Reads what stands inside a line.
    """

    def __init__(self, inline: Callable[[str], str]) -> None:
        self._inline = inline
        self._out: list[str] = []
        self._quoted = False
        self._table_rows = 0
        self._signs = ""  # of the list item before
        self._numbers: list[int] = []  # items so far on each level of its list
        self._indent: str | None = None  # of text that a further plain line would continue; None: starts anew

    def read(self, lines: list[str]) -> list[str]:
        """Markdown lines."""
        for raw in lines:
            line = raw.strip()
            self._table_rows = self._table_rows + 1 if _TABLE_ROW.match(line) else 0
            if _QUOTE_SIGN.fullmatch(line):
                self._turn_quote()
            elif self._table_rows:
                self._write(self._table_row(line))
            elif item := _LIST.match(line):
                self._write([self._item(item.group(1), item.group(2))], indent=self._indent)
            else:
                self._block(line)
        return self._out

    def _turn_quote(self) -> None:
        while self._quoted and self._out[-1] == ">":
            self._out.pop()
        self._out.append("")
        self._quoted = not self._quoted
        self._indent = None

    def _write(self, lines: list[str], *, indent: str | None = None) -> None:
        for line in lines:
            if line or not self._quoted or self._out[-1:] != [""]:  # a quote does not begin with an empty line
                self._out.append(f"> {line}".rstrip() if self._quoted else line)
        self._indent = indent

    def _block(self, line: str) -> None:
        if heading := _HEADING.match(line):
            self._write(["", f"{'#' * int(heading.group(1))} {self._inline(heading.group(2))}", ""])
        elif re.fullmatch(r"-{4,5}", line):
            self._write(["", "---", ""])
        elif line.startswith("bq. "):
            self._write(["", f"> {self._inline(line[4:])}", ""])
        elif not line:
            self._signs = ""
            self._write([""])
        else:
            self._plain(line)

    def _plain(self, line: str) -> None:
        """A line of text; after another one it is the same paragraph, broken as its writer broke it."""
        indent = self._indent
        if indent is not None:
            self._out[-1] += "\\"
        self._write([(indent or "") + self._inline(line)], indent=indent or "")

    def _item(self, signs: str, text: str) -> str:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(self._signs, signs, strict=False))
        shared = sum(1 for _ in same)
        self._numbers = [*self._numbers[:shared], *([0] * (len(signs) - shared))]
        self._signs = signs
        self._numbers[-1] += 1
        bullet = f"{self._numbers[-1]}." if signs[-1] == "#" else "-"
        outer = "".join("   " if sign == "#" else "  " for sign in signs[:-1])
        self._indent = outer + ("   " if signs[-1] == "#" else "  ")
        return f"{outer}{bullet} {self._inline(text)}"

    def _table_row(self, line: str) -> list[str]:
        line = re.sub(r"\[[^\]\n]*\]", lambda link: link.group().replace("|", "\x01"), line)
        header = line.startswith("||")
        cells = re.split(r"(?<!\\)\|{1,2}", line.strip("|"))
        written = [self._inline(cell.strip().replace("\x01", "|")).replace("|", "\\|") for cell in cells]
        row = "| " + " | ".join(written) + " |"
        if self._table_rows > 1:
            return [row]
        rule = "|" + " --- |" * len(cells)
        # Markdown has no table without a head.
        return ["", row, rule] if header else ["", "|" + "  |" * len(cells), rule, row]


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
    return code_span(plain)


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
