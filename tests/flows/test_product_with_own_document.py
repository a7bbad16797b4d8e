"""A product of somebody else serves its own OpenAPI document: added by its address alone, called by an agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
from tests.support.openapi import glances
from tests.support.product import Product
from tests.support.source_runs import calling, run_of, told

SOURCES = "/api/v1/tool-sources"
READ, CLEAR = "api_api_4__plugin__get", "events_clear_all_api_4_events_clear__224879"


def operation(document: dict[str, Any], shown: dict[str, Any]) -> tuple[str, str]:
    """Method and path that an operation of ours stands for: its name is the document's, made fit for models."""
    fits = {
        method: path
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if one["operationId"].strip("_")[:30] == shown["name"][:30]
    }
    [(method, path)] = fits.items()
    return method, path


async def test_glances_is_added_by_its_address_and_an_agent_reads_this_machine_s_figures(
    product: Product, tmp_path: Path
) -> None:
    async with glances(tmp_path) as url:
        async with httpx2.AsyncClient() as visitor:
            document = (await visitor.get(f"{url}/openapi.json")).json()
            memory = (await visitor.get(f"{url}/api/4/mem")).json()
            assert (await visitor.get(f"{url}/api/4/docker")).status_code == 400
        customer = await product.customer(active=False)
        added = await customer.client.post(
            f"{SOURCES}/openapi", json={"slug": "host", "name": "Host", "url": f"{url}/openapi.json"}
        )
        assert added.status_code == 201, added.text
        offered = {one["name"]: one for one in added.json()["operations"]}
        assert len(offered) == sum(len(methods) for methods in document["paths"].values())
        # Everything it serves can be switched on: a document of a living product is refused nowhere.
        assert [one["name"] for one in offered.values() if one["fault"] or one["enabled"]] == []
        assert {name: offered[name]["access"] for name in (READ, CLEAR)} == {READ: "read", CLEAR: "write"}
        assert operation(document, offered[READ]) == ("get", "/api/4/{plugin}")
        every = await customer.client.patch(
            f"{SOURCES}/host", json={"operations": {name: {"enabled": True} for name in offered}}
        )
        assert every.json()["enabled_operations"] == len(offered), every.text

        grant = {"tool_ids": ["servicedesk_plus", "openapi:host"], "tool_operations": {"openapi:host": [READ, CLEAR]}}
        path = f"/api/v1/agents/{customer.agent_id}"
        assert (await customer.client.patch(path, json=grant)).is_success
        assert (await customer.client.post(f"{path}/activate")).is_success
        await product.start_worker()
        product.model.script = calling(
            (f"host_{READ}", {"plugin": "mem"}),
            (f"host_{READ}", {"plugin": "docker"}),
            (f"host_{CLEAR}", {}),
            ("host_api_config_api_4_config_get", {}),
        )
        run = await run_of(product, customer)
    assert run["status"] == "completed", run
    steps = [step for step in run["steps"] if step["name"] in (READ, CLEAR)]
    outputs = [step["output"] for step in steps]
    figures = outputs[0]["body"]
    assert outputs[0]["status"] == 200
    assert {"total", "used", "free", "percent"} <= figures.keys()
    assert figures["total"] == memory["total"] > 0
    answers = told(product)
    assert str(memory["total"]) in answers
    assert "Unknown plugin docker" in answers
    assert [(step["kind"], bool(step["mark"])) for step in steps if step["name"] == CLEAR] == [("write", True)]
    assert "host_api_config_api_4_config_get" not in json.dumps(product.model.seen[0].body["tools"])
