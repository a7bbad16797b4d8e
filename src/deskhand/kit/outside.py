"""One request to a service that no plugin stands for: a chat, a receiver of webhooks, an allowed host.

Its address may be a secret in itself, so no error here quotes one: each names the place as the tenant named it. What
matters when something fails is whether it may have arrived: before the first byte nothing did, after it nobody can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.secrets_in_text import REDACTED
from deskhand.kit.storable import storable_text

SECONDS = 30.0
ANSWER_BYTES = 256 * 1024
"""Read of an answer; the rest is left unread and said to be."""

_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
)


class OutsideError(DeskhandError):
    """A service outside refused what it was sent; nothing was done."""

    code = "outside-refused"
    status = 502
    title = "Refused outside"
    certainly_not_done = True


class OutsideUnavailableError(OutsideError):
    """A service outside cannot be reached, or has no time for us; nothing was done."""

    code = "outside-unavailable"
    status = 503
    title = "Unavailable outside"
    retryable = True


class OutsideInDoubtError(OutsideError):
    """The connection broke, or the service failed, after the request had left: it may have been done."""

    code = "outside-in-doubt"
    status = 503
    title = "In doubt outside"
    certainly_not_done = False
    retryable = True  # the next try repeats it under the same id, or finds it begun and asks a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request.

    Attributes:
        place: What the tenant calls the other side; for sentences.
        secrets: What must be in no answer that is kept: a credential that the other side echoes.
    """

    place: str
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, without our secrets."""

    status: int
    headers: Mapping[str, str]
    text: str
    is_cut: bool

    @property
    def retry_after(self) -> float | None:
        """Seconds that the other side asks us to wait; None where it says nothing that can be read."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isdecimal() and len(value) < 6 else None


async def send(outgoing: Outgoing, http: HttpClientFactory) -> Answer:
    """Send one request and read the beginning of its answer; a redirect is an answer and is not followed.

    Raises:
        OutsideError: The address is one that must not be called; nothing was sent.
        OutsideUnavailableError: There was no connection; nothing was sent.
        OutsideInDoubtError: It broke afterwards.
    """
    _ensure_encrypted(outgoing, http)
    try:
        async with (
            http.client(read_timeout=SECONDS) as client,
            client.stream(
                outgoing.method, outgoing.url, headers=dict(outgoing.headers), content=outgoing.body, timeout=SECONDS
            ) as response,
        ):
            return await _read(response, outgoing.secrets)
    except InvalidInputError as error:
        raise OutsideError(f"{outgoing.place} cannot be called: {error.detail}") from error
    # The library's own words are left out: some of them quote the address.
    except _NOT_SENT as error:
        raise OutsideUnavailableError(f"{outgoing.place} cannot be reached ({type(error).__name__}).") from None
    except httpx2.HTTPError as error:
        raise OutsideInDoubtError(
            f"{outgoing.place} did not finish its answer ({type(error).__name__}); it may have done what it was asked."
        ) from None


def _ensure_encrypted(outgoing: Outgoing, http: HttpClientFactory) -> None:
    # As for mail: what is not encrypted stays on this network, and only where the installation allows that at all.
    if urlsplit(outgoing.url).scheme != "https" and not http.allow_private:
        raise OutsideError(f"{outgoing.place} is not called without TLS: its address must begin with https://.")


async def _read(response: httpx2.Response, secrets: Iterable[str]) -> Answer:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES:
            break
    raw = b"".join(parts)
    text = raw[:ANSWER_BYTES].decode(response.encoding or "utf-8", "replace")
    return Answer(
        status=response.status_code,
        headers={name: _without(value, secrets) for name, value in response.headers.items()},
        text=storable_text(_without(text, secrets)),
        is_cut=size > ANSWER_BYTES,
    )


def _without(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, wherever the other side put them."""
    for secret in secrets:
        text = text.replace(secret, REDACTED) if secret else text
    return text
