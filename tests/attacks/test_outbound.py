"""Every way to make Deskhand call an address that is not for a tenant to call, at every place that takes an address.

The network itself is watched: whatever is connected to, by HTTP or by mail, is written down before it is connected.
Addresses that no tenant sets (the model gateway, the model's file) are the operator's, and are not judged; the address
of an article is shown and never called.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpcore2
import httpx2
import pytest
from pydantic import BaseModel, ValidationError
from tests.support.hostile_desk import CONNECTIONS, serving

from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.mail import Mailer, SmtpServer
from deskhand.plugins.contract import DeskContext
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.destinations import _is_address
from deskhand.tenants.mail import MailSettings
from deskhand.tenants.schemas import TenantConfigCreate

INSIDE = (
    # One loopback, spelt as resolvers and parsers of URLs have been fooled.
    "127.0.0.1", "127.1", "127.0.1", "127.127.127.127", "2130706433", "0x7f000001", "0x7f.0x0.0x0.0x1", "0177.0.0.1",
    "017700000001", "0x7f.1", "00000177.0.0.1", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "127.0.0.1.",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]",
    "[fec0::1]", "[ff02::1]", "[2606:4700::5efe:127.0.0.1]",
    # Private networks, metadata services of clouds, and what is nobody's.
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "2852039166", "0xa9fea9fe",
    "169.254.170.2", "100.100.100.200", "192.0.0.192", "198.18.0.1", "240.0.0.1", "255.255.255.255", "224.0.0.1",
    # Names whose letters become others, and names that lead inside.
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "l\u24decalhost",
    "inside.test", "both.test", "mapped.test", "rebind.test", "xn--inside.test", "inside.test.",
)  # fmt: skip
OUTSIDE = "1.1.1.1"
NAMES = {
    "inside.test": ["127.0.0.1"],
    "xn--inside.test": ["10.0.0.1"],
    "both.test": ["1.1.1.1", "127.0.0.1"],  # one that is outside does not let the other one in
    "mapped.test": ["::ffff:169.254.169.254"],
}
AROUND = (
    "http://1.1.1.1@{}/",
    "http://{}#1.1.1.1/",
    "http://{}?x=1.1.1.1",
    "http://{}\\@1.1.1.1/",
    "http://a:b@{}:80/",
)


class Network:
    """What was connected to, and what names lead to; nothing leaves this machine."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.asked: list[str] = []

    def lookup(self, host: str | bytes | None, *args: Any, **kwargs: Any) -> Any:
        name = (host.decode() if isinstance(host, bytes) else host or "").rstrip(".")
        if name == "rebind.test":
            # The second answer is another one: what is judged must be what is connected to.
            self.asked.append(name)
            addresses = ["1.1.1.1"] if len(self.asked) == 1 else ["127.0.0.1"]
        elif name in NAMES:
            addresses = NAMES[name]
        elif name.endswith((".com", ".net", ".eu")):
            addresses = [OUTSIDE]  # a vendor's own host, beside the one that is attacked
        else:
            return self.real(host, *args, **kwargs)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0))
            for one in addresses
        ]

    real = staticmethod(socket.getaddrinfo)

    def inside(self) -> list[str]:
        """What was connected to and should not have been: all but the one address that is outside here.

        Told without the product's own idea of what is inside, which is what is under attack.
        """
        return [host for host in self.reached if host != OUTSIDE]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    watched = Network()

    async def connect(_self: object, host: str, port: int, *_args: Any, **_kwargs: Any) -> Any:
        watched.reached.append(host)
        raise httpcore2.ConnectError(f"{host}:{port} is watched")

    def connect_mail(address: tuple[str, int], *_args: Any) -> Any:
        watched.reached.append(address[0])
        raise ConnectionRefusedError("watched")

    monkeypatch.setattr(socket, "getaddrinfo", watched.lookup)
    monkeypatch.setattr(socket, "create_connection", connect_mail)
    for backend in (httpcore2.AnyIOBackend, httpcore2._backends.auto.AutoBackend):
        monkeypatch.setattr(backend, "connect_tcp", connect)
    return watched


def addresses_of(tool: str) -> list[str]:
    """Settings of a desk that hold an address, from its own model."""
    model: type[BaseModel] = PluginManager.installed().get_plugin(tool).config_model
    return [name for name in model.model_fields if _is_address(name, "")]


DOORS = [(tool, field) for tool in sorted(CONNECTIONS) for field in addresses_of(tool)]


def test_every_desk_has_its_doors_on_the_list() -> None:
    assert set(PluginManager.installed().tool_types) == set(CONNECTIONS)
    assert len(DOORS) >= 6
    assert len(INSIDE) >= 60


