"""``deskhand doctor``: checks every dependency and says what to fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx2
import typer
from rich.markup import escape

import deskhand.models  # noqa: F401 - tenant_policies() knows the tables whose models are imported
from deskhand.access.people.administration import usable_break_glass_accounts
from deskhand.cli.accounts import account_warnings
from deskhand.cli.common import check_login, database, opened_installation, out, run
from deskhand.cli.exposure import debug_faults, is_exposed, key_file_faults, transport_faults
from deskhand.cli.outside import outside_faults
from deskhand.errors import ConfigurationError, DeskhandError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db import admin
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing, sqlstate
from deskhand.kit.db.homes import orphans
from deskhand.kit.db.readiness import verify_application_role
from deskhand.kit.db.session import create_pool
from deskhand.kit.db.tenancy import login_faults, tenancy_faults, tenant_policies
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.storable import read_json
from deskhand.llm.embedded.server import faster_than, options_for, read_endpoint
from deskhand.llm.errors import ModelUnavailableError
from deskhand.notifications.service import troubles
from deskhand.settings import mistyped_variables
from deskhand.work.files.texts import NO_READER, picture_languages


@dataclass(frozen=True, slots=True)
class Remark:
    """What is not wrong and should be known: shown, and no reason to fail."""

    text: str


Check = Callable[[Installation], str | Remark]

_NOT_LET_IN = ("28", "3D")
"""SQLSTATE: a login or password that is refused, a database that is not there."""


app = typer.Typer()


@app.callback()
def main() -> None:
    """The check-up."""


@app.command()
def doctor() -> None:
    """Check database, schema, roles, keys, exposure and model; exits with 1 if something needs fixing."""
    healthy = True
    # A database of our own is brought up to date as `deskhand up` would; a fresh one is no fault.
    with opened_installation() as installation:
        for name, check in CHECKS:
            try:
                verdict = _verdict(check, installation)
            # The next checks go on: people mend several things in one go, and later ones do not hang on earlier ones.
            except DeskhandError as error:
                healthy = False
                _say("[red]✗[/]", name, error.detail)
                continue
            if isinstance(verdict, Remark):
                _say("[yellow]![/]", name, verdict.text)
            else:
                _say("[green]✓[/]", name, verdict)
    if not healthy:
        raise typer.Exit(1)


def _verdict(check: Check, installation: Installation) -> str | Remark:
    """What a check says; a database that is away, or lets nobody in, is a finding too and no fault of ours."""
    try:
        return check(installation)
    except DATABASE_ERRORS as error:
        if not (is_passing(error) or sqlstate(error).startswith(_NOT_LET_IN)):
            raise
        raise DeskhandError(f"the database does not do it: {getattr(error, 'orig', None) or error}") from error


def _say(sign: str, name: str, text: str) -> None:
    out.print(f"{sign} {name}: {escape(text)}", highlight=False, soft_wrap=True)


def _schema(installation: Installation) -> str:
    current, newest = admin.current(installation.owner_url), admin.head()
    if current != newest:
        raise DeskhandError(f"the schema is at {current or 'base'}, not {newest}. Run `deskhand db upgrade`.")
    return f"at {newest}"


def _role(installation: Installation) -> str:
    run(check_login(installation))
    return "the login is bound by row-level security"


def _tenancy(installation: Installation) -> str:
    policies = tenant_policies()

    async def login_is_bound() -> None:
        async with database(installation) as db:
            await verify_application_role(db)

    try:
        run(login_is_bound())
    # With another login every attempt below succeeds, and would send somebody to look for a fault in the schema.
    except ConfigurationError as error:
        raise DeskhandError(
            "not looked at, since the login is not one that tenancy binds. Mend the database role first."
        ) from error

    async def faults() -> list[str]:
        async with (
            await create_pool(installation.database_url, min_size=1, max_size=1) as pool,
            pool.acquire() as connection,
        ):
            return [*await tenancy_faults(connection, policies), *await login_faults(connection)]

    present = run(faults())
    if present:
        raise DeskhandError(
            f"tenants are not kept apart: {'; '.join(present)}. Stop API and workers, then find who changed the schema;"
            " docs/reference/database.md says what belongs there."
        )
    return f"{len(policies)} tables, each behind its forced policies; the login alone opens none of them"


def _platform(installation: Installation) -> str | Remark:
    if installation.platform_url is None:
        return Remark("DESKHAND_DATABASE_PLATFORM_URL is not set; API and commands need it for platform administration")

    async def enter() -> None:
        async with database(installation) as db, db.platform_session():
            pass

    run(enter())
    return "the login for it works"


def _break_glass(installation: Installation) -> str | Remark:
    if installation.platform_url is None:
        return Remark("not looked at: DESKHAND_DATABASE_PLATFORM_URL is not set")

    async def accounts() -> tuple[list[str], list[str]]:
        async with database(installation) as db, db.platform_session() as session:
            return await usable_break_glass_accounts(session)

    ready, lacking = run(accounts())
    if lacking:
        return Remark(f"{', '.join(lacking)} cannot be used: sign in once to set a password and an authenticator app")
    if not ready and installation.settings.break_glass_only:
        return Remark(
            "there is no break-glass account, and DESKHAND_PASSWORD_SIGN_IN lets no other password in: nobody gets in"
            " on the day the identity provider is down. Make one: `deskhand user break-glass ADDRESS`"
        )
    return f"{len(ready)} ready" if ready else "none, and none is needed while passwords sign in"


def _keys(installation: Installation) -> str:
    SecretBox(installation.encryption_keys)
    return f"{len(installation.encryption_keys)} usable, the first one encrypts"


def _exposure(installation: Installation) -> str | Remark:
    settings = installation.settings
    faults = [*transport_faults(settings), *debug_faults(settings), *key_file_faults(settings.data_dir)]
    if faults:
        raise DeskhandError(f"{'; '.join(faults)}.")
    if not is_exposed(settings):
        return f"{installation.public_url} is reached from this machine alone"
    if settings.allow_private_addresses:
        # No fault: a desk on the same network is what many have. But it should be known who can be called then.
        return Remark(
            "DESKHAND_ALLOW_PRIVATE_ADDRESSES is on: whoever sets a tenant's address can make this machine call yours"
        )
    return f"{installation.public_url}, behind TLS"


def _model(installation: Installation) -> str | Remark:
    settings = installation.settings
    if settings.llm_base_url is not None:
        key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
        names = run(_models_of(settings.llm_base_url, key))
        return f"gateway {settings.llm_base_url} answers and lists {len(names)} models"
    options = options_for(
        settings.embedded_model,
        models_dir=installation.models_dir,
        state_file=installation.model_state_file,
        model_path=settings.model_path,
    )
    try:
        endpoint = read_endpoint(installation.model_state_file)
    except ModelUnavailableError:
        return Remark(f"embedded {options.name} is here and does not run; `deskhand up` starts it")
    run(_models_of(endpoint.base_url, endpoint.api_key))
    faster = faster_than(endpoint)
    if faster is not None:
        return Remark(
            f"embedded {endpoint.model} takes about {endpoint.note_seconds} s for a note on this machine; after"
            f" `deskhand models pull {faster.name}` and a restart, the faster model is used"
        )
    return f"embedded {endpoint.model} answers"


async def _models_of(url: str, key: str | None) -> list[object]:
    """Ask a gateway what it serves.

    Raises:
        DeskhandError: It cannot be reached, refuses the key, or serves nothing; says which setting to look at.
    """
    address = f"{url.rstrip('/')}/models"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with HttpClientFactory(allow_private=True).client(headers=headers) as client:
            answer = await client.get(address)
    except (httpx2.TransportError, httpx2.InvalidURL, OSError) as error:
        raise DeskhandError(
            f"{address} cannot be reached ({type(error).__name__}: {error}). Check DESKHAND_LLM_BASE_URL, and whether"
            " the gateway runs."
        ) from error
    if answer.status_code != 200:
        raise DeskhandError(
            f"{address} answers {answer.status_code}. Check DESKHAND_LLM_BASE_URL and DESKHAND_LLM_API_KEY."
        )
    try:
        models = read_json(answer.content)["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeskhandError(
            f"{address} does not answer with a list of models. Is DESKHAND_LLM_BASE_URL up to and with /v1?"
        ) from error
    if not isinstance(models, list) or not models:
        raise DeskhandError(f"{address} lists no model, so no agent could run. Give the gateway one.")
    return models


def _outside(installation: Installation) -> str | Remark:
    if installation.platform_url is None:
        return Remark("not looked at: DESKHAND_DATABASE_PLATFORM_URL is not set")
    count, faults = run(outside_faults(installation))
    if faults:
        # A remark and no fault of the installation: one tenant's mail server must not make its check-up fail.
        return Remark(f"of {count} places of tenants, {len(faults)} cannot be used: {'; '.join(faults)}")
    return f"{count} places of tenants answer" if count else "no tenant has mail, a chat, a receiver or a host"


def _accounts(installation: Installation) -> str | Remark:
    if installation.platform_url is None:
        return Remark("not looked at: DESKHAND_DATABASE_PLATFORM_URL is not set")
    count, told = run(account_warnings(installation))
    if told:
        return Remark(f"of {count} connections, {len(told)} may be a person's: {' '.join(told)}")
    return f"{count} connections, and no desk tells of a person's key" if count else "no tenant has a desk"


def _left_behind(installation: Installation) -> str | Remark:
    del installation
    homes = orphans()
    if homes:
        listed = ", ".join(map(str, homes))
        return Remark(f"nobody's any more: {listed}. The data directories they belong to are gone; delete them.")
    return "no cluster without its data directory"


def _settings(installation: Installation) -> str:
    del installation
    slips = mistyped_variables()
    if slips:
        raise DeskhandError(" ".join(slips))
    return "no variable of ours is mistyped"


def _told(installation: Installation) -> str | Remark:
    if installation.platform_url is None:
        return Remark("not looked at: DESKHAND_DATABASE_PLATFORM_URL is not set")

    async def found() -> list[str]:
        async with database(installation) as db, db.platform_session() as session:
            return await troubles(session)

    present = run(found())
    if present:
        return Remark(f"{'; '.join(present)}. Each tenant's page Notifications says why, and sends again")
    return "nothing is held up"


def _pictures(installation: Installation) -> str | Remark:
    settings, languages = installation.settings, picture_languages()
    is_house = settings.llm_base_url is not None and settings.llm_is_local
    shown = (
        "the gateway's models are in the house, and those that see are shown them"
        if is_house
        else "of models that see, those in a tenant's own house are shown them, others where it says so"
    )
    if not languages:
        words = "shown to models that see alone" if is_house else "not read on tickets"
        return Remark(f"{words}: {NO_READER}; notes say which were not read; {shown}")
    return f"read on tickets, in {', '.join(languages)}; {shown}"


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", _settings),
    ("schema", _schema),
    ("database role", _role),
    ("tenancy", _tenancy),
    ("platform administration", _platform),
    ("break-glass accounts", _break_glass),
    ("encryption keys", _keys),
    ("exposure", _exposure),
    ("model", _model),
    ("pictures", _pictures),
    ("accounts at desks", _accounts),
    ("outside the desks", _outside),
    ("notifications", _told),
    ("clusters left behind", _left_behind),
)
