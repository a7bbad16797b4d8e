"""What a process makes sure of before it serves: the login, the proofs and the server are such that tenancy holds."""

from __future__ import annotations

import structlog
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.db.away import sqlstate
from deskhand.kit.db.proofs import HOW_TO_MAKE_A_TENANT_KEY
from deskhand.kit.db.roles import PLATFORM_ROLE
from deskhand.kit.db.session import Database

UNDEFINED_FUNCTION = "42883"
_NO_TENANT = "-"  # no tenant is called so; any would do
_REFUSES_WRITES = text("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
_KIND_OF_PROOF = text("SELECT session_proof()")
_ROLE_FACTS = text(
    """
    SELECT session_user::text AS login, r.rolsuper, r.rolbypassrls,
           (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
               AND pg_has_role(session_user, c.relowner, 'USAGE')) AS owned,
           pg_has_role(session_user, d.datdba, 'USAGE') AS owns_database,
           EXISTS (SELECT 1 FROM pg_roles p WHERE p.rolname = :platform
                    AND pg_has_role(session_user, p.oid, 'MEMBER')) AS reaches_platform
      FROM pg_roles r, pg_database d
     WHERE r.rolname = session_user AND d.datname = current_database()
    """
)

log = structlog.get_logger(__name__)


async def verify_writable(db: Database) -> None:
    """Ask whether the server takes changes.

    Raises:
        UnavailableError: It is a standby, or was turned read-only.
    """
    async with db.engine.connect() as connection:
        refuses = await connection.scalar(_REFUSES_WRITES)
        if refuses:
            # So that the next look meets the new primary, if the address leads to one by then.
            await connection.invalidate()
    if refuses:
        raise UnavailableError(
            "The database is read-only (a standby, or in a failover); changes are taken again as soon as it is not."
        )


async def verify_application_role(db: Database) -> None:
    """Refuse a login on which tenancy would not hold.

    Raises:
        ConfigurationError: The login is a superuser, bypasses row-level security, owns tables or the
            database, or may become the platform role.
    """
    async with db.anonymous_session() as session:
        facts = (await session.execute(_ROLE_FACTS, {"platform": PLATFORM_ROLE})).mappings().one()
    faults = {
        "is a superuser": facts["rolsuper"],
        "bypasses row-level security": facts["rolbypassrls"],
        "owns tables": facts["owned"] > 0,
        "owns the database": facts["owns_database"],
        f"may become {PLATFORM_ROLE}": facts["reaches_platform"],
    }
    reasons = [fault for fault, present in faults.items() if present]
    if reasons:
        raise ConfigurationError(
            f"The database login {facts['login']!r} {' and '.join(reasons)}, so tenants would not be kept apart. "
            "Point DESKHAND_DATABASE_URL at the login 'deskhand_app' (`deskhand db upgrade` makes it, and takes from it"
            " what it may no more)."
        )


async def verify_proofs(db: Database) -> None:
    """Refuse to work with a database that would show this process nothing.

    Raises:
        ConfigurationError: The proofs of this process do not hold; says which setting to look at.
    """
    try:
        async with db.tenant_session(_NO_TENANT) as session:
            kind = await session.scalar(_KIND_OF_PROOF)
    except ProgrammingError as error:
        if sqlstate(error) != UNDEFINED_FUNCTION:
            raise
        raise ConfigurationError("The schema is older than this version: run `deskhand db upgrade`.") from error
    # An installation from before the proofs goes on as it was; doctor says what to do about it.
    if kind == "unsealed":
        log.warning("tenants_unproven", reason="the login alone reaches every tenant; see `deskhand doctor`")
    elif kind is None:
        raise ConfigurationError(
            "The database asks for a proof of the tenant, and this process has none that holds. Set DESKHAND_TENANT_KEY"
            " to the key that `deskhand db upgrade` was given (or run it again with this one), and compare the clocks"
            f" of this machine and of the database. {HOW_TO_MAKE_A_TENANT_KEY}"
        )
