"""``deskhand tool``: programs of a tenant's own that its agents may call."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.cli.administration import ACTOR
from deskhand.cli.common import checked, database, err, opened_installation, read_settings, run, say
from deskhand.cli.configuration import TENANT
from deskhand.connectors import documents, servers, service
from deskhand.connectors.mcp.changes import change_of, is_gone, is_waiting
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.schemas import Acceptance, McpSource, OpenApiSource, SourceChange
from deskhand.connectors.values import SourceOperation
from deskhand.errors import InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory

T = TypeVar("T")
SLUG = "Its short name, as `deskhand tool list` shows it."
tool = typer.Typer(help="Programs of a tenant's own that its agents may call.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(tool, name="tool")


@app.callback()
def main() -> None:
    """Tools of a tenant's own."""


@tool.command("list")
def list_tools(tenant: str = TENANT, slug: str = typer.Argument("", help="Show what this one can do.")) -> None:
    """Show the tenant's programs, or what one of them can do."""

    async def read(session: AsyncSession, _secrets: SecretBox) -> list[str]:
        if slug:
            return [_operation(one) for one in service.operations_of(await service.get_source(session, slug))]
        return [_source(one) for one in await service.list_sources(session)]

    for line in _in_tenant(tenant, read):
        say(line)


@tool.command("add-openapi")
def add_openapi(
    slug: str = typer.Argument(..., help="Its short name: letters, digits and hyphens."),
    *,
    tenant: str = TENANT,
    name: str = typer.Option("", help="Name for people; left out, the slug."),
    file: Path | None = typer.Option(None, help="File with the OpenAPI document."),
    url: str | None = typer.Option(None, help="Or where the document is."),
    server: str | None = typer.Option(None, help="Where it is called; left out, the document's own."),
    credential: str = typer.Option("", help="bearer, basic:USER, header:NAME or query:NAME; its secret is asked for."),
    secret_file: Path | None = typer.Option(None, help="File with the secret, instead of being asked."),
) -> None:
    """Let agents call what an OpenAPI document describes; all of it is off until it is chosen."""
    data = checked(
        OpenApiSource,
        {
            "slug": slug,
            "name": name or slug,
            "document": None if file is None else _text(file),
            "url": url,
            "server": server,
            "credential": _credential(credential, secret_file) if credential else None,
        },
    )
    http = _http()

    async def make(session: AsyncSession, secrets: SecretBox) -> tuple[str, int]:
        made = await documents.create_source(session, tenant, data, http=http, secrets=secrets, actor=ACTOR)
        return made.tool_id, len(made.operations)

    tool_id, operations = _in_tenant(tenant, make)
    say(f"{tool_id}: {operations} operations, all off")
    err.print(f"Switch some on: deskhand tool choose {slug} --tenant {tenant} --on NAME")


@tool.command("add-mcp")
def add_mcp(
    slug: str = typer.Argument(..., help="Its short name: letters, digits and hyphens."),
    *,
    tenant: str = TENANT,
    name: str = typer.Option("", help="Name for people; left out, the slug."),
    url: str | None = typer.Option(None, help="Where it speaks MCP over streamable HTTP."),
    command: str | None = typer.Option(None, help="Or a name in DESKHAND_MCP_COMMANDS."),
    credential: str = typer.Option("", help="bearer, basic:USER or header:NAME; its secret is asked for."),
    secret_file: Path | None = typer.Option(None, help="File with the secret, instead of being asked."),
) -> None:
    """Let agents call tools of an MCP server: it is asked what it can do, and all of it is off until it is chosen."""
    data = checked(
        McpSource,
        {
            "slug": slug,
            "name": name or slug,
            "url": url,
            "command": command,
            "credential": _credential(credential, secret_file) if credential else None,
        },
    )

    async def execute(installation: Installation) -> tuple[str, int]:
        described = await servers.read_new(data, _http())
        secrets = SecretBox(installation.encryption_keys)
        async with database(installation) as db, db.tenant_session(tenant) as session:
            made = await servers.make_source(session, data, described, tenant_id=tenant, secrets=secrets, actor=ACTOR)
            return made.tool_id, len(made.operations)

    with opened_installation() as installation:
        tool_id, operations = run(execute(installation))
    say(f"{tool_id}: {operations} operations, all off")
    err.print(f"Switch some on: deskhand tool choose {slug} --tenant {tenant} --on NAME --read NAME")


@tool.command()
def refresh(slug: str = typer.Argument(..., help=SLUG), tenant: str = TENANT) -> None:
    """Ask an MCP server again what it can do; what it changed of what is on is off until somebody accepts it."""

    async def execute(installation: Installation) -> tuple[str, list[str]]:
        secrets = SecretBox(installation.encryption_keys)
        async with database(installation) as db:
            async with db.tenant_session(tenant) as session:
                known = await service.get_source(session, slug)
                kind, connection = SourceKind(known.kind), service.connection_of(known, secrets)
            # Between two transactions: a slow server must not hold a row that runs want to read.
            described = await servers.read(connection, kind, _http())
            async with db.tenant_session(tenant) as session:
                source = await servers.refresh_source(session, slug, described, actor=ACTOR)
                return _source(source), [one.name for one in service.operations_of(source) if is_waiting(one)]

    with opened_installation() as installation:
        line, waiting = run(execute(installation))
    say(line)
    say(f"waits to be accepted: {', '.join(waiting) or 'nothing'}")


