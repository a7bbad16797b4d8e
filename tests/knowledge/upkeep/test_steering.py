"""Jobs as people meet them over the API, and the parts of the upkeep by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import ValidationError
from sqlalchemy import text
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.api import Api
from tests.support.upkeep import TENANT, Upkeep, running_upkeep

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.batches import Import
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.schemas import ImportReport
from deskhand.knowledge.upkeep import repository
from deskhand.knowledge.upkeep.endpoints import router
from deskhand.knowledge.upkeep.models import JobKind
from deskhand.knowledge.upkeep.refreshing import refresh_tenant, refresh_ticket
from deskhand.knowledge.upkeep.schemas import JobStart
from deskhand.plugins.contract import Ignored, TicketEvent, WebhookRequest
from deskhand.plugins.errors import DeskUnavailableError
from deskhand.plugins.registry import PluginManager
from deskhand.simulators.base.faults import Fault

JOBS = router.prefix
SYS_ID = "46f1784ba9fe19810018aa27fbb23482"


async def ok(call: Any, status: int = 200) -> Any:
    answer: httpx2.Response = await call
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_people_start_pause_resume_and_see_jobs_of_their_own_tenant(api: Api) -> None:
    acme, globex = await api.tenant(), await api.tenant("globex")
    asked = {"kind": "history", "since": "2025-01-01T00:00:00Z"}
    job = await ok(acme.post(JOBS, json=asked), 201)
    assert (job["state"], job["tool_type"], job["since"]) == ("queued", "servicedesk_plus", asked["since"])
    assert job["asked_by"].startswith("api-key:")
    assert job["finding"] is None
    refused = await ok(acme.post(JOBS, json=asked), 409)
    assert "is open already" in refused["detail"]
    await ok(globex.post(JOBS, json=asked), 201)
    assert (await ok(acme.get(f"{JOBS}/{job['id']}")))["id"] == job["id"]
    assert (await ok(acme.post(f"{JOBS}/{job['id']}/pause")))["state"] == "paused"
    await ok(acme.post(f"{JOBS}/{job['id']}/pause"), 409)
    assert (await ok(acme.post(f"{JOBS}/{job['id']}/resume")))["state"] == "queued"
    for path, method in (("", "GET"), ("/pause", "POST"), ("/resume", "POST")):
        await ok(globex.request(method, f"{JOBS}/{job['id']}{path}"), 404)
        await ok(acme.request(method, f"{JOBS}/{uuid4()}{path}"), 404)


async def test_jobs_are_listed_newest_first_page_by_page(api: Api) -> None:
    acme = await api.tenant()
    kinds = [kind for kind in JobKind if kind is not JobKind.EXCLUSIONS]
    made = [(await ok(acme.post(JOBS, json={"kind": kind}), 201))["id"] for kind in kinds]
    seen: list[str] = []
    cursor = None
    while True:
        page = await ok(acme.get(JOBS, params={"limit": 2, **({"cursor": cursor} if cursor else {})}))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]
    await ok(acme.post(JOBS, json={"kind": "exclusions"}), 422)
    for kind, job_id in zip(kinds, made, strict=True):
        assert [one["id"] for one in (await ok(acme.get(JOBS, params={"kind": kind})))["items"]] == [job_id]
    assert (await ok(acme.get(JOBS, params={"state": "done"})))["items"] == []
    for wrong in ({"kind": "other"}, {"state": "gone"}, {"limit": 0}, {"colour": "red"}):
        await ok(acme.get(JOBS, params=wrong), 422)


@pytest.mark.parametrize(
    "wrong", [{"kind": "other"}, {"since": "yesterday"}, {"tool_type": ""}, {"tool_type": "x" * 51}, {"colour": "red"}]
)
def test_a_job_that_cannot_be_meant_is_refused_by_its_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        JobStart.model_validate(wrong)
    assert {error["loc"][0] for error in refusal.value.errors()} == set(wrong)


async def test_a_desk_that_nobody_connected_is_named_with_those_that_are(api: Api) -> None:
    acme = await api.tenant()
    refused = await ok(acme.post(JOBS, json={"tool_type": "zendesk"}), 422)
    assert refused["errors"][0]["pointer"] == "/tool_type"
    assert "(servicedesk_plus)" in refused["detail"]


async def due_at(db: Database) -> datetime | None:
    async with db.platform_session() as session:
        at: datetime | None = await session.scalar(text("SELECT history_due_at FROM tenant_configs"))
    return at


async def test_only_connecting_makes_a_history_due(api: Api, make_tenant: MakeTenant) -> None:
    await make_tenant("old")  # as it was before there were such imports
    assert await due_at(api.db) is None
    async with api.db.platform_session() as session:
        await session.execute(text("DELETE FROM tenant_configs"))
    acme = await api.tenant()
    first = await due_at(api.db)
    assert first is not None
    await ok(acme.patch("/api/v1/tenants/acme", json={"name": "Another name"}))
    assert await due_at(api.db) == first
    await ok(acme.patch("/api/v1/tenants/acme", json={"servicedesk_api_key": "another-key-of-the-desk"}))
    second = await due_at(api.db)
    assert second is not None
    assert second > first


# -- the parts -------------------------------------------------------------------------------------

ENDED: list[tuple[str, dict[str, Any], str, bool]] = [
    ("jira", {"webhookEvent": "jira:issue_deleted", "issue": {"id": "10042"}}, "10042", True),
    ("jira", {"event": "deleted", "issue": {"id": "10042"}}, "10042", True),
    ("jira", {"webhookEvent": "comment_deleted", "issue": {"id": "10042"}}, "", False),
    ("jira", {"webhookEvent": "jira:issue_deleted", "issue": {"id": "../1"}}, "", False),
    ("servicedesk_plus", {"event": "request.resolved", "request_id": "7"}, "7", True),
    ("servicedesk_plus", {"event": "request.deleted", "request_id": "7"}, "7", True),
    ("servicedesk_plus", {"event": "request.reopened", "request_id": "7"}, "7", False),
    ("servicenow", {"event": "incident.resolved", "sys_id": SYS_ID}, SYS_ID, True),
    ("servicenow", {"event": "incident.closed", "sys_id": SYS_ID}, SYS_ID, True),
    ("servicenow", {"event": "incident.updated", "sys_id": SYS_ID}, SYS_ID, False),
    ("zendesk", {"type": "zen:event-type:ticket.soft_deleted", "detail": {"id": "7"}}, "7", True),
    ("zendesk", {"type": "zen:event-type:ticket.merged", "detail": {"id": "7"}}, "7", True),
    ("zendesk", {"type": "zen:event-type:ticket.tags_changed", "detail": {"id": "7"}}, "7", False),
]


@pytest.mark.parametrize(("tool_type", "body", "ticket_id", "ended"), ENDED, ids=lambda value: str(value)[:40])
def test_each_desk_says_when_a_ticket_is_over(
    tool_type: str, body: dict[str, Any], ticket_id: str, ended: bool
) -> None:
    plugin = PluginManager.installed().get_plugin(tool_type)
    request = WebhookRequest(headers={"content-type": "application/json"}, body=json.dumps(body).encode())
    event = plugin.extract_metadata(request)
    if isinstance(event, TicketEvent):
        assert (event.ticket.ticket_id, False) == (ticket_id, ended)
    else:
        assert isinstance(event, Ignored)
        assert (event.ticket_id or "", event.ended) == (ticket_id, ended)


def row(number: str, desk_id: str | None = None, source: str = "desk", **more: Any) -> ExportRow:
    fields = {"tool_type": "servicedesk_plus", "ticket_id": number, "subject": f"S{number}", "source": source, **more}
    return ExportRow(f"ticket {number}", {**fields, **({"desk_id": desk_id} if desk_id else {})})


async def test_a_ticket_goes_by_its_desks_id_and_a_files_number_is_not_one(clean_db: Database, tenant: str) -> None:
    importing = Import(clean_db, tenant, importer.DESK_TICKETS, on_error="stop", embedder=LexicalOnly())
    await importing.run([row("7", "1000"), row("1001"), row("1002", source="import"), row("8", "9")])
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        gone = {
            name: await repository.drop_ticket(session, "servicedesk_plus", name)
            for name in ("1000", "1001", "1002", "7", "9")
        }
        assert gone == {"1000": 1, "1001": 1, "1002": 0, "7": 0, "9": 1}
        assert await repository.drop_ticket(session, "jira", "1002") == 0


async def test_what_is_kept_with_a_batch_is_kept_or_lost_with_it(clean_db: Database, tenant: str) -> None:
    told: list[tuple[int, int]] = []

    async def tell(_session: object, batch: ImportReport) -> None:
        told.append((batch.created, batch.unchanged))

    async def refuse(_session: object, _batch: ImportReport) -> None:
        raise DeskUnavailableError("as if the job were another worker's")

    rows = [row("1"), row("2"), row("3", subject="")]  # the last has no text, and is refused before anything is stored
    losing = Import(
        clean_db, tenant, importer.DESK_TICKETS, on_error="continue", embedder=LexicalOnly(), on_stored=refuse
    )
    with pytest.raises(DeskUnavailableError):
        await losing.run(rows)
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        assert await session.scalar(text("SELECT count(*) FROM ticket_history")) == 0
    for expected in ((2, 0), (0, 2)):
        keeping = Import(
            clean_db, tenant, importer.DESK_TICKETS, on_error="continue", embedder=LexicalOnly(), on_stored=tell
        )
        report = await keeping.run(rows)
        assert told.pop() == expected
        assert report.failed == 1


@pytest.fixture
async def upkeep(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Upkeep]:
    async with running_upkeep(clean_db, database_urls.app_url) as running:
        yield running


async def test_a_desk_that_does_not_answer_changes_nothing(upkeep: Upkeep) -> None:
    ticket_id = upkeep.desk.solve("Printer jams", "Cleaned the rollers of tray 2.")
    await refresh_ticket(upkeep.db, TENANT, upkeep.desk.plugin, ticket_id, embedder=LexicalOnly())
    assert await upkeep.known() == {"Printer jams"}
    upkeep.desk.simulator.faults.add(Fault(status=503))
    with pytest.raises(DeskUnavailableError):
        await refresh_ticket(upkeep.db, TENANT, upkeep.desk.plugin, ticket_id, embedder=LexicalOnly())
    assert await upkeep.known() == {"Printer jams"}


async def test_a_look_that_breaks_costs_the_other_tickets_nothing(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = upkeep.desk.solve("Printer jams", "Cleaned the rollers of tray 2.")
    reports = [{"tool": "nothing", "ticket": "1"}, {"tool": "servicedesk_plus", "ticket": good}]
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in reports:
            await session.execute(
                text("INSERT INTO history_refreshes (tenant_id, tool_type, ticket_id) VALUES ('acme', :tool, :ticket)"),
                one,
            )
    await upkeep.keeper.tend()
    assert await upkeep.known() == {"Printer jams"}
    assert await upkeep.rows("SELECT tool_type, tries FROM history_refreshes") == [("nothing", 1)]

    class Broken:
        """A plugin that says what no code expects."""

        def __getattr__(self, name: str) -> Any:
            raise LookupError(name)

    monkeypatch.setattr("deskhand.knowledge.upkeep.refreshing.desk_for", lambda *_args, **_more: Broken())
    await upkeep.rows("UPDATE history_refreshes SET due_at = now()")
    reach = upkeep.keeper._reach
    await refresh_tenant(
        upkeep.db, TENANT, secrets=reach.secrets, plugins=reach.plugins, http=reach.http, embedder=reach.embedder
    )
    (left,) = await upkeep.rows("SELECT tries, error FROM history_refreshes")
    assert left == (2, "Something unexpected (LookupError).")


async def test_a_report_during_a_look_leads_to_another(upkeep: Upkeep) -> None:
    insert = "INSERT INTO history_refreshes (tenant_id, tool_type, ticket_id) VALUES ('acme', 'servicedesk_plus', '1')"
    await upkeep.rows(insert)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        (looked,) = await repository.take_refreshes(session, 5)
        assert await repository.take_refreshes(session, 5) == [], "another worker leaves it alone"
    await upkeep.rows("UPDATE history_refreshes SET asks = asks + 1")
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        await repository.end_refresh(session, looked)
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        (again,) = await repository.take_refreshes(session, 5)
        await repository.end_refresh(session, again)
    assert await upkeep.rows("SELECT 1 FROM history_refreshes") == []


async def test_a_desk_without_end_ends_the_job_in_words(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    upkeep.desk.solve("Printer jams", "Cleaned the rollers of tray 2.")
    monkeypatch.setattr("deskhand.knowledge.listing.MAX_PAGES", 0)
    plugin_class = type(upkeep.desk.plugin)
    listed = plugin_class.list_history

    async def endless(self: Any, since: datetime, **more: Any) -> Any:
        page = await listed(self, since, **{**more, "cursor": None})
        return type(page)(tickets=page.tickets, next_cursor="more")

    monkeypatch.setattr(plugin_class, "list_history", endless)
    await upkeep.asked()
    job = await upkeep.worked()
    assert (job.state, job.created, job.judged) == ("failed", 1, None)
    assert job.error == "0 pages were read, which is as much as one import takes."
    assert job.since == datetime(1970, 1, 1, tzinfo=UTC)
