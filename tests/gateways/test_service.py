"""The service of connections by itself: bounds, defaults, what a report leaves behind, and what the log is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from tests.conftest import MakeTenant

from deskhand.access.idempotency import IdempotentRoute
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.gateways import endpoints, pages, repository, service
from deskhand.gateways.reach import names_of, offered_names
from deskhand.gateways.schemas import (
    ConnectionChange,
    ConnectionCheck,
    ConnectionReport,
    ConnectionView,
    NewConnection,
)
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database

BOX = SecretBox([Fernet.generate_key().decode()])
HOW: dict[str, Any] = {"secrets": BOX, "may_be_plain": False, "actor": "tests"}
Add = Callable[..., Awaitable[ConnectionView]]


@pytest.fixture
async def add(clean_db: Database, make_tenant: MakeTenant) -> Add:
    """Adds a connection of acme, or with ``tenant=None`` of the platform."""
    await make_tenant("acme")

    async def made(slug: str, tenant: str | None = "acme", **more: Any) -> ConnectionView:
        wanted = NewConnection.model_validate({"slug": slug, "kind": "embedded", "name": slug, **more})
        opened = clean_db.tenant_session(tenant) if tenant else clean_db.platform_session()
        async with opened as session:
            return await service.add_connection(session, wanted, tenant_id=tenant, **HOW)

    return made


async def test_there_are_so_many_and_no_more(add: Add, clean_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_CONNECTIONS", 2)
    await add("first")
    await add("second")
    with pytest.raises(ConflictError, match="remove one first"):
        await add("third")
    # The platform's are counted by themselves.
    await add("third", None)
    async with clean_db.platform_session() as session:
        assert await repository.count(session, shared=True) == 1


async def test_a_default_takes_the_place_of_the_one_before_it_on_its_own_side(add: Add, clean_db: Database) -> None:
    await add("shared", None, is_default=True)
    await add("first", is_default=True)
    await add("second", is_default=True)
    async with clean_db.tenant_session("acme") as session:
        rows = {row.slug: row.is_default for row in await service.visible(session, "acme")}
    assert rows == {"first": False, "second": True, "shared": True}
    async with clean_db.tenant_session("acme") as session:
        change = ConnectionChange(is_default=True)
        await service.change_connection(session, "first", change, tenant_id="acme", **HOW)
        rows = {row.slug: row.is_default for row in await service.visible(session, "acme")}
    assert rows == {"first": True, "second": False, "shared": True}


async def test_a_report_is_kept_and_a_move_forgets_it(add: Add, clean_db: Database) -> None:
    await add("gate", kind="litellm_proxy", base_url="https://a.example.com/v1", aliases={"gpt-4": "large"})
    good = ConnectionReport(ok=True, checks=[], listed_models=["large", "openai/*"])
    wrong = ConnectionCheck(name="models", ok=False, detail="Nobody answers.")
    bad = ConnectionReport(ok=False, checks=[wrong], listed_models=None)
    async with clean_db.tenant_session("acme") as session:
        for report in (good, bad):
            await service.keep_report(session, "gate", report, tenant_id="acme", actor="tests")
    async with clean_db.tenant_session("acme") as session:
        row = await service.get_connection(session, "gate", "acme")
        # What it listed while it answered is still the best that is known.
        assert (row.listed_models, row.check_fault) == (["large", "openai/*"], "Nobody answers.")
        assert names_of([row]) == {"gpt-4", "large"}
        assert await offered_names(session, "acme") == {"gpt-4", "large"}
        change = ConnectionChange(base_url="https://b.example.com/v1")
        moved = await service.change_connection(session, "gate", change, tenant_id="acme", **HOW)
    assert (moved.listed_models, moved.checked_at, moved.check_fault) == ([], None, None)


async def test_a_tenant_cannot_do_without_tls_where_private_addresses_are_refused(add: Add, clean_db: Database) -> None:
    with pytest.raises(InvalidInputError, match="must begin with https"):
        await add("gate", kind="litellm_proxy", base_url="http://a.example.com/v1")
    # The operator's own network is the operator's choice.
    await add("gate", None, kind="litellm_proxy", base_url="http://10.0.0.1/v1")
    await add("gate", kind="litellm_proxy", base_url="https://a.example.com/v1")
    change = ConnectionChange(base_url="http://a.example.com/v1")
    async with clean_db.tenant_session("acme") as session:
        with pytest.raises(InvalidInputError, match="must begin with https"):
            await service.change_connection(session, "gate", change, tenant_id="acme", **HOW)


async def test_what_the_log_keeps_says_who_may_use_it_and_holds_no_key(add: Add, clean_db: Database) -> None:
    made = await add(
        "gate", None, kind="litellm_proxy", base_url="http://10.0.0.1/v1", api_key="sk-x", tenants=["acme"]
    )
    assert made.has_key
    async with clean_db.platform_session() as session:
        (row,) = await service.shared(session)
        kept = service.audited(row)
        assert (kept["tenants"], kept["has_key"]) == (["acme"], True)
        assert "sk-x" not in str(kept)
        assert row.api_key_encrypted not in kept.values()
        assert "acme" not in repr(row)
        await service.remove_connection(session, "gate", tenant_id=None, actor="tests")
        with pytest.raises(NotFoundError, match="there are none yet"):
            await service.get_connection(session, "gate", None)


def test_a_form_amounts_to_what_the_api_would_be_sent() -> None:
    shown = pages.ConnectionForm(
        slug="gate",
        name="Gate",
        base_url=" https://a.example.com/v1 ",
        aliases=" gpt-4 = large \n\nclaude=a=b",
        tenants="acme, globex\ninitech",
    )

    class Of:
        def __init__(self, tenant_id: str | None) -> None:
            self.tenant_id = tenant_id

    body = shown.body(Of(None))  # type: ignore[arg-type]  # whose tenant is all that is asked
    assert body["base_url"] == "https://a.example.com/v1"
    assert body["aliases"] == {"gpt-4": "large", "claude": "a=b"}
    assert body["tenants"] == ["acme", "globex", "initech"]
    assert "tenants" not in shown.body(Of("acme"))  # type: ignore[arg-type]
    empty = pages.ConnectionForm(name="Gate").body(Of(None))  # type: ignore[arg-type]
    assert (empty["tenants"], "base_url" in empty) == (None, False)
    for line in ("gpt-4", "= large", "gpt-4 ="):
        with pytest.raises(InvalidInputError, match="Line 2 of the aliases"):
            pages.ConnectionForm(aliases=f"a = b\n{line}").body(Of(None))  # type: ignore[arg-type]


def test_every_change_over_the_api_can_be_sent_again() -> None:
    kinds = {type(route) for route in endpoints.router.routes}
    assert kinds == {IdempotentRoute}
