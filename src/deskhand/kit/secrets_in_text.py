"""What a secret looks like, for everyone who must not show one: the log, the pages, errors, traces.

Two questions, one list each: does the *name* of a field say that its value is a secret
(``names_a_secret``), and which part of a *text* is one (``scrub``). Every pattern reads a text in
linear time, because texts come from strangers: an alternative either begins with letters that cannot
begin again inside it, or is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

REDACTED = "[redacted]"

# Singular on purpose: `max_tokens` and `tokens_in` are counts, `token` and `authtoken` are not. Of names that end in
# "key" only those that open something: a project's key and an idempotency key are shown.
_NAME = re.compile(
    r"(?:secrets?|token|passwords?|passwd|passphrase|authorization|cookie|credentials?|signature"
    r"|(?:api|private|encryption|access|technician|signing|shared|auth|client|service|account|master)_?keys?)"
    r"(?:_encrypted|_value)?$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Prefixes that vendors give their keys so that they can be found; what follows has the length stated.
_PREFIXED = "|".join(
    (
        r"(?:sk|pk|rk)-[A-Za-z0-9_*.-]{8,}",
        r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{8,}",
        r"AIza[A-Za-z0-9_-]{20,}",
        r"ya29\.[A-Za-z0-9_-]{12,}",
        r"(?:gsk|hf|npm|lin_api|dop_v1|nvapi|ghp|gho|ghu|ghs|ghr|github_pat)[_-][A-Za-z0-9_-]{16,}",
        r"xai-[A-Za-z0-9]{16,}",
        r"ATATT[A-Za-z0-9_=-]{16,}",
        r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"xapp-[A-Za-z0-9-]{10,}",
        r"glpat-[A-Za-z0-9_-]{12,}",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"1000\.[0-9a-f]{24,64}\.[0-9a-f]{24,64}",
        r"key-[0-9a-z]{20,}",
        r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,}",
        # Fernet tokens start with version 0x80 and a time stamp whose first bytes are zero until the year 2106.
        r"gAAAAA[A-Za-z0-9_-]{20,}={0,2}",
    )
)
_VALUE_NAMES = (
    r"passwor[dt]s?|kennwort|passwd|passphrase|(?:[A-Za-z0-9]{1,20}[_-]){0,3}(?:secret|token|api_?key|access_?key)"
    r"|x-api-key|api-?key|authtoken|technician_?key|private_?key"
)
# Keys of our own making; the four characters after the prefix name the key in the audit log.
_OUR_KEY = re.compile(r"\bdh[a-z]_[A-Za-z0-9_-]{4}(?P<secret>[A-Za-z0-9_-]{12,})")
_PATTERNS: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(?P<secret>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s]{0,8000}(?:-----END [A-Z ]{0,30}-----)?)"
    ),
    _OUR_KEY,
    re.compile(r"\bwhsec_(?P<secret>[A-Za-z0-9+/=_-]{8,})"),
    re.compile(rf"(?<![A-Za-z0-9])(?P<secret>{_PREFIXED})"),
    re.compile(r"(?<![A-Za-z0-9_-])(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"),
    re.compile(r"\b(?:Bearer|Basic|Zoho-oauthtoken)\s{1,20}(?P<secret>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE),
    # Addresses of chats' webhooks: whoever has one can post.
    re.compile(r"(?i)://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{6,})"),
    re.compile(r"[?&]sig=(?P<secret>[A-Za-z0-9%_.~-]{8,})"),
    # The password in an address.
    re.compile(r"://[^/\s:@]{0,200}:(?P<secret>[^/\s@]{1,500})@"),
    # `name=value` and `"name": "value"`; in prose (`password: open the portal`) only what is long and has a digit.
    re.compile(rf"(?i)(?<![A-Za-z0-9_-])(?:{_VALUE_NAMES})=(?!\s)(?P<secret>[^\s&\"'<>;,]{{4,}})"),
    re.compile(rf"(?i)(?<![A-Za-z0-9_-])(?:{_VALUE_NAMES})\"\s{{0,5}}:\s{{0,5}}\"(?P<secret>[^\"\s]{{4,}})"),
    re.compile(
        rf"(?i)(?<![A-Za-z0-9_-])(?:{_VALUE_NAMES}):\s{{0,5}}(?=[^\s\"']{{0,60}}\d)"
        rf"(?!\S{{0,60}}\[)(?P<secret>[^\s\"',;]{{8,}})"
    ),
)


def names_a_secret(name: str) -> bool:
    """Whether a field, header or setting of that name holds a secret: ``apiKey``, ``X-Api-Key``, ``jira_api_token``."""
    return _NAME.search(_CAMEL.sub("_", name).lower().replace("-", "_").replace(".", "_")) is not None


def scrub(text: str, marker: str = REDACTED, *, name_our_keys: bool = True) -> str:
    """The text without what looks like a key, a token, a credential or the password of an address.

    Args:
        text: Any text.
        marker: What stands in the place of a secret.
        name_our_keys: Leave the prefix that names one of our own keys in the audit log.
    """
    for pattern in _PATTERNS:
        text = pattern.sub(_writer(marker, whole=pattern is _OUR_KEY and not name_our_keys), text)
    return text


def secrets_of(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text ``scrub`` sees secrets: beginnings and ends, some of which may overlap."""
    for pattern in _PATTERNS:
        # Of our own keys whole: the part that names one opens nothing, and tells whose it is.
        part: int | str = 0 if pattern is _OUR_KEY else "secret"
        for match in pattern.finditer(text):
            yield match.span(part)


def without_secrets(value: Any, marker: str = REDACTED, *, name_our_keys: bool = True) -> Any:
    """A copy of a JSON value without secrets: values under a telling name are replaced whole, texts are scrubbed.

    Args:
        value: Any JSON value.
        marker: What stands in the place of a secret.
        name_our_keys: As for ``scrub``.
    """
    if isinstance(value, dict):
        return {
            key: marker if _is_secret(key, item) else without_secrets(item, marker, name_our_keys=name_our_keys)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item, marker, name_our_keys=name_our_keys) for item in value]
    return scrub(value, marker, name_our_keys=name_our_keys) if isinstance(value, str) else value


def _is_secret(key: str, item: Any) -> bool:
    # Whether there is one is no secret; counts of tokens are none either.
    return names_a_secret(key) and item not in (None, "") and not isinstance(item, (bool, int, float))


def _writer(marker: str, *, whole: bool) -> Callable[[re.Match[str]], str]:
    def write(match: re.Match[str]) -> str:
        if whole:
            return marker
        start, end = (place - match.start() for place in match.span("secret"))
        return match[0][:start] + marker + match[0][end:]

    return write
