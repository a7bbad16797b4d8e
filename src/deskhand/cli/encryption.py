"""``deskhand keys``: the encryption keys of stored secrets."""

from __future__ import annotations

import typer
from cryptography.fernet import Fernet
from sqlalchemy import text

from deskhand.access.service import COMMAND_LINE
from deskhand.agents.reencryption import rotate_secrets
from deskhand.audit import service as audit
from deskhand.cli.common import database, opened_installation, out, run
from deskhand.errors import ConfigurationError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import SERVER_NAME
from deskhand.ui.terminal import bars

app = typer.Typer()
keys = typer.Typer(help="The encryption keys of stored secrets.", no_args_is_help=True)
app.add_typer(keys, name="keys")


_OLDER_RINGS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE usename = session_user AND datname = current_database()"
    " AND starts_with(application_name, :prefix) AND application_name <> :own"
)


@app.callback()
def main() -> None:
    """Encryption."""


@keys.command()
def new() -> None:
    """Print a fresh key for DESKHAND_ENCRYPTION_KEYS."""
    out.print(Fernet.generate_key().decode(), highlight=False)


@keys.command()
def rotate() -> None:
    """Re-encrypt every stored secret with the first key, in batches, while the installation serves."""

    async def go(installation: Installation) -> int:
        async with database(installation, pool_size=2) as db:
            with bars(out) as progress:
                task = progress.add_task("secrets", total=1.0)
                count = await rotate_secrets(
                    db,
                    SecretBox(installation.encryption_keys),
                    progress=lambda share: progress.update(task, completed=share),
                )
            async with db.platform_session() as session:
                await audit.record(
                    session,
                    tenant_id=audit.PLATFORM,
                    actor=COMMAND_LINE,
                    operation="encryption_keys.rotate",
                    resource_type="encryption_keys",
                    resource_id=None,
                    after={"secrets": count},
                )
            return count

    with opened_installation() as installation:
        if installation.reread_keys is None:
            run(_refuse_beside_older_rings(installation))
        out.print(f"re-encrypted {run(go(installation))} secrets with the newest key")


async def _refuse_beside_older_rings(installation: Installation) -> None:
    """Servers that took their keys from the environment could not read what is encrypted with a newer one.

    Raises:
        ConfigurationError: One is connected; nothing was changed.
    """
    ring_id = SecretBox(installation.encryption_keys).ring_id
    async with database(installation) as db, db.anonymous_session() as session:
        others = await session.scalar(_OLDER_RINGS, {"prefix": SERVER_NAME, "own": f"{SERVER_NAME}{ring_id}"})
    if others:
        raise ConfigurationError(
            f"{others} sessions are open of servers that encrypt with another key. Restart those with the new key"
            " first in DESKHAND_ENCRYPTION_KEYS and the old one after it, and run this again; or keep the ring in the"
            " file encryption.keys of the data directory, which they read again by themselves. Nothing was changed."
        )
