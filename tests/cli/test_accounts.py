"""Doctor tells of the connections that work with a person's key, and of no desk that is away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet
from tests.support.desk_pages import answering

from deskhand.cli import accounts, doctor
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.tenants.models import TenantConfig

KEYS = (Fernet.generate_key().decode(),)


@asynccontextmanager
async def _database(_: object) -> AsyncIterator[None]:
    yield None


def tenant(name: str, typed: dict[str, str]) -> TenantConfig:
    extras = {"zendesk": typed}
    sealed = SecretBox(KEYS).encrypt(json.dumps(extras))
    return TenantConfig(tenant_id=name, name=name, tool_type="zendesk", connection_extras_encrypted=sealed)


async def test_of_each_tenants_desks_a_persons_account_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering("zendesk") as (desk, typed), answering("zendesk") as (_, quiet):
        desk.store.bot.signs_in = True
        away = {**typed, "zendesk_url": "http://127.0.0.1:9"}
        unreadable = tenant("odd", typed)
        unreadable.connection_extras_encrypted = "not sealed by us"
        tenants = [tenant("acme", typed), tenant("beta", quiet), tenant("gone", away), unreadable]

        async def listed(*_: object) -> AsyncIterator[TenantConfig]:
            for one in tenants:
                yield one

        monkeypatch.setattr(accounts, "database", _database)
        monkeypatch.setattr(accounts, "active_tenants", listed)
        settings = SimpleNamespace(allow_private_addresses=True)
        installation = SimpleNamespace(encryption_keys=KEYS, settings=settings)
        count, told = await accounts.account_warnings(cast(Installation, installation))
    assert count == 3
    (said,) = told
    assert said.startswith("acme: Zendesk Support: ")
    assert "looks like a person's account" in said


def test_it_is_a_remark_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, list[str]]] = []

    async def told(_: Any) -> tuple[int, list[str]]:
        return found[0]

    monkeypatch.setattr(doctor, "account_warnings", told)
    here = cast(Installation, SimpleNamespace(platform_url="postgresql://"))
    for answer, said in [((2, []), "2 connections, and no desk tells"), ((0, []), "no tenant has a desk")]:
        found[:] = [answer]
        assert str(doctor._accounts(here)).startswith(said)
    found[:] = [(2, ["acme: Jira: it is a person's."])]
    remark = doctor._accounts(here)
    assert isinstance(remark, doctor.Remark)
    assert remark.text == "of 2 connections, 1 may be a person's: acme: Jira: it is a person's."
    nowhere = doctor._accounts(cast(Installation, SimpleNamespace(platform_url=None)))
    assert isinstance(nowhere, doctor.Remark)
