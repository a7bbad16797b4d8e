"""What we sent to prove who we are, kept out of everything a desk answers.

A desk, or a proxy before it, that repeats a key in an error would make it readable in traces, logs and pages. So the
reader of answers leaves out whatever went along with the very request as a credential.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus

import httpx2

SHOWN = "[credential]"
_LEAST = 6
"""Characters; what is shorter guards nothing, and would be found in half of all texts."""
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "connection", "content-length", "content-type", "host"}
    | {"transfer-encoding", "user-agent", "content-encoding"}
)
_NAMED = ("secret", "token", "password", "assertion", "api_key", "apikey")


def sent_credentials(request: httpx2.Request) -> tuple[str, ...]:
    """Every credential in a request, longest first, in the forms in which it may come back."""
    plain = {
        text.strip() for text in (*_in_headers(request.headers), *_in_body(request)) if len(text.strip()) >= _LEAST
    }
    forms = {form for text in plain for form in _forms(text)}
    # Longest first: a password that is part of a longer credential would leave the rest of it readable.
    return tuple(sorted(forms, key=len, reverse=True))


def without(text: str, credentials: Iterable[str]) -> str:
    """The text with each credential replaced."""
    for credential in credentials:
        text = text.replace(credential, SHOWN)
    return text


def _forms(text: str) -> Iterable[str]:
    """A text as an address, a form, a page and JSON would repeat it."""
    yield text
    yield quote(text, safe="")
    yield quote_plus(text)
    yield html.escape(text)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _in_headers(headers: httpx2.Headers) -> Iterable[str]:
    for name, value in headers.items():
        if name.lower() in _PLAIN_HEADERS:
            continue
        yield value
        scheme, _, token = value.partition(" ")
        # Without its scheme, too: a desk may quote "Bearer x" or the token alone.
        yield token
        if scheme.lower() == "basic":
            yield from _basic(token)


def _basic(token: str) -> Iterable[str]:
    """The password of a user and password; the user is no secret."""
    try:
        pair = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield pair.partition(":")[2]


def _in_body(request: httpx2.Request) -> Iterable[str]:
    try:
        body = request.content.decode()
    except (httpx2.RequestNotRead, UnicodeDecodeError):
        return
    for name, value in _members(body):
        if any(word in name.lower() for word in _NAMED):
            yield value


def _members(body: str) -> Iterable[tuple[str, str]]:
    if not body.startswith("{"):
        # Token requests are short; a long body is a ticket's text, and costs more to read than it can tell.
        return parse_qsl(body) if len(body) < 10_000 else []
    try:
        value = json.loads(body)
    except ValueError:
        return []
    return [(name, member) for name, member in value.items() if isinstance(member, str)]
