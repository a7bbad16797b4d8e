"""What a manifest does not offer is refused by name before anything is sent, and links elsewhere become a note."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.plugins.contract import LinkKind, Manifest, TicketChanges, TicketLink, TicketQuery
from deskhand.plugins.errors import DeskUnsupportedError, DeskValidationError
from deskhand.plugins.offered import link_note, require_filters, require_link, require_settable
from deskhand.plugins.operations import BASIC_OPERATIONS
from deskhand.plugins.values import ALL_FILTERS
from deskhand.ui.markdown import markdown_html

DESK = Manifest(
    tool_type="small",
    name="Small Desk",
    operations=frozenset(BASIC_OPERATIONS),
    events=frozenset(),
    signature="None.",
    settable=frozenset({"priority"}),
    filters=frozenset({"text"}),
    links=frozenset({LinkKind.RELATED, LinkKind.BLOCKS}),
)
NOW = datetime(2026, 5, 4, tzinfo=UTC)
ASKED: dict[str, Any] = {
    "text": "vpn",
    "status": ("Open",),
    "priority": ("high",),
    "group": "Network",
    "requester": "ann@acme.test",
    **dict.fromkeys(("created_since", "created_until", "updated_since", "updated_until"), NOW),
}


def test_every_filter_is_tried() -> None:
    assert set(ASKED) == ALL_FILTERS


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_search_by_what_the_desk_cannot_search_by_is_refused_and_not_answered_with_too_much(name: str) -> None:
    query = TicketQuery(**{name: ASKED[name]}, cursor="5", page_size=3)
    able = replace(DESK, filters=frozenset({name}))
    require_filters(query, able)
    with pytest.raises(DeskUnsupportedError) as refusal:
        require_filters(query, replace(DESK, filters=ALL_FILTERS - {name}))
    assert refusal.value.fields == (name,)
    assert refusal.value.detail == f"Small Desk cannot search by {name}."


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"priority": "high"}, ()),
        ({"priority": ""}, ()),
        ({"subject": "New", "priority": "high", "group": "Network"}, ("group", "subject")),
        ({"custom": {"Floor": None}}, ("custom",)),
        ({"remove_tags": ("vip",), "add_tags": ()}, ("remove_tags",)),
    ],
)
def test_fields_without_a_place_are_named_and_nothing_is_left_out_silently(
    changes: dict[str, Any], missing: tuple[str, ...]
) -> None:
    wanted = TicketChanges(**changes)
    if not missing:
        require_settable(wanted, DESK)
        return
    with pytest.raises(DeskUnsupportedError) as refusal:
        require_settable(wanted, DESK)
    assert refusal.value.fields == missing


@pytest.mark.parametrize(
    ("link", "error", "words"),
    [
        (TicketLink(), DeskValidationError, "names one ticket"),
        (TicketLink(ticket_id="2", url="https://a.test/2"), DeskValidationError, "names one ticket"),
        (TicketLink(ticket_id="1"), DeskValidationError, "with itself"),
        (TicketLink(url="javascript:alert(1)"), DeskValidationError, "https://"),
        (TicketLink(url="//a.test/2"), DeskValidationError, "https://"),
        (TicketLink(ticket_id="2", kind=LinkKind.CHILD_OF), DeskUnsupportedError, "it has: blocks, related"),
    ],
)
def test_what_is_no_link_is_refused(link: TicketLink, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        require_link("1", link, DESK)


@pytest.mark.parametrize(
    "link",
    [
        TicketLink(ticket_id="2"),
        TicketLink(ticket_id="2", kind=LinkKind.BLOCKS),
        TicketLink(url="https://elsewhere.test/2", kind=LinkKind.CHILD_OF),  # kept as a note, whatever the desk has
    ],
)
def test_a_link_that_the_desk_has_or_a_note_can_say_passes(link: TicketLink) -> None:
    require_link("1", link, DESK)


@pytest.mark.parametrize("kind", list(LinkKind))
def test_a_link_elsewhere_is_an_internal_note_that_carries_the_writes_mark(kind: LinkKind) -> None:
    note = link_note(TicketLink(url="https://elsewhere.test/2?a=1", title="INC-2 VPN", kind=kind), "dh-mark")
    assert (note.public, note.mark) == (False, "dh-mark")
    assert note.body.endswith(": [INC-2 VPN](<https://elsewhere.test/2?a=1>)")


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://elsewhere.test/2", "x](https://evil.test) [y"),
        ("https://elsewhere.test/2", "[nested [deep]] title"),
        ("https://elsewhere.test/2", "one\n\n# two"),
        ("https://elsewhere.test/2>) [x](https://evil.test", "Ticket"),
        ("https://elsewhere.test/a(b)c", ""),
        ("https://elsewhere.test/2\n\n# two", "Ticket"),
        ("https://elsewhere.test/<2>", "Ticket"),
        ("https://elsewhere.test/2", "ends with \\"),
    ],
)
def test_a_title_or_an_address_of_strangers_makes_one_link_and_no_second_one(url: str, title: str) -> None:
    html = str(markdown_html(link_note(TicketLink(url=url, title=title), "").body))
    assert html.count("<a ") == 1, html
    assert 'href="https://elsewhere.test/' in html
    assert "<h1" not in html
    shown = re.sub(r"<[^>]+>", "", html).strip()
    assert shown == f"Related to: {' '.join((title or url).split()).translate({ord('['): '(', ord(']'): ')'})}"
