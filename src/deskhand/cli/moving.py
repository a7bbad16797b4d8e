"""``deskhand tenant export`` and ``deskhand tenant import``."""

from __future__ import annotations

from pathlib import Path

import typer

from deskhand import __version__
from deskhand.access.service import COMMAND_LINE
from deskhand.cli.common import database, opened_installation, out, run
from deskhand.cli.recovery import KEY_FILE, passphrase_of
from deskhand.errors import ConflictError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.files import new_file
from deskhand.kit.sealed import unsealed
from deskhand.recovery.backup import ensure_unguessable
from deskhand.recovery.moving import Moved, read_tenant, write_tenant


def export_tenant(
    tenant: str = typer.Argument(..., help="The tenant's id; it must be deactivated."),
    file: Path = typer.Argument(..., help="The file to write; it must not be there yet."),
    key_file: Path | None = KEY_FILE,
) -> None:
    """Write a tenant with its secrets into one encrypted file, for `deskhand tenant import` in another installation."""
    passphrase = passphrase_of(key_file, twice=True)
    ensure_unguessable(passphrase)
    if file.exists():
        raise ConflictError(f"{file} is there already; nothing is written over. Name another file.")

    async def write(installation: Installation) -> Moved:
        box = SecretBox(installation.encryption_keys)
        async with database(installation) as db, db.platform_session() as session:
            with new_file(file) as target:
                return await write_tenant(
                    session, target, passphrase, tenant_id=tenant, secrets=box, made_by=__version__, actor=COMMAND_LINE
                )

    with opened_installation() as installation:
        moved = run(write(installation))
    out.print(f"{file}: {sum(moved.rows.values()):,} rows of '{tenant}' in {len(moved.rows)} tables.", highlight=False)
    out.print("People, their keys and identity providers are not in it: invite them in the new place.")


def import_tenant(
    file: Path = typer.Argument(..., exists=True, dir_okay=False, help="What `deskhand tenant export` wrote."),
    key_file: Path | None = KEY_FILE,
) -> None:
    """Make a tenant of a file, deactivated, all or nothing; its secrets are encrypted with this installation's keys."""
    passphrase = passphrase_of(key_file, twice=False)

    async def read(installation: Installation) -> Moved:
        box = SecretBox(installation.encryption_keys)
        async with database(installation) as db, db.platform_session() as session:
            with file.open("rb") as source:
                return await read_tenant(session, unsealed(source, passphrase), secrets=box, actor=COMMAND_LINE)

    with opened_installation() as installation:
        moved = run(read(installation))
    out.print(f"{sum(moved.rows.values()):,} rows of '{moved.tenant_id}' in {len(moved.rows)} tables.", highlight=False)
    out.print(
        f"It is deactivated. Deactivate or erase it in the old place, point its desks' webhooks here, then activate it"
        f" (POST /api/v1/tenants/{moved.tenant_id}/reactivate).",
        highlight=False,
        soft_wrap=True,
    )
