"""A desk that says "more" for ever: a run gets its ticket, a doubt stays one, an import ends and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.hostile_desk import IDS, TOOLS, connect, serving

from deskhand.kit.db.session import Database
from deskhand.knowledge import importer, listing
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.listing import ListingWatch
from deskhand.plugins import paging
from deskhand.plugins.contract import Ticket, TicketPage, ValueKind
from deskhand.plugins.errors import DeskCannotTellError, DeskProtocolError
from deskhand.plugins.paging import MAX_CHARACTERS, MAX_SECONDS, read_pages

START = datetime(2026, 1, 1, tzinfo=UTC)
PAGES = 4
MARK = "dh-0123456789abcdef0123"
DAY = {"value": "1767225600000"}
SDP = {"id": "17", "subject": "VPN", "status": {"name": "Resolved"}, "resolved_time": DAY, "last_updated_time": DAY}
JIRA_DAY = "2026-01-01T00:00:00.000+0000"
JIRA = {"id": "10001", "key": "HELP-1", "fields": {"summary": "VPN", "updated": JIRA_DAY, "resolutiondate": JIRA_DAY}}
ZENDESK = {"id": 17, "subject": "VPN", "status": "solved", "updated_at": "2026-01-01T00:00:00Z"}
SERVICENOW = {
    "sys_id": "a" * 32, "number": "INC1", "short_description": "VPN", "state": "6", "active": "true", "name": "x",
    "resolved_at": "2026-01-01 00:00:00", "sys_updated_on": "2026-01-01 00:00:00", "element_id": "a" * 32,
    "element": "work_notes", "value": f"a note {MARK[:-1]}", "sys_created_on": "2026-01-01 00:00:00",
}  # fmt: skip


class Endless:
    """What each desk answers: always the same row, and always a further page."""

    def __init__(self, tool: str) -> None:
        self._answer = getattr(self, tool)
        self._numbers = count(1)

    def __call__(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {"content-type": "application/json", "x-total-count": "1000000000"}
        return 200, headers, json.dumps(self._answer(request.path, body)).encode()

    def servicedesk_plus(self, path: str, _body: bytes) -> Any:
        asked = parse_qs(urlsplit(path).query).get("input_data", ["{}"])[0]
        start = json.loads(asked).get("list_info", {}).get("start_index", 1)
        names = ("notes", "request_notes", "priorities", "statuses", "groups")
        row = {"id": "5", "name": "x", "description": f"a note {MARK[:-1]}"}
        rows = {"requests": [SDP], **{name: [row] for name in names}}
        info = {"has_more_rows": True, "start_index": start}
        status = {"status_code": 2000, "status": "success"}
        return {"request": SDP, **rows, "list_info": info, "response_status": status}

    def jira(self, path: str, _body: bytes) -> Any:
        comment = {"id": "7", "body": {"type": "doc", "version": 1, "content": []}}
        if "/issue/" in path and "/comment" not in path:
            return JIRA
        more = {"total": 10**9, "isLastPage": False, "nextPageToken": str(next(self._numbers)), "isLast": False}
        return {"issues": [JIRA], "comments": [comment], "values": [{"projectKey": "X"}], "timeZone": "UTC", **more}

    def zendesk(self, _path: str, _body: bytes) -> Any:
        after = str(next(self._numbers))
        comment = {"id": 7, "plain_body": "a note", "public": False}
        lists = {"comments": [comment], "audits": [{"id": 1}], "tickets": [ZENDESK], "groups": [], "users": []}
        token = {"access_token": "t", "expires_in": 600}
        ends = {"meta": {"has_more": True, "after_cursor": after}, "after_cursor": after, "end_of_stream": False}
        return {"ticket": ZENDESK, "custom_statuses": [], "ticket_fields": [{}], **lists, **token, **ends}

    def servicenow(self, path: str, _body: bytes) -> Any:
        row = {name: {"value": value, "display_value": value} for name, value in SERVICENOW.items()}
        return {"result": row if "a" * 32 in urlsplit(path).path else [row]}


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGES", PAGES)
    monkeypatch.setattr(listing, "MAX_PAGES_WITHOUT_NEWS", PAGES)


@contextmanager
def endless(tool: str) -> Iterator[str]:
    with serving(Endless(tool)) as url:
        yield url


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_ticket_is_read_and_what_is_missing_is_named(tool: str) -> None:
    with endless(tool) as url:
        desk = connect(tool, url)
        ticket = await desk.get_ticket(IDS[tool])
        if tool != "servicenow":  # which is asked for the mark itself
            with pytest.raises(DeskCannotTellError):
                await desk.find_write(IDS[tool], MARK)
        await desk.aclose()
    unread, *others = ticket.unread
    assert ticket.subject == "VPN"
    assert unread.endswith(f"beyond the first {len(ticket.notes) + (tool == 'zendesk')}")
    # Files are a list of their own there, which is cut after one page.
    assert others == (["the ticket's attachments beyond the first 0"] if tool == "servicenow" else [])


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "jira"])
async def test_a_list_of_values_without_an_end_is_an_error_of_the_desk(tool: str) -> None:
    with endless(tool) as url:
        desk = connect(tool, url)
        with pytest.raises(DeskProtocolError, match="does not come to an end"):
            await desk.list_values(ValueKind.GROUPS)
        await desk.aclose()


async def test_a_project_among_endless_ones_is_said_not_to_be_there() -> None:
    with endless("jira") as url:
        desk = connect("jira", url)
        report = await desk.test_connection()
        await desk.aclose()
    assert not report.ok


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "servicenow"])  # which lists by time and id
async def test_an_import_ends_and_says_so(clean_db: Database, tenant: str, tool: str) -> None:
    with endless(tool) as url:
        desk = connect(tool, url)
        report = await importer.import_from_desk(clean_db, tenant, desk, since=START, embedder=LexicalOnly())
        await desk.aclose()
    assert report.ended_early
    # Of a ticket whose comments have no end nobody can say how it was solved.
    assert (report.created, bool(report.failed)) == ((0, True) if tool == "zendesk" else (1, False))


def page(*ids: str, following: str | None) -> TicketPage:
    tickets = tuple(Ticket(tool_type="jira", id=one, display_id=one, subject="x", updated_at=START) for one in ids)
    return TicketPage(tickets=tickets, next_cursor=following)


def test_a_long_history_is_no_endless_one() -> None:
    watch = ListingWatch()
    assert not any(watch.why_stop(page(str(number // 2), following=str(number))) for number in range(300))
    assert not watch.why_stop(page(following=None))


def test_a_cursor_that_leads_back_and_pages_without_news_are() -> None:
    watch = ListingWatch()
    assert [bool(watch.why_stop(page(str(n), following=str(n % 3)))) for n in range(4)] == [False, False, False, True]
    watch = ListingWatch()
    stops = [bool(watch.why_stop(page("1", following=str(n)))) for n in range(PAGES + 1)]
    assert stops == [False] * PAGES + [True]


async def test_a_list_is_bounded_in_pages_text_and_time() -> None:
    ticks = count(0, MAX_SECONDS * 0.6)

    async def small(cursor: int) -> tuple[list[Any], int | None]:
        return ["x"], cursor + 1

    async def large(cursor: int) -> tuple[list[Any], int | None]:
        return [{"body": "x" * (MAX_CHARACTERS // 2)}], cursor + 1

    async def back(cursor: int) -> tuple[list[Any], int | None]:
        return ["x"], 1 - cursor

    async def two(cursor: int) -> tuple[list[Any], int | None]:
        return ["x"], 1 if cursor == 0 else None

    assert len((await read_pages(small, 0)).rows) == PAGES
    assert len((await read_pages(large, 0)).rows) == 2
    assert len((await read_pages(back, 0)).rows) == 2
    assert len((await read_pages(small, 0, clock=lambda: next(ticks))).rows) == 1
    whole = await read_pages(two, 0)
    assert (whole.rows, whole.is_cut, whole.gaps("notes")) == (["x", "x"], False, ())
