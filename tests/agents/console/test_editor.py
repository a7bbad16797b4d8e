"""Agents made from a template and changed by the editor, without a browser's scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from tests.agents.console.test_pages import person, words_of
from tests.support.api import Api
from tests.support.people import form

from deskhand.agents.console.editor import EditForm, faults_by_field
from deskhand.agents.models import Agent
from deskhand.agents.templates.catalogue import templates
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.llm.fallbacks import TRIGGERS

EDIT = {
    "name": "Triage", "description": "Sorts.", "system_prompt": "Be short.\r\nBe exact.", "provider": "litellm",
    "model": "gpt-4o", "temperature": "0.5", "max_tokens": "900", "top_p": "0.5",
}  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("0.5", 0.5), ("2", 2), ("", None), ("warm", "warm"), ("1e400", float("inf")), ("½", "½"), ("-1", -1.0)],
)
def test_numbers_are_read_as_they_were_meant_and_the_schema_judges_the_rest(typed: str, stored: object) -> None:
    agent = Agent(name="A", system_prompt="Be short.", llm_config={"model": "gpt-4", "temperature": 0.1, "seed": 7})
    config = EditForm(model=" gpt-4o ", provider="litellm", temperature=typed).changes(agent)["llm_config"]
    assert config.get("temperature") == stored
    assert (config["model"], config["seed"]) == ("gpt-4o", 7)


def test_an_untouched_form_says_what_the_agent_is() -> None:
    agent = Agent(
        name="A", description=None, system_prompt="One.\nTwo.", llm_config={"model": "gpt-4", "provider": "p"}
    )
    changes = EditForm.of(agent).changes(agent)
    assert changes == {
        "name": "A",
        "description": None,
        "system_prompt": "One.\nTwo.",
        "llm_config": {"model": "gpt-4", "provider": "p"},
    }


def test_faults_stand_beside_the_field_they_are_about() -> None:
    faults = [FieldProblem("/llm_config/model", "unknown"), FieldProblem("/triggers", "none")]
    for error in (InvalidInputError("No.", errors=faults), ConflictError("No.", errors=faults)):
        found = faults_by_field(error)
        assert found["model"] == "unknown"
        assert not any(found[name] for name in found if name != "model")
    together = [FieldProblem("/llm_config", "temperature must be a number"), FieldProblem("/llm_config", "has no key")]
    found = faults_by_field(InvalidInputError("No.", errors=together))
    assert (found["temperature"], found["model"]) == ("temperature must be a number", "has no key")
    assert not any(faults_by_field(NotFoundError("No.")).values())
    assert not any(faults_by_field(None).values())


CHAIN = {"fallbacks": [{"model": "gpt-4o-mini"}, {"model": "my own", "connection": "backup"}]}
LINES = "gpt-4o-mini\nmy own via backup"


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ({}, ("tenant", "", list(TRIGGERS))),
        ({"fallbacks": None}, ("tenant", "", list(TRIGGERS))),
        ({"fallbacks": []}, ("none", "", list(TRIGGERS))),
        (CHAIN, ("own", LINES, list(TRIGGERS))),
        ({**CHAIN, "fallback_on": ["timeout"]}, ("own", LINES, ["timeout"])),
    ],
)
def test_a_chain_is_shown_as_lines_and_saved_as_it_was(
    stored: dict[str, object], typed: tuple[str, str, list[str]]
) -> None:
    agent = Agent(name="A", system_prompt="Be short.", llm_config={"model": "gpt-4", "provider": "litellm", **stored})
    shown = EditForm.of(agent)
    assert (shown.chain, shown.fallbacks, shown.fallback_on) == typed
    kept = {name: value for name, value in stored.items() if value is not None}
    assert shown.changes(agent)["llm_config"] == {"model": "gpt-4", "provider": "litellm", **kept}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"chain": "tenant", "fallbacks": LINES, "fallback_on": ["timeout"]}, {}),
        ({"chain": "none", "fallbacks": LINES, "fallback_on": ["timeout"]}, {"fallbacks": []}),
        ({"chain": "own", "fallbacks": f"\r\n {LINES} \n\n", "fallback_on": []}, CHAIN),
        ({"chain": "own", "fallbacks": "", "fallback_on": list(TRIGGERS)}, {"fallbacks": []}),
        ({"chain": "own", "fallbacks": "a via b via c", "fallback_on": ["budget"]},
         {"fallbacks": [{"model": "a via b", "connection": "c"}], "fallback_on": ["budget"]}),
        ({}, {"fallbacks": [{"model": "old"}], "fallback_on": ["timeout"]}),
    ],
)  # fmt: skip
def test_a_typed_chain_takes_the_place_of_the_one_there_was(sent: dict[str, object], stored: object) -> None:
    before = {"model": "gpt-4", "fallbacks": [{"model": "old"}], "fallback_on": ["timeout"], "seed": 7}
    agent = Agent(name="A", system_prompt="Be short.", llm_config=before)
    config = EditForm.model_validate({"model": "gpt-4", "provider": "litellm", **sent}).changes(agent)["llm_config"]
    assert {name: config.get(name) for name in ("fallbacks", "fallback_on") if name in config} == stored
    assert (config["model"], config["seed"]) == ("gpt-4", 7)


@pytest.mark.parametrize(
    ("stored", "sent", "then"),
    [
        ({}, ["no", "yes"], {"local_only": True}),
        ({}, ["no"], {}),
        ({"local_only": True}, ["no", "yes"], {"local_only": True}),
        ({"local_only": True}, ["no"], {}),
        ({"local_only": True}, [], {"local_only": True}),
        ({"local_only": False}, ["no"], {"local_only": False}),
    ],
)
def test_a_box_that_is_not_ticked_is_told_from_a_form_without_it(
    stored: dict[str, bool], sent: list[str], then: dict[str, bool]
) -> None:
    agent = Agent(name="A", system_prompt="Be short.", llm_config={"model": "gpt-4", "provider": "litellm", **stored})
    assert ("yes" in EditForm.of(agent).local_only) is bool(stored.get("local_only"))
    form = EditForm.model_validate({"model": "gpt-4", "provider": "litellm", "local_only": sent})
    assert form.changes(agent)["llm_config"] == {"model": "gpt-4", "provider": "litellm", **then}


def test_what_is_wrong_with_a_model_of_the_chain_is_said_by_its_line_and_not_of_the_agents_own() -> None:
    faults = [
        FieldProblem("/llm_config/fallbacks/0/model", "nobody knows it"),
        FieldProblem("/llm_config/fallbacks/2/connection", "is not there"),
        FieldProblem("/llm_config/fallback_on/0", "must be one of six words"),
    ]
    found = faults_by_field(InvalidInputError("No.", errors=faults))
    assert found["fallbacks"] == "Model 1: nobody knows it Model 3: is not there"
    assert found["fallback_on"] == "must be one of six words"
    assert (found["model"], found["connection"]) == ("", "")
    whole = [FieldProblem("/llm_config/fallbacks", "at most 5")]
    assert faults_by_field(InvalidInputError("No.", errors=whole))["fallbacks"] == "at most 5"


async def test_an_agent_gets_its_chain_in_the_editor_which_shows_the_tenants(api: Api) -> None:
    admin = await api.tenant(enhancement_preferences={"models": {"fallbacks": [{"model": "gpt-4o"}]}})
    client = await person(api, "editor")
    made = await api.agent(admin, llm_config={"model": "gpt-4"})
    address = f"/agents/{made['id']}/edit"
    page = (await client.get(address)).text
    assert "Those of the tenant: gpt-4o" in words_of(page)
    typed: dict[str, Any] = {
        "chain": "own",
        "fallbacks": "gpt-4o-minni\ngpt-4o via nowhere",
        "fallback_on": ["timeout", "budget"],
    }
    refused = await form(client, address, address, revision="1", **EDIT, **typed)
    assert refused.status_code == 422
    said = words_of(refused.text)
    assert "Model 1:" in said
    assert "gpt-4o-mini" in said
    assert "Model 2: There is no model connection" in said
    assert "gpt-4o via nowhere" in refused.text, "what was typed stays"
    typed["fallbacks"] = "gpt-4o-mini\ngpt-4"
    saved = await form(client, address, address, revision="1", **EDIT, **typed)
    assert saved.status_code == 303, saved.text
    config = (await admin.get(f"/api/v1/agents/{made['id']}")).json()["llm_config"]
    assert [one["model"] for one in config["fallbacks"]] == ["gpt-4o-mini", "gpt-4"]
    assert config["fallback_on"] == ["timeout", "budget"]


async def test_an_agent_begins_from_each_template_as_a_draft_and_shows_its_secret_once(api: Api) -> None:
    admin = await api.tenant()
    client = await person(api, "editor")
    page = (await client.get("/agents/new")).text
    for slug, template in templates().items():
        assert template.document.name in words_of(page)
        made = await form(client, "/agents/new", "/agents/new", template=slug)
        assert made.status_code == 200, made.text
        assert "The draft is made" in made.text
        webhooks = [one for one in template.document.triggers if one.trigger_type.value == "webhook"]
        secrets = re.findall(r'class="secret" id="[^"]+">([^<]+)<', made.text)
        assert len(secrets) == len(webhooks)
    agents = (await admin.get("/api/v1/agents")).json()["items"]
    assert {one["name"] for one in agents} == {one.document.name for one in templates().values()}
    assert {one["status"] for one in agents} == {"draft"}
    assert (await form(client, "/agents/new", "/agents/new", template="no-such")).status_code == 404


async def test_the_editor_saves_names_faults_beside_fields_and_overwrites_nobody(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin, llm_config={"model": "gpt-4", "top_p": 0.5})
    address = f"/agents/{made['id']}"
    client = await person(api, "editor")
    shown = (await client.get(f"{address}/edit")).text
    assert "{{ticket.subject}}" in shown
    assert "$2.50 in, $10.00 out per million tokens; 128,000 tokens" in shown

    wrong = {**EDIT, "system_prompt": "Look at {{ticket.subjekt}} first.", "temperature": "warm", "name": "Kept"}
    refused = await form(client, f"{address}/edit", f"{address}/edit", revision="1", **wrong)
    assert refused.status_code == 422
    assert 'id="fault-system_prompt"' in refused.text
    assert 'id="fault-temperature"' in refused.text
    assert 'value="Kept"' in refused.text
    unknown = await form(client, f"{address}/edit", f"{address}/edit", revision="1", **{**EDIT, "model": "gtp-4o"})
    assert 'id="fault-model"' in unknown.text
    assert "Closest" in unknown.text

    saved = await form(client, f"{address}/edit", f"{address}/edit", revision="1", **EDIT)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{address}?done=save")
    now = (await admin.get(f"/api/v1{address}")).json()
    assert (now["name"], now["system_prompt"]) == ("Triage", "Be short.\nBe exact.")
    assert now["llm_config"] == {
        "provider": "litellm", "model": "gpt-4o", "temperature": 0.5, "max_tokens": 900, "top_p": 0.5,
    }  # fmt: skip
    assert (await form(client, f"{address}/edit", f"{address}/edit", revision="1", **EDIT)).status_code == 412
    again = await form(client, f"{address}/edit", f"{address}/edit", revision="2", **EDIT)
    assert again.status_code == 303
    assert (await admin.get(f"/api/v1{address}")).json()["revision"] == 2


async def test_a_secret_is_replaced_with_grace_and_shown_once(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    address, trigger = f"/agents/{made['id']}", made["triggers"][0]["id"]
    client = await person(api, "editor")
    rotated = await form(client, address, f"{address}/triggers/{trigger}/rotate", revision="1", grace_seconds="3600")
    shown = re.search(r'class="secret" id="[^"]+">(whsec_[^<]+)<', rotated.text)
    assert shown is not None
    assert "The one before it is taken until" in rotated.text
    page = (await client.get(address)).text
    assert shown[1] not in page
    assert made["webhook_secrets"][0]["secret"] not in page
    path = f"{address}/triggers/{trigger}/rotate"
    assert (await form(client, address, path, revision="1", grace_seconds="0")).status_code == 412
    assert (await form(client, address, path, revision="2", grace_seconds="604801")).status_code == 422


async def test_an_agent_is_had_as_the_file_that_apply_reads_without_its_secret(api: Api) -> None:
    admin = await api.tenant()
    made = await api.agent(admin)
    answer = await (await person(api, "viewer")).get(f"/agents/{made['id']}/file")
    assert answer.headers["content-disposition"].startswith("attachment")
    said = yaml.safe_load(answer.text)
    assert (said["apiVersion"], said["kind"], said["name"]) == ("deskhand/v1", "Agent", made["name"])
    assert made["webhook_secrets"][0]["secret"] not in answer.text
