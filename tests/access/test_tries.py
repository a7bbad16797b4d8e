"""Whom a failed sign-in counts for: the account and a stranger's network, or the known browser alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet

from deskhand.access.people.tries import (
    PER_ACCOUNT,
    PER_ADDRESS,
    PER_DEVICE,
    WINDOW,
    Bucket,
    buckets_of,
    give_back,
    take,
)
from deskhand.errors import RateLimitedError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database

BOX = SecretBox([Fernet.generate_key().decode()])
ANN = "ann@example.com"
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)


def network(address: str) -> bytes:
    """What a stranger's address counts for."""
    account, place = buckets_of(BOX, account=ANN, address=address, device=None)
    assert (account.most, place.most) == (PER_ACCOUNT, PER_ADDRESS)
    return place.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("2001:db8:0:0:1:2:3:4", "2001:0DB8::"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
    ids=["one /64", "two spellings", "IPv4 on an IPv6 socket", "zones"],
)
def test_addresses_of_one_customer_count_together(one: str, other: str) -> None:
    assert network(one) == network(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "::ffff:198.51.100.9"),
        ("::ffff:192.0.2.1", "::1"),
        ("unknown", "192.0.2.1"),
    ],
)
def test_addresses_of_different_customers_count_apart(one: str, other: str) -> None:
    assert network(one) != network(other)


def test_a_known_browser_counts_for_itself_and_shuts_nobody_else_out() -> None:
    [device] = buckets_of(BOX, account=ANN, address="192.0.2.1", device="a")
    assert device.most == PER_DEVICE
    others = [
        *buckets_of(BOX, account=ANN, address="192.0.2.1", device=None),
        *buckets_of(BOX, account=ANN, address="192.0.2.1", device="b"),
        *buckets_of(BOX, account="bob@example.com", address="192.0.2.1", device="a"),
    ]
    assert device.digest not in {one.digest for one in others}


def test_the_table_names_nobody_and_another_installation_has_other_hashes() -> None:
    buckets = buckets_of(BOX, account=ANN, address="192.0.2.1", device=None)
    elsewhere = buckets_of(SecretBox([Fernet.generate_key().decode()]), account=ANN, address="192.0.2.1", device=None)
    assert not {one.digest for one in buckets} & {one.digest for one in elsewhere}
    assert all(b"ann" not in one.digest and len(one.digest) == 32 for one in buckets)
    assert len({one.digest for one in buckets}) == 2


async def refusals(db: Database, bucket: Bucket, times: int, now: datetime) -> list[float]:
    """Tries in a row; of each that was refused, the seconds to wait."""
    waits = []
    for _ in range(times):
        try:
            async with db.platform_session() as session:
                await take(session, [bucket], now=now)
        except RateLimitedError as refusal:
            waits.append(refusal.retry_after or 0.0)
    return waits


async def test_tries_beyond_the_limit_wait_for_the_end_of_the_window_and_not_longer(clean_db: Database) -> None:
    bucket = Bucket(b"a" * 32, 3)
    assert await refusals(clean_db, bucket, 3, NOW) == []
    later = NOW + timedelta(minutes=10)
    # A refused try is not counted, so whoever knocks all the time waits no longer than who does not.
    assert await refusals(clean_db, bucket, 5, later) == [300.0] * 5
    assert await refusals(clean_db, bucket, 1, NOW + WINDOW - timedelta(milliseconds=1)) == [1.0]
    assert await refusals(clean_db, bucket, 3, NOW + WINDOW) == []
    assert await refusals(clean_db, Bucket(b"b" * 32, 3), 1, later) == []


async def test_a_try_that_succeeded_is_given_back_once_and_old_ones_are_forgotten(clean_db: Database) -> None:
    bucket, old = Bucket(b"a" * 32, 1), Bucket(b"o" * 32, 1)
    assert await refusals(clean_db, old, 1, NOW - timedelta(days=2)) == []
    assert await refusals(clean_db, bucket, 2, NOW) == [900.0]
    async with clean_db.platform_session() as session:
        await give_back(session, [bucket], now=NOW)
        await give_back(session, [bucket], now=NOW)
    assert await refusals(clean_db, bucket, 2, NOW) == [900.0], "two gifts for one try would be a try more"
    assert await refusals(clean_db, old, 1, NOW) == []
