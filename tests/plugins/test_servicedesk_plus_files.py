"""Files of a ServiceDesk Plus request: given out by the address that the desk names today, on its own host alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.plugins.sdp import RunningDesk, running_desk

from deskhand.plugins import files
from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile, Ticket, TicketQuery
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskValidationError,
)
from deskhand.plugins.servicedesk_plus import mapping
from deskhand.plugins.servicedesk_plus.client import read_content
from deskhand.plugins.servicedesk_plus.config import Dialect, ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.files import download_url
from deskhand.simulators.base import Fault
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.servicedesk_plus import wire

LOG = b'{"error": "0x80070035"}\n'
PICTURE = b"\x89PNG\r\n\x1a\n of the error"


@pytest.fixture(scope="module")
async def on_premises() -> AsyncIterator[RunningDesk]:
    async with running_desk(Dialect.ON_PREMISES) as running:
        yield running


@pytest.fixture(scope="module")
async def cloud() -> AsyncIterator[RunningDesk]:
    async with running_desk(Dialect.CLOUD) as running:
        yield running


@pytest.fixture
def desk(on_premises: RunningDesk) -> RunningDesk:
    on_premises.simulator.reset()
    return on_premises


def file_ticket(desk: RunningDesk, *attached: SimFile) -> str:
    store = desk.simulator.store
    requester = store.person("requester@corp.test")
    return desk.simulator.file_ticket(subject="Printer jams", requester=requester, attachments=list(attached)).id


def with_both(desk: RunningDesk) -> str:
    """A request with a log of its own and a picture that came with a note."""
    ticket_id = file_ticket(desk, SimFile(desk.simulator.new_file_id(), "vpn.json", LOG, "application/json"))
    picture = SimFile(desk.simulator.new_file_id(), "Fehler ü.png", PICTURE, "image/png")
    store = desk.simulator.store
    author = store.person("ines@desk.test", is_agent=True)
    desk.simulator.write_note(store.tickets[ticket_id], "<p>See.</p>", public=False, author=author, files=[picture])
    return ticket_id


async def read(desk: RunningDesk, ticket_id: str) -> Ticket:
    async with desk.plugin() as plugin:
        return await plugin.get_ticket(ticket_id)


def downloads(desk: RunningDesk) -> int:
    return sum(call["path"].endswith("/download") for call in desk.simulator.calls)


# -- what is given out -----------------------------------------------------------------------------


async def test_a_file_of_the_request_and_one_of_a_note_come_back_as_they_are(
    on_premises: RunningDesk, cloud: RunningDesk
) -> None:
    for desk in (on_premises, cloud):
        desk.simulator.reset()
        ticket_id = with_both(desk)
        async with desk.plugin(servicedesk_portal="itdesk") as plugin:
            ticket = await plugin.get_ticket(ticket_id)
            assert ticket.attachments == ("vpn.json", "Fehler ü.png")
            assert [(file.name, file.size, file.public) for file in ticket.files] == [
                ("vpn.json", len(LOG), None),
                ("Fehler ü.png", len(PICTURE), None),
            ]
            desk.simulator.expire_tokens()
            assert [await plugin.read_file(ticket_id, file) for file in ticket.files] == [LOG, PICTURE]


async def test_reading_without_notes_shows_what_came_with_the_request(desk: RunningDesk) -> None:
    ticket_id = with_both(desk)
    async with desk.plugin() as plugin:
        ticket = await plugin.get_ticket(ticket_id, with_notes=False)
        assert ([file.name for file in ticket.files], ticket.attachments) == (["vpn.json"], ("vpn.json",))
        assert (await plugin.search_tickets(TicketQuery(text="Printer"))).tickets[0].files == ()
    assert downloads(desk) == 0


async def test_a_desk_that_names_no_address_is_asked_at_the_documented_one(
    desk: RunningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket_id = with_both(desk)
    shown = wire.files_json
    bare = [{**row, "content_url": None} for row in shown(desk.simulator.store.tickets[ticket_id])]
    monkeypatch.setattr(wire, "files_json", lambda _ticket, note_id="": [] if note_id else bare)
    async with desk.plugin() as plugin:
        ticket = await plugin.get_ticket(ticket_id)
        assert [await plugin.read_file(ticket_id, file) for file in ticket.files] == [LOG]


# -- to whom credentials go ------------------------------------------------------------------------

OWN = ServiceDeskPlusConfig(servicedesk_url="https://desk.example.com:8443", servicedesk_api_key="key")
DOCUMENTED = "https://desk.example.com:8443/api/v3/requests/17/attachments/5/download"


@pytest.mark.parametrize(
    ("told", "called"),
    [
        ("/api/v3/attachments/5", "https://desk.example.com:8443/api/v3/attachments/5"),
        ("app/itdesk/files/5?x=1", "https://desk.example.com:8443/app/itdesk/files/5?x=1"),
        ("https://DESK.example.com:8443/files/5", "https://desk.example.com:8443/files/5"),
        (" ", DOCUMENTED),
        (None, DOCUMENTED),
        (7, DOCUMENTED),
    ],
)
def test_an_address_is_read_from_the_connections_own(told: object, called: str) -> None:
    assert download_url({"id": "5", "name": "a.log", "content_url": told}, "17", OWN) == called


def test_ids_stay_within_their_part_of_the_address() -> None:
    assert download_url({"id": "../5?x", "name": "a"}, "1/7", OWN).endswith(
        "/requests/1%2F7/attachments/..%2F5%3Fx/download"
    )


@pytest.mark.parametrize(
    "told",
    [
        "https://evil.example.com/files/5",
        "https://desk.example.com/files/5",
        "http://desk.example.com:8443/files/5",
        "//evil.example.com:8443/files/5",
        "https://desk.example.com:8443@evil.example.com/files/5",
        "https://user:word@desk.example.com:8443/files/5",
        "https://desk.example.com.evil.example:8443/files/5",
        "ftp://desk.example.com:8443/files/5",
        "javascript:alert(1)",
        "https://desk.example.com:99999999/files/5",
        "https://[::1/files/5",
    ],
)
def test_an_address_elsewhere_is_refused(told: str) -> None:
    with pytest.raises(DeskProtocolError, match=r"a\.log"):
        download_url({"id": "5", "name": "a.log", "content_url": told}, "17", OWN)


async def test_a_foreign_host_is_not_called_at_all(
    desk: RunningDesk, cloud: RunningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket_id = with_both(desk)
    file = (await read(desk, ticket_id)).files[0]
    cloud.simulator.reset()
    foreign = [{"id": file.id, "name": file.name, "content_url": f"{cloud.server.url}/api/v3/attachments/5"}]
    monkeypatch.setattr(wire, "files_json", lambda _ticket, _note_id="": foreign)
    async with desk.plugin() as plugin:
        with pytest.raises(DeskProtocolError, match="only the connection's own address"):
            await plugin.read_file(ticket_id, file)
    assert (list(cloud.simulator.calls), downloads(desk)) == ([], 0)


# -- what is not given out -------------------------------------------------------------------------


@pytest.mark.parametrize("file_id", ["", "None", "4711", "/api/v3/requests", "https://evil.example.com/"])
async def test_a_file_that_the_request_does_not_show_is_not_asked_for(desk: RunningDesk, file_id: str) -> None:
    ticket_id = with_both(desk)
    async with desk.plugin() as plugin:
        with pytest.raises(DeskNotFoundError, match="no file"):
            await plugin.read_file(ticket_id, AttachedFile(id=file_id, name="vpn.json"))
    assert downloads(desk) == 0


async def test_a_file_of_another_request_is_not_given_out(desk: RunningDesk) -> None:
    file = (await read(desk, with_both(desk))).files[0]
    other = file_ticket(desk)
    async with desk.plugin() as plugin:
        with pytest.raises(DeskNotFoundError):
            await plugin.read_file(other, file)
        with pytest.raises(DeskNotFoundError, match="Invalid attachment id"):
            await plugin._client.download(f"{plugin.config.api_url}requests/{other}/attachments/{file.id}/download")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "status", "status": 403}, DeskPermissionError),
        ({"kind": "status", "status": 404}, DeskNotFoundError),
        ({"kind": "status", "status": 429}, DeskRateLimitedError),
        ({"kind": "garbage"}, DeskProtocolError),
    ],
)
async def test_what_a_download_is_refused_with(desk: RunningDesk, fault: dict[str, Any], kind: type[Exception]) -> None:
    ticket_id = with_both(desk)
    file = (await read(desk, ticket_id)).files[0]
    desk.simulator.faults.add(Fault(path="/download$", **fault))
    async with desk.plugin() as plugin:
        with pytest.raises(kind):
            await plugin.read_file(ticket_id, file)
    desk.simulator.faults.clear()
    async with desk.plugin(servicedesk_api_key="wrong") as plugin:
        with pytest.raises(DeskAuthError):
            await plugin._client.download(f"{plugin.config.api_url}requests/{ticket_id}/attachments/{file.id}/download")


async def test_a_long_file_is_refused_in_words(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket_id = with_both(desk)
    log = (await read(desk, ticket_id)).files[0]
    asked = len(desk.simulator.calls)
    async with desk.plugin() as plugin:
        with pytest.raises(DeskValidationError, match=r"big\.log.* up to 10 MiB"):
            await plugin.read_file(ticket_id, AttachedFile(id=log.id, name="big.log", size=MAX_FILE_BYTES + 1))
        assert len(desk.simulator.calls) == asked
        monkeypatch.setattr(files, "MAX_FILE_BYTES", len(LOG) - 1)
        with pytest.raises(DeskValidationError, match=r"vpn\.json"):
            await plugin.read_file(ticket_id, AttachedFile(id=log.id, name="vpn.json"))


@pytest.mark.parametrize(
    ("status", "content_type", "body", "kind"),
    [
        (200, "application/vnd.manageengine.sdp.v3+json", wire.failure(4002).body, DeskPermissionError),
        (200, "application/vnd.manageengine.sdp.v3+json", wire.answer({}).body, DeskProtocolError),
        (204, "", b"", DeskProtocolError),
        (302, "text/html", b"<html>Sign in</html>", DeskProtocolError),
        (500, "application/json", wire.failure(4007).body, DeskNotFoundError),
    ],
)
def test_an_envelope_is_no_file(status: int, content_type: str, body: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        read_content(httpx2.Response(status, headers={"content-type": content_type}, content=body))
    assert read_content(httpx2.Response(200, headers={"content-type": "application/json"}, content=LOG)) == LOG


# -- odd rows --------------------------------------------------------------------------------------

ROW = {"id": "5", "name": "a.log", "size": {"value": "7", "display_value": "0.01 KB"}}
WHOLE = AttachedFile(id="5", name="a.log", size=7)


def ticket_of(rows: object, *notes: dict[str, Any]) -> Ticket:
    raw = {"id": "17", "subject": "VPN", "attachments": rows}
    return mapping.read_ticket(raw, OWN, mapping.priority_map({}), notes=notes)


@pytest.mark.parametrize(
    ("changes", "names", "attached"),
    [
        ({}, ("a.log",), (WHOLE,)),
        ({"id": 5}, ("a.log",), (WHOLE,)),
        ({"id": None}, ("a.log",), ()),
        ({"id": True}, ("a.log",), ()),
        ({"id": ["5"]}, ("a.log",), ()),
        ({"name": None}, (), ()),
        ({"name": " "}, (), ()),
        ({"name": {"value": "a.log"}}, (), ()),
    ],
)
def test_odd_rows_count_as_not_there(
    changes: dict[str, Any], names: tuple[str, ...], attached: tuple[Any, ...]
) -> None:
    ticket = ticket_of([{**ROW, **changes}])
    assert (ticket.attachments, ticket.files) == (names, attached)


@pytest.mark.parametrize("rows", [None, {}, "a.log", 7, [None, "a.log", ["a.log"]]])
def test_what_is_no_list_of_files_has_none(rows: object) -> None:
    assert ticket_of(rows, {"id": "3", "attachments": rows}).files == ()


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ({"value": 12}, 12),
        ({"display_value": "12"}, 12),
        (12, 12),
        ("12", 12),
        ({"display_value": "12.00 KB"}, None),
        ("12 KB", None),
        ({"value": -1}, None),
        ({"value": [12]}, None),
        (True, None),
        (None, None),
    ],
)
def test_a_size_is_told_in_bytes_or_not_known(told: object, size: int | None) -> None:
    assert ticket_of([{**ROW, "size": told}]).files[0].size == size


def test_a_file_that_is_shown_twice_is_one() -> None:
    unnamed = {"name": "b.log"}
    ticket = ticket_of([ROW, unnamed], {"id": "3", "attachments": [ROW, {**ROW, "id": "6"}, unnamed]})
    assert [file.id for file in ticket.files] == ["5", "6"]
    assert ticket.attachments == ("a.log", "b.log", "a.log", "b.log")
