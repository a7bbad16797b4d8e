"""An independent client (PyPI: servicedesk-client, MIT), written against real desks, accepts the simulator."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.plugins.sdp import API_KEY, RunningDesk, new_simulator

from deskhand.plugins.servicedesk_plus.config import Dialect
from deskhand.simulators.base import run_in_process

REASON = "the independent client servicedesk-client is not installed"
client2 = pytest.importorskip("helpdesk_client.v3.client2", reason=REASON)
schemas = pytest.importorskip("helpdesk_client.v3.schemas", reason=REASON)


@pytest.fixture
async def desk() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator(Dialect.ON_PREMISES)
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


@pytest.fixture
async def client(desk: RunningDesk) -> AsyncIterator[Any]:
    async with httpx2.AsyncClient(base_url=desk.server.url, headers={"authtoken": API_KEY}) as http:
        yield client2.HelpdeskClient2(http)


def criteria(field: str, value: str, condition: str) -> Any:
    return schemas.SearchCriteria(field=field, value=value, condition=condition)


async def test_requests_are_created_read_changed_and_cancelled(desk: RunningDesk, client: Any) -> None:
    created = await client.create_request(
        schemas.RequestCreateSchema(
            subject="VPN drops",
            description="<p>Since nine</p>",
            requester=schemas.ShortRequesterSchema(email="alice@corp.test"),
            urgency=schemas.IdentSchema(id=2),
        )
    )
    assert len(str(created.id)) == 18
    read = await client.get_request(created.id)
    assert (read.subject, read.status.name, read.requester.email) == ("VPN drops", "Open", "alice@corp.test")
    assert read.created_time.value.tzinfo is not None
    changed = await client.update_request(created.id, schemas.RequestUpdateSchema(subject="VPN drops often"))
    assert changed.subject == "VPN drops often"
    assert await client.get_request(4711) is None
    await client.cancel_request(created.id)
    assert desk.simulator.store.tickets[str(created.id)].status == "Canceled"


async def test_lists_page_filter_and_count(desk: RunningDesk, client: Any) -> None:
    for number, email in enumerate(["alice@corp.test", "bob@corp.test", "alice@corp.test"]):
        requester = desk.simulator.store.person(email)
        desk.simulator.file_ticket(subject=f"Ticket {number}", requester=requester)
    page = await client.get_requests_page_paginated(
        schemas.RequestFilterPagePaginationParams(page=2, row_count=2, get_total_count=True)
    )
    assert (len(page.requests), page.list_info.has_next, page.list_info.total_count) == (1, False, 3)
    listed = await client.get_requests(
        schemas.RequestFilterParams(
            row_count=10,
            start_index=1,
            search_fields=schemas.RequestSearchFields.model_validate({"requester.name": "Alice"}),
        )
    )
    assert [request.requester.name for request in listed.requests] == ["Alice", "Alice"]
    found = await client.get_requests_page_paginated(
        schemas.RequestCriteriaFilterPagePaginationParams(
            page=1, row_count=10, search_criteria=[criteria("requester.email_id", "bob@corp.test", "eq")]
        )
    )
    assert [request.subject for request in found.requests] == ["Ticket 1"]


async def test_notes_resolutions_and_values(desk: RunningDesk, client: Any) -> None:
    ticket = desk.simulator.file_ticket(subject="VPN", requester=desk.simulator.store.person("alice@corp.test"))
    draft = schemas.NoteCreateSchema(
        description="<p>hello</p>", show_to_requester=False, mark_first_response=False, add_to_linked_requests=False
    )
    note = await client.add_note(int(ticket.id), draft)
    assert (note.description, note.show_to_requester, note.added_by.email) == (
        "<p>hello</p>",
        False,
        desk.simulator.store.bot.email,
    )
    desk.simulator.change(ticket, {"resolution": "<p>Done</p>"}, by=desk.simulator.store.bot)
    resolution = await client.get_resolution(int(ticket.id))
    assert resolution.content == "Done"
    with_resolution = await client.get_request_with_resolution(int(ticket.id))
    assert with_resolution.resolution.content == "<p>Done</p>"
    urgencies = await client.get_urgencies(schemas.UrgencyFilterParams(row_count=2, start_index=1))
    assert [urgency.name for urgency in urgencies.urgencies] == ["Low", "Normal"]
    categories = await client.get_categories(schemas.CategoryFilterParams(row_count=100, start_index=1))
    assert "Network" in [category.name for category in categories.categories]
