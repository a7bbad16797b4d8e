"""``deskhand doctor``: checks every dependency and says what to fix."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import typer

import deskhand.models  # noqa: F401 - tenant_policies() knows the tables whose models are imported
from deskhand.cli.common import check_login, installation, out, run
from deskhand.errors import DeskhandError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db import admin
from deskhand.kit.db.tenancy import tenancy_faults, tenant_policies
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded.server import options_for

Check = Callable[[Installation], str]


app = typer.Typer()


@app.callback()
def main() -> None:
    """The check-up."""


@app.command()
def doctor() -> None:
    """Check database, schema, roles, keys and model; exits with 1 if something needs fixing."""
    healthy = True
    with installation(up_to_date=False) as found:
        for name, check in CHECKS:
            try:
                out.print(f"[green]✓[/] {name}: {check(found)}", highlight=False)
            except DeskhandError as error:
                healthy = False
                out.print(f"[red]✗[/] {name}: {error.detail}", highlight=False, soft_wrap=True)
    if not healthy:
        raise typer.Exit(1)


def _schema(found: Installation) -> str:
    current, newest = admin.current(found.owner_url), admin.head()
    if current != newest:
        raise DeskhandError(f"the schema is at {current or 'base'}, not {newest}. Run `deskhand db upgrade`.")
    return f"at {newest}"


def _role(found: Installation) -> str:
    run(check_login(found.database_url))
    return "the login is bound by row-level security"


def _tenancy(found: Installation) -> str:
    policies = tenant_policies()

    async def faults() -> list[str]:
        connection = await asyncpg.connect(found.database_url)
        try:
            return await tenancy_faults(connection, policies)
        finally:
            await connection.close()

    present = run(faults())
    if present:
        raise DeskhandError(
            f"tenants are not kept apart: {'; '.join(present)}. Stop API and workers, then find who changed the schema;"
            " docs/reference/database.md says what belongs there."
        )
    return f"{len(policies)} tables, each behind its forced policy"


def _keys(found: Installation) -> str:
    SecretBox(found.encryption_keys)
    return f"{len(found.encryption_keys)} usable, the first one encrypts"


def _model(found: Installation) -> str:
    given = found.settings
    if given.llm_base_url is None:
        options = options_for(
            given.embedded_model,
            models_dir=found.models_dir,
            state_file=found.model_state_file,
            model_path=given.model_path,
        )
        return f"embedded {options.name}"

    async def ask(url: str) -> int:
        headers = {"Authorization": f"Bearer {given.llm_api_key.get_secret_value()}"} if given.llm_api_key else {}
        async with HttpClientFactory(allow_private=True).client(headers=headers) as client:
            return (await client.get(f"{url.rstrip('/')}/models")).status_code

    status = run(ask(given.llm_base_url))
    if status != 200:
        raise DeskhandError(f"{given.llm_base_url}/models answers {status}. Check DESKHAND_LLM_API_KEY.")
    return f"gateway {given.llm_base_url} answers"


CHECKS: tuple[tuple[str, Check], ...] = (
    ("schema", _schema),
    ("database role", _role),
    ("tenancy", _tenancy),
    ("encryption keys", _keys),
    ("model", _model),
)
