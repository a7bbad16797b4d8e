"""A tenant's rules as a file: changed as it says, with drift; no secret and no limit of the platform's is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.configuration.conftest import Commands

from deskhand.audit import service as audit
from deskhand.audit.filters import AuditFilters
from deskhand.configuration.rules import Rules
from deskhand.configuration.tenant_document import TenantDocument, tenant_file
from deskhand.kit.yaml import read_yaml, write_yaml

TENANT = "/api/v1/tenants/acme"
PREFERENCES: dict[str, Any] = {
    "approvals": {"four_eyes": True, "notices": {"gather_seconds": 30}},
    "priority_mapping": {"critical": "P1", "low": "P4"},
    "workflow_config": {"z": 1, "a": [{"b": 1, "a": 2}]},
}
FILE = {"apiVersion": "deskhand/v1", "kind": "Tenant", "enhancement_preferences": PREFERENCES}


def put(folder: Path, *files: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(files):
        (folder / f"{number}.yaml").write_text(write_yaml(content))
    return folder


async def preferences(commands: Commands) -> Any:
    return (await commands.client.get(TENANT)).json()["enhancement_preferences"]


async def test_what_is_exported_makes_an_empty_installation_the_same(commands: Commands, tmp_path: Path) -> None:
    assert await commands.export(tmp_path / "nothing") == {}
    folder = put(tmp_path / "f", FILE)
    told = await commands.apply(folder, "--dry-run")
    assert "~ change tenant acme (0.yaml)" in told
    assert '/approvals: nothing → {"four_eyes": true' in told
    assert await preferences(commands) == {}
    await commands.apply(folder)
    assert await preferences(commands) == PREFERENCES
    assert "Nothing to change." in await commands.apply(folder)
    exported = await commands.export(tmp_path / "exported")
    assert list(exported) == ["tenant.rules.yaml"]
    assert read_yaml(exported["tenant.rules.yaml"]).value == FILE
    await commands.api.tenant("empty")
    await commands.apply(tmp_path / "exported", tenant="empty")
    assert "Nothing to change." in await commands.apply(tmp_path / "exported", "--prune", tenant="empty")
    assert await commands.export(tmp_path / "second", tenant="empty") == exported


async def test_what_was_changed_past_the_file_is_drift_and_what_it_leaves_out_is_unset(
    commands: Commands, tmp_path: Path
) -> None:
    folder = put(tmp_path / "f", FILE)
    await commands.apply(folder)
    past = {"enhancement_preferences": {**PREFERENCES, "approvals": {"four_eyes": False}}}
    assert (await commands.client.patch(TENANT, json=past)).is_success
    told = await commands.apply(folder, "--dry-run")
    assert "/approvals/four_eyes: false → true" in told
    [drift] = [line.strip() for line in told.splitlines() if "drift:" in line]
    assert drift.endswith("tenant.update: enhancement_preferences")
    await commands.apply(folder)
    assert "Nothing to change." in await commands.apply(folder)
    put(folder, {**FILE, "enhancement_preferences": {}})
    told = await commands.apply(folder)
    assert "→ nothing" in told
    assert "drift" not in told
    assert await preferences(commands) == {}
    async with commands.api.db.tenant_session("acme") as session:
        page = await audit.list_entries(session, tenant_id="acme", filters=AuditFilters(), limit=20)
        actors = [one.actor for one in page.items if one.operation == "tenant.update"]
        rules = Rules(
            session=session, tenant_id="acme", actor="tests", secrets=commands.api.state.secrets,
            plugins=commands.api.state.plugins,
        )  # fmt: skip
        assert await rules.export() is None
    assert actors.count("command-line") == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"enhancement_preferences": {"approvals": {"four_eyes": "perhaps"}}},
            "approvals: four_eyes must be true or false",
        ),
        (
            {"enhancement_preferences": {"approvals": {"notices": {"mail": ["ann@acme.test"]}}}},
            "enhancement_preferences.approvals.notices.mail: needs the tenant's mail",
        ),
        ({"rate_limits": {"weight": 9}}, "rate_limits: there is no such field"),
        ({"servicedesk_api_key": "secret"}, "servicedesk_api_key: there is no such field"),
    ],
)
async def test_a_mistake_is_a_sentence_with_file_line_and_key(
    commands: Commands, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    said = await commands.apply(put(tmp_path / "f", {**FILE, **change}), code=1)
    assert told in said, said
    assert "0.yaml, line " in said
    assert await preferences(commands) == {}


async def test_a_folder_is_about_one_tenant(commands: Commands, tmp_path: Path) -> None:
    said = await commands.apply(put(tmp_path / "f", FILE, FILE), code=1)
    assert "1.yaml, line 2: kind: 'Tenant' is the tenant of 0.yaml already" in said


def test_a_file_has_its_keys_in_one_order() -> None:
    written = tenant_file(PREFERENCES)
    assert list(written["enhancement_preferences"]["workflow_config"]["a"][0]) == ["a", "b"]
    assert TenantDocument.model_validate(written).content() == PREFERENCES
