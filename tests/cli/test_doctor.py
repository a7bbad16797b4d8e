"""``deskhand doctor`` as a person runs it: a database whose tenants are kept apart, and one where they are not."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import asyncpg
import pytest
from cryptography.fernet import Fernet
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from tests.conftest import TEMPLATE, DatabaseUrls, urls_of
from tests.support.logins import TENANT_KEY
from tests.support.program import deskhand

from deskhand.cli import doctor as checks
from deskhand.cli.doctor import Remark, _models_of, _pictures, _verdict
from deskhand.cli.outside import _fault, _places
from deskhand.errors import DeskhandError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.models import LlmSimulator
from deskhand.simulators.outside import OutsideSimulator
from deskhand.tenants.models import TenantConfig
from deskhand.work.files.texts import NO_READER, picture_languages


@pytest.mark.parametrize(("languages", "is_local", "says"), [
    (("eng",), False, "read on tickets, in eng; of models that see, those in a tenant's own house are shown them,"),
    (("eng",), True, "read on tickets, in eng; the gateway's models are in the house, and those that see"),
    ((), False, f"not read on tickets: {NO_READER}; notes say which were not read; of models that see,"),
    ((), True, f"shown to models that see alone: {NO_READER}; notes say which were not read; the gateway's models"),
])  # fmt: skip
def test_it_says_who_reads_pictures(
    monkeypatch: pytest.MonkeyPatch, languages: tuple[str, ...], is_local: bool, says: str
) -> None:
    monkeypatch.setattr(checks, "picture_languages", lambda: languages)
    settings = SimpleNamespace(llm_base_url="https://llm.house.test/v1", llm_is_local=is_local)
    told = _pictures(cast("Installation", SimpleNamespace(settings=settings)))
    assert isinstance(told, Remark) is not bool(languages)
    assert (told.text if isinstance(told, Remark) else told).startswith(says)


@pytest.fixture
def own_database(postgres: EmbeddedPostgres, database_urls: DatabaseUrls) -> Iterator[DatabaseUrls]:
    """A migrated database that a test may spoil."""
    name = f"doctor_{uuid.uuid4().hex[:12]}"
    postgres.create_database(name, template=TEMPLATE)
    yield urls_of(postgres, name)
    postgres.drop_database(name)


def _doctor(urls: DatabaseUrls, directory: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return _deskhand(urls, directory, "doctor", **more)


def _deskhand(urls: DatabaseUrls, directory: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    environment |= {
        "DESKHAND_DATABASE_URL": urls.app_url,
        "DESKHAND_DATABASE_OWNER_URL": urls.owner_url,
        "DESKHAND_DATABASE_PLATFORM_URL": urls.platform_url,
        "DESKHAND_TENANT_KEY": TENANT_KEY,
        "DESKHAND_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DESKHAND_DATA_DIR": str(directory),
        "NO_COLOR": "1",
        "COLUMNS": "500",
        **more,
    }
    return deskhand(*arguments, environment=environment, directory=directory)


async def test_it_names_what_lets_tenants_meet(own_database: DatabaseUrls, tmp_path: Path) -> None:
    healthy = (await asyncio.to_thread(_doctor, own_database, tmp_path)).stdout
    assert "✓ tenancy: " in healthy
    assert "✓ database role: " in healthy
    assert "✓ platform administration: " in healthy
    assert "✓ settings: " in healthy
    assert "✓ accounts at desks: no tenant has a desk" in healthy
    assert "✓ outside the desks: no tenant has mail, a chat, a receiver or a host" in healthy
    assert "✓ notifications: nothing is held up" in healthy
    known = picture_languages()
    can, cannot = f"✓ pictures: read on tickets, in {', '.join(known)}", f"! pictures: not read on tickets: {NO_READER}"
    assert (can if known else cannot) in healthy
    superuser = {"DESKHAND_DATABASE_URL": own_database.superuser_url}
    unbound = (await asyncio.to_thread(_doctor, own_database, tmp_path, **superuser)).stdout
    assert "✗ database role: " in unbound
    assert "Point DESKHAND_DATABASE_URL at the login" in unbound
    assert "✗ tenancy: not looked at, " in unbound, "the schema is not at fault"
    connection = await asyncpg.connect(own_database.superuser_url)
    try:
        await connection.execute("ALTER TABLE agents NO FORCE ROW LEVEL SECURITY")
        await connection.execute("CREATE POLICY for_support ON agent_tools USING (true)")
        await connection.execute("DELETE FROM proof_keys")
    finally:
        await connection.close()
    spoilt = await asyncio.to_thread(_doctor, own_database, tmp_path)
    assert spoilt.returncode == 1
    (line,) = [line for line in spoilt.stdout.splitlines() if "tenancy" in line]
    assert line.startswith("✗ tenancy: tenants are not kept apart")
    assert "table agents: row-level security is not forced on its owner" in line
    assert "table agent_tools: policy for_support opens it to public" in line
    assert "set DESKHAND_TENANT_KEY and run `deskhand db upgrade`" in line
    for attempt in ("prune history", "read what we wrote", "write in a tenant it names", "put a job into the queue"):
        assert f"the application's login alone may {attempt}" in line
    for attempt in ("become the platform", "make a platform key", "read the key of proofs", "move the queue's clock"):
        assert attempt not in line


async def test_it_misses_a_break_glass_account_where_no_other_password_signs_in(
    own_database: DatabaseUrls, tmp_path: Path
) -> None:
    def line(answer: subprocess.CompletedProcess[str]) -> str:
        return next(line for line in answer.stdout.splitlines() if "break-glass accounts: " in line)

    alone = {"DESKHAND_PASSWORD_SIGN_IN": "break_glass"}
    missing = await asyncio.to_thread(_deskhand, own_database, tmp_path, "doctor", **alone)
    assert line(missing).startswith("! break-glass accounts: there is no break-glass account")
    assert "deskhand user break-glass" in line(missing)
    made = await asyncio.to_thread(_deskhand, own_database, tmp_path, "user", "break-glass", "glass@example.com")
    assert "glass@example.com is a break-glass account" in made.stdout
    assert "/set-password?token=dhl_" in made.stdout
    lacking = await asyncio.to_thread(_deskhand, own_database, tmp_path, "doctor", **alone)
    assert "glass@example.com cannot be used: sign in once" in line(lacking)
    listed = await asyncio.to_thread(_deskhand, own_database, tmp_path, "user", "list")
    assert "platform administrator, break glass" in listed.stdout
    for arguments, words in (
        (("break-glass", "glass@example.com", "--undo"), "an ordinary account again"),
        (("reset-second-factor", "glass@example.com"), "has no second factor"),
        (("break-glass", "not an address"), "email"),
    ):
        answer = await asyncio.to_thread(_deskhand, own_database, tmp_path, "user", *arguments)
        assert words in answer.stdout + answer.stderr, answer


async def test_a_mistyped_variable_is_named(own_database: DatabaseUrls, tmp_path: Path) -> None:
    answer = await asyncio.to_thread(
        _deskhand, own_database, tmp_path, "doctor", DESKHAND_LLM_BASURL="http://gateway.example.com"
    )
    assert answer.returncode == 1
    (line,) = [line for line in answer.stdout.splitlines() if " settings: " in line]
    assert line.startswith("✗ settings: DESKHAND_LLM_BASURL is no setting")
    assert "'DESKHAND_LLM_BASE_URL'" in line


async def test_places_outside_that_do_not_answer_are_named_without_their_addresses() -> None:
    secrets = SecretBox([Fernet.generate_key().decode()])
    async with OutsideSimulator() as simulator:
        mail = {"host": "127.0.0.1", "port": 9, "sender": "a@acme.test", "allowed_recipients": ["acme.test"]}
        extras = {**simulator.settings(), "email": mail}
        sealed = secrets.encrypt(json.dumps(extras))
        tenant = TenantConfig(tenant_id="acme", connection_extras_encrypted=sealed)
        places = list(_places(tenant, secrets))
        here = [await _fault(place, allow_private=True) for place in places]
        outside = [await _fault(place, allow_private=False) for place in places]
    assert [place.name for place in places] == [
        "acme: the mail server", "acme: slack 'leads'", "acme: slack 'ops'", "acme: teams 'leads'",
        "acme: webhook 'cmdb'", f"acme: http '{simulator.url}'",
    ]  # fmt: skip
    assert [fault for fault in here if fault] == ["acme: the mail server does not answer (ConnectionRefusedError)"]
    assert all("must not be called: '127.0.0.1' points to" in fault for fault in outside)
    assert simulator.key not in str(outside) + str(places)


ODD_ANSWERS = (
    b"<html>It works!</html>", b"[1, 2]", b"null", b'{"data": null}', b'{"data": {"a": 1}}', b'{"data": []}', b"\xff",
    b"[" * 200_000, b'{"data": ' + b"9" * 5_000 + b"}",
)  # fmt: skip


@pytest.mark.parametrize("content", ODD_ANSWERS, ids=lambda content: repr(content[:12]))
async def test_what_is_no_list_of_models_is_told_in_words(content: bytes) -> None:
    async with run_in_process(Starlette(routes=[Route("/v1/models", lambda _: Response(content))])) as server:
        with pytest.raises(DeskhandError, match=r"list of models|lists no model"):
            await _models_of(f"{server.url}/v1", None)


def model_line(answer: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in answer.stderr
    (line,) = [line for line in answer.stdout.splitlines() if " model: " in line]
    return line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://no-such-host.invalid/v1", "cannot be reached"),
        ("http://127.0.0.1:1/v1", "cannot be reached"),
        ("no address at all", "cannot be reached"),
    ],
)
async def test_a_gateway_that_cannot_be_reached_is_named(
    own_database: DatabaseUrls, tmp_path: Path, url: str, words: str
) -> None:
    answer = await asyncio.to_thread(_doctor, own_database, tmp_path, DESKHAND_LLM_BASE_URL=url)
    assert answer.returncode == 1
    assert words in model_line(answer)
    assert "DESKHAND_LLM_BASE_URL" in model_line(answer)


async def test_a_gateway_is_healthy_with_its_key_alone(own_database: DatabaseUrls, tmp_path: Path) -> None:
    async with LlmSimulator(api_key="sk-right") as gateway:
        for key, code, sign in (("sk-right", 0, "✓"), ("sk-wrong", 1, "✗")):
            answer = await asyncio.to_thread(
                _doctor, own_database, tmp_path, DESKHAND_LLM_BASE_URL=gateway.base_url, DESKHAND_LLM_API_KEY=key
            )
            assert (answer.returncode, model_line(answer)[0]) == (code, sign), answer.stdout


async def test_an_embedded_model_that_does_not_run_is_not_called_healthy(
    own_database: DatabaseUrls, tmp_path: Path
) -> None:
    model = tmp_path / "some.gguf"
    model.touch()
    answer = await asyncio.to_thread(_doctor, own_database, tmp_path, DESKHAND_MODEL_PATH=str(model))
    assert answer.returncode == 0, answer.stdout
    assert model_line(answer).startswith("! model: embedded some is here and does not run")


REFUSED = asyncpg.InvalidPasswordError("password authentication failed for user")
READ_ONLY = asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction")


@pytest.mark.parametrize(
    "fault", [ConnectionRefusedError(111, "Connect call failed"), TimeoutError(), REFUSED, READ_ONLY]
)
def test_a_database_that_is_away_is_a_finding_and_the_next_check_goes_on(fault: Exception) -> None:
    def check(_installation: Installation) -> str:
        raise fault

    with pytest.raises(DeskhandError, match="the database does not do it: ") as found:
        _verdict(check, cast(Installation, None))
    assert str(fault) in found.value.detail


def test_a_mistake_of_ours_is_not_blamed_on_the_database() -> None:
    def check(_installation: Installation) -> str:
        raise asyncpg.UndefinedTableError('relation "x" does not exist')

    with pytest.raises(asyncpg.UndefinedTableError):
        _verdict(check, cast(Installation, None))
