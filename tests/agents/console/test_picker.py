"""Models chosen by price and size, and a prompt shown with an example, without a browser's scripts."""

from __future__ import annotations

import re
from html import unescape

from tests.agents.console.test_editor import EDIT
from tests.agents.console.test_pages import person, words_of
from tests.support.api import Api
from tests.support.people import form

from deskhand.agents.console.picker import ORDERS, PickerForm, model_facts
from deskhand.agents.offered_models import ModelOrder

PART = {"HX-Request": "true"}


def test_an_address_that_was_mistyped_still_shows_a_list() -> None:
    sent = PickerForm.model_validate({"order": "sideways", "agent": "", "cursor": ""})
    assert (sent.order, sent.agent, sent.cursor) == (ModelOrder.KNOWN, None, None)
    assert set(ORDERS) == set(ModelOrder)


def test_a_name_that_no_model_has_is_said_to_be_none() -> None:
    def fault(name: str, *listed: str) -> object:
        return model_facts(name=name, provider="litellm", listed=listed)["model_fault"]

    assert fault("gtp-4o") == "No known model has this name."
    assert fault("gtp-4o", "gtp-4o") == fault("gpt-4o") == fault("") == ""


async def test_a_model_is_found_by_price_and_chosen_for_the_agent(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    client = await person(api, "editor")
    page = (await client.get("/agents/models", params={"q": "gpt-4o-mini", "order": "price", "agent": made["id"]})).text
    text = words_of(page)
    assert "$0.15" in text
    assert "128,000" in text
    link = re.search(r'href="(/agents/[^"]+/edit\?model=gpt-4o-mini&amp;provider=litellm)"', page)
    assert link is not None
    chosen = (await client.get(unescape(link[1]))).text
    assert "gpt-4o-mini is chosen below and not saved yet." in words_of(chosen)
    assert re.search(r'name="model" value="gpt-4o-mini"', chosen)
    assert (await admin.get(f"/api/v1/agents/{made['id']}")).json()["llm_config"]["model"] == "gpt-4"

    first = (await client.get("/agents/models", params={"q": "gpt"})).text
    more = re.search(r'rel="next" href="([^"]+)"', first)
    assert more is not None
    second = (await client.get(unescape(more[1]))).text
    assert "data-model" not in second, "without an agent there is nothing to choose for"
    names = [set(re.findall(r"<strong>([^<]+)</strong>", one)) for one in (first, second)]
    assert all(names)
    assert names[0].isdisjoint(names[1])
    part = (await client.get("/agents/models", params={"q": "nothing at all"}, headers=PART)).text
    assert part.startswith('<div id="models-found">')
    assert "No model has that in its name" in part
    assert (await (await person(api, "viewer")).get("/agents/models")).status_code == 403


async def test_what_is_known_of_a_typed_model_stands_below_its_box(api: Api) -> None:
    await api.tenant()
    client = await person(api, "editor")

    async def facts(model: str, provider: str = "litellm") -> str:
        answer = await client.get("/agents/models/facts", params={"model": model, "provider": provider}, headers=PART)
        return words_of(answer.text).strip()

    assert await facts("gpt-4o") == (
        "$2.50 in, $10.00 out per million tokens; reads 128,000 tokens at once; writes up to 16,384."
    )
    assert (await facts("auto", "embedded")).startswith("On this machine, at no price; reads ")
    assert await facts("gtp-4o") == "No known model has this name."
    assert await facts("gpt-4-2031-01-01") == "Allowed; the catalogue knows neither its price nor its size."
    assert await facts("") == ""


async def test_a_prompt_is_shown_with_an_example_before_it_is_saved(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    client = await person(api, "editor")
    edit, path = f"/agents/{made['id']}/edit", f"/agents/{made['id']}/preview"
    typed = {**EDIT, "name": "Night shift", "system_prompt": "You are {{agent_name}}.\r\nRead {{ticket.subject}}."}
    whole = await form(client, edit, path, revision="1", **typed)
    assert whole.status_code == 200
    assert "You are Night shift.\nRead Printer on floor 3 does not answer." in whole.text
    assert 'value="Night shift"' in whole.text, "what was typed stays"
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', whole.text)
    assert csrf is not None
    wrong = {**typed, "system_prompt": "Read {{ticket.subjekt}} <b>."}
    part = await client.post(path, data={"csrf": csrf[1], "revision": "1", **wrong}, headers=PART)
    assert part.text.startswith('<section class="trial"')
    assert "The prompt has no variable {{ticket.subjekt}}. Closest: ticket.subject" in part.text
    assert "{{ticket.subjekt}} &lt;b&gt;." in part.text
    long = await client.post(
        path, data={"csrf": csrf[1], "revision": "1", **typed, "system_prompt": "{{a}}" * 20_000}, headers=PART
    )
    assert "The prompt is longer than 32,000 characters." in long.text
    assert (await admin.get(f"/api/v1/agents/{made['id']}")).json()["revision"] == 1


async def test_further_parameters_are_checked_as_the_api_checks_them(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, llm_config={"model": "gpt-4", "seed": 7, "stop_sequences": ["END"]})
    client = await person(api, "editor")
    edit = f"/agents/{made['id']}/edit"
    for name, value in (("top_p", "1.5"), ("frequency_penalty", "9"), ("presence_penalty", "much")):
        refused = await form(client, edit, edit, revision="1", **{**EDIT, name: value})
        assert refused.status_code == 422
        assert f'id="fault-{name}"' in refused.text
        assert f'value="{value}"' in refused.text
    saved = await form(client, edit, edit, revision="1", **{**EDIT, "top_p": "0.5", "presence_penalty": "-0.5"})
    assert saved.status_code == 303
    config = (await admin.get(f"/api/v1/agents/{made['id']}")).json()["llm_config"]
    assert (config["top_p"], config["presence_penalty"]) == (0.5, -0.5)
    assert (config["seed"], config["stop_sequences"]) == (7, ["END"])
