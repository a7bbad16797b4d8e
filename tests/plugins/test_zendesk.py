"""What is Zendesk's own: credentials, one PUT for everything, safe updates, limits, search, export."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from tests.plugins.zendesk import API_KEY, PATIENT_HTTP, RunningDesk, new_simulator

from deskhand.plugins.contract import NoteDraft, TicketChanges, TicketQuery, ValueKind
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskConflictError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.zendesk import mapping
from deskhand.plugins.zendesk.client import accepted
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.simulators.base import Fault, run_in_process
from deskhand.simulators.zendesk.limits import Limit
from deskhand.simulators.zendesk.wire import ASSET_FIELD, CATEGORY_FIELD, RESOLUTION_FIELD

MARK = "dh-0123456789abcdef0123"
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[RunningDesk]:
    simulator = new_simulator(seed=id(request), **getattr(request, "param", {}))
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


# -- errors ----------------------------------------------------------------------------------------

FAMILIES: list[tuple[int, Any, type[DeskError], str | None, str, tuple[str, ...]]] = [
    (
        404,
        {"error": "RecordNotFound", "description": "Not found"},
        DeskNotFoundError,
        "RecordNotFound",
        "Not found",
        (),
    ),
    (
        422,
        {
            "error": "RecordInvalid",
            "description": "Record validation errors",
            "details": {"status": [{"description": "Status: is not valid", "error": "InvalidValue"}]},
        },
        DeskValidationError,
        "RecordInvalid",
        "Status: is not valid",
        ("status",),
    ),
    (401, {"error": "Couldn't authenticate you"}, DeskAuthError, "Couldn't authenticate you", "authenticate", ()),
    (403, {"error": {"title": "Forbidden", "message": "No access"}}, DeskPermissionError, None, "No access", ()),
    (409, {"error": "DatabaseConflict", "description": "Collision"}, DeskConflictError, "DatabaseConflict", "Coll", ()),
    (409, {"error": "UpdateConflict", "description": "Safe update"}, DeskConflictError, "UpdateConflict", "Safe", ()),
    (
        400,
        {"errors": [{"code": "InvalidCursor", "title": "Bad cursor", "source": {"pointer": "page"}}]},
        DeskValidationError,
        "InvalidCursor",
        "Bad cursor",
        ("page",),
    ),
    (429, "Number of allowed API requests per minute exceeded", DeskRateLimitedError, None, "per minute", ()),
    (502, "<html><body>Bad gateway</body></html>", DeskUnavailableError, None, "HTTP status 502", ()),
    (422, ["odd"], DeskValidationError, None, "HTTP status 422", ()),
]


def answer(
    status: int, body: Any, *, method: str = "GET", path: str = "/api/v2/search", **headers: str
) -> httpx2.Response:
    request = httpx2.Request(method, f"https://acme.zendesk.com{path}")
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx2.Response(status, text=content, headers=headers, request=request)


@pytest.mark.parametrize(("status", "body", "kind", "code", "said", "fields"), FAMILIES)
def test_every_family_of_errors(
    status: int, body: Any, kind: type[DeskError], code: str | None, said: str, fields: tuple[str, ...]
) -> None:
    with pytest.raises(kind, match=said) as caught:
        accepted(answer(status, body, **{"Retry-After": "13"}))
    assert type(caught.value) is kind
    assert (caught.value.vendor_code, caught.value.fields) == (code, fields)
    assert caught.value.retry_after == 13.0
    assert "<html>" not in caught.value.detail


@pytest.mark.parametrize(
    ("method", "path", "headers", "scope"),
    [
        ("GET", "/api/v2/search", {"x-rate-limit-remaining": "0"}, "account"),
        ("GET", "/api/v2/search", {}, "account"),
        ("PUT", "/api/v2/tickets/7", {"x-rate-limit-remaining": "0"}, "account"),
        ("PUT", "/api/v2/tickets/7", {"x-rate-limit-remaining": "81"}, "ticket"),
        ("GET", "/api/v2/search/export", {"zendesk-ratelimit-search-export": "total=9; remaining=0"}, "endpoint"),
        ("PUT", "/api/v2/tickets/7", {"zendesk-ratelimit-tickets-update": "total=9; remaining=0"}, "endpoint"),
    ],
)
def test_what_a_rate_limit_covers(method: str, path: str, headers: dict[str, str], scope: str) -> None:
    with pytest.raises(DeskRateLimitedError) as caught:
        accepted(answer(429, "slow down", method=method, path=path, **headers))
    assert caught.value.scope == scope


async def test_thirty_updates_of_one_ticket_in_ten_minutes(desk: RunningDesk) -> None:
    busy, quiet = desk.file_ticket(), desk.file_ticket()
    async with desk.plugin() as plugin:
        for number in range(30):
            await plugin.add_note(busy, NoteDraft(body=f"note {number}"))
        with pytest.raises(DeskRateLimitedError) as caught:
            await plugin.add_note(busy, NoteDraft(body="one too many"))
        assert caught.value.scope == "ticket"
        assert caught.value.retry_after is not None
        assert 500 < caught.value.retry_after <= 600
        await plugin.add_note(quiet, NoteDraft(body="another ticket"))
        desk.simulator.clock.advance(601)
        await plugin.add_note(busy, NoteDraft(body="later"))
    assert len(desk.simulator.store.tickets[busy].notes) == 31


@pytest.mark.parametrize("desk", [{"limits": {"account": Limit(2, 60)}}], indirect=True)
async def test_the_limit_of_the_account_speaks_plain_text(desk: RunningDesk) -> None:
    async with desk.plugin() as plugin:
        await plugin.search_tickets(TicketQuery())
        with pytest.raises(DeskRateLimitedError, match="Number of allowed API requests") as caught:
            await plugin.search_tickets(TicketQuery())
        assert caught.value.scope == "account"


async def test_the_export_allows_ten_calls_a_minute(desk: RunningDesk) -> None:
    async with desk.plugin() as plugin:
        for _ in range(10):
            await plugin.list_history(NOW)
        with pytest.raises(DeskRateLimitedError) as caught:
            await plugin.list_history(NOW)
        assert caught.value.scope == "endpoint"


# -- credentials -----------------------------------------------------------------------------------


def tokens_fetched(desk: RunningDesk) -> int:
    return desk.paths("POST").count("/oauth/tokens")


async def test_one_token_for_all_and_a_new_one_when_it_ends(desk: RunningDesk) -> None:
    async with desk.plugin() as plugin, desk.plugin() as another:
        await asyncio.gather(*(one.search_tickets(TicketQuery()) for one in (plugin, another) for _ in range(5)))
        assert tokens_fetched(desk) == 1
        desk.simulator.clock.advance(30 * 60)  # the account ends the token before our clock says so
        await asyncio.gather(*(one.search_tickets(TicketQuery()) for one in (plugin, another) for _ in range(5)))
        assert tokens_fetched(desk) == 2


async def test_refused_and_throttled_token_requests(desk: RunningDesk) -> None:
    async with desk.plugin(zendesk_api_token="revoked") as plugin:
        with pytest.raises(DeskAuthError, match="unknown client"):
            await plugin.search_tickets(TicketQuery())
        desk.simulator.faults.add(Fault(status=429, path="^/oauth/", headers={"Retry-After": "4"}, count=1))
        with pytest.raises(DeskRateLimitedError) as caught:
            await plugin.search_tickets(TicketQuery())
        assert (caught.value.retry_after, caught.value.scope) == (4.0, "account")
        desk.simulator.faults.add(Fault(kind="garbage", path="^/oauth/", count=1))
        with pytest.raises(DeskProtocolError):
            await plugin.search_tickets(TicketQuery())


async def test_a_visitor_with_status_200_is_not_signed_in(desk: RunningDesk) -> None:
    desk.simulator.access.drops_credentials = True
    async with desk.plugin() as plugin:
        report = await plugin.test_connection()
    assert not report.ok
    assert "anonymous" in report.checks[0][2]


@pytest.mark.parametrize("role", ["end-user", "agent", "admin"])
async def test_the_role_decides(desk: RunningDesk, role: str) -> None:
    desk.simulator.bot_role = role
    desk.file_ticket()
    async with desk.plugin() as plugin:
        report = await plugin.test_connection()
        assert report.ok is (role != "end-user")
        said = {title: text for title, _, text in report.checks}
        if role == "agent":
            assert "only admins" in said["Import of history"]
            with pytest.raises(DeskPermissionError):
                await plugin.list_history(NOW)
        if report.ok:
            assert report.account is not None
            assert report.account.id == desk.simulator.store.bot.id
            assert f"user {report.account.id}" in report.checks[0][2]


async def test_narrow_scopes_are_found_by_the_connection_test(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(zendesk_scope="tickets:read tickets:write users:read") as plugin:
        report = await plugin.test_connection()
        assert not report.ok
        with pytest.raises(DeskPermissionError, match="audits"):
            await plugin.find_write(ticket_id, MARK)


async def test_an_api_token_works_and_shows_its_end(desk: RunningDesk) -> None:
    async with desk.plugin(zendesk_auth="api_token") as plugin:
        report = await plugin.test_connection()
        assert report.ok
        assert any("2027-04-30" in said for _, _, said in report.checks)
        assert tokens_fetched(desk) == 0
    async with desk.plugin(zendesk_auth="api_token", zendesk_api_token="wrong") as plugin:
        with pytest.raises(DeskAuthError):
            await plugin.search_tickets(TicketQuery())


def test_configuration_is_checked() -> None:
    good = {"zendesk_subdomain": "Acme", "zendesk_api_token": API_KEY, "zendesk_client_id": "deskhand"}
    config = ZendeskConfig.model_validate(good)
    assert config.base_url == "https://acme.zendesk.com"
    assert API_KEY not in repr(config)
    assert "2027-04-30" in json.dumps(ZendeskConfig.model_json_schema())
    for bad, said in (
        ({"zendesk_subdomain": "acme.zendesk.com"}, "before .zendesk.com"),
        ({"zendesk_subdomain": "acme@evil.test/"}, "before .zendesk.com"),
        ({"zendesk_api_token": " "}, "empty"),
        ({"zendesk_client_id": None}, "zendesk_client_id"),
        ({"zendesk_auth": "api_token"}, "zendesk_email"),
        ({"zendesk_url": "gateway.corp.test"}, "https://"),
        ({"zendesk_token": "typo"}, "Extra"),
    ):
        with pytest.raises(ValidationError, match=said):
            ZendeskConfig.model_validate({**good, **bad})


# -- writing ---------------------------------------------------------------------------------------


async def test_everything_goes_into_one_put(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket(tags=["vpn"])
    changes = TicketChanges(
        subject="Printer on floor 3 jams",
        priority="critical",
        category="printing",
        group="Hardware",
        add_tags=("ai",),
        custom={"Asset tag": "P-17", "external_id": "x-9"},
        note=NoteDraft(body="Renamed **it**.", mark=MARK),
    )
    async with desk.plugin(zendesk_category_field=CATEGORY_FIELD) as plugin:
        receipt = await plugin.update_ticket(ticket_id, changes, mark="dh-ffffffffffffffffffff")
        ticket = await plugin.get_ticket(ticket_id)
        for mark in (MARK, "dh-ffffffffffffffffffff"):
            found = await plugin.find_write(ticket_id, mark)
            assert found is not None
            assert found.id == receipt.id == ticket.notes[0].id
    assert len(desk.paths("PUT")) == 1
    assert receipt.revision == ticket.revision
    assert (ticket.subject, ticket.vendor_priority, ticket.category, ticket.group) == (
        *("Printer on floor 3 jams", "urgent", "printing", "Hardware"),
    )
    assert set(ticket.tags) == {"vpn", "ai"}
    assert (ticket.custom[str(ASSET_FIELD)], ticket.custom["external_id"]) == ("P-17", "x-9")
    assert "Renamed **it**." in ticket.notes[0].body
    assert MARK not in ticket.notes[0].body


async def test_tags_of_others_survive_a_collision(desk: RunningDesk) -> None:
    """Another save between our look and our write: the desk refuses, we look again."""
    ticket_id = desk.file_ticket(tags=["vpn"])
    simulator = desk.simulator
    real = simulator.change

    async with desk.plugin() as plugin:
        put = plugin._client.put

        async def put_late(path: str, body: Any) -> dict[str, Any]:
            if not simulator.store.effects.get(ticket_id):
                real(simulator.store.tickets[ticket_id], {"tags": ["vpn", "vip"]}, by=simulator.store.bot)
            return await put(path, body)

        plugin._client.put = put_late  # type: ignore[method-assign]  # the moment between look and write
        await plugin.update_ticket(ticket_id, TicketChanges(add_tags=("ai",)))
        assert set((await plugin.get_ticket(ticket_id)).tags) == {"vpn", "vip", "ai"}
    assert [call["status"] for call in simulator.calls if call["method"] == "PUT"] == [409, 200]


async def test_a_safe_update_is_refused_by_the_desk_itself(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        revision = (await plugin.get_ticket(ticket_id)).revision
        await plugin.add_note(ticket_id, NoteDraft(body="meanwhile"))
        with pytest.raises(DeskConflictError) as caught:
            await plugin.update_ticket(ticket_id, TicketChanges(priority="high"), if_revision=revision)
    assert caught.value.vendor_code == "UpdateConflict"
    assert desk.paths("PUT").count(f"/api/v2/tickets/{ticket_id}") == 2


async def test_solving_needs_an_assignee(desk: RunningDesk) -> None:
    ines = desk.simulator.store.person("ines@desk.test", is_agent=True)
    free, taken = desk.file_ticket(), desk.file_ticket(assignee=ines, status="open")
    async with desk.plugin() as plugin:
        with pytest.raises(DeskValidationError, match="Assignee"):
            await plugin._client.put(f"tickets/{free}", {"ticket": {"status": "solved"}})
        await plugin.resolve(free, "Replaced the fuser.", mark=MARK)
        await plugin.transition(taken, "solved")
        ours, theirs = await plugin.get_ticket(free), await plugin.get_ticket(taken)
    assert ours.assignee is not None
    assert theirs.assignee is not None
    assert (ours.assignee.email, theirs.assignee.email) == (desk.simulator.store.bot.email, "ines@desk.test")
    assert ours.notes[0].public
    assert ours.is_closed


async def test_closed_is_final(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket(status="closed")
    async with desk.plugin() as plugin:
        for write in (
            plugin.add_note(ticket_id, NoteDraft(body="too late")),
            plugin.update_ticket(ticket_id, TicketChanges(subject="other")),
            plugin.transition(ticket_id, "open"),
        ):
            with pytest.raises(DeskValidationError, match="closed prevents"):
                await write


async def test_refused_values_are_named(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(zendesk_category_field=CATEGORY_FIELD) as plugin:
        for changes, field in (
            (TicketChanges(priority="whatever"), "priority"),
            (TicketChanges(group="No such group"), "group_id"),
            (TicketChanges(assignee_email="requester@corp.test"), "assignee_id"),
            (TicketChanges(category="gardening"), "base"),
            (TicketChanges(custom={"No such field": 1}), "No such field"),
            (TicketChanges(custom={"4711": 1}), "4711"),
        ):
            with pytest.raises(DeskValidationError) as caught:
                await plugin.update_ticket(ticket_id, changes)
            assert caught.value.fields == (field,)
        with pytest.raises(DeskValidationError, match="no status"):
            await plugin.transition(ticket_id, "Nonsense")
    async with desk.plugin() as plugin:
        with pytest.raises(DeskUnsupportedError, match="zendesk_category_field"):
            await plugin.update_ticket(ticket_id, TicketChanges(category="network"))
    assert desk.simulator.store.effects == {}


async def test_statuses_of_the_account_go_by_their_label(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    desk.file_ticket()
    async with desk.plugin() as plugin:
        names = [value.name for value in await plugin.list_values(ValueKind.STATUSES)]
        assert names == ["new", "open", "pending", "hold", "solved", "Waiting for vendor", "In progress"]
        await plugin.transition(ticket_id, "waiting for vendor")
        ticket = await plugin.get_ticket(ticket_id)
        found = await plugin.search_tickets(TicketQuery(status=("Waiting for vendor",)))
        both = await plugin.search_tickets(TicketQuery(status=("pending", "new")))
        await plugin.transition(ticket_id, "open")
        assert (await plugin.get_ticket(ticket_id)).status == "open"
    assert (ticket.status, ticket.is_closed) == ("Waiting for vendor", False)
    assert [row.id for row in found.tickets] == [ticket_id]
    assert len(both.tickets) == 2


async def test_a_long_note_is_cut_visibly(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        await plugin.add_note(ticket_id, NoteDraft(body="Größe & <b> " * 9000))
        (note,) = (await plugin.get_ticket(ticket_id)).notes
    assert "characters left out" in note.body
    assert len(desk.simulator.store.tickets[ticket_id].notes[0].body) <= mapping.COMMENT_LIMIT


async def test_many_comments_and_audits_are_read_page_by_page(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    ticket, bot = desk.simulator.store.tickets[ticket_id], desk.simulator.store.bot
    async with desk.plugin() as plugin:
        for number in range(120):
            desk.simulator.write_note(ticket, f"<p>{number}</p>", public=False, author=bot)
        receipt = await plugin.add_note(ticket_id, NoteDraft(body="the last", mark=MARK))
        notes = (await plugin.get_ticket(ticket_id)).notes
        assert [note.body for note in notes] == [*map(str, range(120)), "the last"]
        found = await plugin.find_write(ticket_id, MARK)
    assert found is not None
    assert found.id == receipt.id == notes[-1].id


# -- searching and history -------------------------------------------------------------------------


async def test_words_of_a_person_are_not_operators(desk: RunningDesk) -> None:
    wanted = desk.file_ticket("Error status:closed -1 in OR mode")
    desk.file_ticket("Something else", status="closed")
    async with desk.plugin() as plugin:
        for text in ("status:closed", "OR", '"mode"', "-1", "error <created>2020-01-01> mode"):
            page = await plugin.search_tickets(TicketQuery(text=text))
            expected = [] if "created" in text else [wanted]
            assert [ticket.id for ticket in page.tickets] == expected, text


async def test_search_goes_on_beyond_the_thousandth_result(desk: RunningDesk) -> None:
    tickets = {desk.file_ticket(f"Ticket {number}") for number in range(1130)}
    found: list[str] = []
    cursors: list[str | None] = []
    async with desk.plugin() as plugin:
        query = TicketQuery(page_size=100)
        while True:
            page = await plugin.search_tickets(query)
            found += [ticket.id for ticket in page.tickets]
            cursors.append(page.next_cursor)
            if page.next_cursor is None:
                break
            query = TicketQuery(page_size=100, cursor=page.next_cursor)
        assert set(found) == tickets
        assert len(found) <= len(tickets) + 1
        assert sum(str(cursor).startswith("export:") for cursor in cursors) == 2
        with pytest.raises(DeskValidationError, match="Search Response Limits"):
            await plugin._client.get("search", {"query": "type:ticket", "page": 11, "per_page": 100})
        with pytest.raises(DeskValidationError, match="type"):
            await plugin._client.get("search/export", {"query": "type:ticket", "filter[type]": "ticket"})
        with pytest.raises(DeskValidationError, match="cursor"):
            await plugin.search_tickets(TicketQuery(cursor="nonsense"))


async def test_search_lags_behind_a_write_and_reading_does_not(desk: RunningDesk) -> None:
    desk.simulator.store.index_lag = 120
    ticket_id = desk.file_ticket()
    async with desk.plugin() as plugin:
        assert (await plugin.search_tickets(TicketQuery(text="printer"))).tickets == ()
        assert (await plugin.get_ticket(ticket_id)).subject == "Printer jams"
        desk.simulator.clock.advance(180)
        assert len((await plugin.search_tickets(TicketQuery(text="printer"))).tickets) == 1


@pytest.mark.parametrize("desk", [{"export_delay": 60.0}], indirect=True)
async def test_history_tells_what_solved_a_ticket(desk: RunningDesk) -> None:
    store = desk.simulator.store
    done = desk.file_ticket(status="open", assignee=store.bot)
    desk.file_ticket("Still open")
    since = datetime.now(UTC) - timedelta(days=1)
    async with desk.plugin() as plugin:
        await plugin.add_note(done, NoteDraft(body="Looking into it.", public=True))
        await plugin.resolve(done, "Replaced the fuser.")
        assert (await plugin.list_history(since)).tickets == ()  # the last minute is not exported
        desk.simulator.clock.advance(120)
        desk.simulator.write_note(
            store.tickets[done], "<p>Thanks!</p>", public=True, author=store.person("requester@corp.test")
        )
        desk.simulator.write_note(store.tickets[done], "<p>Invoice filed.</p>", public=False, author=store.bot)
        desk.simulator.clock.advance(120)
        (ticket,) = (await plugin.list_history(since)).tickets
        assert ticket.resolution == "Replaced the fuser."
        assert ticket.resolved_at is not None
        assert ticket.updated_at is not None
        assert ticket.resolved_at < ticket.updated_at
        assert ticket.listed_at == ticket.updated_at.replace(microsecond=0)  # the clock the export goes by
        assert (await plugin.list_history(ticket.updated_at + timedelta(seconds=1))).tickets == ()


async def test_a_field_can_keep_the_resolution(desk: RunningDesk) -> None:
    ticket_id = desk.file_ticket()
    async with desk.plugin(zendesk_resolution_field=RESOLUTION_FIELD, zendesk_resolution_public=False) as plugin:
        await plugin.resolve(ticket_id, "Replaced the fuser.", mark=MARK)
        comments = sum("comments" in path for path in desk.paths())
        (ticket,) = (await plugin.list_history(NOW - timedelta(days=400))).tickets
        assert ticket.resolution == "Replaced the fuser."
        assert sum("comments" in path for path in desk.paths()) == comments
        assert not (await plugin.get_ticket(ticket_id)).notes[0].public
    assert len(desk.paths("PUT")) == 1


# -- mapping ---------------------------------------------------------------------------------------


def test_priorities_follow_the_tenant() -> None:
    stock = mapping.priority_map({})
    assert [stock.to_desk(word) for word in ("critical", "HIGH", "medium", "low")] == [
        "urgent",
        "high",
        "normal",
        "low",
    ]
    assert [stock.from_desk(word) for word in ("urgent", "normal", None)] == ["critical", "medium", None]
    assert mapping.priority_map({"critical": "high"}).to_desk("critical") == "high"


@pytest.mark.parametrize("value", [None, "", "soon", 17, "2026-11-21T10:00:00", []])
def test_odd_times_are_no_times(value: object) -> None:
    assert mapping.read_time(value) is None


def test_what_is_not_a_ticket_is_a_protocol_error() -> None:
    config = ZendeskConfig(zendesk_subdomain="acme", zendesk_api_token="k", zendesk_client_id="c")  # type: ignore[arg-type]  # pydantic makes the secret
    for raw in (None, [], {}, {"id": None}):
        with pytest.raises(DeskProtocolError):
            mapping.read_ticket(raw, config, mapping.priority_map({}), mapping.Sideloads())


# -- the simulated account itself --------------------------------------------------------------------


async def test_creating_twice_with_one_idempotency_key_makes_one_ticket(desk: RunningDesk) -> None:
    async with httpx2.AsyncClient(
        base_url=desk.server.url, auth=(f"{desk.simulator.store.bot.email}/token", API_KEY)
    ) as client:
        body = {"ticket": {"subject": "VPN", "comment": {"body": "It **drops**."}, "safe_update": False}}
        first = await client.post("/api/v2/tickets.json", json=body, headers={"Idempotency-Key": "k1"})
        again = await client.post("/api/v2/tickets.json", json=body, headers={"Idempotency-Key": "k1"})
        assert (first.status_code, again.status_code) == (201, 201)
        assert [one.headers["x-idempotency-lookup"] for one in (first, again)] == ["miss", "hit"]
        assert first.json()["ticket"]["id"] == again.json()["ticket"]["id"]
        # present, even as false, it makes the stamp count
        stale = {"safe_update": False, "updated_stamp": "2020-01-01T00:00:00Z", "priority": "high"}
        refused = await client.put(f"/api/v2/tickets/{first.json()['ticket']['id']}", json={"ticket": stale})
        assert (refused.status_code, refused.json()["error"]) == (409, "UpdateConflict")
        assert refused.headers["x-rate-limit"] == "700"
        deep = await client.get("/api/v2/tickets?page=101&per_page=100")
        assert deep.status_code == 400
    assert len(desk.simulator.store.tickets) == 1


async def test_what_the_page_and_the_control_endpoints_set_is_seen_through_the_api(desk: RunningDesk) -> None:
    async with (
        desk.plugin(zendesk_category_field=CATEGORY_FIELD) as plugin,
        PATIENT_HTTP.client(desk.server.url) as control,
    ):
        filed = await control.post(
            "/_sim/tickets", json={"subject": "VPN", "category": "network", "priority": "urgent"}
        )
        ticket_id = filed.json()["id"]
        first = await plugin.get_ticket(ticket_id)
        await control.patch(f"/_sim/tickets/{ticket_id}", json={"category": "email", "status": "solved"})
        await control.post(f"/_sim/tickets/{ticket_id}/notes", json={"body": "**Done**", "author": "ines@desk.test"})
        second = await plugin.get_ticket(ticket_id)
    assert (first.category, first.priority, first.is_closed) == ("network", "critical", False)
    assert (second.category, second.is_closed, second.notes[0].body) == ("email", True, "**Done**")
    assert second.resolved_at is not None
