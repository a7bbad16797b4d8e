"""Rotation of the encryption keys: old ring to new ring, on a live database, through the command a person runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Table, select, text
from tests.conftest import DatabaseUrls
from tests.support.lent import LENDER
from tests.support.logins import PROVER, TENANT_KEY
from tests.support.program import deskhand

from deskhand.access.models import IdentityProvider, SecondFactor, User, UserSession
from deskhand.access.sessions import Proof, open_session
from deskhand.agents import reencryption
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.reencryption import SECRETS, rotate_secrets
from deskhand.connectors.models import ToolSource
from deskhand.errors import ConfigurationError
from deskhand.gateways.models import ModelConnection, SharedModelConnection
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.models import Base
from deskhand.tenants.models import TenantConfig

MakeTenant = Callable[..., Awaitable[TenantConfig]]
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
NOT_FERNET = {
    "api_keys.key_hash",
    "approval_notices.secret_hash",
    "invitations.secret_hash",
    "password_links.secret_hash",
    "platform_keys.key_hash",
    "user_sessions.secret_hash",
    "users.password_hash",
}
"""Hashes: nobody reads them back, so no key rotates them."""
NO_SECRET = {"users.password_vouched_in"}
"""Names a tenant, of a password."""
OF_A_DAY = {"idempotency_keys.answer_encrypted"}
"""Gone before a rotation's old key is: docs/reference/idempotency.md says what one gets who asks in between."""
COUNT = 7  # tenants; more than one batch of three, and the last batch is not full


def _plain(column: str, owner: str) -> str:
    return f"{column} of {owner}"


async def _fill(db: Database, make_tenant: MakeTenant, box: SecretBox) -> None:
    """Tenants with every secret set, each with an agent that has two triggers; one trigger has none."""
    tenant_columns, trigger_columns = SECRETS[0][1], SECRETS[1][1]
    types = cast(Table, TenantConfig.__table__).c
    for number in range(COUNT):
        name = f"tenant-{number}"
        tokens: dict[str, Any] = {column: box.encrypt(_plain(column, name)) for column in tenant_columns}
        tokens = {
            key: token.encode() if types[key].type.python_type is bytes else token for key, token in tokens.items()
        }
        await make_tenant(name, **tokens)
        async with db.tenant_session(name) as session:
            agent = Agent(tenant_id=name, name="A", status="draft", system_prompt="Be brief and cite your sources.")
            full = {column: box.encrypt(_plain(column, name)) for column in trigger_columns}
            agent.triggers = [
                AgentTrigger(tenant_id=name, trigger_type="webhook", **full),
                AgentTrigger(tenant_id=name, trigger_type="schedule", schedule_cron="0 9 * * *"),
            ]
            session.add(agent)
            hidden = box.encrypt(_plain("credential_encrypted", name))
            session.add(
                ToolSource(tenant_id=name, slug="shop", kind="openapi", name="Shop", credential_encrypted=hidden)
            )
            house: dict[str, Any] = {"kind": "litellm_sdk", "name": "House"}
            key = box.encrypt(_plain("api_key_encrypted", name))
            own = house | {"kind": "openai_compatible", "slug": "house", "api_key_encrypted": key}
            session.add(ModelConnection(tenant_id=name, **own))
        async with db.platform_session() as session:
            key = box.encrypt(_plain("api_key_encrypted", name))
            session.add(SharedModelConnection(slug=name, api_key_encrypted=key, **house))
        await _fill_sign_ins(db, name, box)


async def _fill_sign_ins(db: Database, name: str, box: SecretBox) -> None:
    """An identity provider of the tenant, and a session that it opened."""
    async with db.platform_session() as session:
        provider = IdentityProvider(
            tenant_id=name,
            name="Acme",
            issuer="https://login.example.com",
            client_id="deskhand",
            client_secret_encrypted=box.encrypt(_plain("client_secret_encrypted", name)),
            scopes="openid",
            groups_claim="groups",
            role_rules=[],
        )
        user = User(email=name)
        session.add_all([provider, user])
        await session.flush()
        now = datetime.now(UTC)
        hidden = box.encrypt(_plain("secret_encrypted", name))
        session.add(SecondFactor(user_id=user.id, secret_encrypted=hidden, last_step=0))
        token = box.encrypt(_plain("id_token_encrypted", name))
        proof = Proof(method="oidc", provider_id=provider.id, id_token_encrypted=token)
        await open_session(session, user_id=user.id, tenant_id=name, now=now, proof=proof)


