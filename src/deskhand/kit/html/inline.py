"""Words and their marks as Markdown: the one place for HTML and for the vendors' own formats; pure.

Text is written as it stands: it is read by models and by pages that render Markdown with raw HTML disabled.
"""

from __future__ import annotations

import re

STRONG, EM, STRIKE, CODE = "strong", "em", "strike", "code"
_SIGNS = ((STRIKE, "~~"), (EM, "*"), (STRONG, "**"))
_BACKTICKS = re.compile(r"`+")
# What a reader may be sent to. A javascript: or data: address would run in the page that shows the note.
_SCHEMES = ("http:", "https:", "mailto:", "tel:")


def marked(text: str, marks: frozenset[str], target: str = "") -> str:
    """A run of text with its marks and its link; blanks at its ends stay outside them."""
    core = text.strip()
    if not core:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    if CODE in marks:
        core = code_span(core)
    else:
        for kind, sign in _SIGNS:
            core = f"{sign}{core}{sign}" if kind in marks else core
    return f"{before}{markdown_link(core, target)}{after}"


def markdown_link(text: str, target: str) -> str:
    """A Markdown link; one whose text is its target is written as an autolink."""
    if not target:
        return text
    if text == target and ":" in target and not re.search(r"[\s<>]", target):
        return f"<{target}>"
    # In angle brackets, where a blank or a bracket of the address would end the link.
    return f"[{text}](<{target}>)" if re.search(r"[\s()]", target) else f"[{text}]({target})"


def code_span(text: str) -> str:
    """Text as inline code, with as many backticks around it as it takes."""
    fence = "`" * (_longest_run(text) + 1)
    # CommonMark takes one blank on each side away again.
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def code_block(text: str, language: str = "") -> str:
    """Text as a fenced block."""
    # Longer than any run inside: a stranger's backticks would end the block and let the rest act as Markdown.
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def quoted(text: str) -> str:
    """Text as a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def indented(text: str, width: int) -> str:
    """Text whose lines after the first are indented, as below a bullet."""
    pad = " " * width
    first, *rest = text.split("\n")
    return "\n".join([first, *(pad + line if line else "" for line in rest)])


def one_line(text: str) -> str:
    """Text without line breaks, for headings and cells."""
    return " ".join(text.replace("\\\n", " ").split())


def table(rows: list[list[str]]) -> str:
    """A Markdown table, whose first row is its head."""
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    lines = ["| " + " | ".join([*row, *([""] * (width - len(row)))]) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def cell(text: str) -> str:
    """Text of one cell: one line, its bars protected."""
    return one_line(text).replace("|", "\\|")


def raised(text: str, sign: str) -> str:
    """A superscript (``^``) or subscript (``_``): 10 to the 6th must not read 106."""
    core = text.strip()
    if not core:
        return text
    return f"{sign}{core}" if re.fullmatch(r"[\w+-]+", core) else f"{sign}({core})"


def picture(name: str | None) -> str:
    """The trace of a picture, which a reader of text would otherwise not miss."""
    words = one_line(name or "").strip("[]")
    return f"[picture: {words}]" if words else "[picture]"


def safe_target(address: str) -> str:
    """An address a reader may be sent to, or nothing."""
    clean = "%20".join(address.split())
    return clean if clean.lower().startswith(_SCHEMES) else ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
