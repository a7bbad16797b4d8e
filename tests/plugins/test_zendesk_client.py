"""An independent client (PyPI: zenpy; GPL-3, so development only), written for real accounts, accepts the simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.tls import make_certificate, run_with_tls
from tests.plugins.zendesk import API_KEY, new_simulator

from deskhand.simulators.base import SimPerson
from deskhand.simulators.zendesk.simulator import ZendeskSimulator

zenpy = pytest.importorskip("zenpy", reason="the independent client zenpy is not installed")
objects = pytest.importorskip("zenpy.lib.api_objects")
exceptions = pytest.importorskip("zenpy.lib.exception")


@pytest.fixture
def simulator() -> ZendeskSimulator:
    return new_simulator()


@pytest.fixture
async def client(simulator: ZendeskSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    certificate, key = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    async with run_with_tls(simulator.build(), certificate, key) as port:
        email = simulator.store.bot.email
        client = zenpy.Zenpy(subdomain="127", domain=f"0.0.1:{port}", email=email, token=API_KEY, timeout=20)
        yield client
        await asyncio.to_thread(client.tickets.session.close)


async def run(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def test_who_am_i_with_both_credentials(simulator: ZendeskSimulator, client: Any) -> None:
    me = await run(client.users.me)
    assert (str(me.id), me.role, me.email) == (simulator.store.bot.id, "admin", simulator.store.bot.email)
    body = {"grant_type": "client_credentials", "client_id": "deskhand", "client_secret": API_KEY, "scope": "read"}

    def with_token() -> Any:
        base = f"https://{client.tickets.subdomain}.{client.tickets.domain}"
        token = client.tickets.session.post(f"{base}/oauth/tokens", json=body, auth=lambda request: request).json()
        second = zenpy.Zenpy(subdomain="127", domain=client.tickets.domain, oauth_token=token["access_token"])
        try:
            return second.users.me()
        finally:
            second.tickets.session.close()

    assert (await run(with_token)).name == "Deskhand"


async def test_tickets_are_created_read_changed_and_solved(simulator: ZendeskSimulator, client: Any) -> None:
    requester = objects.User(name="Ada", email="ada@corp.test")
    draft = objects.Ticket(subject="VPN drops", description="Since nine", requester=requester, tags=["vpn"])
    audit = await run(lambda: client.tickets.create(draft))
    assert (audit.ticket.status, audit.ticket.tags, audit.ticket.custom_status_id) == ("new", ["vpn"], 5001)
    ticket = await run(lambda: client.tickets(id=audit.ticket.id))
    assert await run(lambda: ticket.requester.email) == "ada@corp.test"
    ticket.priority = "urgent"
    ticket.comment = objects.Comment(body="On it", public=False)
    saved = await run(lambda: client.tickets.update(ticket))
    assert saved.ticket.priority == "urgent"
    assert [event["type"] for event in saved.audit.events] == ["Comment", "Change"]
    ticket.status = "solved"
    with pytest.raises(exceptions.APIException, match="Assignee"):
        await run(lambda: client.tickets.update(ticket))
    ticket.assignee_id = int(simulator.store.bot.id)
    assert (await run(lambda: client.tickets.update(ticket))).ticket.status == "solved"
    with pytest.raises(exceptions.RecordNotFoundException):
        await run(lambda: client.tickets(id=4711))


async def test_comments_and_audits_are_paged(simulator: ZendeskSimulator, client: Any) -> None:
    ticket = simulator.file_ticket(subject="VPN", requester=simulator.store.person("ada@corp.test"))
    for number in range(130):
        simulator.write_note(ticket, f"<p>{number}</p>", public=bool(number % 2), author=simulator.store.bot)

    paged = {"id": int(ticket.id), "cursor_pagination": 50}

    def read() -> tuple[list[Any], list[Any], list[Any]]:
        by_offset = list(client.tickets.comments(ticket=int(ticket.id)))
        by_cursor = list(client.tickets._query_zendesk(client.tickets.endpoint.comments, "comment", **paged))
        return by_offset, by_cursor, list(client.tickets.audits(ticket=int(ticket.id)))

    by_offset, by_cursor, audits = await run(read)
    assert [comment.body for comment in by_offset] == ["VPN", *map(str, range(130))]
    assert [comment.id for comment in by_cursor] == [comment.id for comment in by_offset]
    assert [comment.public for comment in by_offset[1:3]] == [False, True]
    assert {comment.audit_id for comment in by_offset} == {audit.id for audit in audits}


async def test_search_export_and_increments(simulator: ZendeskSimulator, client: Any) -> None:
    simulator.strict_export = False  # this client repeats the type in the query, which the vendor's page forbids
    ada = simulator.store.person("ada@corp.test")
    for number in range(7):
        status = "solved" if number % 2 else "open"
        simulator.file_ticket(subject=f"VPN {number}", requester=ada, status=status, assignee=simulator.store.bot)

    def read() -> tuple[Any, ...]:
        found = client.search("vpn", type="ticket", status_less_than="solved", sort_by="created_at", sort_order="asc")
        exported = client.search_export("vpn", type="ticket")
        start = datetime.now(UTC) - timedelta(hours=1)
        increments = client.tickets.incremental(start_time=start, paginate_by_time=False)
        return [t.subject for t in found], [t.subject for t in exported], [t.subject for t in increments]

    found, exported, increments = await run(read)
    assert found == ["VPN 0", "VPN 2", "VPN 4", "VPN 6"]
    assert sorted(exported) == sorted(increments) == [f"VPN {number}" for number in range(7)]


async def test_groups_users_and_fields(simulator: ZendeskSimulator, client: Any) -> None:
    ines: SimPerson = simulator.store.person("ines@desk.test", is_agent=True)

    def read() -> tuple[Any, ...]:
        return (
            [group.name for group in client.groups()],
            [user.email for user in client.users(role="agent")],
            [user.id for user in client.users.search(query="ines@desk.test")],
            [field.title for field in client.ticket_fields()],
            [status.agent_label for status in client.custom_statuses()],
        )

    groups, agents, found, fields, statuses = await run(read)
    assert "Network" in groups
    assert agents == [ines.email]
    assert found == [int(ines.id)]
    assert "Priority" in fields
    assert "Waiting for vendor" in statuses
