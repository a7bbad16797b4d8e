"""Templates: each fits the published schema, is what an export would write, and is an agent for every desk."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from tests.support.api import Api
from tests.support.desks import DESKS

from deskhand.agents.bodies import AgentPost
from deskhand.agents.documents import AgentDocument, as_file
from deskhand.agents.templates.catalogue import WRITTEN_FOR, agent_from, find_template, model_at_hand, templates
from deskhand.errors import NotFoundError
from deskhand.kit.yaml import read_yaml, write_yaml
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.plugins.registry import PluginManager

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/agent-file.schema.json").read_text())
PLUGINS = PluginManager.installed()


def embedded_model() -> EmbeddedEndpoint:
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize("slug", templates())
def test_a_template_fits_the_schema_and_is_written_as_an_export_writes_it(slug: str) -> None:
    template = templates()[slug]
    jsonschema.Draft202012Validator(SCHEMA).validate(read_yaml(template.text).value)
    exported = as_file({**template.document.content(), "status": None})
    assert write_yaml(exported) == template.text


@pytest.mark.parametrize(
    ("gateway", "has_sdk", "chosen"),
    [
        (GatewaySettings(embedded=embedded_model), False, {"llm_config": {"provider": "embedded", "model": "auto"}}),
        (GatewaySettings(embedded=embedded_model, base_url="https://litellm.example.com/v1"), False, {}),
        (GatewaySettings(embedded=embedded_model), True, {}),  # a vendor's model may be reached without a gateway
        (GatewaySettings(), False, {}),
    ],
    ids=["the embedded one alone", "a gateway", "the SDK", "none"],
)
def test_a_draft_names_a_model_that_is_served_here(
    monkeypatch: pytest.MonkeyPatch, gateway: GatewaySettings, has_sdk: bool, chosen: dict[str, Any]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object() if has_sdk else None)
    assert model_at_hand(gateway) == chosen
    monkeypatch.undo()
    body = agent_from(templates()["first-look"], desk=WRITTEN_FOR, plugins=PLUGINS) | chosen
    assert AgentPost.model_validate(body).llm_config.model == ("auto" if chosen else "gpt-4o")


@pytest.mark.parametrize("desk", DESKS)
@pytest.mark.parametrize("slug", templates())
def test_a_template_is_an_agent_for_every_desk(slug: str, desk: str) -> None:
    body = agent_from(templates()[slug], desk=desk, plugins=PLUGINS)
    agent = AgentPost.model_validate(body)
    assert desk in agent.tool_ids
    assert (WRITTEN_FOR in agent.tool_ids) is (desk == WRITTEN_FOR)
    assert agent.status == "draft"


@pytest.mark.parametrize("desk", ["knowledge", "email", "jiraa"])
def test_a_tool_that_is_no_desk_takes_no_desks_place(desk: str) -> None:
    with pytest.raises(NotFoundError):
        agent_from(find_template("triage"), desk=desk, plugins=PLUGINS)


async def test_templates_over_the_api(api: Api) -> None:
    client = await api.tenant()
    listed = (await client.get("/api/v1/agent-templates")).json()
    assert [one["slug"] for one in listed] == list(templates())
    one = (await client.get("/api/v1/agent-templates/shift-digest")).json()
    assert one["file"] == templates()["shift-digest"].text
    assert (one["triggers"], one["outcome"]) == (["schedule"], "report")
    assert one["agent"]["tool_ids"] == ["email", "servicedesk_plus"]
    other = (await client.get("/api/v1/agent-templates/shift-digest", params={"desk": "jira"})).json()
    assert other["agent"]["tool_ids"] == ["email", "jira"]
    made = await client.post("/api/v1/agents", json=one["agent"])
    assert made.status_code == 201, made.text
    missing = await client.get("/api/v1/agent-templates/shift-digst")
    assert missing.status_code == 404
    assert "did you mean 'shift-digest'?" in missing.json()["detail"]


BASE = read_yaml(templates()["triage"].text).value


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"triggers": [{"trigger_type": "webhook", "is_paused": True}]}, "is_paused not allowed"),
        ({"triggers": [{"trigger_type": "webhook", "webhook_url": "/agents/1/webhook"}]}, "none"),
        ({"triggers": [{"trigger_type": "webhook", "hmac_secret": "env:9A"}]}, "env:NAME or file:PATH"),
        ({"tools": {f"t{number}": ["get_ticket"] for number in range(21)}}, "at most 20"),
        ({"status": "suspended", "triggers": []}, "At least one trigger"),
        ({"llm_config": {"model": "gpt-4", "api_key": "x"}}, "api_key"),
        ({"created_by": "me"}, "there is no such field"),
    ],
)
def test_what_a_file_cannot_say(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AgentDocument.model_validate({**BASE, **change})
    assert told.casefold() in str(refused.value).casefold()
