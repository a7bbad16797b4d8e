"""Commands about who may enter: people's accounts, and keys of machines and platform administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import typer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import service as access
from deskhand.access.people import administration
from deskhand.access.people.links import Link
from deskhand.access.people.schemas import PersonInvite
from deskhand.access.schemas import ApiKeyCreate
from deskhand.cli.administration import ACTOR
from deskhand.cli.common import database, err, opened_installation, out, run
from deskhand.errors import InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.clock import utc_now
from deskhand.kit.problem import invalid_input

T = TypeVar("T")

users_app = typer.Typer(help="People's accounts.", no_args_is_help=True)
keys_app = typer.Typer(help="API keys of tenants and of platform administrators.", no_args_is_help=True)

app = typer.Typer()
for _name, _group in (("user", users_app), ("key", keys_app)):
    app.add_typer(_group, name=_name)


@app.callback()
def main() -> None:
    """People and keys."""


def _on_platform(work: Callable[[AsyncSession, datetime], Awaitable[T]]) -> tuple[T, Installation]:
    """Run ``work`` in a transaction across tenants."""

    async def execute(installation: Installation) -> T:
        async with database(installation) as db, db.platform_session() as session:
            return await work(session, utc_now())

    with opened_installation() as installation:
        return run(execute(installation)), installation


def _in_tenant(tenant: str, work: Callable[[AsyncSession, datetime], Awaitable[T]]) -> T:
    """Run ``work`` in a transaction of one tenant."""

    async def execute(installation: Installation) -> T:
        async with database(installation) as db, db.tenant_session(tenant) as session:
            return await work(session, utc_now())

    with opened_installation() as installation:
        return run(execute(installation))


# -- people ----------------------------------------------------------------------------------------------------------


@users_app.command("create")
def create_user(
    email: str = typer.Argument(..., help="What the person signs in with."),
    tenant: str = typer.Option("", help="The tenant to let the person into; again for more with the same address."),
    role: str = typer.Option("viewer", help="tenant_admin, operator, editor or viewer."),
    name: str = typer.Option("", help="What colleagues call the person."),
    platform_admin: bool = typer.Option(False, "--platform-admin", help="A platform administrator, in no tenant."),
) -> None:
    """Let a person in, and print the link that sets the password of a new account, or that joins with one in use."""
    # One of the two and not both: an administrator of the platform is in no tenant by that.
    if bool(tenant) == platform_admin:
        raise InvalidInputError("Name the tenant with --tenant, or ask for a platform administrator.")
    try:
        data = PersonInvite.model_validate({"email": email, "name": name or None, "role": role})
    except ValidationError as error:
        raise invalid_input(error) from error

    async def make(session: AsyncSession, now: datetime) -> Link:
        if platform_admin:
            return await administration.create_account(
                session, email=data.email, name=data.name, is_platform_admin=True, actor=ACTOR, now=now
            )
        invited = await administration.invite(
            session, tenant_id=tenant, data=data, actor=ACTOR, by_platform=True, now=now
        )
        return invited.link

    _show(*_on_platform(make))


@users_app.command("list")
def list_users() -> None:
    """Show the accounts and where they belong."""

    async def read(session: AsyncSession, _now: datetime) -> list[str]:
        lines = []
        for user, roles in await administration.list_accounts(session):
            states = ["platform administrator"] if user.is_platform_admin else []
            states += ["break glass"] if user.is_break_glass else []
            states += [] if user.is_active else ["disabled"]
            states += [] if user.password_hash else ["has not set a password"]
            latest = f"last sign-in {user.last_sign_in_at:%Y-%m-%d %H:%M} UTC" if user.last_sign_in_at else "never here"
            lines.append("  ".join([user.email, ", ".join([*roles, *states]) or "in no tenant", latest]))
        return lines

    for line in _on_platform(read)[0]:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


@users_app.command("reset")
def reset_user(email: str = typer.Argument(..., help="Whose password.")) -> None:
    """Print a link that sets a new password, once, within a day. The present password goes on until then."""

    async def make(session: AsyncSession, now: datetime) -> Link:
        return await administration.reset_account(session, email=email, actor=ACTOR, now=now)

    _show(*_on_platform(make))


@users_app.command("disable")
def disable_user(
    email: str = typer.Argument(..., help="Whose account."),
    undo: bool = typer.Option(False, "--undo", help="Enable it again."),
) -> None:
    """Shut an account in every tenant: what is open ends at once, and so does what the person made to sign in with."""

    async def change(session: AsyncSession, now: datetime) -> None:
        await administration.set_account_active(session, email=email, is_active=undo, actor=ACTOR, now=now)

    _on_platform(change)
    out.print(f"{email} is {'enabled' if undo else 'disabled'}.", highlight=False, markup=False)


@users_app.command("reset-second-factor")
def reset_second_factor(email: str = typer.Argument(..., help="Whose.")) -> None:
    """Take away the authenticator app and recovery codes of somebody who lost them; what is open ends at once."""

    async def change(session: AsyncSession, now: datetime) -> None:
        await administration.reset_second_factor_of(session, email=email, actor=ACTOR, now=now)

    _on_platform(change)
    out.print(f"{email} has no second factor now.", highlight=False, markup=False)


@users_app.command("break-glass")
def break_glass(
    email: str = typer.Argument(..., help="An address of its own, which nobody uses from day to day."),
    undo: bool = typer.Option(False, "--undo", help="Make it an ordinary account again."),
) -> None:
    """Make a platform administrator for the day on which the identity provider is down, and print the link to begin."""
    address = _address(email)

    async def change(session: AsyncSession, now: datetime) -> Link | None:
        return await administration.mark_break_glass(
            session, email=address, is_break_glass=not undo, actor=ACTOR, now=now
        )

    link, installation = _on_platform(change)
    state = "an ordinary account again" if undo else "a break-glass account; each use of it is loud"
    out.print(f"{address} is {state}.", highlight=False, markup=False)
    if link is not None:
        _show(link, installation)


def _address(email: str) -> str:
    """An address as accounts have them.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        return PersonInvite.model_validate({"email": email, "role": "viewer"}).email
    except ValidationError as error:
        raise invalid_input(error) from error


