"""Encryption of secrets at rest (Fernet, a key ring), and secrets we generate.

The ring's first key encrypts; all of them decrypt. Rotation: put a new key first, run
``deskhand keys rotate``, then drop the old one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from deskhand.errors import ConfigurationError

log = structlog.get_logger(__name__)

HOW_TO_MAKE_A_KEY = (
    "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    " and set DESKHAND_ENCRYPTION_KEYS to it (several keys: newest first, separated by commas)."
)


class SecretBox:
    """Encrypts and decrypts with a ring of Fernet keys.

    Args:
        keys: URL-safe base64 keys of 32 bytes, newest first.
        reread: Reads the ring as it is now, where keys may be rotated while we serve; None keeps the first.

    Raises:
        ConfigurationError: No key, or one that is not a Fernet key.
    """

    def __init__(self, keys: Sequence[str], *, reread: Callable[[], Sequence[str]] | None = None) -> None:
        self._keys = _usable(keys)
        self._known = _make_ring(self._keys)
        self._reread = reread

    @property
    def _ring(self) -> MultiFernet:
        if self._reread is None:
            return self._known
        try:
            # At each use: a server that runs for months must take a new key without a restart, which would cut runs
            # short.
            keys = _usable(self._reread())
            if keys != self._keys:
                self._known, self._keys = _make_ring(keys), keys
        except (OSError, ConfigurationError) as error:
            # Somebody is writing the file, or wrote it wrongly; the ring that worked goes on working.
            log.warning("keys_not_reread", error=str(error))
        return self._known

    @property
    def ring_id(self) -> str:
        """Names the key that encrypts, without telling anything of it; for other processes to compare."""
        return hashlib.sha256(b"ring " + self._keys[0].encode()).hexdigest()[:12]

    def encrypt(self, plain: str) -> str:
        """Encrypt a text with the newest key."""
        return self._ring.encrypt(plain.encode()).decode()

    def decrypt(self, token: str | bytes) -> str:
        """Decrypt a text.

        Raises:
            ConfigurationError: No key of the ring fits; the right one was dropped too early.
        """
        try:
            return self._ring.decrypt(_as_made(token)).decode()
        except InvalidToken as error:
            raise ConfigurationError(
                "A stored secret cannot be decrypted with the configured keys; put the key it was written with back"
                " into DESKHAND_ENCRYPTION_KEYS."
            ) from error

    def derive(self, purpose: str) -> bytes:
        """A key for another purpose, made of the newest key; it changes when that does."""
        # Of a purpose each, so that what one of them signs never opens anything of another.
        return hmac.new(self._keys[0].encode(), purpose.encode(), hashlib.sha256).digest()

    def rotate(self, token: str | bytes) -> str:
        """Re-encrypt a token with the newest key, keeping its timestamp."""
        try:
            return self._ring.rotate(token).decode()
        except InvalidToken as error:
            raise ConfigurationError("A stored secret cannot be decrypted with the configured keys.") from error


def _as_made(token: str | bytes) -> bytes:
    """The token, if it is spelt as we spell it.

    Base64 has many spellings of the same bytes (whatever follows the padding is left aside), and a cookie that was
    changed must not be as good as the one we made.
    """
    written = token.encode(errors="replace") if isinstance(token, str) else token
    try:
        same = base64.urlsafe_b64encode(base64.urlsafe_b64decode(written)) == written
    except ValueError as error:
        raise InvalidToken from error
    if not same:
        raise InvalidToken
    return written


def _usable(keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(key.strip() for key in keys if key.strip())


def _make_ring(keys: Sequence[str]) -> MultiFernet:
    if not keys:
        raise ConfigurationError(f"No encryption key is configured. {HOW_TO_MAKE_A_KEY}")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ConfigurationError(f"An encryption key is malformed: {error}. {HOW_TO_MAKE_A_KEY}") from error


def new_webhook_secret() -> str:
    """A fresh 32-byte webhook secret in the Standard Webhooks form (``whsec_`` + base64)."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def new_api_key(kind: str = "dhk") -> str:
    """A fresh API key with 256 random bits; the prefix makes a leaked one recognisable."""
    return f"{kind}_{secrets.token_urlsafe(32)}"


def key_digest(api_key: str) -> bytes:
    """What is stored of an API key. A plain SHA-256 is enough for 256 random bits; there is nothing to guess."""
    return hashlib.sha256(api_key.encode()).digest()


def same_secret(a: str | bytes, b: str | bytes) -> bool:
    """Compare in constant time; an empty value never equals anything."""
    left = a.encode() if isinstance(a, str) else a
    right = b.encode() if isinstance(b, str) else b
    # Two empty values are equal to compare_digest: a secret that was never set would let an empty signature in.
    return bool(left) and bool(right) and hmac.compare_digest(left, right)
