"""Files on a ServiceNow record: named and given out to who may read them, and nothing of what hangs elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from tests.plugins.servicenow import API_KEY, RunningDesk, new_simulator

from deskhand.plugins import files
from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile, Ticket, TicketQuery
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskValidationError,
)
from deskhand.plugins.paging import Listing
from deskhand.plugins.servicenow.files import MOST, attachment_query, read_attached
from deskhand.simulators.base import Fault, run_in_process
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.testing import TEST_HTTP

LOG = b"2026-11-30 ERROR 0x80070035 \xff\x00 network path not found\n"
PICTURE = b"\x89PNG\r\n\x1a\n of the error"
MISSING = "0123456789abcdef" * 2
NO_RIGHT = ("attachments (our account may not read them)",)


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator()
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


@pytest.fixture
def desk(running: RunningDesk) -> RunningDesk:
    running.simulator.reset()
    return running


def new_file(desk: RunningDesk, name: str, content: bytes = b"x", content_type: str = "text/plain") -> SimFile:
    return SimFile(desk.simulator.new_file_id(), name, content, content_type)


def file_ticket(desk: RunningDesk, *files: SimFile) -> str:
    return desk.file_ticket(attachments=list(files))


def with_both(desk: RunningDesk) -> str:
    """A ticket with a log of its own and a picture that came with a note."""
    ticket_id = file_ticket(desk, new_file(desk, "vpn.log", LOG))
    picture = new_file(desk, "Fehler ü.png", PICTURE, "image/png")
    store = desk.simulator.store
    ticket, author = store.tickets[ticket_id], store.person("ines@desk.test", is_agent=True)
    desk.simulator.write_note(ticket, "See the picture", public=False, author=author, files=[picture])
    return ticket_id


async def read(desk: RunningDesk, ticket_id: str, **changes: Any) -> Ticket:
    async with desk.plugin(**changes) as plugin:
        return await plugin.get_ticket(ticket_id)


async def raw(desk: RunningDesk, path: str, **params: str) -> httpx2.Response:
    async with TEST_HTTP.client(desk.server.url) as client:
        return await client.get(f"/api/now/{path}", auth=("deskhand", API_KEY), params=params)


# -- what is given out -----------------------------------------------------------------------------


@pytest.mark.parametrize("sign_in", ["basic", "oauth"])
async def test_a_file_of_the_ticket_and_one_of_a_note_come_back_as_they_are(desk: RunningDesk, sign_in: str) -> None:
    ticket_id = with_both(desk)
    async with desk.plugin(servicenow_auth=sign_in) as plugin:
        ticket = await plugin.get_ticket(ticket_id)
        assert ticket.attachments == ("vpn.log", "Fehler ü.png")
        assert [(file.name, file.size, file.public) for file in ticket.files] == [
            ("vpn.log", len(LOG), None),
            ("Fehler ü.png", len(PICTURE), None),
        ]
        assert ticket.unread == ()
        desk.simulator.expire_tokens()  # a token that ends between two calls is renewed for a download, too
        assert [await plugin.read_file(ticket_id, file) for file in ticket.files] == [LOG, PICTURE]


async def test_the_files_of_a_ticket_without_any_and_of_its_neighbour(desk: RunningDesk) -> None:
    with_both(desk)
    ticket = await read(desk, desk.file_ticket())
    assert (ticket.attachments, ticket.files, ticket.unread) == ((), (), ())


async def test_a_whole_read_asks_once_more_and_no_other_read_does(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    await read(desk, ticket_id)
    assert [path.split("/")[3] for path in desk.paths()] == ["table", "table", "attachment"]
    async with desk.plugin() as plugin:
        assert (await plugin.get_ticket(ticket_id, with_notes=False)).files == ()
        assert (await plugin.search_tickets(TicketQuery(text="Printer"))).tickets[0].attachments == ()
        await plugin.list_notes(ticket_id)
        note = (await plugin.list_notes(ticket_id)).notes[0]
        await plugin.withdraw_note(ticket_id, note.id, reason="It was wrong.", mark="dh-" + "0" * 20)
    assert sum("attachment" in path for path in desk.paths()) == 1


async def test_more_files_than_are_asked_for_are_told(desk: RunningDesk) -> None:
    ticket_id = file_ticket(desk, *(new_file(desk, f"{number}.txt") for number in range(MOST + 1)))
    ticket = await read(desk, ticket_id)
    assert len(ticket.attachments) == len(ticket.files) == MOST
    assert ticket.unread == (f"the ticket's attachments beyond the first {MOST}",)


def test_files_hang_under_the_records_own_class() -> None:
    assert attachment_query(MISSING, "incident", "incident").encode() == (
        f"table_nameINincident,ZZ_YYincident^table_sys_id={MISSING}^ORDERBYsys_created_on"
    )
    assert (
        "table_nameINtask,incident,ZZ_YYtask,ZZ_YYincident^" in attachment_query(MISSING, "task", "incident").encode()
    )
    # What the instance sends as a class is text from outside, and could end the term.
    assert "^NQ" not in attachment_query(MISSING, "incident", "x^NQactive=true").encode()


# -- what is not -----------------------------------------------------------------------------------


async def test_the_files_of_others_are_passed_over(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with_both(desk)
    ticket_id = file_ticket(desk, new_file(desk, "mine.txt"))
    heedless = SimpleNamespace(apply=lambda rows, _query, **_how: rows)
    monkeypatch.setattr("deskhand.simulators.servicenow.attachments.query", heedless)
    assert (await raw(desk, "attachment")).headers["X-Total-Count"] == "3"
    ticket = await read(desk, ticket_id)
    assert (ticket.attachments, [file.name for file in ticket.files]) == (("mine.txt",), ["mine.txt"])


@pytest.mark.parametrize("status", [403, 404])
async def test_an_account_without_the_right_still_reads_the_ticket(desk: RunningDesk, status: int) -> None:
    ticket_id = with_both(desk)
    desk.simulator.faults.add(Fault(kind="status", status=status, path="/attachment"))
    ticket = await read(desk, ticket_id)
    desk.simulator.faults.clear()
    assert (ticket.attachments, ticket.files, ticket.unread) == ((), (), NO_RIGHT)
    assert [note.body for note in ticket.notes] == ["See the picture"]


async def test_a_table_that_is_closed_gives_out_nothing(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    file = (await read(desk, ticket_id)).files[0]
    desk.simulator.access.closed_tables.add("sys_attachment")
    assert (await read(desk, ticket_id)).unread == NO_RIGHT
    async with desk.plugin() as plugin:
        with pytest.raises(DeskPermissionError, match="Not Authorized"):
            await plugin.read_file(ticket_id, file)


@pytest.mark.parametrize(("status", "kind"), [(500, DeskUnavailableError), (429, DeskRateLimitedError)])
async def test_what_passes_is_tried_again_and_not_taken_for_a_ticket_without_files(
    desk: RunningDesk, status: int, kind: type[Exception]
) -> None:
    ticket_id = with_both(desk)
    desk.simulator.faults.add(Fault(kind="status", status=status, path="/attachment", count=1))
    with pytest.raises(kind):
        await read(desk, ticket_id)
    assert len((await read(desk, ticket_id)).files) == 2


@pytest.mark.parametrize("file_id", ["", "7", MISSING.upper(), f"{MISSING}/../../table/incident", MISSING])
async def test_a_file_that_is_not_there(desk: RunningDesk, file_id: str) -> None:
    ticket_id = with_both(desk)
    async with desk.plugin() as plugin:
        with pytest.raises(DeskNotFoundError):
            await plugin.read_file(ticket_id, AttachedFile(id=file_id, name="vpn.log"))
    # What is no id is not put into an address.
    assert len(desk.paths()) == (file_id == MISSING)


async def test_a_file_is_as_hidden_as_its_record(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    file = (await read(desk, ticket_id)).files[0]
    desk.simulator.access.hidden.add(ticket_id)
    async with desk.plugin() as plugin:
        with pytest.raises(DeskNotFoundError, match="ACL restricts"):
            await plugin.read_file(ticket_id, file)
    assert (await raw(desk, "attachment")).json()["result"] == []


async def test_a_page_is_not_taken_for_a_file_or_a_list_of_them(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    file = (await read(desk, ticket_id)).files[0]
    desk.simulator.faults.add(Fault(kind="garbage", path="/attachment"))
    async with desk.plugin() as plugin:
        for call in (plugin.read_file(ticket_id, file), plugin.get_ticket(ticket_id)):
            with pytest.raises(DeskProtocolError):
                await call


async def test_a_long_file_is_refused_in_words(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket_id = with_both(desk)
    log = (await read(desk, ticket_id)).files[0]
    asked = len(desk.paths())
    async with desk.plugin() as plugin:
        with pytest.raises(DeskValidationError, match=r"big\.log.* up to 10 MiB"):
            await plugin.read_file(ticket_id, AttachedFile(id=log.id, name="big.log", size=MAX_FILE_BYTES + 1))
        assert len(desk.paths()) == asked, "a file that is known to be too long is not asked for"
        monkeypatch.setattr(files, "MAX_FILE_BYTES", len(LOG))
        assert await plugin.read_file(ticket_id, log) == LOG
        monkeypatch.setattr(files, "MAX_FILE_BYTES", len(LOG) - 1)
        with pytest.raises(DeskValidationError, match=r"vpn\.log"):
            await plugin.read_file(ticket_id, AttachedFile(id=log.id, name="vpn.log"))


# -- odd rows --------------------------------------------------------------------------------------

ROW = {"sys_id": "a" * 32, "table_sys_id": MISSING, "file_name": "a.txt", "size_bytes": "7", "state": "available"}
WHOLE = AttachedFile(id="a" * 32, name="a.txt", size=7)


@pytest.mark.parametrize(
    ("changes", "names", "files"),
    [
        ({}, ("a.txt",), (WHOLE,)),
        ({"state": ""}, ("a.txt",), (WHOLE,)),
        ({"state": "available_conditionally"}, ("a.txt",), (WHOLE,)),
        ({"state": "pending"}, ("a.txt",), ()),
        ({"state": "not_available"}, ("a.txt",), ()),
        ({"sys_id": None}, ("a.txt",), ()),
        ({"sys_id": 7}, ("a.txt",), ()),
        ({"sys_id": "../incident"}, ("a.txt",), ()),
        ({"file_name": " "}, (), ()),
        ({"file_name": ["a.txt"]}, (), ()),
        ({"file_name": None}, (), ()),
        ({"table_sys_id": "b" * 32}, (), ()),
        ({"table_sys_id": {"value": MISSING}}, (), ()),
    ],
)
def test_odd_rows_count_as_not_there(changes: dict[str, Any], names: tuple[str, ...], files: tuple[Any, ...]) -> None:
    read_rows = read_attached(Listing([{**ROW, **changes}]), MISSING)
    assert (read_rows.names, read_rows.files, read_rows.unread) == (names, files, ())


@pytest.mark.parametrize(
    ("told", "size"), [("0", 0), (12, 12), ("", None), ("many", None), (None, None), ("-1", None), ([7], None)]
)
def test_a_size_is_told_in_digits_or_not_known(told: object, size: int | None) -> None:
    assert read_attached(Listing([{**ROW, "size_bytes": told}]), MISSING).files[0].size == size


# -- the simulated instance ------------------------------------------------------------------------


async def test_the_instance_tells_of_files_as_the_vendor_does(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    for prefix in ("attachment", "v1/attachment"):
        answer = await raw(desk, prefix, sysparm_query=f"table_sys_id={ticket_id}^ORDERBYDESCfile_name")
        log, picture = answer.json()["result"]
        assert (log["table_name"], picture["table_name"]) == ("incident", "ZZ_YYincident")
        assert (log["size_bytes"], log["sys_created_by"]) == (str(len(LOG)), "requester")
    assert (await raw(desk, "attachment", sysparm_query="table_name=incident")).headers["X-Total-Count"] == "1"
    assert 'rel="next"' in (await raw(desk, "attachment", sysparm_limit="1")).headers["Link"]
    download = await raw(desk, picture["download_link"].partition("/api/now/")[2])
    assert (download.content, download.headers["Content-Type"]) == (PICTURE, "image/png")


async def test_the_instance_asks_who_calls_and_counts_the_calls(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    file = (await read(desk, ticket_id)).files[0]
    async with desk.plugin(servicenow_api_key="wrong") as plugin:
        with pytest.raises(DeskAuthError):
            await plugin.read_file(ticket_id, file)
    desk.simulator.access.limit_rate(1)
    async with desk.plugin() as plugin:
        await plugin.read_file(ticket_id, file)
        with pytest.raises(DeskRateLimitedError, match="1 requests per hour"):
            await plugin.read_file(ticket_id, file)
