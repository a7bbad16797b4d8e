"""What is kept of providers, and what never leaves through the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs
from tests.support.identity import CLIENT_ID, CLIENT_SECRET, Pretender, new_key, pretender

from deskhand.errors import UnauthenticatedError, UnavailableError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.oidc.client import KEPT, KEYS_AGAIN, MOST_KEPT, Attempt, Identity, OidcClient
from deskhand.kit.oidc.wire import Relation

BACK = "https://deskhand.example.com/back"
START = datetime.now(UTC)


def relation(issuer: str) -> Relation:
    return Relation(name="Acme", issuer=issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


@pytest.fixture
async def source() -> AsyncIterator[Pretender]:
    async with pretender() as made:
        yield made


@pytest.fixture
def client() -> OidcClient:
    return OidcClient(HttpClientFactory(allow_private=True))


async def identity(client: OidcClient, source: Pretender, now: datetime) -> Identity:
    """A whole sign-in without a browser."""
    attempt = Attempt("secret")
    address = await client.sign_in_address(relation(source.url), attempt, redirect_uri=BACK, now=now)
    code = source.authorize({name: values[0] for name, values in parse_qs(urlsplit(address).query).items()})
    issued = int(now.timestamp())
    source.claims = {"iat": issued, "exp": issued + 300}
    return await client.identity(relation(source.url), attempt, code=code, redirect_uri=BACK, now=now)


async def test_what_a_provider_says_of_itself_is_kept_for_an_hour(client: OidcClient, source: Pretender) -> None:
    for now in (START, START + KEPT - timedelta(seconds=1), START + KEPT):
        await identity(client, source, now)
    assert source.asked.count("configuration") == 2
    assert source.asked.count("keys") == 2
    assert source.asked.count("token") == 3


async def test_a_new_key_is_looked_for_at_once_and_an_unknown_one_once_a_minute(
    client: OidcClient, source: Pretender
) -> None:
    await identity(client, source, START)
    published = [source.key.as_dict(private=False)]
    source.key = new_key("two")
    source.published = [*published, {"kty": "AKP", "kid": "later", "pub": "x"}, source.key.as_dict(private=False)]
    later = START + KEYS_AGAIN
    await identity(client, source, later)
    assert source.asked.count("keys") == 2, "the provider has changed its key"

    source.key = new_key("made up")
    for _ in range(5):
        with pytest.raises(UnauthenticatedError):
            await identity(client, source, later + timedelta(seconds=30))
    assert source.asked.count("keys") == 2, "anybody can make up names of keys"
    with pytest.raises(UnauthenticatedError):
        await identity(client, source, later + KEYS_AGAIN)
    assert source.asked.count("keys") == 3


async def test_a_key_that_was_withdrawn_is_forgotten_within_the_hour(client: OidcClient, source: Pretender) -> None:
    await identity(client, source, START)
    source.published = [new_key("two").as_dict(private=False)]
    with pytest.raises(UnauthenticatedError):
        await identity(client, source, START + KEPT)


@pytest.mark.parametrize("wrong", [{"use": "enc"}, {"alg": "ES384"}, {"kid": "other"}])
async def test_a_key_for_something_else_proves_nothing(
    client: OidcClient, source: Pretender, wrong: dict[str, str]
) -> None:
    source.published = [{**source.key.as_dict(private=False), **wrong}]
    with pytest.raises(UnauthenticatedError):
        await identity(client, source, START)


async def test_a_provider_that_is_down_is_not_asked_by_everybody_who_waits(
    client: OidcClient, source: Pretender
) -> None:
    source.metadata = {"issuer": "https://evil.example"}
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await client.metadata(relation(source.url), now=START)
    assert source.asked == ["configuration"]
    source.metadata = {}
    await client.metadata(relation(source.url), now=START + timedelta(seconds=10))


async def test_calls_go_through_the_guard_and_tell_strangers_nothing_of_it(source: Pretender) -> None:
    guarded = OidcClient(HttpClientFactory())
    with capture_logs() as logs, pytest.raises(UnavailableError) as refused:
        await guarded.metadata(relation(source.url), now=START)
    assert source.asked == []
    assert refused.value.detail == "Acme does not answer at the moment. Try again in a minute."
    assert "inside this network" in logs[0]["reason"]
    assert not guarded.may_call("http://login.example.com")
    assert guarded.may_call("https://login.example.com")


async def test_an_endpoint_inside_our_network_is_not_called_either(source: Pretender) -> None:
    """The provider is outside and names an address inside: the guard judges every call by itself."""
    guarded = OidcClient(HttpClientFactory())
    inside = source.url.replace("http://", "https://")
    outside = relation("https://login.example.com")
    with pytest.raises(UnavailableError, match="does not answer"):
        await guarded._wire.read(outside, f"{inside}/jwks")
    with pytest.raises(UnavailableError, match="does not answer"):
        await guarded._wire.post(outside, f"{inside}/token", {}, headers={})
    assert source.asked == []


def test_nothing_in_an_attempt_can_be_made_of_the_rest() -> None:
    attempt, other = Attempt("secret"), Attempt("secret too")
    values = [attempt.state, attempt.nonce, attempt.verifier, attempt.challenge, other.state, other.verifier]
    assert len(set(values)) == len(values)
    assert all(len(value) == 43 for value in values)
    assert "secret" not in repr(attempt)
    assert CLIENT_SECRET not in repr(relation("https://login.example.com"))


def test_what_is_kept_has_an_end(client: OidcClient) -> None:
    for number in range(MOST_KEPT + 5):
        client._kept_of(relation(f"https://{number}.example"))
    assert len(client._kept) == MOST_KEPT
