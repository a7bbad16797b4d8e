"""``deskhand tool``: what a person types, and what is refused in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.logins import TENANT_KEY
from tests.support.mcp_servers import LOOK_UP, scripted
from tests.support.openapi import SHOP, TOKEN, shop_server
from typer.testing import CliRunner, Result

from deskhand.cli.sources import app
from deskhand.connectors import service
from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database

KEY = Fernet.generate_key().decode()
Deskhand = Callable[..., "asyncio.Future[Result]"]


@pytest.fixture
def deskhand(
    clean_db: Database, database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deskhand:
    settings = {
        "DATABASE_URL": database_urls.app_url,
        "DATABASE_PLATFORM_URL": database_urls.platform_url,
        "TENANT_KEY": TENANT_KEY,
        "ENCRYPTION_KEYS": KEY,
        "DATA_DIR": str(tmp_path),
        "ALLOW_PRIVATE_ADDRESSES": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"DESKHAND_{name}", value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "") -> asyncio.Future[Result]:
        call = asyncio.to_thread(CliRunner().invoke, app, ["tool", *arguments, "--tenant", "acme"], input=typed)
        return asyncio.ensure_future(call)

    return run


async def said(call: asyncio.Future[Result]) -> str:
    """What a command that succeeds prints; of one that does not, why."""
    result = await call
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


async def test_a_program_is_added_from_a_file_chosen_from_renewed_and_removed(
    clean_db: Database, deskhand: Deskhand, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    await make_tenant("acme")
    server = ("--server", "https://shop.example.com", "--credential", "bearer")
    added = await deskhand("add-openapi", "shop", "--file", str(SHOP), *server, typed=f"{TOKEN}\n")
    assert added.exit_code == 0, (added.output, added.exception)
    assert "openapi:shop: 5 operations, all off" in added.output
    assert TOKEN not in added.output
    async with clean_db.tenant_session("acme") as session:
        kept = service.connection_of(await service.get_source(session, "shop"), SecretBox([KEY])).credential
        assert kept is not None
        assert kept.secret == TOKEN
    chosen = await deskhand("choose", "shop", "--on", "listOrders", "--on", "placeOrder", "--write", "listOrders")
    assert "2 of 5 operations on" in chosen.output, chosen.exception
    assert "openapi:shop  shop  2 of 5" in await said(deskhand("list"))
    listed = await said(deskhand("list", "shop"))
    assert "on   write  listOrders" in listed
    assert "\x1b" not in listed
    assert "off  read   orders_get_one" in listed
    newer = tmp_path / "newer.yaml"
    newer.write_text(SHOP.read_text(encoding="utf-8").replace("operationId: listOrders", "operationId: findOrders"))
    renewed = (await deskhand("renew", "shop", "--file", str(newer))).output
    assert "added: findOrders" in renewed
    assert "switched off: listOrders" in renewed
    # A stranger's words must not steer the terminal of whoever lists them.
    newer.write_text(SHOP.read_text(encoding="utf-8").replace("summary: ", 'summary: "\\e[2J\\a" #', 1))
    assert (await deskhand("renew", "shop", "--file", str(newer))).exit_code == 0
    listed = await said(deskhand("list", "shop"))
    assert "\ufffd[2J\ufffd" in listed
    assert not set(listed) & {"\x1b", "\x07"}
    assert (await deskhand("remove", "shop")).exit_code == 0
    assert await said(deskhand("list")) == ""


async def test_a_program_is_added_from_an_address_and_what_is_wrong_is_said(
    deskhand: Deskhand, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    await make_tenant("acme")
    secret = tmp_path / "secret"
    secret.write_text(f"{TOKEN}\n")
    async with shop_server() as shop:
        url = f"{shop.url}/openapi.yaml"
        key = ("--credential", "query:k", "--secret-file", str(secret))
        added = await deskhand("add-openapi", "shop", "--url", url, *key)
        assert added.exit_code == 0, (added.output, added.exception)
    for arguments, says in (
        (("add-openapi", "two"), "one of the two"),
        (("add-openapi", "two", "--file", str(tmp_path / "none")), "cannot be read"),
        (("add-openapi", "shop", "--file", str(SHOP), "--server", "https://a.example"), "already"),
        (("choose", "shop", "--on", "nothing"), "no operation 'nothing'"),
        (("renew", "shoe"), "no tool source 'shoe'"),
    ):
        refused = await deskhand(*arguments)
        assert isinstance(refused.exception, DeskhandError), (arguments, refused.output)
        faults = [fault.detail for fault in refused.exception.errors]
        assert says in " ".join([refused.exception.detail, *faults]), arguments
    wrong = await deskhand("add-openapi", "two", "--file", str(SHOP), "--credential", "cookie", typed="x\n")
    assert isinstance(wrong.exception, InvalidInputError)


async def test_an_mcp_server_is_added_refreshed_and_its_changes_are_read_and_accepted(
    clean_db: Database, deskhand: Deskhand, make_tenant: MakeTenant
) -> None:
    await make_tenant("acme")
    with scripted() as server:
        key = ("--credential", "bearer")
        added = await deskhand("add-mcp", "prn", "--url", server.url, *key, typed=f"{TOKEN}\n")
        assert added.exit_code == 0, (added.output, added.exception)
        assert "mcp:prn: 2 operations, all off" in added.output
        assert TOKEN not in added.output
        assert server.headers["authorization"] == f"Bearer {TOKEN}"
        chosen = await deskhand("choose", "prn", "--on", "look_up", "--read", "look_up", "--on", "restart")
        assert "2 of 2 operations on" in chosen.output, chosen.exception
        assert "nothing" in await said(deskhand("refresh", "prn"))
        assert await said(deskhand("changes", "prn")) == ""
        # A stranger's words must not steer the terminal of whoever reads them before they accept.
        server.tools = [{**LOOK_UP, "description": "Look \x1b[2J around.", "annotations": {}}]
        refreshed = await said(deskhand("refresh", "prn"))
        assert "0 of 2 operations on" in refreshed
        assert "waits to be accepted: look_up, restart" in refreshed
        listed = await said(deskhand("list", "prn"))
        assert "off  read   look_up  Look up a printer.  (changed, see `deskhand tool changes`)" in listed
        shown = await said(deskhand("changes", "prn"))
        assert "\x1b" not in shown
        assert "accepted: Look up a printer. [read] {" in shown
        assert "now:      Look [2J around. [no hint] {" in shown
        assert "restart: it is listed no more" in shown
        [change] = [line.rpartition(" ")[2] for line in shown.splitlines() if "accept it: " in line]
        stale = await deskhand("accept", "prn", f"look_up={'0' * 64}")
        assert "changed again since you read it" in str(stale.exception)
        accepted = await deskhand("accept", "prn", change)
        assert "1 of 2 operations on" in accepted.output, accepted.exception
        assert "on   read   look_up  Look [2J around." in await said(deskhand("list", "prn"))
        server.tools = [{**LOOK_UP, "inputSchema": {"type": "object", "allOf": [{"$ref": "#"}]}}]
        await said(deskhand("refresh", "prn"))
        assert "cannot be used as it is now: its input schema" in await said(deskhand("changes", "prn"))
    async with clean_db.tenant_session("acme") as session:
        kept = service.connection_of(await service.get_source(session, "prn"), SecretBox([KEY])).credential
        assert (kept and kept.secret, server.called) == (TOKEN, [])


async def test_a_server_that_is_none_is_not_added_and_what_is_wrong_is_said(
    deskhand: Deskhand, make_tenant: MakeTenant
) -> None:
    await make_tenant("acme")
    for arguments, says in (
        (("add-mcp", "prn"), "needs a url or a command"),
        (("add-mcp", "prn", "--url", "http://127.0.0.1:9/mcp"), "cannot be reached"),
        (("add-mcp", "prn", "--command", "clock"), "lists no command 'clock'"),
        (("refresh", "prn"), "no tool source 'prn'"),
        (("changes", "prn"), "no tool source 'prn'"),
        (("accept", "prn", "look_up"), "match pattern"),
    ):
        refused = await deskhand(*arguments)
        assert isinstance(refused.exception, DeskhandError), (arguments, refused.output)
        faults = [fault.detail for fault in refused.exception.errors]
        assert says in " ".join([refused.exception.detail, *faults]), arguments
    assert await said(deskhand("list")) == ""
