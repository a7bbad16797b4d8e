"""What only a file on the ticket says, from the desk to the note: a picture, a log, and files that nobody can read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.flows.test_whole_ticket import asked, say
from tests.support.asking import ALICE, first_run, write
from tests.support.desks import DESKS
from tests.support.four_desks import AGENT
from tests.support.product import Customer, Product
from tests.support.written_pictures import pictures_in

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.work.files import reader
from deskhand.work.files.texts import picture_languages

PICTURE = Path(__file__).parents[1] / "work" / "files" / "data" / "network-error.png"
WIDE = {**AGENT, "llm_config": {"model": "gpt-4-turbo", "temperature": 0.0}}
CODE = "0x80070035"
ROUTINE = [f"2026-11-30 08:{number % 60:02d} INFO request {number} served" for number in range(4_000)]
LOG = "\n".join([*ROUTINE[:2_000], f"2026-11-30 08:20 ERROR mount failed: {CODE}", *ROUTINE[2_000:]]).encode()
HISTORY = [
    {
        "ticket_id": "OLD-35",
        "subject": f"Shared folder: error {CODE}",
        "description": "The share cannot be opened from any laptop of the branch.",
        "resolution": "Turned network discovery on and restarted the Function Discovery service.",
        "resolved_at": "2026-05-04T09:00:00Z",
    }
]


def file(name: str, content: bytes, content_type: str = "application/octet-stream") -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(content).decode(), "content_type": content_type}


SCREEN = file("screen.png", PICTURE.read_bytes(), "image/png")


async def first_look(product: Product, customer: Customer, desk: Any, ticket_id: str) -> dict[str, Any]:
    """The run of the first event after the desk was told where to send them."""
    await product.point_desk_at(customer)
    await write(desk, ticket_id, "Please.", author=ALICE)
    return await first_run(product, customer)


async def knowing(product: Product, tool_type: str, **agent: Any) -> tuple[Customer, Any]:
    desk = await product.open_desk(tool_type)
    customer = await product.customer(desk=desk, **{**WIDE, **agent})
    with TemporaryDirectory() as folder:
        history = Path(folder) / "history.json"
        history.write_text(json.dumps(HISTORY))
        await knowledge.import_tickets(product.db, customer.tenant_id, history, embedder=LexicalOnly())
    await product.start_worker()
    return customer, desk


@pytest.mark.skipif(not picture_languages(), reason="Tesseract is not installed (Debian: tesseract-ocr)")
@pytest.mark.parametrize("tool_type", DESKS)
async def test_an_error_that_stands_in_a_picture_alone_is_found(product: Product, tool_type: str) -> None:
    customer, desk = await knowing(product, tool_type)
    ticket_id = await desk.file_ticket("It does not work", "See the picture.", attachments=[SCREEN])
    say(product, f"The picture shows {CODE}.")
    run = await first_look(product, customer, desk, ticket_id)
    prompt = asked(product, "FILES on the ticket")
    assert "- [file screen.png] Network Error" in prompt
    assert f"Error code: {CODE}" in prompt
    assert "nobody has read them" not in prompt
    query = next(step for step in run["steps"] if step["name"] == "search_tickets")["input"]["query"]
    assert CODE in query
    assert "OLD-35" in run["note"]["markdown"]
    assert f"The picture shows {CODE}." in run["note"]["markdown"]
    assert "1 of 1 files read." in run["read"]
    # This model sees, but it is not in the house, and nobody has said that pictures may leave it.
    assert not [chat for chat in product.model.chats if pictures_in(chat.body)]


@pytest.mark.parametrize("tool_type", DESKS)
async def test_of_a_long_log_on_a_note_its_fault_is_read_and_what_cannot_be_is_said(
    product: Product, tool_type: str
) -> None:
    customer, desk = await knowing(product, tool_type)
    broken = file("invoice.pdf", b"%PDF-1.7 and nothing more", "application/pdf")
    ticket_id = await desk.file_ticket("It does not work", "Sorry.", attachments=[broken, file("setup.exe", b"MZ")])
    note = {"body": "The log.", "author": ALICE, "public": True, "attachments": [file("trace.log", LOG, "text/plain")]}
    (await desk.client.post(f"/_sim/tickets/{ticket_id}/notes", json=note)).raise_for_status()
    run = await first_look(product, customer, desk, ticket_id)
    prompt = asked(product, "FILES on the ticket")
    assert f"2026-11-30 08:20 ERROR mount failed: {CODE}" in prompt
    assert prompt.count("INFO request") == 1  # of its last lines one, for they differ in numbers alone
    assert "Attachments (names alone, nobody has read them): invoice.pdf, setup.exe" in prompt
    assert "**Not read:** 1 file (invoice.pdf)." in run["note"]["markdown"]
    assert "OLD-35" in run["note"]["markdown"]
    (said,) = [one for one in run["read"] if one.startswith("invoice.pdf was not read: ")]
    assert "cannot be read as a PDF" in said


async def test_where_the_tenant_wants_names_alone_no_file_is_asked_for(product: Product) -> None:
    customer, desk = await knowing(product, "jira")
    body = {"enhancement_preferences": {"notes": {"read_files": False}}}
    assert (await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)).is_success
    ticket_id = await desk.file_ticket("It does not work", "See the log.", attachments=[file("trace.log", LOG)])
    run = await first_look(product, customer, desk, ticket_id)
    assert "read_files" not in [step["name"] for step in run["steps"]]
    assert "Attachments (names alone, nobody has read them): trace.log" in asked(product, "trace.log")


async def test_a_file_that_the_requester_is_not_known_to_see_is_kept_from_the_answer(product: Product) -> None:
    customer, desk = await knowing(
        product, "zendesk", outcome={"kind": "reply"}, tool_operations={"zendesk": {"get_ticket": {}, "reply": {}}}
    )
    seen, hidden = file("seen.log", b"ERROR 4711 on gw-public"), file("hidden.log", b"ERROR 4712 on gw-secret")
    ticket_id = await desk.file_ticket("It does not work", "See the log.", attachments=[seen])
    inside = {"body": "From the console.", "author": "bob@desk.test", "public": False, "attachments": [hidden]}
    (await desk.client.post(f"/_sim/tickets/{ticket_id}/notes", json=inside)).raise_for_status()
    await first_look(product, customer, desk, ticket_id)
    shown = "".join(str(chat.body) for chat in product.model.chats)
    assert "gw-public" in shown
    assert "gw-secret" not in shown
    assert "hidden.log" not in shown


async def test_where_no_time_is_left_the_note_is_written_without(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SECONDS", 0.0)
    customer, desk = await knowing(product, "jira")
    ticket_id = await desk.file_ticket("It does not work", "See the log.", attachments=[file("trace.log", LOG)])
    run = await first_look(product, customer, desk, ticket_id)
    assert run["status"] == "completed"
    assert f"trace.log was not read: {reader.TOO_LATE}." in run["read"]


async def test_a_file_that_the_desk_refuses_costs_nobody_the_note(product: Product) -> None:
    customer, desk = await knowing(product, "jira")
    ticket_id = await desk.file_ticket("It does not work", "See the log.", attachments=[file("trace.log", LOG)])
    fault = {"method": "GET", "path": "attachment/content", "status": 403}
    (await desk.client.post("/_sim/faults", json=fault)).raise_for_status()
    run = await first_look(product, customer, desk, ticket_id)
    assert run["status"] == "completed"
    assert "**Not read:** 1 file (trace.log)." in run["note"]["markdown"]
    assert any(one.startswith("trace.log was not read: ") for one in run["read"])
