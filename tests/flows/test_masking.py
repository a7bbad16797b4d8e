"""A tenant keeps values from models: none is in a request, a trace or a line of a log, and the note has them all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.flows.test_first_light import with_history
from tests.flows.test_model_chain import DOWN
from tests.support.approvals import answers
from tests.support.gateways import connected
from tests.support.product import Product, until

from deskhand.kit.masking.kinds import MaskKind
from deskhand.plugins.text import html_to_text
from deskhand.simulators.models import LlmSimulator, Reply, obliging

CANARIES = {
    MaskKind.MAIL: "anna.weber@acme.test",
    MaskKind.PHONE: "+49 89 7654321",
    MaskKind.IBAN: "DE89 3704 0044 0532 0130 00",
    MaskKind.CARD: "4111 1111 1111 1111",
    MaskKind.IP: "10.20.30.41",
    MaskKind.SECRET: "hunter2hunter2",
    MaskKind.NAME: "Anna Weber",
}
DESCRIPTION = (
    "My VPN drops after the update. Reach me, {name}, under {phone} or {mail}. My laptop has {ip}. I typed"
    " password={secret} and paid the token with {card}, account {iban}."
).format(**{kind.value: value for kind, value in CANARIES.items()})
WORD = re.compile(r"MASKED-([A-Z]+)-[BCDFGHJKLMNPQRSTVWXZ]{8}")


class Repeating:
    """A model that looks one value up and then says all of them, as far as it was shown words for them."""

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        prompt = next(str(one["content"]) for one in body["messages"] if one["role"] == "user")
        words = {match[1].lower(): match[0] for match in WORD.finditer(prompt)}
        if not answers(body):
            tools = [tool["function"]["name"] for tool in body["tools"]]
            search = next(name for name in tools if name.endswith("search_tickets"))
            return Reply(tool_calls=((search, {"text": f"VPN of {words['mail']}"}),))
        (name, answer), *_ = obliging(body).tool_calls
        said = "The laptop of {name} is {ip}; {phone}, {mail}, card {card}, account {iban}, password {secret}."
        section = {"heading": "Where", "text": said.format(**words), "sources": ["TICKET"]}
        return Reply(tool_calls=((name, {**answer, "sections": [section]}),))


async def test_no_value_leaves_and_the_note_has_them_all(
    product: Product, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    customer = await product.customer()
    await with_history(product, customer)
    mask = {"privacy": {"mask": {kind.value: True for kind in MaskKind}}}
    changed = await customer.client.patch("/api/v1/tenants/acme", json={"enhancement_preferences": mask})
    assert changed.status_code == 200, changed.text
    await product.point_desk_at(customer)
    product.model.script = Repeating()
    # The first model is down: what leaves for it is masked as well.
    async with LlmSimulator(script=lambda _: DOWN, api_key="sk-of-acme") as away:
        await connected(
            customer.client, kind="openai_compatible", base_url=away.base_url, api_key="sk-of-acme", is_default=True
        )
        chain = {**mask, "models": {"fallbacks": [{"model": "gpt-4", "connection": "installation"}]}}
        await customer.client.patch("/api/v1/tenants/acme", json={"enhancement_preferences": chain})
        await product.start_worker()
        ticket = await product.desk.file_ticket("VPN drops", DESCRIPTION, requester=CANARIES[MaskKind.MAIL])

        async def noted() -> str | None:
            return next((str(note["body"]) for note in await product.desk.notes(ticket)), None)

        note = html_to_text(await until(noted))
        (listed,) = (await customer.client.get("/api/v1/executions")).json()["items"]
        run = await product.ended(customer, listed["id"])
        requests = [json.dumps(chat.body, ensure_ascii=False) for chat in (*away.chats, *product.model.chats)]
    assert (run["status"], run["degraded"]) == ("completed", False), run
    values = (*CANARIES.values(), "Anna", "Weber")
    assert len(requests) >= 4
    assert {kind for kind in CANARIES if f"MASKED-{kind.value.upper()}-" in requests[-1]} == set(CANARIES)
    assert not [value for value in values for request in requests if value in request]
    # The trace of the model shows what the model saw, over the API and as it is kept.
    rows = await product.rows("SELECT coalesce(input::text, '') || coalesce(output::text, '') AS said"
                              " FROM execution_steps WHERE kind = 'model'")  # fmt: skip
    traced = [*(row["said"] for row in rows), *(json.dumps(one) for one in run["steps"] if one["kind"] == "model")]
    assert len(traced) >= 4
    assert not [value for value in values for said in traced if value in said]
    captured = capfd.readouterr()
    assert not [value for value in values if value in captured.out + captured.err + caplog.text]
    # What was done is done with the true values: the look-up, and the note.
    looked = [one["input"].get("text") for one in run["steps"] if one["name"] == "search_tickets"]
    assert "VPN of anna.weber@acme.test" in looked
    assert not [value for value in CANARIES.values() if value not in note]
    assert "MASKED" not in note


async def test_a_tenant_may_keep_nothing_back(product: Product) -> None:
    customer = await product.customer()
    await with_history(product, customer)
    nothing = {"privacy": {"mask": {kind.value: False for kind in MaskKind}}}
    await customer.client.patch("/api/v1/tenants/acme", json={"enhancement_preferences": nothing})
    await product.point_desk_at(customer)
    await product.start_worker()
    ticket = await product.desk.file_ticket("VPN drops", DESCRIPTION, requester=CANARIES[MaskKind.MAIL])

    async def asked() -> bool:
        return bool(product.model.chats) and bool(await product.desk.notes(ticket))

    await until(asked)
    prompt = "\n".join(str(one["content"]) for one in product.model.chats[0].body["messages"])
    assert "MASKED" not in prompt
    assert not [value for value in CANARIES.values() if value not in prompt]
