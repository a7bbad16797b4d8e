"""``deskhand tool``: programs of a tenant's own that its agents may call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.cli.administration import ACTOR
from deskhand.cli.common import checked, database, err, opened_installation, read_settings, run, say
from deskhand.cli.configuration import TENANT
from deskhand.connectors import documents, service
from deskhand.connectors.models import ToolSource
from deskhand.connectors.schemas import OpenApiSource, SourceChange
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
            return [_operation(one.name, one.is_enabled, one.is_write, one.description)
                    for one in service.operations_of(await service.get_source(session, slug))]  # fmt: skip
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
    http = HttpClientFactory(allow_private=read_settings().allow_private_addresses)

    async def make(session: AsyncSession, secrets: SecretBox) -> tuple[str, int]:
        made = await documents.create_source(session, tenant, data, http=http, secrets=secrets, actor=ACTOR)
        return made.tool_id, len(made.operations)

    tool_id, operations = _in_tenant(tenant, make)
    say(f"{tool_id}: {operations} operations, all off")
    err.print(f"Switch some on: deskhand tool choose {slug} --tenant {tenant} --on NAME")


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
    http = HttpClientFactory(allow_private=read_settings().allow_private_addresses)

    async def change(session: AsyncSession, _secrets: SecretBox) -> documents.Changes:
        text = None if file is None else _text(file)
        return (await documents.renew_document(session, slug, text, http=http, actor=ACTOR))[1]

    changes = _in_tenant(tenant, change)
    for word in ("added", "removed", "changed", "switched_off"):
        names: list[str] = getattr(changes, word)
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


def _source(source: ToolSource) -> str:
    on = sum(one["is_enabled"] for one in source.operations)
    return f"{source.tool_id}  {source.name}  {on} of {len(source.operations)} operations on"


def _operation(name: str, is_enabled: bool, is_write: bool, description: str) -> str:
    return f"{'on ' if is_enabled else 'off'}  {'write' if is_write else 'read '}  {name}  {description}"


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
