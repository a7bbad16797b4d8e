"""What an agent wrote is taken back: previewed, field by field, without what a person changed since."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.product import Product
from tests.support.undo import NOTE, SET, TECHNICIAN, WORDS, WRITES, effects_of, preview, state_of, undo, wreck

PERSONS = "Printer of floor 4, says Ines"


@pytest.mark.parametrize("tool", list(WORDS))
async def test_five_writes_are_taken_back_except_what_a_person_changed(product: Product, tool: str) -> None:
    one, words = await wreck(product, tool), WORDS[tool]
    written = [step["name"] for step in one.run["steps"] if step["kind"] == "write"]
    assert written == list(WRITES), one.run
    assert state_of(one.ticket) != one.before
    one.change(subject=PERSONS)

    seen = await preview(one)
    note = "withdraw_note" if words.deletes else "correct_note"
    # Links are fields on two desks, and go back with the others.
    expected = {**dict.fromkeys(WRITES, "restore_fields"), "add_note": note}
    if tool in ("servicedesk_plus", "jira"):
        expected["link_tickets"] = "unlink_tickets"
    assert effects_of(seen["items"]) == expected
    (fields,) = (item for item in seen["items"] if item["effect"] == "restore_fields")
    assert [(kept["field"], kept["ours"], kept["now"]) for kept in fields["kept"]] == [
        ("subject", SET["subject"], PERSONS)
    ]
    person = one.desk.simulator.store.person(TECHNICIAN)
    assert fields["kept"][0]["changed_by"].casefold() in {person.id, person.email, person.name.casefold(), "ines"}
    assert {"status", "priority"} <= {back["field"] for back in fields["fields"]} | {"status", "priority"}
    assert all(back["now"] != back["back"] for back in fields["fields"])
    assert state_of(one.ticket)["subject"] == PERSONS

    ended = await undo(product, one)
    assert ended["status"] == "completed", ended["error_message"]
    assert (ended["mode"], ended["ticket_ref"]) == ("undo", one.ticket_id)
    assert all(item["done"] for item in ended["undo"]["items"]), ended["undo"]
    expected_state = {**one.before, "subject": PERSONS, "status": words.back or one.before["status"]}
    assert state_of(one.ticket) == expected_state
    bodies = [note.body for note in one.ticket.notes]
    gone = not any(NOTE in body for body in bodies)
    assert (gone, len(bodies)) == ((True, 0) if words.deletes else (False, 2)), bodies

    # A second look finds nothing more to do.
    again = await preview(one)
    assert not again["possible"], again


async def test_an_undo_is_bound_to_its_preview_acts_once_and_is_somebodys(product: Product) -> None:
    one = await wreck(product)
    client, written = one.customer.client, state_of(one.ticket)
    # A reader may not; another tenant's administrator is told of nothing.
    made = await client.post("/api/v1/tenants/acme/api-keys", json={"name": "v", "role": "viewer"})
    viewer = await product.client(made.json()["api_key"])
    stranger = (await product.customer("globex", active=False)).client
    bodies = {"/preview": {}, "": {"digest": "0" * 64}}
    for ending, body in bodies.items():
        assert (await viewer.post(one.path + ending, json=body)).status_code == 403
        assert (await stranger.post(one.path + ending, json=body)).status_code == 404

    seen = await preview(one)
    one.change(subject=PERSONS)
    stale = await client.post(one.path, json={"digest": seen["digest"]})
    assert (stale.status_code, "new preview" in stale.text) == (409, True), stale.text
    assert {**state_of(one.ticket), "subject": ""} == {**written, "subject": ""}

    # Two say yes to the same preview at the same moment: one acts.
    seen = await preview(one)
    answers = await asyncio.gather(*(client.post(one.path, json={"digest": seen["digest"]}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 409], [answer.text for answer in answers]
    started = next(answer for answer in answers if answer.status_code == 202)
    undone = await product.ended(one.customer, started.json()["execution_id"])
    assert started.headers["location"] == f"/api/v1/executions/{undone['id']}"
    assert undone["status"] == "completed", undone
    assert state_of(one.ticket) == {**one.before, "subject": PERSONS}
    again = await client.post(one.path, json={"digest": seen["digest"]})
    assert again.status_code == 409

    trail = (await client.get("/api/v1/audit", params={"limit": 100})).json()["items"]
    done = {entry["operation"]: entry for entry in trail if entry["details"].get("execution_id") == undone["id"]}
    assert set(done) == {"desk.restore_fields", "desk.withdraw_note", "desk.unlink_tickets"}
    assert {entry["actor"].partition(":")[0] for entry in done.values()} == {"api-key"}
    asked = next(entry for entry in trail if entry["operation"] == "execution.undo")
    assert asked["resource_id"] == undone["id"]
    assert asked["details"]["digest"] == seen["digest"]

    # An undo is undone by the same rules: fields and link come back, the deleted note does not.
    path = f"/api/v1/executions/{undone['id']}/undo"
    redo = await preview(one, path)
    assert effects_of(redo["items"]) == {
        "restore_fields": "restore_fields",
        "withdraw_note": "none",
        "unlink_tickets": "link_tickets",
    }
    redone = await undo(product, one, path)
    assert redone["status"] == "completed", redone
    assert state_of(one.ticket) == {**written, "subject": PERSONS}
    assert one.ticket.notes == []
    # And the run's writes stand again, so that they can be taken back once more.
    assert (await undo(product, one))["status"] == "completed"
    assert state_of(one.ticket) == {**one.before, "subject": PERSONS}
    for verb in ("replay", "retry-with"):
        refused = await client.post(f"/api/v1/executions/{undone['id']}/{verb}", json={"ticket_ref": "1"})
        assert refused.status_code in (409, 422), refused.text


async def test_what_a_version_wrote_since_a_time_is_taken_back_though_its_agent_is_suspended(product: Product) -> None:
    todo = [
        ("update_ticket", {"priority": "high"}),
        ("update_ticket", {"priority": "low", "category": "Printing"}),
        ("create_ticket", {"subject": "Filed in error"}),
        ("reply", {"body": "It will be fixed tomorrow."}),
    ]
    one = await wreck(product, todo=todo)
    client, agent = one.customer.client, f"/api/v1/agents/{one.customer.agent_id}"
    filed = next(ticket for ticket in one.desk.simulator.store.tickets.values() if ticket.subject == "Filed in error")
    path, since = f"{agent}/versions/1/undo", {"since": one.run["queued_at"]}
    nothing = await preview(one, path, since="2999-01-01T00:00:00Z")
    assert (nothing["possible"], nothing["items"]) == (False, [])
    assert (await client.post(f"{agent}/versions/9/undo/preview", json=since)).status_code == 404
    assert (await client.post(f"{agent}/suspend")).is_success

    seen = await preview(one, path, **since)
    assert effects_of(seen["items"]) == {
        "update_ticket": "restore_fields",
        "create_ticket": "close_created",
        "reply": "withdraw_note",
    }
    (reply,) = (item for item in seen["items"] if item["effect"] == "withdraw_note")
    assert "may have read it" in reply["why"]
    (fields,) = (item for item in seen["items"] if item["effect"] == "restore_fields")
    assert len(fields["writes"]) == 2
    ended = await undo(product, one, path, **since)
    assert ended["status"] == "completed", ended
    assert state_of(one.ticket) == one.before
    assert filed.status == "Closed"

    # While a run is at work, nothing is taken back from under it.
    assert (await client.post(f"{agent}/resume")).is_success
    await product.stop_workers()
    again = await client.post(f"/api/v1/executions/{one.run['id']}/replay", json={"mode": "live"})
    running = f"/api/v1/executions/{again.json()['id']}"
    for ending, body in (("/undo/preview", {}), ("/undo", {"digest": "0" * 64})):
        refused = await client.post(running + ending, json=body)
        assert (refused.status_code, "may still write" in refused.text) == (409, True), refused.text


async def test_the_desk_reports_an_undo_and_it_is_known_as_ours(product: Product) -> None:
    one = await wreck(product, "zendesk")
    await product.point_desk_at(one.customer)
    runs = "SELECT count(*) FROM agent_executions WHERE mode = 'live'"
    before = await product.count(runs)
    assert (await undo(product, one))["status"] == "completed"
    await one.desk.simulator.sender.drain()
    query = "SELECT outcome, reason FROM webhook_deliveries ORDER BY received_at DESC LIMIT 2"
    reported = [(row["outcome"], row["reason"]) for row in await product.rows(query)]
    assert [outcome for outcome, _ in reported] == ["ignored", "ignored"], reported
    assert await product.count(runs) == before
