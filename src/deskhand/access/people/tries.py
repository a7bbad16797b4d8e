"""How often somebody may fail to sign in, counted in the database for all processes together.

A stranger's failures count for the address and for the account. A browser that signed in to the account before is
known by a cookie and counts for itself alone: somebody who guesses at an account shuts it to strangers, and never to
the people who work with it (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The public draft of NIST
SP 800-63B-4 ("Rate Limiting (Throttling)") allows 100 failures in a row; ten in a quarter of an hour are enough for
anybody who mistypes. An account that does not exist is counted as one that does.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import RateLimitedError
from deskhand.kit.addresses import unmapped
from deskhand.kit.crypto import SecretBox

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 10
PER_DEVICE = 10
PER_ADDRESS = 30
PER_PROVIDER_ADDRESS = 100
DAY = timedelta(days=1)
CODES_PER_DAY = 50
"""Codes that may be wrong in a day: six digits would give way to somebody with the password and months of patience."""
_KEPT = timedelta(days=2)

_COUNT = text(
    """
    INSERT INTO sign_in_tries AS t (bucket, tries, since) VALUES (:bucket, 1, :now)
    ON CONFLICT (bucket) DO UPDATE
       SET tries = CASE WHEN t.since <= :start THEN 1 ELSE t.tries + 1 END,
           since = CASE WHEN t.since <= :start THEN :now ELSE t.since END
    RETURNING t.tries, t.since
    """
)
_GIVE_BACK = text("UPDATE sign_in_tries SET tries = tries - 1 WHERE bucket = :bucket AND tries > 0")
_FORGET = text("DELETE FROM sign_in_tries WHERE since < :before")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What failures are counted for, as a keyed hash, and how many of them there may be in a window."""

    digest: bytes
    most: int
    window: timedelta = WINDOW


def buckets_of(secrets: SecretBox, *, account: str, address: str, device: str | None) -> list[Bucket]:
    """What a try counts for.

    Args:
        secrets: Keys the hashes, so that the table names nobody.
        account: Whose password is tried.
        address: Where from.
        device: The browser, if it signed in to this account before.
    """
    if device is not None:
        return [_bucket(secrets, "device", f"{account}\n{device}", PER_DEVICE)]
    # Both: many addresses at one account, and one address at many accounts, are two ways to guess.
    return [
        _bucket(secrets, "account", account, PER_ACCOUNT),
        _bucket(secrets, "address", _network(address), PER_ADDRESS),
    ]


def provider_buckets(secrets: SecretBox, *, address: str) -> list[Bucket]:
    """What a sign-in that is begun with an identity provider counts for, until it has succeeded."""
    # A bucket of its own: a whole company may begin its day behind one address, and guesses at passwords must not end
    # that.
    return [_bucket(secrets, "provider", _network(address), PER_PROVIDER_ADDRESS)]


def buckets_of_codes(secrets: SecretBox, *, account: str, address: str, device: str | None) -> list[Bucket]:
    """What a try of a second factor counts for: as a password's, apart from it, and over a day besides.

    A browser that finished signing in before counts for itself here too, so that somebody who has a password cannot
    shut its owner out.
    """
    buckets = buckets_of(secrets, account=f"code\n{account}", address=address, device=device)
    day = hmac.new(secrets.derive("sign-in tries"), b"codes of a day\n" + buckets[0].digest, hashlib.sha256).digest()
    return [*buckets, Bucket(day, CODES_PER_DAY, DAY)]


async def take(session: AsyncSession, buckets: Sequence[Bucket], *, now: datetime) -> None:
    """Count a try before it is made, so that many at once are no more than many in a row.

    Raises:
        RateLimitedError: There were too many; nothing is counted then, and the answer says when to try again.
    """
    for bucket in sorted(buckets, key=lambda one: one.digest):  # in one order, so that two tries never wait crosswise
        row = (await session.execute(_COUNT, {"bucket": bucket.digest, "now": now, "start": now - bucket.window})).one()
        if row.tries > bucket.most:
            wait = (row.since + bucket.window - now).total_seconds()
            # The error undoes the transaction, and with it this try's counts.
            raise RateLimitedError(
                f"Too many failed sign-ins. Try again in {max(1, round(wait / 60))} minutes, or ask an administrator"
                " for a link that sets a new password.",
                retry_after=max(1.0, wait),
            )


async def give_back(session: AsyncSession, buckets: Sequence[Bucket], *, now: datetime) -> None:
    """Take a try back that was none: it succeeded. What nobody asks for any more is forgotten on the way."""
    for bucket in sorted(
        buckets, key=lambda one: one.digest
    ):  # in the order of take(), or the two would wait crosswise
        await session.execute(_GIVE_BACK, {"bucket": bucket.digest})
    await session.execute(_FORGET, {"before": now - _KEPT})


def _bucket(secrets: SecretBox, kind: str, value: str, most: int) -> Bucket:
    key = secrets.derive("sign-in tries")
    return Bucket(hmac.new(key, f"{kind}\n{value}".encode(), hashlib.sha256).digest(), most)


def _network(address: str) -> str:
    """An IPv6 customer has a whole /64 to come from."""
    try:
        parsed = unmapped(ipaddress.ip_address(address))
    except ValueError:
        return address
    return str(parsed if parsed.version == 4 else ipaddress.ip_network((str(parsed), 64), strict=False))
