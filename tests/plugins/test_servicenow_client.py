"""An independent client (PyPI: pysnc, MIT, ServiceNow's own), which insists on https, accepts the simulator."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.plugins.servicenow import API_KEY, new_simulator

from deskhand.simulators.servicenow.simulator import ServiceNowSimulator

pysnc = pytest.importorskip("pysnc", reason="the independent client pysnc is not installed")

T = TypeVar("T")


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals belong to pytest


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, made for this run."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "cert.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
async def instance(certificate: Path) -> AsyncIterator[tuple[ServiceNowSimulator, str]]:
    simulator = new_simulator()
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(simulator.build(), ssl_certfile=certificate, log_level="critical", access_log=False)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done(), "the server ended before it accepted connections"
        await asyncio.sleep(0.005)  # uvicorn offers no event to wait for
    yield simulator, f"https://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task


async def use(url: str, certificate: Path, work: Callable[[Any], T], auth: Any = ("deskhand", API_KEY)) -> T:
    """The client is synchronous: it works in a thread while this loop serves it."""

    def run() -> T:
        client = pysnc.ServiceNowClient(url, auth, verify=str(certificate), auto_retry=False)
        client.session.trust_env = False  # a CA bundle named in the environment would replace ours
        try:
            return work(client)
        finally:
            client.session.close()

    return await asyncio.to_thread(run)


async def test_records_are_listed_with_pairs_and_paged(
    instance: tuple[ServiceNowSimulator, str], certificate: Path
) -> None:
    simulator, url = instance
    requester = simulator.store.person("alice@corp.test")
    for number in range(7):
        simulator.file_ticket(subject=f"Printer {number}", requester=requester, priority="2 - High")
    simulator.file_ticket(subject="Mail", requester=requester)

    def work(client: Any) -> list[tuple[str, ...]]:
        record = client.GlideRecord("incident", batch_size=3)
        record.add_query("short_description", "STARTSWITH", "Printer")
        record.order_by_desc("number")
        record.query()
        assert len(record) == 7
        return [
            (r.get_value("short_description"), r.get_value("priority"), r.get_display_value("priority"),
             r.get_display_value("caller_id"), r.get_value("sys_mod_count"))
            for r in record
        ]  # fmt: skip

    rows = await use(url, certificate, work)
    assert rows == [(f"Printer {number}", "2", "2 - High", "Alice", "0") for number in reversed(range(7))]


async def test_a_record_is_created_changed_and_read(
    instance: tuple[ServiceNowSimulator, str], certificate: Path
) -> None:
    simulator, url = instance
    ines = simulator.store.person("ines@desk.test", is_agent=True)

    def work(client: Any) -> tuple[str, Any]:
        record = client.GlideRecord("incident")
        record.initialize()
        record.short_description = "VPN drops"
        record.impact = "1"
        record.urgency = "2"
        sys_id = str(record.insert())
        again = client.GlideRecord("incident")
        assert again.get(sys_id)
        assert (again.get_value("priority"), again.get_display_value("state")) == ("2", "New")
        again.state = "2"
        again.assigned_to = simulator.tables.person_id(ines)
        again.work_notes = "looked at it"
        assert again.update()
        assert again.get_display_value("assigned_to") == "Ines"
        assert not client.GlideRecord("incident").get("0" * 32)
        by_number = client.GlideRecord("incident")
        assert by_number.get("number", again.get_value("number"))
        return sys_id, by_number.serialize(display_value="both")

    sys_id, both = await use(url, certificate, work)
    ticket = simulator.store.tickets[sys_id]
    assert (ticket.subject, ticket.status, ticket.priority, ticket.revision) == (
        "VPN drops",
        "In Progress",
        "2 - High",
        1,
    )
    assert [(note.body, note.public) for note in ticket.notes] == [("looked at it", False)]
    assert both["state"] == {"value": "2", "display_value": "In Progress"}


async def test_refusals_are_the_client_s_own_errors(
    instance: tuple[ServiceNowSimulator, str], certificate: Path
) -> None:
    simulator, url = instance
    ticket = simulator.file_ticket(subject="x", requester=simulator.store.person("alice@corp.test"))

    def resolve_without_notes(client: Any) -> None:
        record = client.GlideRecord("incident")
        assert record.get(ticket.id)
        record.state = "6"
        with pytest.raises(pysnc.exceptions.RoleException, match="Data Policy"):
            record.update()

    def query(client: Any) -> None:
        client.GlideRecord("incident").query()

    await use(url, certificate, resolve_without_notes)
    assert ticket.status == "New"
    with pytest.raises(pysnc.exceptions.AuthenticationException, match="User Not Authenticated"):
        await use(url, certificate, query, auth=("deskhand", "wrong"))
    simulator.access.limit_rate(0)
    with pytest.raises(pysnc.exceptions.RequestException, match="Rate limit exceeded"):
        await use(url, certificate, query)
