"""Undoing when something is in the way: a ticket that moves, a desk that refuses or is away, too much at once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from tests.support.logins import TENANT_KEY
from tests.support.product import Product
from tests.support.undo import NOTE, SET, Wrecked, effects_of, preview, state_of, undo, wreck
from typer.testing import CliRunner

from deskhand.cli import app as command_line
from deskhand.plugins.registry import BUILT_IN
from deskhand.simulators.base import Fault
from deskhand.work.undo import service
from deskhand.work.undo.endpoints import router
from deskhand.work.undo.pages import router as page_router
from deskhand.work.undo.performing import MOVED
from deskhand.work.undo.schemas import UNDO

PERSONS = "Printer of floor 4, says Ines"


async def begin(one: Wrecked, **body: Any) -> str:
    """A previewed undo that no worker has taken yet."""
    seen = await preview(one, **body)
    answer = await one.customer.client.post(one.path, json={**body, "digest": seen["digest"]})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["execution_id"])


def done_of(run: dict[str, Any]) -> dict[str, bool]:
    """Whether each write was undone, by operation."""
    return {operation: item["done"] for item in run["undo"]["items"] for operation in item["operations"]}


async def test_a_ticket_that_moves_before_the_worker_writes_is_left_as_it_is(product: Product) -> None:
    one = await wreck(product)
    await product.stop_workers()
    execution_id = await begin(one)
    one.change(subject=PERSONS)
    moved = state_of(one.ticket)
    await product.start_worker()
    ended = await product.ended(one.customer, execution_id)
    assert (ended["status"], ended["mode"]) == ("completed", UNDO)
    assert set(done_of(ended).values()) == {False}
    assert {item["why"] for item in ended["undo"]["items"]} == {MOVED}
    assert state_of(one.ticket) == moved
    assert any(NOTE in note.body for note in one.ticket.notes)
    # What was left can be taken back after a new look.
    assert set(done_of(await undo(product, one)).values()) == {True}
    assert state_of(one.ticket) == {**one.before, "subject": PERSONS}


async def test_a_desk_that_is_away_is_waited_for_and_the_undo_goes_on(product: Product) -> None:
    one = await wreck(product)
    await product.stop_workers()
    execution_id = await begin(one)
    # After our request took effect and before its answer: the next attempt must not do it again.
    for method in ("PUT", "DELETE"):
        one.desk.simulator.faults.add(Fault(kind="status", status=503, method=method, count=1, after_effect=True))
    before = await one.desk.effects(one.ticket_id)
    await product.start_worker()

    async def settled() -> dict[str, Any]:
        ended = await product.ended(one.customer, execution_id)
        assert ended["status"] == "completed", ended["error_message"]
        return ended

    ended = await settled()
    assert set(done_of(ended).values()) == {True}, ended["undo"]
    after = await one.desk.effects(one.ticket_id)
    assert after["updates"] - before["updates"] <= 1
    assert state_of(one.ticket) == one.before
    # Its own writes keep what was before them, also where the answer was lost: it can be undone.
    path = f"/api/v1/executions/{execution_id}/undo"
    (fields,) = (item for item in (await preview(one, path))["items"] if item["effect"] == "restore_fields")
    assert {"subject", "priority", "status"} <= {back["field"] for back in fields["fields"]}


async def test_a_field_that_the_desk_refuses_keeps_no_other_from_being_put_back(product: Product) -> None:
    one = await wreck(product, "jira")
    await product.stop_workers()
    execution_id = await begin(one)
    one.desk.simulator.faults.add(Fault(kind="status", status=400, method="POST", path="transitions"))
    await product.start_worker()
    ended = await product.ended(one.customer, execution_id)
    (fields,) = (item for item in ended["undo"]["items"] if item["effect"] == "restore_fields")
    assert fields["done"], ended["undo"]
    assert "status" not in fields["fields"]
    assert "status" in fields["why"]
    after = state_of(one.ticket)
    assert after["status"] != one.before["status"]
    assert {**after, "status": ""} == {**one.before, "status": ""}


async def test_one_write_alone_is_undone(product: Product) -> None:
    one = await wreck(product)
    keys = {step["name"]: step["step_key"] for step in one.run["steps"] if step["kind"] == "write"}
    seen = await preview(one, step_key=keys["transition"])
    assert effects_of(seen["items"]) == {"transition": "restore_fields"}
    ended = await undo(product, one, step_key=keys["transition"])
    assert done_of(ended) == {"transition": True}
    state = state_of(one.ticket)
    assert (state["status"], state["subject"]) == (one.before["status"], SET["subject"])
    assert any(NOTE in note.body for note in one.ticket.notes)
    missing = await one.customer.client.post(f"{one.path}/preview", json={"step_key": "add_note:nobody"})
    assert (missing.status_code, "has no write" in missing.text) == (404, True)
    # The rest goes with the run, which finds the status as it was.
    assert set(done_of(await undo(product, one)).values()) == {True}
    assert state_of(one.ticket) == one.before


async def test_what_is_more_than_a_preview_shows_is_refused_and_not_cut(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await wreck(product)
    monkeypatch.setattr(service, "MOST_WRITES", 4)
    since = {"since": one.run["queued_at"]}
    version = f"/api/v1/agents/{one.customer.agent_id}/versions/1/undo"
    for path, body in ((one.path, {}), (version, since)):
        refused = await one.customer.client.post(f"{path}/preview", json=body)
        assert (refused.status_code, "more than 4 writes" in refused.text) == (409, True), refused.text
    monkeypatch.setattr(service, "MOST_WRITES", 5)
    assert (await preview(one))["possible"]
    for wrong in ({}, {"since": "yesterday"}, {"since": 5}, {**since, "more": 1}):
        assert (await one.customer.client.post(f"{version}/preview", json=wrong)).status_code == 422
    for digest in ("", "0" * 63, "G" * 64, None):
        assert (await one.customer.client.post(one.path, json={"digest": digest})).status_code == 422
    nobody = await one.customer.client.post(f"/api/v1/executions/{uuid4()}/undo/preview", json={})
    assert nobody.status_code == 404


async def test_a_run_that_wrote_nothing_and_a_dry_one_have_nothing_to_undo(product: Product) -> None:
    one = await wreck(product, todo=[])
    seen = await preview(one)
    assert (seen["possible"], seen["items"]) == (False, [])
    answer = await one.customer.client.post(one.path, json={"digest": seen["digest"]})
    assert (answer.status_code, "nothing to do" in answer.text) == (409, True)
    dry = await one.customer.client.post(f"/api/v1/executions/{one.run['id']}/replay", json={"mode": "dry_run"})
    ended = await product.ended(one.customer, dry.json()["id"])
    assert (await preview(one, f"/api/v1/executions/{ended['id']}/undo"))["items"] == []


async def test_a_desk_that_is_not_connected_any_more_is_said(product: Product) -> None:
    one = await wreck(product)
    platform = await product.platform()
    cut = await platform.patch("/api/v1/tenants/acme", json={"tool_type": "jira", "servicedesk_api_key": None})
    if not cut.is_success:
        # The default desk must stay complete, so another one takes its place first.
        jira = await product.open_desk("jira")
        await platform.patch("/api/v1/tenants/acme", json=jira.tenant())
        cut = await platform.patch("/api/v1/tenants/acme", json={"servicedesk_api_key": None})
    assert cut.is_success, cut.text
    seen = await preview(one)
    assert not seen["possible"]
    assert all("cannot be reached" in item["why"] for item in seen["items"])


async def test_the_command_line_shows_first_and_undoes_with_yes(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await wreck(product)
    one.change(subject=PERSONS)
    for name, value in (
        ("DATABASE_URL", product.app_url),
        ("TENANT_KEY", TENANT_KEY),
        ("ENCRYPTION_KEYS", product.keys[0]),
        ("ALLOW_PRIVATE_ADDRESSES", "true"),
    ):
        monkeypatch.setenv(f"DESKHAND_{name}", value)

    async def deskhand(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, command_line, ["undo", *words, "--tenant", "acme"])
        return result.exit_code, f"{result.output} {result.exception or ''}"

    written = state_of(one.ticket)
    code, said = await deskhand("run", one.run["id"])
    assert code == 0, said
    assert f"subject: left at '{PERSONS}'; the agent set '{SET['subject']}'" in said
    assert "priority: 'High' back to" in said
    assert "delete the note: add_note on servicedesk_plus" in said
    assert "Run it again with --yes" in said
    assert state_of(one.ticket) == written

    version = ("version", one.customer.agent_id, "1", "--since")
    code, said = await deskhand(*version, "2999-01-01T00:00:00Z")
    assert (code, "Nothing was written." in said) == (0, True), said
    code, said = await deskhand(*version, "yesterday")
    assert code != 0, said
    code, said = await deskhand(*version, one.run["queued_at"], "--yes")
    assert code == 0, said
    execution_id = said.split("Execution ")[1].split()[0]
    ended = await product.ended(one.customer, execution_id)
    assert set(done_of(ended).values()) == {True}
    assert ended["undo"]["requested_by"] == "command-line"
    assert state_of(one.ticket) == {**one.before, "subject": PERSONS}
    code, said = await deskhand("run", one.run["id"], "--yes")
    assert (code != 0, "can be put back" in said) == (True, True), said


def test_the_desks_say_whether_a_note_goes_away() -> None:
    assert {name for name, plugin in BUILT_IN.items() if plugin.manifest.deletes_notes} == {"jira", "servicedesk_plus"}


def test_what_the_api_undoes_the_console_undoes_after_showing_it() -> None:
    api = {route.path for route in router.routes if isinstance(route, APIRoute)}
    undone = {path.removeprefix("/api/v1") for path in api if not path.endswith("/preview")}
    assert {f"/api/v1{path}/preview" for path in undone} == {path for path in api if path.endswith("/preview")}
    pages = {
        (method, route.path) for route in page_router.routes if isinstance(route, APIRoute) for method in route.methods
    }
    assert pages == {(method, path) for path in undone for method in ("GET", "POST")}
