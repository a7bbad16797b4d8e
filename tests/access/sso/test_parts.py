"""The parts of single sign-on by themselves: rules, what is shown, and what counts once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.api import Api
from tests.support.identity import register

from deskhand.access import pages
from deskhand.access.models import IdentityProvider, SignInAttempt
from deskhand.access.sso import accounts, endpoints, repository

NOW = datetime(2026, 11, 28, tzinfo=UTC)
RULES = [
    {"group": "A", "role": "editor", "tenant_id": "acme"},
    {"group": "B", "role": "viewer", "tenant_id": "acme"},
    {"group": "B", "role": "operator", "tenant_id": "globex"},
    {"group": "C", "role": "platform_admin", "tenant_id": None},
]


def provider(tenant_id: str | None = None) -> IdentityProvider:
    return IdentityProvider(
        id=UUID(int=7),
        tenant_id=tenant_id,
        name="Acme",
        issuer="https://login.example.com",
        client_id="deskhand",
        client_secret_encrypted="gAAAAAB-the-secret",
        scopes="openid",
        groups_claim="groups",
        role_rules=RULES,
        email_domains=[],
        is_active=True,
        vouches_for_second_factor=False,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize(
    ("claim", "groups"),
    [(["A", "B"], {"A", "B"}), ("A B", {"A B"}), (None, set()), ([1, None, ["A"]], set()), ({"A": 1}, set())],
)
def test_groups_are_texts_of_a_list_or_one_text(claim: Any, groups: set[str]) -> None:
    assert accounts.groups_of({"groups": claim}, "groups") == groups


@pytest.mark.parametrize(
    ("tenant_id", "groups", "roles", "platform"),
    [
        (None, ["B", "A"], {"acme": "editor", "globex": "operator"}, False),
        (None, ["C"], {}, True),
        (None, ["D"], {}, False),
        ("acme", ["A", "B", "C"], {"acme": "editor"}, False),
        ("globex", ["A"], {}, False),
    ],
)
def test_the_first_rule_decides_for_each_tenant(
    tenant_id: str | None, groups: list[str], roles: dict[str, str], platform: bool
) -> None:
    wanted = accounts.wanted_roles(provider(tenant_id), {"groups": groups})
    assert (dict(wanted.roles), wanted.platform, bool(wanted)) == (roles, platform, bool(roles) or platform)


def test_what_is_shown_has_addresses_and_no_secret() -> None:
    shown = endpoints.shown(provider(), "https://deskhand.example.com")
    assert shown.redirect_uri == f"https://deskhand.example.com/login/sso/{UUID(int=7)}/callback"
    assert "secret" not in shown.model_dump_json()
    assert [rule.tenant_id for rule in shown.role_rules] == ["acme", "acme", "globex", None]


def test_a_sign_in_begins_with_a_form_and_nothing_else() -> None:
    """A link could be anybody's; and neither page is in the document, since no program signs in with them."""
    routes = {(route.path, *sorted(route.methods)): route.include_in_schema for route in pages.provider_router.routes}  # type: ignore[attr-defined]
    assert routes == {
        ("/login/sso/{provider_id}", "POST"): False,
        ("/login/sso/{provider_id}/callback", "GET"): False,
    }


async def test_of_many_that_use_a_sign_in_up_one_does(api: Api) -> None:
    one, other = UUID(await register(api, "https://a.example")), UUID(await register(api, "https://b.example"))
    async with api.db.platform_session() as session:
        ends = NOW + timedelta(minutes=10)
        attempt = SignInAttempt(state_hash=b"s" * 32, provider_id=one, next_path="/here", expires_at=ends)
        await repository.begin(session, attempt, now=NOW)

    async def use_up(provider_id: UUID, now: datetime = NOW) -> str | None:
        async with api.db.platform_session() as session:
            return await repository.use_up(session, b"s" * 32, provider_id, now=now)

    assert await use_up(other) is None
    assert await use_up(one, NOW + timedelta(minutes=10)) is None
    used = await asyncio.gather(*(use_up(one) for _ in range(4)))
    assert sorted(map(str, used)) == ["/here", "None", "None", "None"]
