from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.marks import find_marks, with_mark
from deskhand.plugins.text import (
    html_to_markdown,
    html_to_text,
    markdown_to_html,
    markdown_to_text,
    sanitize_html,
    truncate,
)

DOCUMENT = """# Title

Text with **bold**, `code` and [a link](https://kb.corp.test/a).

- one
- two
  - nested

1. first
2. second

```python
if a < b:
    print("x")
```

| a | b |
| --- | --- |
| 1 | 2 |

> quoted"""


def test_markdown_survives_the_way_through_html() -> None:
    assert html_to_markdown(markdown_to_html(DOCUMENT)) == DOCUMENT


def test_plain_text_keeps_words_bullets_and_targets() -> None:
    text = markdown_to_text(DOCUMENT)
    for line in (
        "Title",
        "Text with bold, code and a link (https://kb.corp.test/a).",
        "- two",
        "  - nested",
        "2. second",
    ):
        assert line in text.splitlines()
    assert "**" not in text
    assert '    print("x")' in text


def test_vendor_html_becomes_markdown() -> None:
    source = "<div>Since&nbsp;9<br>VPN drops</div><p style='color:red'>See <a href='https://x.test'>this</a></p>"
    assert html_to_markdown(source) == "Since 9\nVPN drops\n\nSee [this](https://x.test)"
    assert html_to_text(source) == "Since 9\nVPN drops\n\nSee this (https://x.test)"
    assert html_to_markdown(None) == ""


def test_nothing_that_runs_gets_through() -> None:
    source = (
        "<script>alert(1)</script><style>p{}</style><p onclick='x()'>a</p><img src=x onerror=alert(1)>"
        "<a href='javascript:alert(1)'>b</a><iframe src='//evil'></iframe><form action='/x'><input name=y></form>"
    )
    clean = sanitize_html(source)
    for bad in ("script", "onclick", "onerror", "javascript", "iframe", "form", "input", "style"):
        assert bad not in clean
    assert "a" in clean
    assert "alert" not in html_to_markdown(source)


def test_html_in_markdown_becomes_visible_text() -> None:
    html = markdown_to_html("<img src=x onerror=alert(1)> [x](javascript:alert(1))")
    assert "<img" not in html
    assert "&lt;img" in html
    assert "href" not in html


@given(st.text())
def test_rendering_never_yields_active_content(source: str) -> None:
    html = markdown_to_html(source)
    assert sanitize_html(html) == html


@given(st.text(max_size=300), st.integers(0, 200))
def test_truncation_keeps_the_limit_and_says_so(source: str, limit: int) -> None:
    short = truncate(source, limit)
    assert len(short) <= limit
    assert short == source or limit == 0 or "…" in short


def test_truncation_counts_what_it_left_out() -> None:
    short = truncate("x" * 500, 100)
    kept = short.count("x", 0, short.index(" …"))
    assert f"[{500 - kept} characters left out]" in short


def test_marks_are_found_in_any_markup() -> None:
    mark = "dh-0123456789abcdef0123"
    assert find_marks(markdown_to_html(with_mark("Note", mark))) == (mark,)
    assert find_marks(f"{mark} and {mark}, not dh-0123456789abcdef01234 nor xdh-0123456789abcdef0123") == (mark,)
    assert with_mark("Note", "") == "Note"
