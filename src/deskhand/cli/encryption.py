"""``deskhand keys``: the encryption keys of stored secrets."""

from __future__ import annotations

import typer
from cryptography.fernet import Fernet

from deskhand.agents.reencryption import rotate_secrets
from deskhand.cli.common import installation, out, run
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.ui.terminal import bars

app = typer.Typer()
keys = typer.Typer(help="The encryption keys of stored secrets.", no_args_is_help=True)
app.add_typer(keys, name="keys")


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

    async def go(found: Installation) -> int:
        db = await Database.reach(found.database_url, pool_size=2)
        try:
            with bars(out) as progress:
                task = progress.add_task("secrets", total=1.0)
                return await rotate_secrets(
                    db,
                    SecretBox(found.encryption_keys),
                    progress=lambda share: progress.update(task, completed=share),
                )
        finally:
            await db.dispose()

    with installation() as found:
        out.print(f"re-encrypted {run(go(found))} secrets with the newest key")