@tool.command()
def changes(slug: str = typer.Argument(..., help=SLUG), tenant: str = TENANT) -> None:
    """Show what an MCP server says otherwise by now of tools that were on, and what accepts it."""

    async def read(session: AsyncSession, _secrets: SecretBox) -> list[SourceOperation]:
        return service.operations_of(await service.get_source(session, slug))

    for one in _in_tenant(tenant, read):
        for line in _change(one) if is_waiting(one) else ():
            say(line)


@tool.command()
def accept(
    slug: str = typer.Argument(..., help=SLUG),
    change: list[str] = typer.Argument(..., help="NAME=DIGEST, as `deskhand tool changes` shows it. Several."),
    *,
    tenant: str = TENANT,
) -> None:
    """Switch tools on again as their MCP server describes them by now, each as it was read."""
    data = checked(Acceptance, {"operations": dict(one.partition("=")[::2] for one in change)})

    async def work(session: AsyncSession, _secrets: SecretBox) -> str:
        return _source(await servers.accept_changes(session, slug, data.operations, actor=ACTOR))

    say(_in_tenant(tenant, work))


@tool.command()
def choose(
    slug: str = typer.Argument(..., help=SLUG),
    *,
    tenant: str = TENANT,
    on: list[str] = typer.Option([], help="Let agents be granted this operation. Several."),
    off: list[str] = typer.Option([], help="Let no agent use it any more."),
    read: list[str] = typer.Option([], help="It changes nothing."),
    write: list[str] = typer.Option([], help="It changes something."),
) -> None:
    """Choose what agents may be granted, and say what of it changes something."""
    wanted: dict[str, dict[str, object]] = {}
    for names, words in (
        (on, {"enabled": True}), (off, {"enabled": False}), (read, {"access": "read"}), (write, {"access": "write"}),
    ):  # fmt: skip
        for one in names:
            wanted.setdefault(one, {}).update(words)
    data = checked(SourceChange, {"operations": wanted})

    async def change(session: AsyncSession, secrets: SecretBox) -> str:
        return _source(await service.change_source(session, slug, data, secrets=secrets, actor=ACTOR))

    say(_in_tenant(tenant, change))


@tool.command()
def renew(
    slug: str = typer.Argument(..., help=SLUG),
    tenant: str = TENANT,
    file: Path | None = typer.Option(None, help="A newer document; left out, it is read again from its address."),
) -> None:
    """Take a newer OpenAPI document, and say what it changed."""
    http = _http()

    async def change(session: AsyncSession, _secrets: SecretBox) -> documents.Changes:
        text = None if file is None else _text(file)
        return (await documents.renew_document(session, slug, text, http=http, actor=ACTOR))[1]

    made = _in_tenant(tenant, change)
    for word in ("added", "removed", "changed", "switched_off"):
        names: list[str] = getattr(made, word)
        say(f"{word.replace('_', ' ')}: {', '.join(names) or 'nothing'}")


@tool.command()
def remove(slug: str = typer.Argument(..., help=SLUG), tenant: str = TENANT) -> None:
    """Remove a program; agents that were granted it go on without."""

    async def work(session: AsyncSession, _secrets: SecretBox) -> None:
        await service.remove_source(session, slug, actor=ACTOR)

    _in_tenant(tenant, work)
    say(f"{slug} is removed.")


def _in_tenant(tenant: str, work: Callable[[AsyncSession, SecretBox], Awaitable[T]]) -> T:
    async def execute(installation: Installation) -> T:
        async with database(installation) as db, db.tenant_session(tenant) as session:
            return await work(session, SecretBox(installation.encryption_keys))

    with opened_installation() as installation:
        return run(execute(installation))


def _http() -> HttpClientFactory:
    settings = read_settings()
    return HttpClientFactory(allow_private=settings.allow_private_addresses, commands=settings.mcp_commands)


def _source(source: ToolSource) -> str:
    on = sum(one["is_enabled"] for one in source.operations)
    return f"{source.tool_id}  {source.name}  {on} of {len(source.operations)} operations on"


def _operation(one: SourceOperation) -> str:
    why = one.call.get("fault") or ("changed, see `deskhand tool changes`" if is_waiting(one) else "")
    words = f"{'on ' if one.is_enabled else 'off'}  {'write' if one.is_write else 'read '}  {one.name}"
    return f"{words}  {one.description}{f'  ({why})' if why else ''}"


def _change(one: SourceOperation) -> list[str]:
    """Both sides of a change, as a model would read them, and what accepts it."""
    now = change_of(one)
    if now is None:
        why = "it is listed no more" if is_gone(one) else "a run found it changed: deskhand tool refresh"
        return [f"{one.name}: {why}"]
    sides = (("accepted", one), ("now", now))
    words = [
        f"  {side + ':':<10}{part.description} [{part.hint or 'no hint'}] {json.dumps(part.arguments, sort_keys=True)}"
        for side, part in sides
    ]
    fault = now.call["fault"]
    last = f"  cannot be used as it is now: {fault}" if fault else f"  accept it: {one.name}={now.call['digest']}"
    return [f"{one.name}:", *words, last]


def _credential(how: str, file: Path | None) -> dict[str, str]:
    kind, _, name = how.partition(":")
    # Not an option: it would stay in the shell's history and in the list of processes.
    secret = typer.prompt("Secret", hide_input=True, err=True) if file is None else _text(file).strip()
    return {"kind": kind, "secret": str(secret), **({"user" if kind == "basic" else "name": name} if name else {})}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file} cannot be read: {error}.") from error
