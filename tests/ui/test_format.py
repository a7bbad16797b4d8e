from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from deskhand.ui import format as formats
from deskhand.ui.markdown import markdown_html
from deskhand.ui.render import environment
from deskhand.ui.static_files import ROOT, static_url

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, "–"), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (59_949, "59.9 s"), (59_950, "1 min 00 s"),
     (125_000, "2 min 05 s"), (3_600_000, "1 h 00 min"), (200_000_000, "2 d 7 h")],
)  # fmt: skip
def test_durations(milliseconds: int | None, text: str) -> None:
    assert formats.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "unknown"), ("0", "$0.00"), ("0.00042", "$0.00042"), ("0.0000001", "$0.00000010"), ("0.00999", "$0.0100"),
     ("0.014", "$0.01"), ("1234.5", "$1,234.50")],
)  # fmt: skip
def test_an_unknown_price_is_never_zero(amount: str | None, text: str) -> None:
    assert formats.money(None if amount is None else Decimal(amount)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "just now"), (4, "just now"), (5, "5 s ago"), (60, "1 min ago"), (7200, "2 h ago"),
                          (90000, "1 d ago")]
)  # fmt: skip
def test_ages(seconds: int, text: str) -> None:
    assert f">{text}<" in formats.age(NOW - timedelta(seconds=seconds), NOW)


def test_labels_and_json() -> None:
    assert formats.label("search_tickets") == "Search tickets"
    assert formats.pretty_json({"a": ["ü", Decimal("1.5")]}) == '{\n  "a": [\n    "ü",\n    "1.5"\n  ]\n}'
    assert formats.pretty_json("as it is") == "as it is"
    assert (formats.instant(None), formats.age(None, NOW), formats.count(None), formats.count(12345)) == (
        "–",
        "–",
        "–",
        "12,345",
    )


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](https://spy.example/p.png)",
     "<a href='javascript:x'>y</a>",
     "[x](data:text/html,hi)", "<img src=x onerror=alert(1)>"],
)  # fmt: skip
def test_markdown_lets_nothing_through_that_acts(text: str) -> None:
    html = markdown_html(text)

    assert not re.search(r"<script|<img|<a [^>]*(javascript|data):|<[^>]+onerror", html)


def test_markdown_keeps_what_notes_use() -> None:
    html = markdown_html("## Next\n\n1. **do** `x`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[kb](https://kb.example.com)")

    for part in (
        "<h3>Next</h3>",
        "<strong>do</strong>",
        "<code>x</code>",
        "<td>2</td>",
        'href="https://kb.example.com"',
        "noopener",
    ):
        assert part in html


@pytest.mark.parametrize(
    ("text", "below", "levels"),
    [
        ("# a\n## b\n# c", 2, "343"),
        ("### a\n#### b", 1, "23"),  # a text that begins deep does not leave a gap
        ("## a\n# b\n#### c", 2, "334"),
        ("# a\n## b\n### c\n#### d\n##### e\n###### f", 3, "456666"),
        ("no heading, `<h1>` in code", 1, ""),
    ],
)
def test_headings_of_a_text_follow_the_page_s_own_without_a_gap(text: str, below: int, levels: str) -> None:
    html = markdown_html(text, below=below)

    assert "".join(re.findall(r"<h(\d)>", html)) == "".join(re.findall(r"</h(\d)>", html)) == levels


def test_a_block_of_code_is_reached_by_the_keyboard() -> None:
    assert '<pre tabindex="0"><code>x' in markdown_html("```\nx\n```")


def test_a_time_in_its_zone_shows_the_offset() -> None:
    winter = formats.in_zone(datetime(2026, 1, 1, 7, 30, tzinfo=UTC), "Europe/Berlin")
    summer = formats.in_zone(datetime(2026, 7, 1, 6, 30, tzinfo=UTC), "Europe/Berlin")
    assert 'Thu 2026-01-01 08:30 <span class="offset">+01:00<' in formats.zoned(winter)
    assert 'Wed 2026-07-01 08:30 <span class="offset">+02:00<' in formats.zoned(summer)
    assert 'datetime="2026-07-01T06:30:00+00:00"' in formats.zoned(summer)


def test_templates_escape_and_refuse_unknown_names() -> None:
    assert environment().from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        environment().from_string("{{ missing }}").render()
    with pytest.raises(TemplateNotFound):
        environment().get_template("ui/../../settings.py")


def test_every_template_compiles() -> None:
    package = ROOT.parent.parent
    paths = [path.relative_to(package) for path in package.glob("**/templates/*.html")]
    names = [f"{path.parent.parent}/{path.name}" for path in paths if path.parts[0] != "simulators"]

    assert "executions/console/list.html" in names
    for name in names:
        environment().get_template(name)


def test_vendored_files_are_the_ones_recorded() -> None:
    recorded = dict(
        re.findall(r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", (ROOT / "vendor/README.md").read_text(), re.MULTILINE)
    )
    present = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(ROOT / "vendor").iterdir()
        if path.suffix in (".js", ".css")
    }

    assert present == recorded != {}


def test_an_address_changes_with_the_content() -> None:
    assert re.fullmatch(r"/static/console\.css\?v=[0-9a-f]{12}", static_url("console.css"))
    with pytest.raises(FileNotFoundError):
        static_url("missing.css")
