"""Real Table API records of a demo instance, where present: the simulator gives them back in the same shape."""

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.servicenow import API_KEY, RunningDesk, new_simulator

from deskhand.simulators.base import run_in_process
from deskhand.simulators.servicenow import schema
from deskhand.simulators.testing import TEST_HTTP

_HERE = Path(__file__).resolve().parents[2]
FILE = Path(
    os.environ.get("DESKHAND_SERVICENOW_RECORDS", _HERE.parent / "shared" / "data" / "servicenow_incidents.json")
)
if not FILE.is_file():
    pytest.skip("the real ServiceNow records are not on this machine", allow_module_level=True)
RECORDS: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))


@pytest.fixture(scope="module")
async def desk() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator()
    simulator.seed(RECORDS)
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


async def fetch(desk: RunningDesk, mode: str, links: bool = True) -> dict[str, dict[str, Any]]:
    params = {"sysparm_display_value": mode, "sysparm_exclude_reference_link": str(not links).lower()}
    async with TEST_HTTP.client(desk.server.url) as client:
        answer = await client.get("/api/now/table/incident", params=params, auth=("deskhand", API_KEY))
    assert answer.headers["x-total-count"] == str(len(RECORDS))
    return (
        {row["sys_id"]: row for row in answer.json()["result"]}
        if mode != "all"
        else {row["sys_id"]["value"]: row for row in answer.json()["result"]}
    )


def shown(cell: object) -> str:
    return str(cell["display_value"]) if isinstance(cell, dict) else str(cell or "")


JOURNALS = {"comments", "work_notes", "comments_and_work_notes"}  # the file has none of their text


async def test_every_column_comes_back_as_it_was(desk: RunningDesk) -> None:
    rows = await fetch(desk, "true")
    assert {name for record in RECORDS for name in record} == set(schema.COLUMNS)
    for record in RECORDS:
        row = rows[record["sys_id"]]
        assert set(row) == set(record)
        for name in set(record) - JOURNALS:
            assert shown(row[name]) == shown(record[name]), (record["number"], name)
            assert isinstance(row[name], str | dict)


async def test_references_have_the_shape_of_the_real_ones(desk: RunningDesk) -> None:
    with_links, without = await fetch(desk, "true"), await fetch(desk, "true", links=False)
    seen = 0
    for record in RECORDS:
        for name, cell in record.items():
            if not isinstance(cell, dict) or name in JOURNALS:
                continue
            seen += 1
            ours = with_links[record["sys_id"]][name]
            assert set(ours) == set(cell) == {"display_value", "link"}
            assert ours["link"].split("/api/")[1] == cell["link"].split("/api/")[1]
            assert without[record["sys_id"]][name] == cell["display_value"]
    assert seen > 60


async def test_stored_values_are_text(desk: RunningDesk) -> None:
    rows, pairs = await fetch(desk, "false"), await fetch(desk, "all")
    for record in RECORDS:
        row, both = rows[record["sys_id"]], pairs[record["sys_id"]]
        for name, cell in row.items():
            value = cell["value"] if isinstance(cell, dict) else cell
            assert isinstance(value, str)
            assert both[name]["value"] == value
        assert row["state"].lstrip("-").isdigit()
        assert row["priority"] == record["priority"][0]
        assert row["caller_id"] == "" or row["caller_id"]["link"].endswith(f"/sys_user/{row['caller_id']['value']}")


def test_the_real_priorities_follow_the_stock_matrix(desk: RunningDesk) -> None:
    matrix = desk.config().servicenow_priority_matrix
    for record in RECORDS:
        assert matrix[f"{record['impact'][0]},{record['urgency'][0]}"] == record["priority"][0]


async def test_the_plugin_reads_all_of_them(desk: RunningDesk) -> None:
    async with desk.plugin() as plugin:
        for record in RECORDS:
            ticket = await plugin.get_ticket(record["sys_id"])
            assert (ticket.display_id, ticket.subject) == (record["number"], record["short_description"])
            assert ticket.description == record["description"].replace("\r\n", "\n").strip()
            assert ticket.status == record["state"]
            assert ticket.is_closed is (record["state"] == "Closed")
            assert (ticket.assignee.name if ticket.assignee else "") == shown(record["assigned_to"])
            assert (ticket.group or "") == record["assignment_group"]
            assert ticket.priority is not None
            assert ticket.revision == record["sys_mod_count"]
        found, cursor = [], None
        while cursor is not None or not found:
            page = await plugin.list_history(datetime(2000, 1, 1, tzinfo=UTC), cursor=cursor, page_size=5)
            found += page.tickets
            cursor = page.next_cursor
    closed = [record for record in RECORDS if record["resolved_at"] and record["state"] in {"Resolved", "Closed"}]
    assert {ticket.id for ticket in found} == {record["sys_id"] for record in closed}
    assert all(ticket.resolution for ticket in found)
    assert [ticket.resolved_at for ticket in found] == sorted(
        ticket.resolved_at for ticket in found if ticket.resolved_at
    )
