"""Proofs: what a session shows the database to be let into a tenant.

The tenant is a setting of the session, which the application's login may set to anything. So the database asks for a
second thing that this login cannot make: a keyed digest of the tenant (``session_proof()`` in ``tenancy.sql``). The key
is the installation's; beside our processes only the database's owner can read it.

Three kinds of sessions show one. A tenant's, good for that tenant alone, in ``Database.tenant_session``. The API's door
and a worker's pool serve many tenants and read the tables of none: each shows who it is and calls functions. The door's
tell whom an address belongs to and accept events; a worker's take jobs and look after every tenant's runs. A proof ends
after half a day. Which client companies a tenant's session sees is proven the same way (``companies.py``).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Literal

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.errors import ConfigurationError
from deskhand.kit.db.base import Base
from deskhand.kit.secret_strength import is_strong

PROOF_SETTING = "app.proof"
COMPANIES_PROOF_SETTING = "app.companies_proof"
LIFETIME = 12 * 3600
"""Seconds. Long, because the clocks of two machines differ, and what is stolen ends all the same."""

HOW_TO_MAKE_A_TENANT_KEY = """Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"""

_BLOCK = 64  # bytes, of SHA-256: RFC 2104
_REMEMBERED = 10_000

Process = Literal["door", "worker"]


class ProofKey(Base):
    """A key that proofs are made with, as the database compares them. Nobody but the owner may read it."""

    __tablename__ = "proof_keys"

    inner_pad: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    outer_pad: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)


class Prover:
    """Makes proofs with the installation's key.

    Args:
        key: The key, as people write it.
        clock: Seconds since 1970.

    Raises:
        ConfigurationError: The key can be guessed.
    """

    def __init__(self, key: str, *, clock: Callable[[], float] = time.time) -> None:
        if not is_strong(key):
            raise ConfigurationError(f"DESKHAND_TENANT_KEY can be guessed. {HOW_TO_MAKE_A_TENANT_KEY}")
        self._key = _key_bytes(key)
        self._clock = clock
        self._made: dict[tuple[str, str], tuple[float, str]] = {}

    def of_tenant(self, tenant_id: str) -> str:
        """Lets a session into this tenant."""
        return self._proof("tenant", tenant_id)

    def of_companies(self, tenant_id: str, scope: str) -> str:
        """Lets a tenant's session see the client companies of a scope, as it is written in the setting."""
        return self._proof("companies", f"{tenant_id} {scope}")

    def of_process(self, process: Process) -> str:
        """Says which process of ours a pool belongs to."""
        return self._proof(process, "")

    def _proof(self, kind: str, subject: str) -> str:
        now = self._clock()
        renew_at, proof = self._made.get((kind, subject), (0.0, ""))
        if now < renew_at:
            return proof
        # Ten digits with zeros before them: session_proof() compares this end with the present time as text.
        statement = f"{int(now) + LIFETIME:010d}.{kind}."
        digest = hmac.digest(self._key, f"{statement}{subject}".encode(), "sha256").hex()
        # Emptied whole: this happens once in ten thousand tenants, and costs each of them one digest.
        if len(self._made) >= _REMEMBERED:
            self._made.clear()
        # Renewed at half its life, so that a transaction that begins with the old one does not see it end.
        self._made[kind, subject] = (now + LIFETIME / 2, f"{statement}{digest}")
        return f"{statement}{digest}"


def pads_of(key: str) -> tuple[bytes, bytes]:
    """What the database keeps of a key: inner and outer, as RFC 2104 puts them before the text and the digest."""
    padded = _key_bytes(key).ljust(_BLOCK, b"\0")
    # The database has sha256() and no HMAC without an extension; with both pads ready it computes one in two calls, and
    # never holds the key as people write it.
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)


def _key_bytes(key: str) -> bytes:
    # Hashed first, so that a key of any length fits into the block.
    return hashlib.sha256(key.encode()).digest()