async def try_desk(tool: str, field: str, address: str) -> None:
    """Connect to a desk as a run does, and ask it for everything that may make it call."""
    plugin = PluginManager.installed().get_plugin(tool)
    values = {name: "https://1.1.1.1" if value == "@" else value for name, value in CONNECTIONS[tool].items()}
    host = address.split("://", 1)[1].rstrip("/")
    values[field] = address if field.endswith("url") else host
    try:
        config = plugin.config_model.model_validate(values)
        desk = plugin(config, DeskContext(http=HttpClientFactory(connect_timeout=0.2)))
    except (ValueError, DeskhandError):
        return  # refused as it was set
    try:
        await desk.test_connection()
    except (DeskhandError, ValueError, httpcore2.ConnectError):
        pass  # what counts is what was connected to
    finally:
        await desk.aclose()


@pytest.mark.parametrize(("tool", "field"), DOORS, ids=[f"{tool}.{field}" for tool, field in DOORS])
async def test_no_setting_of_a_desk_leads_inside(network: Network, tool: str, field: str) -> None:
    for host in INSIDE:
        network.asked.clear()
        await try_desk(tool, field, f"http://{host}:9/")
    for around in AROUND:
        await try_desk(tool, field, around.format("127.0.0.1"))
    assert network.inside() == []


@pytest.mark.parametrize(
    "address", ["http://0177.0.0.1", "http://127.0.0.1.", "http://[::1", "http://\u2460.\u24ea", "http://a\x00b"]
)
def test_an_address_that_two_readers_read_differently_is_refused_where_it_is_set(address: str) -> None:
    """And by the client too, in words: a connection from before the rule must not end in a failure of ours."""
    fields = {"tenant_id": "acme", "name": "Acme", "tool_type": "servicedesk_plus", "servicedesk_api_key": "k" * 20}
    try:
        httpx2.URL(address)
    except httpx2.InvalidURL:
        with pytest.raises(ValidationError, match=r"must be a web address|must not contain NUL"):
            TenantConfigCreate.model_validate({**fields, "servicedesk_url": address})
        with pytest.raises(InvalidInputError, match="no web address"):
            HttpClientFactory().client(address)


@pytest.mark.parametrize("kind", ["client", "download"])
async def test_no_spelling_gets_past_the_one_door(network: Network, kind: str) -> None:
    factory = HttpClientFactory(connect_timeout=0.2)
    refused = 0
    async with factory.client(unbounded=kind == "download") as client:
        for host in INSIDE:
            network.asked.clear()
            for address in (f"http://{host}:9/", f"https://{host}/", *(one.format(host) for one in AROUND)):
                try:
                    await client.get(address)
                except (
                    DeskhandError,
                    ValueError,
                    OSError,
                    httpcore2.ConnectError,
                    httpx2.HTTPError,
                    httpx2.InvalidURL,
                ):
                    refused += 1
    assert network.inside() == []
    assert refused == len(INSIDE) * (2 + len(AROUND))


async def test_mail_goes_to_no_server_inside(network: Network) -> None:
    for host in (one.strip("[]") for one in INSIDE):
        network.asked.clear()
        try:
            settings = MailSettings(host=host, sender="a@example.com", allowed_recipients=["example.com"])
            mailer = Mailer(server=SmtpServer(host=settings.host, port=25))
            await mailer._connected()
        except (DeskhandError, ValueError, OSError):
            continue
    assert network.inside() == []


async def test_a_name_is_asked_once_and_its_answer_is_where_the_connection_goes(network: Network) -> None:
    async with HttpClientFactory(connect_timeout=0.2).client() as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("http://rebind.test:9/")
    assert (network.asked, network.reached) == (["rebind.test"], ["1.1.1.1"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_takes_no_key_along(status: int) -> None:
    heard: list[dict[str, str]] = []

    def listen(handler: Any, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        heard.append(dict(handler.headers))
        return 200, {}, b"{}"

    with serving(listen) as inside, serving(lambda *_: (status, {"Location": f"{inside}/secret"}, b"")) as desk:
        for tool in CONNECTIONS:
            plugin = PluginManager.installed().get_plugin(tool)
            values = {name: desk if value == "@" else value for name, value in CONNECTIONS[tool].items()}
            connected = plugin(
                plugin.config_model.model_validate(values), DeskContext(http=HttpClientFactory(allow_private=True))
            )
            async with asyncio.timeout(30):
                try:
                    await connected.test_connection()
                except DeskhandError:
                    pass
                finally:
                    await connected.aclose()
    assert heard == []