async def _stored(db: Database) -> list[tuple[str, str, str | bytes | None]]:
    found: list[tuple[str, str, str | bytes | None]] = []
    async with db.platform_session() as session:
        for table, columns in SECRETS:
            for column in columns:
                places = {UserSession: UserSession.current_tenant, SharedModelConnection: SharedModelConnection.slug}
                owner = places.get(table) or getattr(table, "tenant_id", User.email)
                query = select(owner, getattr(table, column))
                rows = await session.execute(query.join(User) if table is SecondFactor else query)
                found += [(tenant, column, token) for tenant, token in rows]
    return found


def test_the_list_is_every_secret_column_of_the_models() -> None:
    named = {f"{table.__tablename__}.{column}" for table, columns in SECRETS for column in columns}
    words = ("encrypted", "secret", "token", "password", "key_hash", "credential")
    in_models = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if any(word in column.name for word in words) and column.type.python_type in (str, bytes)
    }
    assert in_models - NOT_FERNET - NO_SECRET - OF_A_DAY == named
    assert named >= {"tenant_configs.webhook_signing_secret_encrypted", "agent_triggers.hmac_secret"}


async def test_after_it_the_new_key_alone_reads_everything(
    clean_db: Database, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencryption, "BATCH", 3)
    await _fill(clean_db, make_tenant, SecretBox([OLD]))
    async with clean_db.platform_session() as session:
        before = (
            await session.execute(select(TenantConfig.id, TenantConfig.updated_at).order_by(TenantConfig.id))
        ).all()
    shares: list[float] = []
    done = await rotate_secrets(clean_db, SecretBox([NEW, OLD]), progress=shares.append)
    assert done == COUNT * sum(len(columns) for _, columns in SECRETS)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    new_alone, old_alone = SecretBox([NEW]), SecretBox([OLD])
    stored = await _stored(clean_db)
    assert sum(token is None for _, _, token in stored) == COUNT * len(SECRETS[1][1]), "the schedules have no secret"
    for tenant, column, token in stored:
        if token is not None:
            assert new_alone.decrypt(token) == _plain(column, tenant)
            with pytest.raises(ConfigurationError):
                old_alone.decrypt(token)
    async with clean_db.platform_session() as session:
        assert (
            await session.execute(select(TenantConfig.id, TenantConfig.updated_at).order_by(TenantConfig.id))
        ).all() == before


