"""What only a picture on the ticket shows, read by a model that sees: the code in the note, and what goes where."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from tests.flows.test_files import CODE, PICTURE, SCREEN, file, first_look, knowing
from tests.flows.test_whole_ticket import asked, say
from tests.support.asking import ALICE
from tests.support.gateways import connected
from tests.support.product import Customer, Product
from tests.support.written_pictures import chunk, pictures_in, sighted, words_on, written

from deskhand.simulators.models import LlmSimulator, Reply, obliging
from deskhand.work.files import texts
from deskhand.work.files.bare import bare
from deskhand.work.files.texts import NO_READER, picture_languages

WALL = struct.pack(">IIBBBBB", 8_000, 5_000, 8, 2, 0, 0, 0)
HUGE = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", WALL) + chunk(b"IDAT", b"x" * 9_000) + chunk(b"IEND", b"")
REFUSED = Reply(status=400, error={"message": "This model does not support image input."})


@pytest.fixture
def _no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "picture_languages", tuple)


async def wants(customer: Customer, **rules: str) -> None:
    body = {"enhancement_preferences": {"notes": rules}}
    assert (await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)).is_success


def seen_by(product: Product | LlmSimulator) -> list[list[bytes]]:
    """The pictures of each question in which there were any."""
    model = product.model if isinstance(product, Product) else product
    return [pictures for chat in model.chats if (pictures := pictures_in(chat.body))]


def sees_the_screen(picture: bytes) -> str:
    found = bare(PICTURE.read_bytes())
    assert found is not None
    assert picture == found.content
    return f"Network Error\nError code: {CODE}"


@pytest.mark.usefixtures("_no_tesseract")
async def test_an_error_that_stands_in_a_picture_alone_is_found_by_a_model_that_sees(product: Product) -> None:
    customer, desk = await knowing(product, "jira")
    await wants(customer, pictures="anywhere")
    ticket_id = await desk.file_ticket("It does not work", "See the picture.", attachments=[SCREEN])
    say(product, f"The picture shows {CODE}.")
    product.model.script = sighted(product.model.script, sees_the_screen)
    run = await first_look(product, customer, desk, ticket_id)
    prompt = asked(product, "FILES on the ticket")
    assert (
        f"- [file screen.png] Network Error\n  Error code: {CODE}\n  (a model says of the picture: A window.)" in prompt
    )
    assert "nobody has read them" not in prompt
    query = next(step for step in run["steps"] if step["name"] == "search_tickets")["input"]["query"]
    assert CODE in query
    assert "OLD-35" in run["note"]["markdown"]
    assert f"The picture shows {CODE}." in run["note"]["markdown"]
    assert {"1 of 1 files read.", "Read by gpt-4-turbo: screen.png."} <= set(run["read"])
    (looked,) = [step for step in run["steps"] if step["name"] == "read_pictures"]
    assert (looked["kind"], looked["input"]["pictures"]) == ("model", ["screen.png"])
    assert looked["tokens_in"] > 0
    assert looked["cost_usd"] is not None
    (place,) = run["sent_to"]
    assert (place["connection"], place["is_local"], place["calls"]) == ("installation", False, 2)
    # The picture itself is kept nowhere.
    assert base64.b64encode(PICTURE.read_bytes()).decode()[:60] not in json.dumps(run)


async def test_a_gateway_that_takes_no_pictures_costs_nobody_the_note_and_a_wall_of_pixels_is_refused(
    product: Product,
) -> None:
    customer, desk = await knowing(product, "jira")
    await wants(customer, pictures="anywhere")
    huge = file("huge.png", HUGE, "image/png")
    ticket_id = await desk.file_ticket("It does not work", "See the picture.", attachments=[SCREEN, huge])
    product.model.script = lambda body: REFUSED if pictures_in(body) else obliging(body)
    run = await first_look(product, customer, desk, ticket_id)
    assert run["status"] == "completed"
    assert [len(pictures) for pictures in seen_by(product)] == [1]
    assert "huge.png was not read: it has 40 megapixels, and 25 are the most." in run["read"]
    assert "huge.png" in run["note"]["markdown"]
    (said,) = [one for one in run["read"] if one.startswith("No model was shown the pictures: ")]
    assert "This model does not support image input" in said
    if picture_languages():
        assert f"Error code: {CODE}" in asked(product, "FILES on the ticket")
    else:
        assert f"screen.png was not read: {NO_READER}." in run["read"]


@pytest.mark.usefixtures("_no_tesseract")
async def test_pictures_of_two_audiences_are_never_in_one_question(product: Product) -> None:
    """By the model that the tenant names, in its own house: none leaves it, though the agent's own model is outside."""
    grants = {"zendesk": {"get_ticket": {}, "reply": {}}}
    agent = {"outcome": {"kind": "reply"}, "tool_operations": grants, "llm_config": {"model": "gpt-4"}}
    customer, desk = await knowing(product, "zendesk", **agent)
    async with LlmSimulator(script=sighted(obliging), api_key="sk-house") as house:
        way = {"kind": "openai_compatible", "base_url": house.base_url, "api_key": "sk-house", "is_local": True}
        await connected(customer.client, "house", **way)
        await wants(customer, picture_model="our-vl", picture_connection="house")
        mine, theirs = written("gw-public says 4711"), written("gw-secret says 4712")
        ticket_id = await desk.file_ticket(
            "It does not work", "See the picture.", requester=ALICE, attachments=[file("seen.png", mine, "image/png")]
        )
        inside = {"body": "From the console.", "author": "bob@desk.test", "public": False}
        hidden = {"attachments": [file("hidden.png", theirs, "image/png")]}
        (await desk.client.post(f"/_sim/tickets/{ticket_id}/notes", json=inside | hidden)).raise_for_status()
        run = await first_look(product, customer, desk, ticket_id)
        questions = seen_by(house)
    assert sorted(words_on(picture) for pictures in questions for picture in pictures) == [
        "gw-public says 4711",
        "gw-secret says 4712",
    ]
    assert [len(pictures) for pictures in questions] == [1, 1]
    assert {str(chat.body["model"]) for chat in house.chats} == {"our-vl"}
    shown = "".join(str(chat.body) for chat in product.model.chats)
    assert "gw-public says 4711" in shown
    assert "gw-secret" not in shown
    assert seen_by(product) == []
    assert {(one["connection"], one["is_local"]) for one in run["sent_to"]} == {
        ("house", True),
        ("installation", False),
    }


@pytest.mark.usefixtures("_no_tesseract")
async def test_a_picture_that_nobody_may_read_stays_and_the_run_says_why(product: Product) -> None:
    customer, desk = await knowing(product, "jira")
    ticket_id = await desk.file_ticket("It does not work", "See the picture.", attachments=[SCREEN])
    run = await first_look(product, customer, desk, ticket_id)
    assert seen_by(product) == []
    why = "'gpt-4-turbo' is not in the house, and the tenant lets no picture leave it"
    assert f"screen.png was not read: {NO_READER}, and {why}." in run["read"]
    assert "**Not read:** 1 file (screen.png)." in run["note"]["markdown"]
