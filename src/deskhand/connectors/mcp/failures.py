"""What a conversation that failed means: was the tool called, and what does a person read? Pure."""

from __future__ import annotations

import httpx2
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, PARSE_ERROR, REQUEST_TIMEOUT

from deskhand.connectors.errors import (
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreachableError,
)
from deskhand.connectors.mcp.wire import Seen, SessionGoneError
from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.answers import AnswerTooLargeError

UNFINISHED = (CONNECTION_CLOSED, PARSE_ERROR, REQUEST_TIMEOUT)
"""Codes with which the SDK itself ends a question that no answer came to."""
FAILURES = (ExceptionGroup, DeskhandError, MCPError, httpx2.HTTPError, RuntimeError, ValueError, OSError)
"""Everything that ends a conversation."""

# In this order: a class stands before those it is one of.
_MEANINGS: tuple[tuple[type[Exception], type[SourceError], str], ...] = (
    (AnswerTooLargeError, SourceError, "it cannot be read: {}"),
    (httpx2.ConnectError, SourceUnreachableError, "it cannot be reached: {}"),
    (httpx2.ConnectTimeout, SourceUnreachableError, "it cannot be reached in time"),
    (FileNotFoundError, SourceUnreachableError, "its command is not there"),
    (TimeoutError, SourceUnavailableError, "it did not answer in time"),
    (httpx2.TimeoutException, SourceUnavailableError, "it did not answer in time"),
    # Its own words would quote the header.
    (httpx2.LocalProtocolError, SourceRefusedError, "the request could not be written; look at its credential"),
    (httpx2.TransportError, SourceUnavailableError, "the connection broke off: {}"),
    (OSError, SourceUnavailableError, "the connection broke off: {}"),
)


def first_of(error: Exception) -> Exception:
    """What a group of tasks failed by."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def explained(failure: Exception, seen: Seen) -> DeskhandError:
    """The error that a failure is, in words; what is the run's own stays as it is."""
    if isinstance(failure, InvalidInputError):
        return SourceRefusedError(failure.detail)
    if isinstance(failure, DeskhandError):
        return failure
    if isinstance(failure, SessionGoneError):
        return SourceRefusedError(f"it refuses the call, or forgets each session ({seen.status})")
    if isinstance(failure, MCPError):
        return _of_protocol(failure, seen)
    for kind, meaning, words in _MEANINGS:
        if isinstance(failure, kind):
            return meaning(words.format(str(failure) or type(failure).__name__))
    return SourceError("it answers what is not MCP")


def _of_protocol(failure: MCPError, seen: Seen) -> SourceError:
    if failure.code in UNFINISHED and seen.status < 300:
        return SourceError(f"its answer cannot be read: {failure.message}")
    if seen.status < 300:
        return SourceError(f"it answers with an error: {failure.message}")
    # A redirect is among these: the address it names may be anybody's, and is not followed.
    return SourceRefusedError(f"it refuses ({seen.status}): {failure.message}")