def _show(link: Link, installation: Installation) -> None:
    # To stderr, so that a script which reads stdout gets the link and nothing else.
    if link.page == "/join":
        err.print(
            "The account exists already, so its person is asked. Signed in, the person says yes on this page, within"
        )
        err.print("a week. The link is shown this once:")
    else:
        err.print("The link sets a password, once, within a day. It is shown this once:")
    out.print(link.url(installation.public_url), highlight=False, soft_wrap=True)


# -- keys ------------------------------------------------------------------------------------------------------------


@keys_app.command("create")
def create_key(
    tenant: str = typer.Option("", help="The tenant's id; left out with --platform."),
    name: str = typer.Option("command line", help="What it is for."),
    role: str = typer.Option("tenant_admin", help="tenant_admin, operator, editor or viewer."),
    days: int = typer.Option(0, min=0, max=3650, help="Days until it stops working; 0: never."),
    platform: bool = typer.Option(False, "--platform", help="A platform administrator's key."),
) -> None:
    """Make a key and show it, once."""
    if platform:
        if days:
            raise InvalidInputError("A platform key has no end of its own; revoke it with `deskhand key revoke`.")

        async def make_platform_key(session: AsyncSession, _now: datetime) -> str:
            return (await access.create_platform_key(session, name=name))[1]

        _show_key(_on_platform(make_platform_key)[0])
        return
    _ensure_tenant(tenant)
    expires_at = utc_now() + timedelta(days=days) if days else None
    try:
        data = ApiKeyCreate.model_validate({"name": name, "role": role, "expires_at": expires_at})
    except ValidationError as error:
        raise invalid_input(error) from error

    async def make(session: AsyncSession, _now: datetime) -> str:
        return (await access.create_api_key(session, tenant_id=tenant, actor=ACTOR, data=data))[1]

    _show_key(_in_tenant(tenant, make))


@keys_app.command("list")
def list_keys(
    tenant: str = typer.Option("", help="The tenant's id; left out with --platform."),
    platform: bool = typer.Option(False, "--platform", help="Keys of platform administrators."),
) -> None:
    """Show keys by their first characters, with role, end and last use."""

    async def read(session: AsyncSession, now: datetime) -> list[str]:
        lines, cursor = [], None
        while True:
            page = await access.list_api_keys(session, tenant_id=tenant, limit=200, cursor=cursor)
            for key in page.items:
                state = _state(key.revoked_at, key.expires_at, now)
                used = f"last used {key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never used"
                lines.append(f"{key.prefix}  {key.role}  {state}  {used}  {key.name}")
            cursor = page.next_cursor
            if cursor is None:
                return lines

    async def read_platform_keys(session: AsyncSession, now: datetime) -> list[str]:
        keys = await access.list_platform_keys(session)
        return [f"{key.prefix}  platform_admin  {_state(key.revoked_at, None, now)}  {key.name}" for key in keys]

    if not platform:
        _ensure_tenant(tenant)
    for line in _on_platform(read_platform_keys)[0] if platform else _in_tenant(tenant, read):
        out.print(line, highlight=False, markup=False, soft_wrap=True)


@keys_app.command("revoke")
def revoke_key(
    prefix: str = typer.Argument(..., help="The key's first characters, as `deskhand key list` shows them."),
    tenant: str = typer.Option("", help="The tenant's id; left out with --platform."),
    platform: bool = typer.Option(False, "--platform", help="A platform administrator's key."),
) -> None:
    """Stop a key at once, and all that was made with it."""
    if platform:

        async def revoke_platform_key(session: AsyncSession, now: datetime) -> None:
            await access.revoke_platform_key(session, prefix=prefix, now=now)

        _on_platform(revoke_platform_key)
    else:
        _ensure_tenant(tenant)

        async def revoke(session: AsyncSession, now: datetime) -> None:
            key = await access.key_named(session, tenant_id=tenant, prefix=prefix)
            await access.revoke_api_key(session, tenant_id=tenant, actor=ACTOR, key_id=key.id, now=now)

        _in_tenant(tenant, revoke)
    out.print(f"{prefix} is revoked.", highlight=False, markup=False)


@keys_app.command("rotate")
def rotate_key(
    prefix: str = typer.Argument(..., help="The key's first characters, as `deskhand key list` shows them."),
    tenant: str = typer.Option(..., help="The tenant's id."),
) -> None:
    """Make a key's successor and show it, once; the old key goes on for a day at most."""

    async def rotate(session: AsyncSession, now: datetime) -> str:
        key = await access.key_named(session, tenant_id=tenant, prefix=prefix)
        return (await access.rotate_api_key(session, tenant_id=tenant, actor=ACTOR, key_id=key.id, now=now))[1]

    _show_key(_in_tenant(tenant, rotate))


def _ensure_tenant(tenant: str) -> None:
    if not tenant:
        raise InvalidInputError("Name the tenant with --tenant, or ask for platform keys with --platform.")


def _state(revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> str:
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d}"
    if expires_at is None:
        return "good"
    return f"{'good until' if expires_at > now else 'ended'} {expires_at:%Y-%m-%d %H:%M} UTC"


def _show_key(key: str) -> None:
    err.print("The key is shown this once:")
    out.print(key, highlight=False, soft_wrap=True)