async def test_a_concurrent_change_wins(
    clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant
) -> None:
    """A change that commits between our reading and our writing is kept: it was written with the new key anyway."""
    ring = SecretBox([NEW, OLD])
    before = SecretBox([OLD]).encrypt("before")
    await make_tenant("acme", webhook_signing_secret_encrypted=before, servicedesk_api_key_encrypted=None)
    changed = ring.encrypt("changed meanwhile")
    holder = await asyncpg.connect(database_urls.superuser_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(holder.close)
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("UPDATE tenant_configs SET webhook_signing_secret_encrypted = $1", changed)
        rotating = asyncio.create_task(rotate_secrets(clean_db, ring, progress=lambda share: None))
        watcher = await asyncpg.connect(database_urls.superuser_url)
        stack.push_async_callback(watcher.close)
        async with asyncio.timeout(60):
            while not await watcher.fetchval(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE NOT l.granted AND a.datname = current_database()"
            ):
                await asyncio.sleep(0.01)
        await transaction.commit()  # the rotation has read the old token and waits for the row
        done = await rotating
    async with clean_db.platform_session() as session:
        assert await session.scalar(select(TenantConfig.webhook_signing_secret_encrypted)) == changed
    assert done == 0


async def test_a_secret_of_a_lost_key_is_an_error_and_loses_nothing(
    clean_db: Database, make_tenant: MakeTenant
) -> None:
    lost = SecretBox([Fernet.generate_key().decode()]).encrypt("gone")
    await make_tenant("acme", servicedesk_api_key_encrypted=lost, webhook_signing_secret_encrypted=lost)
    with pytest.raises(ConfigurationError, match="cannot be decrypted"):
        await rotate_secrets(clean_db, SecretBox([NEW, OLD]), progress=lambda share: None)
    async with clean_db.platform_session() as session:
        assert await session.scalar(select(TenantConfig.webhook_signing_secret_encrypted)) == lost


def _deskhand(
    tmp_path: Path, urls: DatabaseUrls, *arguments: str, keys: str | None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    environment |= {
        "DESKHAND_DATABASE_URL": urls.app_url,
        "DESKHAND_DATABASE_PLATFORM_URL": urls.platform_url,
        "DESKHAND_TENANT_KEY": TENANT_KEY,
        "DESKHAND_DATA_DIR": str(tmp_path),
        "DESKHAND_PORT": "0",
        "NO_COLOR": "1",
    }
    if keys is not None:
        environment["DESKHAND_ENCRYPTION_KEYS"] = keys
    return deskhand(*arguments, environment=environment, directory=tmp_path)


async def test_the_command_rotates_while_the_database_serves(
    clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    await _fill(clean_db, make_tenant, SecretBox([OLD]))
    await LENDER.close()  # to the command an open session of another ring is a server that would not read the new key
    ended = await asyncio.to_thread(_deskhand, tmp_path, database_urls, "keys", "rotate", keys=f"{NEW},{OLD}")
    assert ended.returncode == 0, ended.stderr
    assert f"re-encrypted {COUNT * sum(len(columns) for _, columns in SECRETS)} secrets" in ended.stdout
    new_alone = SecretBox([NEW])
    stored = await _stored(clean_db)
    assert {new_alone.decrypt(token) for _, _, token in stored if token} == {
        _plain(column, tenant) for tenant, column, token in stored if token
    }
    assert OLD not in ended.stdout + ended.stderr
    assert NEW not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "keys", [None, "", " , ", "not-a-key", "c2hvcnQ=", pytest.param(f"{NEW},broken", id="one-of-two")]
)
async def test_a_missing_or_malformed_key_refuses_the_start_and_says_how_to_make_one(
    clean_db: Database, database_urls: DatabaseUrls, tmp_path: Path, keys: str | None
) -> None:
    ended = await asyncio.to_thread(_deskhand, tmp_path, database_urls, "serve", keys=keys)
    assert ended.returncode == 1
    said = " ".join(ended.stderr.split())
    assert "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())" in said
    assert "DESKHAND_ENCRYPTION_KEYS" in said
    assert "Traceback" not in said
    assert NEW not in said, "a good key beside the bad one is not shown"


async def test_the_command_refuses_beside_a_server_that_would_not_know_the_new_key(
    clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    await _fill(clean_db, make_tenant, SecretBox([OLD]))
    before = await _stored(clean_db)
    server = await Database.reach(database_urls.app_url, prover=PROVER, pool_size=1, ring_id=SecretBox([OLD]).ring_id)
    try:
        async with server.anonymous_session() as session:
            await session.execute(text("SELECT 1"))  # a session connects at its first statement
            ended = await asyncio.to_thread(_deskhand, tmp_path, database_urls, "keys", "rotate", keys=f"{NEW},{OLD}")
    finally:
        await server.dispose()
    assert ended.returncode != 0
    assert "Nothing was changed" in " ".join((ended.stdout + ended.stderr).split())
    assert await _stored(clean_db) == before


def test_a_ring_in_a_file_is_followed_while_serving() -> None:
    ring = [OLD]
    serving = SecretBox(ring, reread=lambda: ring)
    old = serving.encrypt("kept")
    ring.insert(0, NEW)
    assert serving.decrypt(SecretBox([NEW]).encrypt("from another process")) == "from another process"
    assert SecretBox([NEW]).decrypt(serving.encrypt("new")) == "new"
    assert serving.decrypt(old) == "kept"
    ring[0] = "half a ke"  # somebody is writing the file
    assert serving.decrypt(old) == "kept"
