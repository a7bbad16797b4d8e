"""Codes of an authenticator app (TOTP, RFC 6238), and the recovery codes for the day it is lost.

SHA-1, six digits and 30 seconds are what every authenticator app computes; other figures are ignored by some of them.
The computation is ``pyotp``'s. A code of the step before or after counts too: clocks differ and people type slowly.
"""

from __future__ import annotations

import base64
import re
import secrets
from datetime import datetime

import segno
from pyotp import TOTP, OTPVerificationError, random_base32

STEPS_BESIDE = 1
RECOVERY_CODES = 10
ISSUER = "Deskhand"

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_GROUP = 6
# 24 signs of base32 are 120 random bits. From 112 bits on a plain hash is enough to store ("Look-Up Secret Verifiers"
# in the public draft of NIST SP 800-63B-4): nobody counts them through.
_RECOVERY_BYTES = 15


def new_totp_secret() -> str:
    """A secret to share with an authenticator app: 160 random bits in base32."""
    return random_base32()


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step that a code is of.

    Args:
        secret: Shared with the app.
        code: As typed; blanks do not count.
        now: Current time.

    Returns:
        The step, for the caller to refuse what it has seen before; None if the code is not one of now.
    """
    plain = re.sub(r"\s", "", code)
    if not _CODE.fullmatch(plain):
        return None
    try:
        return TOTP(secret).verify_and_get_timecode(plain, for_time=now, valid_window=STEPS_BESIDE)
    except OTPVerificationError:
        return None


def totp_uri(secret: str, *, account: str, host: str) -> str:
    """What an authenticator app reads from the picture.

    Args:
        secret: The shared secret.
        account: Whose, as the app lists it.
        host: Which installation; people have accounts at several.
    """
    return TOTP(secret).provisioning_uri(name=account, issuer_name=f"{ISSUER} ({host})" if host else ISSUER)


def qr_svg(text: str) -> str:
    """A text as a QR code: an SVG element without style or script, which a page shows in place."""
    # A white ground of its own with the quiet zone of four modules: in a dark page cameras would not see the edge.
    return segno.make_qr(text, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True)


def new_recovery_codes() -> list[str]:
    """Codes that each sign in once, in groups that can be read aloud."""
    texts = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP)) for text in texts]


def plain_recovery_code(typed: str) -> str:
    """A recovery code in the one form that is hashed: without what people put between the groups."""
    return re.sub(r"[\s-]", "", typed).lower()
