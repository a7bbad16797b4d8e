"""Every command that changes something says in the audit log who sat there, read from the command line itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import typer
from cryptography.fernet import Fernet
from sqlalchemy import select
from tests.audit.test_completeness import DESK, NEWER
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.commands import commands
from tests.support.identity import CLIENT_SECRET, pretender
from tests.support.lent import LENDER
from tests.support.logins import TENANT_KEY
from tests.support.mcp_servers import LOOK_UP, ScriptedServer, scripted
from typer.testing import CliRunner

from deskhand.access.models import Membership, SecondFactor, User
from deskhand.agents.templates.catalogue import find_template
from deskhand.audit.models import AuditLog
from deskhand.cli import app as command_line
from deskhand.kit.db.session import Database

UNDO_COMMANDS = {"undo run", "undo version"}
"""What needs a desk with something on it, and is not called here; tests/flows/test_undo.py reads its entries."""
ELSEWHERE = {"backup", "restore", "tenant erase", "tenant export", "tenant import"}
"""What works on a whole installation or tenant; tests/recovery and tests/erasure read its entries."""
READS = {
    *("audit export", "audit verify", "db current", "desk setup", "doctor", "key list", "keys new", "models list"),
    "models test",
    *(
        "knowledge jobs",
        "tool list",
        "sso list",
        "tenant list",
        "user list",
        "export",
        "templates list",
        "templates show",
    ),
}
NO_TENANTS_DATA = {
    *("db upgrade", "db downgrade", "db prune", "demo", "models pull", "serve", "simulator", "up", "worker"),
}
"""Processes, files of this machine, the schema (before there is a log), and what is too old by the settings."""
COMMANDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "tenant create": (["{tenant}"], ("tenant.create",)),
    "tenant sign-in": (["acme"], ("sign_in_token.create",)),
    "user create": (["ann@example.com", "--tenant", "acme"], ("person.invite",)),
    "user create --platform-admin": (["root@example.com", "--platform-admin"], ("person.create",)),
    "user reset": (["root@example.com"], ("person.password_link",)),
    "user disable": (["ann@example.com"], ("person.disable",)),
    "user break-glass": (["glass@example.com"], ("person.break_glass",)),
    "key create": (["--tenant", "acme"], ("api_key.create",)),
    "key create --platform": (["--platform"], ("platform_key.create",)),
    "key rotate": (["{key}", "--tenant", "acme"], ("api_key.rotate",)),
    "key revoke": (["{key}", "--tenant", "acme"], ("api_key.revoke",)),
    "key revoke --platform": (["{platform_key}", "--platform"], ("platform_key.revoke",)),
    "keys rotate": ([], ("encryption_keys.rotate",)),
    "import-tickets": (["{tickets}", "--tenant", "acme"], ("knowledge.import", "knowledge.import_end")),
    "import-articles": (["{article}", "--tenant", "acme"], ("knowledge.import", "knowledge.import_end")),
    "import-systems": (["{systems}", "--tenant", "acme"], ("knowledge.import", "knowledge.import_end")),
    "knowledge start": (["--tenant", "acme"], ("knowledge_job.start",)),
    "knowledge pause": (["{job}", "--tenant", "acme"], ("knowledge_job.pause",)),
    "knowledge resume": (["{job}", "--tenant", "acme"], ("knowledge_job.resume",)),
    "user reset-second-factor": (["lost@example.com"], ("person.second_factor_reset",)),
    "agent new": (["--template", "triage", "--tenant", "acme"], ("agent.create",)),
    "apply": (["-f", "{agents}", "--tenant", "acme", "--yes"], ("agent.create", "configuration.apply")),
    "sso add": (
        [
            *("Acme", "--tenant", "acme", "--issuer", "{issuer}", "--client-id", "deskhand"),
            *("--rule", "Desk=viewer", "--secret-file", "{secret}"),
        ],
        ("identity_provider.create",),
    ),
    "tool add-openapi": (
        ["shop", "--tenant", "acme", "--file", "{document}", "--server", "https://shop.example.com"],
        ("tool_source.create",),
    ),
    "tool choose": (["shop", "--tenant", "acme", "--on", "listOrders"], ("tool_source.update",)),
    "tool renew": (["shop", "--tenant", "acme", "--file", "{document}"], ("tool_source.renew",)),
    "tool add-mcp": (["prn", "--tenant", "acme", "--url", "{mcp}"], ("tool_source.create",)),
    "tool choose --mcp": (["prn", "--tenant", "acme", "--on", "look_up"], ("tool_source.update",)),
    "tool refresh": (["prn", "--tenant", "acme"], ("tool_source.refresh",)),
    "tool changes": (["prn", "--tenant", "acme"], ()),
    "tool accept": (["prn", "--tenant", "acme", "{change}"], ("tool_source.accept",)),
    "tool remove": (["shop", "--tenant", "acme"], ("tool_source.delete",)),
    "sso switch-off": (["{provider}", "--tenant", "acme"], ("identity_provider.update",)),
    "sso remove": (["{provider}", "--tenant", "acme"], ("identity_provider.delete",)),
    "sso add --installation": (
        ["All", "--issuer", "{issuer}", "--client-id", "d", "--rule", "A=acme:viewer", "--secret-file", "{secret}"],
        ("identity_provider.create",),
    ),
    "sso trust": (["{provider}"], ("identity_provider.update",)),
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """What commands read."""
    contents = {
        "tenant": ("tenant.json", json.dumps({"tenant_id": "globex", "name": "Globex", **DESK})),
        "tickets": (
            "tickets.csv",
            "id,subject,description,resolution,resolved_at\n1,Printer,It jams,Cleaned,2026-05-04\n",
        ),
        "article": ("article.md", "# Printers\n\nOpen the lid and look for paper.\n"),
        "secret": ("secret.txt", CLIENT_SECRET),
        "agent": ("agents/triage.yaml", find_template("triage").text.replace("name: ", "name: Another ", 1)),
        "document": ("shop.json", NEWER["document"]),
        "systems": ("systems.csv", "name,kind\nprint-01,server\n"),
    }
    for name, text in contents.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {"agents": str(tmp_path / "agents")} | {key: str(tmp_path / name) for key, (name, _) in contents.items()}


@pytest.fixture
async def things(
    clean_db: Database,
    database_urls: DatabaseUrls,
    make_tenant: MakeTenant,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    tmp_path: Path,
) -> AsyncIterator[dict[str, str]]:
    """An installation with a tenant, somebody who lost a phone and a provider; what commands are told, by name."""
    ring = Fernet.generate_key().decode()
    for name, value in (
        ("DATABASE_URL", database_urls.app_url),
        ("DATABASE_PLATFORM_URL", database_urls.platform_url),
        ("TENANT_KEY", TENANT_KEY),
        ("ENCRYPTION_KEYS", ring),
        ("ALLOW_PRIVATE_ADDRESSES", "true"),
        ("DATA_DIR", str(tmp_path / "data")),
    ):
        monkeypatch.setenv(f"DESKHAND_{name}", value)
    box = Fernet(ring.encode())
    await make_tenant(
        "acme",
        servicedesk_api_key_encrypted=box.encrypt(b"k").decode(),
        webhook_signing_secret_encrypted=box.encrypt(b"w").decode(),
    )
    async with clean_db.platform_session() as session:
        user = User(email="lost@example.com", name=None)
        session.add(user)
        await session.flush()
        session.add(Membership(tenant_id="acme", user_id=user.id, role="viewer"))
        session.add(SecondFactor(user_id=user.id, secret_encrypted=box.encrypt(b"JBSWY3DP").decode(), last_step=0))
    async with pretender() as source:
        yield {**files, "issuer": source.url}


@pytest.fixture
def mcp() -> Iterator[ScriptedServer]:
    """A server whose tools change."""
    with scripted() as server:
        yield server


async def test_every_changing_command_records_who_sat_there(
    clean_db: Database, things: dict[str, str], mcp: ScriptedServer
) -> None:
    known = {" ".join(word for word in name.split() if not word.startswith("--")) for name in COMMANDS}
    assert commands(typer.main.get_command(command_line)) == known | READS | NO_TENANTS_DATA | UNDO_COMMANDS | ELSEWHERE
    said: dict[str, str] = {**things, "mcp": mcp.url}
    sequence, wrong = 0, []
    await LENDER.close()  # what other tests left open would be servers whose keys are rotated under them
    for name, (arguments, operations) in COMMANDS.items():
        words = [word for word in name.split() if not word.startswith("--")]
        sent = [*words, *(argument.format(**said) for argument in arguments)]
        result = await asyncio.to_thread(CliRunner().invoke, command_line, sent)
        async with clean_db.platform_session() as session:
            query = select(AuditLog).where(AuditLog.sequence > sequence).order_by(AuditLog.sequence)
            entries = list(await session.scalars(query))
        sequence = entries[-1].sequence if entries else sequence
        if result.exit_code or tuple(entry.operation for entry in entries) != operations:
            wrong.append(f"{name}: {[entry.operation for entry in entries]} {result.output} {result.exception}")
        if any(entry.actor != "command-line" or " of " not in (entry.user_agent or "") for entry in entries):
            wrong.append(f"{name}: {entries[0].actor}, {entries[0].user_agent}")
        if name == "tool choose --mcp":
            mcp.tools = [{**LOOK_UP, "description": "Look around."}]  # refreshed and accepted next
        if name == "tool changes":
            said["change"] = result.output.rpartition("accept it: ")[2].split()[-1]
        if name.startswith("key create") and entries:
            said["platform_key" if "--platform" in name else "key"] = entries[0].details["after"]["prefix"]
        if name == "knowledge start" and entries:
            said["job"] = str(entries[0].resource_id)
        if name.startswith("sso add") and entries:
            said["provider"] = str(entries[0].resource_id)
    assert not wrong, "\n".join(wrong)
