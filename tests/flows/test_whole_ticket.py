"""A run reads its whole ticket, on each desk: the third reply counts, what is quoted below does not count twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asking import ALICE, runs, write
from tests.support.desks import DESKS
from tests.support.four_desks import AGENT, DESCRIPTION, HISTORY, SUBJECT
from tests.support.product import Customer, Product, until

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.simulators.models import Reply, obliging

BOB = "bob@desk.test"
WIDE = {**AGENT, "llm_config": {"model": "gpt-4-turbo", "temperature": 0.0}}
QUESTION = "Which laptop is it, and what does it say?"
ANSWER = "It is only the laptop LT-4711, and it says error 809 on wgate07."
LONG = "\n\n".join(f"Line {number} of the log says that tunnel {number * 7} was reset." for number in range(380))


def say(product: Product, text: str) -> None:
    """What the model answers from now on, beside what the schema wants."""
    section = {"heading": "Where", "text": text, "sources": ["TICKET"]}

    def script(body: Mapping[str, Any]) -> Reply:
        (name, answer), *_ = obliging(body).tool_calls
        return Reply(tool_calls=((name, {**answer, "sections": [section]}),))

    product.model.script = script


def asked(product: Product, word: str) -> str:
    """What the model was asked at last in which a word occurs."""
    prompts = ("\n".join(str(one["content"]) for one in chat.body["messages"]) for chat in product.model.chats[::-1])
    return next(prompt for prompt in prompts if word in prompt)


async def having_read(product: Product, customer: Customer, extent: str) -> dict[str, Any]:
    """The run that read so much of the ticket, completed; a desk may tell of one comment in several events."""

    async def look() -> dict[str, Any] | None:
        for one in await runs(customer):
            run = await product.execution(customer, one["id"]) if one["status"] == "completed" else {}
            if extent in run.get("read", ()):
                return run
        return None

    return await until(look)


@pytest.mark.parametrize("tool_type", DESKS)
async def test_what_only_the_third_reply_says_reaches_the_model_and_the_note(product: Product, tool_type: str) -> None:
    desk = await product.open_desk(tool_type)
    customer = await product.customer(desk=desk, **WIDE)
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=LexicalOnly())
    ticket_id = await desk.file_ticket(SUBJECT, f"{DESCRIPTION}\n\n{LONG}", requester=ALICE, attachments=["crash.log"])
    await write(desk, ticket_id, QUESTION, author=BOB, public=True)
    await write(desk, ticket_id, "I looked at the gateway, nothing there.", author=BOB, public=False)
    say(product, "It is the laptop LT-4711, with error 809.")
    await product.point_desk_at(customer)
    await product.start_worker()
    await write(
        desk, ticket_id, f"{ANSWER}\n\nOn Monday the help desk wrote:\n\n> {QUESTION}", author=ALICE, public=True
    )

    first = await having_read(product, customer, "3 of 3 comments read.")
    prompt = asked(product, "LT-4711")
    assert " ".join(LONG.split()) in " ".join(prompt.split())
    once = ("LT-4711", QUESTION, "- [requester, ", "- [technician, internal, ")
    assert [prompt.count(one) for one in once] == [1] * 4
    assert "crash.log" in prompt
    assert "LT-4711" in first["note"]["markdown"]
    assert first["read"] == ["The whole description was read.", "3 of 3 comments read."]
    query = next(step for step in first["steps"] if step["name"] == "search_tickets")["input"]["query"]
    assert "wgate07" in query

    # Our note is on the ticket now. It is no evidence for the next one, and neither is what people quote of it.
    say(product, "It is the laptop LT-4712, too.")
    await write(desk, ticket_id, "Still so on LT-4712.\n\n> It is the laptop LT-4711, with error 809.", author=ALICE)
    second = await having_read(product, customer, "4 of 4 comments read.")
    prompt = asked(product, "LT-4712")
    assert [prompt.count(one) for one in ("LT-4712", "with error 809", "Next steps")] == [1, 0, 0]
    assert second["read"][-1] == "1 note of our own left out."
    assert "LT-4712" in second["note"]["markdown"]
