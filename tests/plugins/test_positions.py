"""Where a desk's history is read on: cursors that lose no ticket and repeat none, whatever changes meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.plugins.errors import DeskValidationError
from deskhand.plugins.servicedesk_plus import history as servicedesk_plus
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicenow import history as servicenow
from deskhand.plugins.servicenow.config import ServiceNowConfig

SINCE = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
IDS = [digit * 32 for digit in "0123456789abcdef"]
NOW = ServiceNowConfig(
    servicenow_instance_url="https://acme.service-now.test", servicenow_api_key="k", servicenow_username="bot"
)
PLUS = ServiceDeskPlusConfig(servicedesk_url="https://desk.test", servicedesk_api_key="k")


def pages_of_plus(rows: list[dict[str, Any]], size: int) -> list[str]:
    """Ids as an import reads them, page by page, of a desk that sorts and pages by offset."""
    read: list[str] = []
    cursor: str | None = None
    for _ in range(100):
        position = servicedesk_plus.Position.of(SINCE, cursor)
        info = servicedesk_plus.list_info(position, PLUS, size)["list_info"]
        least = int(info["search_criteria"][-1]["value"])
        fitting = sorted((row for row in rows if row["at"] >= least), key=lambda row: (row["at"], row["id"]))
        start = info["start_index"] - 1
        page = fitting[start : start + size]
        read += [row["id"] for row in page]
        if start + size >= len(fitting):
            return read
        cursor = position.after([{"value": str(row["at"])} for row in page]).cursor()
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("times", [[0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 2], [0, 0, 1, 1, 2, 2]])
def test_pages_by_time_hold_each_request_once(times: list[int], size: int) -> None:
    base = int(SINCE.timestamp() * 1000)
    rows = [{"id": str(number), "at": base + time} for number, time in enumerate(times)]
    assert pages_of_plus(rows, size) == [row["id"] for row in rows]


def test_a_page_without_a_single_time_still_moves_on() -> None:
    position = servicedesk_plus.Position(1000, 2)
    assert position.after([None, None, None]) == servicedesk_plus.Position(1000, 5)


@pytest.mark.parametrize("cursor", ["", "1000", "x+1", "1000+", "+1", "1000+x", "1" * 39 + "+1", "1000+1;DROP"])
def test_a_foreign_cursor_of_servicedesk_plus_is_refused(cursor: str) -> None:
    with pytest.raises(DeskValidationError):
        servicedesk_plus.Position.of(SINCE, cursor)


def record(number: int, second: int) -> dict[str, str]:
    return {"sys_id": IDS[number], "state": "6", "resolved_at": f"2026-11-21 10:00:{second:02d}"}


def pages_of_now(rows: list[dict[str, str]], size: int) -> list[str]:
    read: list[str] = []
    cursor: str | None = None
    for _ in range(100):
        query = servicenow.query(servicenow.start(SINCE, cursor), NOW)
        fitting = [row for row in rows if all(any(term.holds(row) for term in group) for group in query.conditions)]
        page = sorted(fitting, key=lambda row: tuple(row[name] for name in query.order))[:size]
        read += [row["sys_id"] for row in page]
        if len(page) < size:
            return read
        cursor = servicenow.after(page[-1], NOW).cursor()
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("seconds", [[0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 2]])
def test_pages_by_time_and_id_hold_each_record_once(seconds: list[int], size: int) -> None:
    rows = [record(number, second) for number, second in enumerate(seconds)]
    assert pages_of_now(list(reversed(rows)), size) == IDS[: len(rows)]


def test_a_record_that_is_resolved_again_meanwhile_is_read_at_its_new_place() -> None:
    rows = [record(number, number) for number in range(4)]
    first = servicenow.after(rows[1], NOW)
    rows[0] = record(0, 50)
    rest = servicenow.query(servicenow.start(SINCE, first.cursor()), NOW)
    kept = [row["sys_id"] for row in rows if all(any(term.holds(row) for term in group) for group in rest.conditions)]
    assert kept == [IDS[0], IDS[2], IDS[3]]


@pytest.mark.parametrize(
    "cursor",
    ["", "2026-11-21 10:00:00", f"2026-11-21|{IDS[1]}", f"2026-11-21 10:00:00|{IDS[10].upper()}", f"x|{IDS[1]}"],
)
def test_a_foreign_cursor_of_servicenow_is_refused(cursor: str) -> None:
    with pytest.raises(DeskValidationError):
        servicenow.start(SINCE, cursor)
