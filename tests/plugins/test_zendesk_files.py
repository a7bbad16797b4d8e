"""Files of Zendesk tickets: whom we sign in to, what is given out, and what the simulated account answers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from tests.plugins.zendesk import API_KEY, new_simulator
from tests.support.in_process import InProcess

from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile, DeskContext
from deskhand.plugins.errors import (
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskValidationError,
)
from deskhand.plugins.zendesk import ZendeskPlugin, mapping
from deskhand.plugins.zendesk.client import ZendeskClient
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.files import ZendeskFiles
from deskhand.simulators.base import OutboundEvent
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.zendesk.simulator import ZendeskSimulator

URL = "https://acme.zendesk.com"
STORE = "https://p18.zdusercontent.test/attachment/10203/abc?token=eyJhbGciOiJkaXIi"
LOG = SimFile("70123", "client log.txt", b"0x80070035", "text/plain")
FILE = AttachedFile(id="70123", name="client log.txt")
Answer = Callable[[httpx2.Request], httpx2.Response]


def config_of(url: str) -> ZendeskConfig:
    return ZendeskConfig.model_validate(
        {
            "zendesk_subdomain": "acme",
            "zendesk_url": url,
            "zendesk_auth": "api_token",
            "zendesk_api_token": API_KEY,
            "zendesk_email": "deskhand@desk.test",
        }
    )


def plugin_of(transport: httpx2.AsyncBaseTransport) -> ZendeskPlugin:
    """Its connection needs no closing: nothing of it is a socket."""
    return ZendeskPlugin(config_of(URL), DeskContext(http=InProcess(transport=transport)))


class World:
    """The account and all other hosts, as a function; keeps who asked what with which credentials.

    Args:
        content_url: Where the account says that the file is.
        answers: What each address answers with, a redirect as text.
        **attachment: Further parts of the attachment.
    """

    def __init__(self, content_url: Any, answers: dict[str, str | httpx2.Response], **attachment: Any) -> None:
        self._shown = {"id": 70123, "file_name": "client log.txt", "content_url": content_url, **attachment}
        self._answers = answers
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((str(request.url), "authorization" in request.headers))
        if request.url.path == "/api/v2/attachments/70123":
            return httpx2.Response(200, json={"attachment": self._shown})
        answer = self._answers[str(request.url)]
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(302, headers={"Location": answer})

    async def read(self, file: AttachedFile = FILE, *, url: str = URL, guarded: bool = False) -> bytes:
        http, config = InProcess(transport=httpx2.MockTransport(self), guarded=guarded), config_of(url)
        return await ZendeskFiles(ZendeskClient(config, http), config.base_url, http).read(file)


def sent(content: bytes = LOG.content) -> httpx2.Response:
    return httpx2.Response(200, content=content)


CONTENT = f"{URL}/attachments/token/abc/?name=client+log.txt"


# -- whom we sign in to ----------------------------------------------------------------------------


async def test_a_redirect_is_followed_without_our_credentials() -> None:
    world = World(CONTENT, {CONTENT: STORE, STORE: sent()}, size=10)
    assert await world.read() == LOG.content
    assert world.asked == [(f"{URL}/api/v2/attachments/70123", True), (CONTENT, True), (STORE, False)]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://files.example.test/log.txt",
        "https://acme.zendesk.com.example.test/log.txt",
        "https://acme.zendesk.com:8443/log.txt",
        "https://other.zendesk.com/log.txt",
        "https://files.example.test/@acme.zendesk.com/log.txt",
    ],
)
async def test_another_origin_is_never_signed_in_to(elsewhere: str) -> None:
    world = World(elsewhere, {elsewhere: sent()})
    assert await world.read() == LOG.content
    assert world.asked[1:] == [(elsewhere, False)]


async def test_the_account_itself_is_no_exception_behind_a_redirect() -> None:
    back = f"{URL}/api/v2/users/me.json"
    world = World(CONTENT, {CONTENT: STORE, STORE: back, back: sent(b"{}")})
    assert await world.read() == b"{}"
    assert [signed for _, signed in world.asked] == [True, True, False, False]


async def test_a_relative_redirect_stays_where_it_came_from() -> None:
    world = World(CONTENT, {CONTENT: STORE, STORE: "/moved/x", "https://p18.zdusercontent.test/moved/x": sent()})
    assert await world.read() == LOG.content


@pytest.mark.parametrize("hops", [3, 4])
async def test_redirects_end(hops: int) -> None:
    places = [CONTENT, *(f"https://store.test/{number}" for number in range(hops))]
    answers: dict[str, str | httpx2.Response] = {**dict(pairwise(places)), places[-1]: sent()}
    world = World(CONTENT, answers)
    if hops == 3:
        assert await world.read() == LOG.content
    else:
        with pytest.raises(DeskProtocolError, match="answered 302 instead of a file"):
            await world.read()
    assert len(world.asked) == 2 + 3


BAD_PLACES: list[Any] = [
    *("http://acme.zendesk.com/attachments/1", "http://store.test/1", "ftp://store.test/1", "file:///etc/passwd"),
    *("https://user:word@store.test/1", "https://acme.zendesk.com\\@store.test/", "javascript:alert(1)"),
    *("https://store.test:99999/", "https://store.test:port/", "https://a..b:x/"),
]


@pytest.mark.parametrize("place", [*BAD_PLACES, None, 7, ["https://store.test"], {}])
async def test_an_address_that_is_none_is_not_called(place: Any) -> None:
    world = World(place, {})
    with pytest.raises(DeskProtocolError, match="names no address") as caught:
        await world.read()
    assert len(world.asked) == 1
    assert str(place) not in caught.value.detail


@pytest.mark.parametrize("place", BAD_PLACES)
async def test_a_redirect_to_what_is_no_address_is_not_followed(place: str) -> None:
    world = World(CONTENT, {CONTENT: place})
    with pytest.raises(DeskProtocolError, match="names no address"):
        await world.read()
    assert len(world.asked) == 2


async def test_a_connection_without_tls_reads_without_tls() -> None:
    desk, store = "http://127.0.0.1:8080", "http://127.0.0.1:9090/media/1"
    content = f"{desk}/attachments/token/abc/"
    world = World(content, {content: store, store: sent()})
    assert await world.read(url=desk) == LOG.content
    assert [signed for _, signed in world.asked] == [True, True, False]


@pytest.mark.parametrize("inside", ["https://127.0.0.1:1/x", "https://[::1]:1/x", "https://169.254.169.254/latest"])
async def test_an_address_of_our_own_network_is_refused_by_the_guard(inside: str) -> None:
    world = World(CONTENT, {CONTENT: inside})
    with pytest.raises(DeskValidationError, match="inside this network"):
        await world.read(guarded=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, DeskValidationError),
        (401, DeskPermissionError),
        (403, DeskPermissionError),
        (404, DeskNotFoundError),
        (410, DeskNotFoundError),
        (429, DeskRateLimitedError),
        (503, DeskUnavailableError),
        (204, DeskProtocolError),
        (304, DeskProtocolError),
    ],
)
async def test_what_the_store_says_is_an_error_without_its_address(status: int, kind: type[DeskError]) -> None:
    refused = httpx2.Response(status, text=f"{STORE} is denied", headers={"Retry-After": "7"})
    with pytest.raises(DeskError) as caught:
        await World(CONTENT, {CONTENT: STORE, STORE: refused}).read()
    assert type(caught.value) is kind
    assert str(status) in caught.value.detail
    assert "zdusercontent" not in caught.value.detail
    assert caught.value.retry_after == (7.0 if status >= 400 else None)


async def test_a_refusal_of_the_account_has_its_words() -> None:
    refused = httpx2.Response(403, json={"error": "Forbidden", "description": "You do not have access to this page."})
    with pytest.raises(DeskPermissionError, match="You do not have access to this page"):
        await World(CONTENT, {CONTENT: refused}).read()


# -- what is given out -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        ({"deleted": True}, DeskNotFoundError),
        ({"malware_scan_result": "malware_found"}, DeskNotFoundError),
        ({"file_name": None}, DeskNotFoundError),
        ({"size": MAX_FILE_BYTES + 1}, DeskValidationError),
    ],
)
async def test_what_was_found_out_since_then_counts(now: dict[str, Any], kind: type[DeskError]) -> None:
    world = World(CONTENT, {}, **now)
    with pytest.raises(kind):
        await world.read()
    assert len(world.asked) == 1


async def test_what_has_another_length_is_not_the_file() -> None:
    page = sent(b"<html>Sign in</html>")
    with pytest.raises(DeskProtocolError, match=r"sent 20 bytes for 'client log\.txt', which has 10"):
        await World(CONTENT, {CONTENT: STORE, STORE: page}, size=10).read()


async def test_what_is_longer_than_it_said_is_refused() -> None:
    with pytest.raises(DeskValidationError, match="up to 10 MiB"):
        await World(CONTENT, {CONTENT: sent(bytes(MAX_FILE_BYTES + 1))}).read()


@pytest.mark.parametrize("body", [{}, {"attachment": None}, {"attachment": [1]}])
async def test_an_answer_without_an_attachment_is_none(body: dict[str, Any]) -> None:
    plugin = plugin_of(httpx2.MockTransport(lambda _: httpx2.Response(200, json=body)))
    with pytest.raises(DeskProtocolError, match="without an attachment"):
        await plugin.read_file("1", FILE)


def test_files_are_as_private_as_their_comments() -> None:
    def row(ident: object, **more: Any) -> dict[str, Any]:
        return {"id": ident, "file_name": f"{ident}.txt", "size": 3, **more}

    odd: list[Any] = [None, "x", 5, [], {"id": 9}, {"file_name": "no id.txt"}, {"id": [], "file_name": "x"}]
    comments = [
        {"public": True, "attachments": [row(1), row(2, deleted=True), row(3, malware_scan_result="malware_found")]},
        {"public": False, "attachments": [*odd, row(4, malware_scan_result="not_scanned"), row(5, deleted=False)]},
        {"attachments": [row(6)]},
        {"public": "yes", "attachments": [row(7)]},
        *({"public": True, "attachments": value} for value in (None, "x", {"id": 1, "file_name": "a"}, 5)),
        {"public": True},
    ]
    files = mapping.files_of(comments)
    assert [(file.id, file.public) for file in files] == [
        *(("1", True), ("4", False), ("5", False)),
        *(("6", None), ("7", None)),
    ]
    assert {file.size for file in files} == {3}


# -- the simulated account -------------------------------------------------------------------------


@pytest.fixture
def account() -> ZendeskSimulator:
    return new_simulator()


def on(account: ZendeskSimulator) -> ZendeskPlugin:
    return plugin_of(httpx2.ASGITransport(account.build()))


async def test_files_of_an_internal_comment_are_internal(account: ZendeskSimulator) -> None:
    account.store.bot.email = "deskhand@desk.test"
    ines = account.store.person("ines@desk.test", is_agent=True)
    ticket = account.file_ticket(subject="VPN", requester=account.store.person("ada@corp.test"), attachments=[LOG])
    for ident, public in (("70124", False), ("70125", True)):
        file = replace(LOG, id=ident, name=f"{ident}.txt")
        account.write_note(ticket, "<p>See.</p>", public=public, author=ines, files=[file])
    account.files.infected.add("70125")
    plugin = on(account)
    shown = await plugin.get_ticket(ticket.id)
    assert [(file.name, file.size, file.public) for file in shown.files] == [
        ("client log.txt", 10, True),
        ("70124.txt", 10, False),
    ]
    assert shown.attachments == ("client log.txt", "70124.txt", "70125.txt")
    assert [await plugin.read_file(ticket.id, file) for file in shown.files] == [LOG.content] * 2
    account.files.deleted.add("70124")
    assert [file.id for file in (await plugin.get_ticket(ticket.id)).files] == ["70123"]
    with pytest.raises(DeskNotFoundError, match="does not give out"):
        await plugin.read_file(ticket.id, shown.files[1])


async def test_the_account_sends_whom_it_lets_in_to_its_store(account: ZendeskSimulator) -> None:
    account.file_ticket(subject="VPN", requester=account.store.person("ada@corp.test"), attachments=[LOG])
    auth = (f"{account.store.bot.email}/token", API_KEY)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(account.build()), base_url=URL) as client:
        shown = (await client.get("/api/v2/attachments/70123.json", auth=auth)).json()["attachment"]
        assert (shown["content_type"], shown["malware_scan_result"]) == ("text/plain", "malware_not_found")
        assert (await client.get(shown["content_url"])).status_code == 401
        sent_on = await client.get(shown["content_url"], auth=auth)
        assert (sent_on.status_code, sent_on.headers["x-rate-limit"]) == (302, "700")
        place = sent_on.headers["location"]
        assert (await client.get(place)).content == LOG.content
        assert (await client.get(place, auth=auth)).status_code == 400
        account.files.infected.add("70123")
        assert (await client.get(shown["content_url"], auth=auth)).status_code == 403
        for unknown in ("/api/v2/attachments/1", "/attachments/token/guessed/"):
            assert (await client.get(unknown, auth=auth)).status_code == 404


async def test_who_hears_of_a_note_finds_its_files(account: ZendeskSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = account.file_ticket(subject="VPN", requester=account.store.person("ada@corp.test"))
    found: list[list[str]] = []
    hear: Callable[[OutboundEvent], None] = lambda _: found.append([file.name for file in ticket.attachments])  # noqa: E731
    monkeypatch.setattr(account.sender, "emit", hear)
    for scheme in ("", "events"):
        monkeypatch.setattr(account.sender, "target", account.sender.target.model_copy(update={"scheme": scheme}))
        account.write_note(ticket, "<p>See.</p>", public=False, author=account.store.bot, files=[LOG])
    assert found == [["client log.txt"], ["client log.txt"] * 2]


async def test_files_are_put_on_tickets_and_notes_from_outside(account: ZendeskSimulator) -> None:
    """By name alone, or with bytes; what is no base64 files nothing."""
    whole = {"name": "screen.png", "content": b64encode(b"\x89PNG").decode(), "content_type": "image/png"}
    body = {"subject": "VPN", "description": "It drops.", "requester": "ada@corp.test"}
    note = {"body": "See.", "author": "ines@desk.test", "public": False, "attachments": [whole]}
    app = account.build()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=URL) as client:
        wrong = await client.post("/_sim/tickets", json={**body, "attachments": [{**whole, "content": "a"}]})
        assert (wrong.status_code, account.store.tickets) == (422, {})
        filed = await client.post("/_sim/tickets", json={**body, "attachments": ["crash.log"]})
        ticket_id = filed.json()["id"]
        assert (await client.post(f"/_sim/tickets/{ticket_id}/notes", json=note)).is_success
    account.store.bot.email = "deskhand@desk.test"
    plugin = plugin_of(httpx2.ASGITransport(app))
    files = (await plugin.get_ticket(ticket_id)).files
    assert [(file.name, file.public, file.size) for file in files] == [("crash.log", True, 0), ("screen.png", False, 4)]
    assert [await plugin.read_file(ticket_id, file) for file in files] == [b"", b"\x89PNG"]
