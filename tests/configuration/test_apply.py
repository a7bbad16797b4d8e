"""Agents as files: applied whole or not at all, exported and applied to the same bytes, drift and faults named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.configuration.conftest import Commands
from typer.testing import CliRunner

from deskhand.agents.templates.catalogue import templates
from deskhand.cli import app as command_line
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.yaml import read_yaml, write_yaml
from deskhand.simulators.base.server import run_in_process

WEBHOOK = {"trigger_type": "webhook"}
DIGEST: dict[str, Any] = {
    "apiVersion": "deskhand/v1",
    "kind": "Agent",
    "name": "Night digest",
    "status": "active",
    "system_prompt": "It is {{current_date}}.\nList every ticket that was filed since yesterday.\n",
    "llm_config": {"model": "gpt-4", "temperature": 0.2, "top_k": 40},
    "outcome": {"kind": "report"},
    "tools": {
        "servicedesk_plus": {"search_tickets": "allow", "get_ticket": {"scope": "any"}},
        "knowledge": ["search_articles"],
    },
    "triggers": [
        {"trigger_type": "schedule", "schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlin"},
        {"trigger_type": "schedule", "schedule_cron": "0 17 * * 1-5", "is_paused": True, "misfire_policy": "skip"},
        {"trigger_type": "webhook", "payload_schema": {"type": "object", "properties": {"ticket_id": {"minimum": 1}}}},
    ],
}  # fmt: skip
TRIAGE: dict[str, Any] = {
    "apiVersion": "deskhand/v1",
    "kind": "Agent",
    "name": "Triage · Ä",
    "description": "yes",
    "system_prompt": "Set category, priority and group. Ünïcode stays, and so does a trailing blank: \nx",
    "llm_config": {"model": "gpt-4"},
    "tools": {"servicedesk_plus": ["get_ticket", "update_ticket"]},
    "outcome": {"kind": "fields"},
    "triggers": [WEBHOOK],
}
STRONG = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"


def folder_of(path: Path, *documents: dict[str, Any]) -> Path:
    path.mkdir(exist_ok=True)
    for number, document in enumerate(documents):
        (path / f"{number}.yaml").write_text(write_yaml(document))
    return path


async def test_what_is_exported_makes_an_empty_installation_the_same(commands: Commands, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "first", DIGEST, TRIAGE)
    told = await commands.apply(folder)
    assert "Plan: 2 to create, 0 to change, 0 to delete, 0 unchanged." in told
    assert told.count("whsec_") == 2
    exported = await commands.export(tmp_path / "exported")
    assert list(exported) == ["night-digest.yaml", "triage-a.yaml"]
    assert "whsec_" not in str(exported)
    assert "hmac_secret" not in str(exported)

    again = await commands.apply(tmp_path / "exported")
    assert "2 unchanged" in again
    assert "Nothing to change." in again
    assert "Nothing to change." in await commands.apply(folder)

    await commands.api.tenant("empty")
    await commands.apply(tmp_path / "exported", tenant="empty")
    assert await commands.export(tmp_path / "second", tenant="empty") == exported
    document = read_yaml(exported["night-digest.yaml"]).value
    assert {name: document[name] for name in ("status", "system_prompt")} == {
        name: DIGEST[name] for name in ("status", "system_prompt")
    }
    assert [trigger.get("is_paused") for trigger in document["triggers"]] == [True, None, None]


async def test_a_plan_shows_every_field_and_changes_nothing(commands: Commands, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f", DIGEST)
    await commands.apply(folder)
    before = await commands.export(tmp_path / "before")
    changed = {
        **DIGEST,
        "system_prompt": DIGEST["system_prompt"] + "Begin with what is critical.\n",
        "llm_config": {"model": "gpt-4", "temperature": 0.9, "top_k": 40},
        "tools": {"servicedesk_plus": ["search_tickets"]},
        "triggers": [{**DIGEST["triggers"][0], "schedule_cron": "0 8 * * *"}, *DIGEST["triggers"][1:]],
    }
    folder_of(folder, changed)
    told = await commands.apply(folder, "--dry-run")
    for line in (
        "~ change Night digest (0.yaml)",
        "/llm_config/temperature: 0.2 → 0.9",
        '/tools/knowledge: ["search_articles"] → nothing',
        '/triggers/0/schedule_cron: "0 9 * * *" → "0 8 * * *"',
        "+Begin with what is critical.",
        "Nothing was changed: --dry-run.",
    ):
        assert line in told
    assert "drift" not in told
    assert await commands.export(tmp_path / "after") == before
    assert "Aborted" in await commands.run("apply", "-f", str(folder), code=1)
    assert await commands.export(tmp_path / "declined") == before
    await commands.run("apply", "-f", str(folder), answer="y\n")
    [agent] = (await commands.client.get("/api/v1/agents")).json()["items"]
    assert (agent["current_version"], agent["llm_config"]["temperature"]) == (2, 0.9)
    assert "Nothing to change." in await commands.apply(folder)


async def test_what_was_changed_in_the_console_since_is_told_with_who_and_when(
    commands: Commands, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "f", DIGEST)
    await commands.apply(folder)
    [agent] = (await commands.client.get("/api/v1/agents")).json()["items"]
    path = f"/api/v1/agents/{agent['id']}"
    changed = await commands.client.patch(path, json={"llm_config": {"model": "gpt-4", "temperature": 1.0}})
    assert changed.is_success, changed.text
    schedule = next(one["id"] for one in agent["triggers"] if one.get("schedule_cron") == "0 9 * * *")
    assert (await commands.client.post(f"{path}/triggers/{schedule}/pause")).is_success

    told = await commands.apply(folder, "--dry-run")
    assert "/llm_config/temperature: 1.0 → 0.2" in told
    assert "/triggers/0/is_paused: true → nothing" in told
    drift = [line.strip() for line in told.splitlines() if "drift:" in line]
    assert len(drift) == 2
    assert "schedule.pause" in drift[0]
    assert drift[1].endswith("agent.update: llm_config")
    assert all(line.startswith("drift: api-key:dhk_") and " UTC, " in line for line in drift)

    await commands.apply(folder)
    assert "Nothing to change." in await commands.apply(folder)
    folder_of(folder, {**DIGEST, "description": "mine"})
    assert "drift" not in await commands.apply(folder, "--dry-run")


async def test_pruning_deletes_what_no_file_says_and_leaves_drafts(commands: Commands, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f", DIGEST)
    await commands.api.agent(commands.client, name="A draft", status="draft")
    other = await commands.api.agent(commands.client, name="Another", status="draft")
    assert (await commands.client.post(f"/api/v1/agents/{other['id']}/activate")).is_success
    told = await commands.apply(folder)
    assert "! left Another (no file says it; --prune deletes it)" in told
    told = await commands.apply(folder, "--prune")
    assert "- delete Another" in told
    assert "! left A draft (no file says it; a draft cannot be deleted)" in told
    names = [agent["name"] for agent in (await commands.client.get("/api/v1/agents")).json()["items"]]
    assert sorted(names) == ["A draft", "Night digest"]
    assert "Nothing to change." in await commands.apply(folder, "--prune")
    (folder / "0.yaml").unlink()
    assert "There is no .yaml file" in await commands.apply(folder, "--prune", code=1)


@pytest.mark.parametrize("kind", ["env", "file"])
async def test_a_secret_is_a_reference(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    reference = f"{kind}:HOOK_SECRET"
    folder = folder_of(tmp_path / "f", {**TRIAGE, "triggers": [{**WEBHOOK, "hmac_secret": reference}]})

    def put(secret: str) -> None:
        monkeypatch.setenv("HOOK_SECRET", secret)
        (folder / "HOOK_SECRET").write_text(secret + "\n")

    monkeypatch.delenv("HOOK_SECRET", raising=False)
    missing = await commands.apply(folder, code=1)
    assert "0.yaml, line " in missing
    assert "triggers.0.hmac_secret: " in missing
    assert "HOOK_SECRET" in missing
    put("short")
    assert "triggers.0.hmac_secret: Value should have at least 16" in await commands.apply(folder, code=1)
    put("x" * 40)
    assert "too weak" in await commands.apply(folder, code=1)
    put(STRONG)
    assert "whsec_" not in await commands.apply(folder)
    assert "Nothing to change." in await commands.apply(folder)
    assert STRONG not in str(await commands.export(tmp_path / "exported"))
    put(STRONG[::-1])
    told = await commands.apply(folder)
    assert '/triggers/0/hmac_secret: "(stored)" → "(another)"' in told
    assert STRONG[::-1] not in told
    [agent] = (await commands.client.get("/api/v1/agents")).json()["items"]
    row = agent["triggers"][0]["id"]
    async with commands.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        stored = await session.execute(text("SELECT hmac_secret FROM agent_triggers WHERE id = :id"), {"id": row})
    assert commands.api.state.secrets.decrypt(stored.scalar_one()) == STRONG[::-1]


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        ({"apiVersion": "deskhand/v9"}, 1, "apiVersion: Input should be 'deskhand/v1'"),
        ({"kind": "Agnet"}, 2, "did you mean 'Agent'?"),
        ({"promt": "x"}, 13, "promt: there is no such field; there are 'apiVersion', 'kind'"),
        ({"status": "inactive"}, 13, "taking its file away"),
        ({"system_prompt": "Look at {{ticket.nummer}}."}, 5, "{{ticket.nummer}}. Closest: ticket.number"),
        ({"llm_config": {"model": "gpt-44"}}, 7, "llm_config.model: "),
        ({"llm_config": {"model": "gpt-4", "temperature": "hot"}}, 6, "temperature must be a number"),
        ({"tools": {"jiraa": ["get_ticket"]}}, 9, "tools.jiraa: "),
        ({"tools": {"servicedesk_plus": ["get_tickets"]}}, 9, "cannot do: get_tickets. Closest: get_ticket"),
        ({"tools": {"knowledge": ["reply"]}}, 9, "'knowledge' cannot do: reply"),
        ({"outcome": {"kind": "reply"}}, 14, "outcome.kind: 'reply' needs the grant"),
        ({"triggers": [{"trigger_type": "schedule", "schedule_cron": "61 * * * *"}]}, 12, "triggers.0: "),
        ({"triggers": [{"trigger_type": "webhook", "hmac_secret": STRONG}]}, 13, "env:NAME or file:PATH, and never"),
        ({"status": "active", "triggers": []}, 1, "At least one trigger is required"),
        ({"name": "x" * 300}, 3, "name: String should have at most 255 characters"),
        ({"tools": {"jira": ["get_ticket"]}, "status": "active"}, 8, "has a complete connection: jira"),
    ],
)  # fmt: skip
async def test_a_mistake_is_a_sentence_with_file_line_and_key(
    commands: Commands, tmp_path: Path, change: dict[str, Any], line: int, told: str
) -> None:
    base = {name: TRIAGE[name] for name in ("apiVersion", "kind", "name")}
    base |= {
        "description": "What it is for.",
        "system_prompt": "Set what is missing.",
        "llm_config": {"model": "gpt-4"},
        "tools": {"servicedesk_plus": ["get_ticket"]},
        "triggers": [WEBHOOK],
    }
    folder = folder_of(tmp_path / "f", {**base, **change})
    said = await commands.apply(folder, code=1)
    assert told in said
    assert STRONG not in said
    assert f"0.yaml, line {line}: " in said, said
    assert (await commands.client.get("/api/v1/agents")).json()["items"] == []


async def test_what_will_fail_is_told_of_each_agent_that_may_run_and_was_touched(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hello(_scope: object, _receive: object, send: Any) -> None:
        """A gateway that lists no model an agent names."""
        body = b'{"data": [{"id": "another-model"}]}'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with run_in_process(hello) as gateway:
        monkeypatch.setenv("DESKHAND_LLM_BASE_URL", f"{gateway.url}/v1")
        told = await commands.apply(folder_of(tmp_path / "f", DIGEST, TRIAGE))
        assert "warning: Night digest: " in told
        assert "gpt-4" in told.split("warning: Night digest: ")[1]
        assert f"warning: {TRIAGE['name']}" not in told  # a draft may lack what it likes
        assert "warning" not in await commands.apply(folder_of(tmp_path / "f", DIGEST, TRIAGE))  # nothing was touched


async def test_a_folder_is_applied_whole_or_not_at_all(commands: Commands, tmp_path: Path) -> None:
    bad = {**TRIAGE, "tools": {"jira": ["update_ticket"]}, "status": "active"}
    folder = folder_of(tmp_path / "f", DIGEST, bad)
    assert "1.yaml, line " in await commands.apply(folder, code=1)
    assert (await commands.client.get("/api/v1/agents")).json()["items"] == []
    (folder / "1.yaml").write_text("name: a\nname: b\n")
    (folder / "2.yaml").write_bytes(b"\xff")
    (folder / "3.yaml").write_text(write_yaml(DIGEST))
    said = await commands.apply(folder, code=1)
    assert "1.yaml, line 2: the key 'name' stands twice" in said
    assert "2.yaml: it is not UTF-8 (byte 1)" in said
    assert "3.yaml, line 3: name: 'Night digest' is the agent of 0.yaml already" in said


async def test_two_agents_of_one_name_are_told_apart_by_nobody(commands: Commands, tmp_path: Path) -> None:
    for _ in range(2):
        await commands.api.agent(commands.client, name="Twin", status="draft")
    for told in (
        await commands.apply(folder_of(tmp_path / "f", DIGEST), code=1),
        await commands.run("export", "-f", str(tmp_path / "out"), code=1),
    ):
        assert "Several agents are called 'Twin'" in told
    assert not (tmp_path / "out").exists()


async def test_an_export_does_not_write_over_files(commands: Commands, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f", DIGEST)
    await commands.apply(folder)
    assert "holds 1 YAML files already" in await commands.run("export", "-f", str(folder), code=1)
    told = await commands.run("export", "-f", str(folder), "--overwrite")
    assert "! 0.yaml is of nothing that was exported" in told
    assert "There is no tenant" in await commands.run("export", "-f", str(tmp_path / "x"), tenant="nobody", code=1)


async def test_a_draft_is_made_from_a_template(commands: Commands, tmp_path: Path) -> None:
    told = await commands.run("agent", "new", "--template", "triage", "--name", "Sorting", "--model", "gpt-4")
    assert "Sorting" in told
    assert "/webhook whsec_" in told
    [agent] = (await commands.client.get("/api/v1/agents")).json()["items"]
    assert (agent["name"], agent["status"], agent["llm_config"]["model"]) == ("Sorting", "draft", "gpt-4")
    missing = await commands.run("agent", "new", "--template", "triag", code=1)
    assert "did you mean 'triage'?" in missing
    shown = CliRunner().invoke(command_line, ["templates", "show", "handover"]).output
    assert shown == templates()["handover"].text
    assert "shift-digest  Mails every morning" in CliRunner().invoke(command_line, ["templates", "list"]).output
    (tmp_path / "handover.yaml").write_text(shown)
    assert "+ create Handover (handover.yaml)" in await commands.apply(tmp_path, "--dry-run")
