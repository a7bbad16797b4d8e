"""Ticket bodies from HTML to Markdown: ours against ``html-to-markdown`` (Rust) and ``markdownify``.

Run: ``PYTHONPATH=DIR .venv/bin/python -m benchmarks.html_text [PROCEDURES.json]``, DIR being where
``pip install --target DIR html-to-markdown markdownify`` put the rivals; each that is not there is said to be missing.
PROCEDURES.json is a list of objects with ``article``: HTML that people wrote. Without it only the shapes below are
measured, which are invented after what Outlook, Gmail and desks send.

Printed for each: words a reader sees that are kept, words made up (of scripts, styles and comments), links kept, links
that would run, list items and cells kept in their places, and the median time of a body. Visible words are counted by
the standard library's parser, which is none of the three.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from statistics import median

from deskhand.kit.html.read import html_to_markdown
from deskhand.kit.markdown import safe_html

Convert = Callable[[str], str]
_WORD = re.compile(r"\w{2,}")
_HIDDEN = {"script", "style", "title", "template"}
LIMIT = 20.0
"""Seconds after which a converter of one body is called too slow; measured afterwards, nothing is stopped."""

MAIL = """<html><head><style>.x{color:red}</style><title>Mail</title></head><body><div class=x><p>It <b>still</b> fails
with <code>0x80070005</code>, see <a href="https://status.acme.test/a?b=1&amp;c=2">the status page</a>.<o:p></o:p></p>
<ol start=3><li>open the client<ul><li>as administrator</li></ul></li><li>press <kbd>F5</kbd></li></ol>
<blockquote><p>Did you restart srv-vpn01?</p><blockquote>No.</blockquote></blockquote>
<table border=1><tr><th>Host</th><th>State</th></tr><tr><td>srv-vpn01</td><td>up | busy</td></tr></table>
<script>steal()</script><a href="javascript:steal()">here</a><img src="cid:1" alt="screenshot.png"></div></body>
</html>"""
LIST = "<p>Assets</p><ul>" + "".join(f"<li>laptop LT-{n} of <i>person {n}</i></li>" for n in range(40)) + "</ul>"
TRACE = (
    "<p>Log:</p><pre>" + "\n".join(f"  at com.acme.Vpn.open(Vpn.java:{n})\t&lt;init&gt;" for n in range(60)) + "</pre>"
)
SHAPES = {
    "mail chain": MAIL,
    "40 items": LIST,
    "stack trace": TRACE,
    "plain text": "a < b\nnet use <drive>: to x\n" * 20,
}
WORST = {
    "1 MB of paragraphs": "<p>The <b>cause</b> is <a href='https://a.test/'>here</a>.</p>" * 16_000,
    "10,000 nested tags": "<div>" * 10_000 + "cause" + "</div>" * 10_000,
    "10,000 nested quotes": "<blockquote>" * 10_000 + "cause" + "</blockquote>" * 10_000,
    "10,000 nested tables": "<table><tr><td>" * 10_000 + "cause",
    "lone surrogates": "<p>before \ud800 cause \udfff after</p>",
    "NUL": "<p>before \x00 cause \x00 after</p>",
}


class _Visible(HTMLParser):
    """Words, links, items and cells as a browser shows them."""

    def __init__(self) -> None:
        super().__init__()
        self.words: Counter[str] = Counter()
        self.links: list[str] = []
        self.items = self.cells = 0
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        self.items += tag == "li"
        self.cells += tag in ("td", "th")
        target = dict(attrs).get("href") if tag == "a" else None
        if target and target.startswith("http"):
            self.links.append(target)

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.update(_WORD.findall(data))


def rivals() -> dict[str, Convert | str]:
    """By name, how each converts, or why it is not measured."""
    made: dict[str, Convert | str] = {"ours": html_to_markdown}
    for name, module, call in (
        ("html-to-markdown", "html_to_markdown", lambda one: lambda text: str(one.convert(text).content)),
        ("markdownify", "markdownify", lambda one: lambda text: str(one.markdownify(text))),
    ):
        missing = importlib.util.find_spec(module) is None
        made[name] = "not installed" if missing else call(importlib.import_module(module))
    return made


def fidelity(convert: Convert, bodies: list[str]) -> str:
    """One line of figures about a set of bodies."""
    kept = seen = made_up = links = all_links = runs = items = all_items = 0
    took = []
    for body in bodies:
        visible = _Visible()
        visible.feed(body)
        began = time.perf_counter()
        text = convert(body)
        took.append((time.perf_counter() - began) * 1000)
        words = Counter(_WORD.findall(text))
        kept += sum((words & visible.words).values())
        seen += sum(visible.words.values())
        made_up += "steal()" in text.replace("javascript:steal()", "")
        runs += "(javascript:" in text
        links += sum(target in text for target in visible.links)
        all_links += len(visible.links)
        items += len(re.findall(r"^\s*(?:[-*+]|\d+\.) ", text, re.MULTILINE))
        all_items += visible.items
    return (
        f"words {kept / max(1, seen):7.2%}   links {links}/{all_links}   items {items}/{all_items}   hidden text shown"
        f" {made_up}   links that run {runs}   median {median(took):8.2f} ms"
    )


def worst(convert: Convert, body: str) -> str:
    """What becomes of a body that nobody writes by accident."""
    began = time.perf_counter()
    try:
        text = convert(body)
    except Exception as error:  # noqa: BLE001 - whatever a rival raises is its result
        return f"{type(error).__name__}: {str(error)[:60]!r} after {time.perf_counter() - began:.2f} s"
    took = time.perf_counter() - began
    expected = body.count("cause")
    slow = "   TOO SLOW" if took > LIMIT else ""
    return f"{text.count('cause')}/{expected} words kept, {len(text):,} characters, {took:6.2f} s{slow}"


def main() -> None:
    """Print everything."""
    sets = {name: [body] * 20 for name, body in SHAPES.items()}
    if len(sys.argv) > 1:
        rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        sets = {f"{len(rows)} procedures that people wrote": [str(row["article"]) for row in rows], **sets}
    else:
        print("procedures that people wrote: skipped, no file was named")
    converters = rivals()
    for name, bodies in sets.items():
        print(f"\n{name}")
        for who, convert in converters.items():
            print(f"  {who:18} {convert if isinstance(convert, str) else fidelity(convert, bodies)}")
    for name, body in WORST.items():
        print(f"\n{name} ({len(body):,} characters)")
        for who, convert in converters.items():
            print(f"  {who:18} {convert if isinstance(convert, str) else worst(convert, body)}")
        print(f"  {'our sanitiser':18} {worst(safe_html, body)}")


if __name__ == "__main__":
    main()
