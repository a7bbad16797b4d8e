import asyncio
from datetime import UTC, datetime, timedelta

from deskhand.plugins.oauth import AccessToken, TokenCache, credential_key


class Vendor:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.fetched = 0

    async def fetch(self) -> AccessToken:
        self.fetched += 1
        number = self.fetched
        await asyncio.sleep(0)
        return AccessToken(f"token-{number}", self.now + timedelta(hours=1))


async def test_many_callers_share_one_refresh() -> None:
    vendor = Vendor()
    cache = TokenCache(lambda: vendor.now)
    tokens = await asyncio.gather(*(cache.get("a", vendor.fetch) for _ in range(50)))
    assert set(tokens) == {"token-1"}
    assert await cache.get("another", vendor.fetch) == "token-2"


async def test_renewed_before_it_ends_and_after_a_refusal() -> None:
    vendor = Vendor()
    cache = TokenCache(lambda: vendor.now)
    assert await cache.get("a", vendor.fetch) == "token-1"
    vendor.now += timedelta(minutes=58)
    assert await cache.get("a", vendor.fetch) == "token-1"
    vendor.now += timedelta(minutes=1)
    assert await cache.get("a", vendor.fetch) == "token-2"
    cache.drop("a", "token-1")  # a late caller whose token has been replaced already
    assert await cache.get("a", vendor.fetch) == "token-2"
    cache.drop("a", "token-2")
    assert await cache.get("a", vendor.fetch) == "token-3"


def test_keys_tell_credentials_apart_and_no_secret() -> None:
    assert credential_key("ab", "c") != credential_key("a", "bc")
    assert "secret" not in credential_key("secret")
