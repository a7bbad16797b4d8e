"""Domain errors: every failure a caller can meet, and the HTTP answer it becomes.

Features raise these; only ``kit.problem`` turns them into RFC 9457 problem documents.
A class knows its stable ``code``, its HTTP ``status`` and its ``title``; an instance
carries the sentence for this one occurrence.

::

    DeskhandError (500 internal-error)
    ├── ConfigurationError (500 configuration)        the installation is set up wrongly; raised at start
    ├── BadRequestError (400 bad-request)
    │   └── NotAVendorPayloadError (400 not-a-vendor-payload)
    ├── UnauthenticatedError (401 unauthenticated)
    │   └── SignatureError (401 invalid-signature)
    ├── ForbiddenError (403 forbidden)
    ├── NotFoundError (404 not-found)
    │   └── PluginNotFoundError (404 plugin-not-found)  defined in plugins.errors
    ├── ConflictError (409 conflict)
    │   └── InvalidTransitionError (409 invalid-transition)
    ├── PreconditionFailedError (412 precondition-failed)
    ├── PayloadTooLargeError (413 payload-too-large)
    ├── InvalidInputError (422 invalid-input)
    ├── RateLimitedError (429 rate-limited)
    └── UnavailableError (503 unavailable)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One fault in the input: where it is (an RFC 6901 JSON pointer) and how to mend it."""

    pointer: str
    detail: str


class DeskhandError(Exception):
    """Root of the tree.

    Args:
        detail: One sentence for a person: what is wrong and what to do about it.
        errors: The single faults, when several fields are wrong at once.
        retry_after: Seconds after which the same request may succeed.
    """

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after


class ConfigurationError(DeskhandError):
    """The installation itself is set up wrongly; the message says how to repair it."""

    code = "configuration"
    title = "Configuration error"


class BadRequestError(DeskhandError):
    """The request cannot be read at all."""

    code = "bad-request"
    status = 400
    title = "Bad request"


class NotAVendorPayloadError(BadRequestError):
    """The body was signed correctly but is not something this desk sends."""

    code = "not-a-vendor-payload"
    title = "Not a payload of this desk"


class UnauthenticatedError(DeskhandError):
    """No valid credential came with the request."""

    code = "unauthenticated"
    status = 401
    title = "Not authenticated"


class SignatureError(UnauthenticatedError):
    """A webhook's signature, token or timestamp does not hold."""

    code = "invalid-signature"
    title = "Invalid signature"


class ForbiddenError(DeskhandError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    title = "Forbidden"


class NotFoundError(DeskhandError):
    """It does not exist, or belongs to another tenant: the answer is the same."""

    code = "not-found"
    status = 404
    title = "Not found"


class ConflictError(DeskhandError):
    """The stored state does not allow the change."""

    code = "conflict"
    status = 409
    title = "Conflict"


class InvalidTransitionError(ConflictError):
    """A lifecycle step that the state table does not list; names both states."""

    code = "invalid-transition"
    title = "Invalid state transition"


class PreconditionFailedError(DeskhandError):
    """``If-Match`` names a version that is no longer the stored one."""

    code = "precondition-failed"
    status = 412
    title = "Precondition failed"


class PayloadTooLargeError(DeskhandError):
    """The body exceeds the limit the endpoint states."""

    code = "payload-too-large"
    status = 413
    title = "Payload too large"


class InvalidInputError(DeskhandError):
    """Readable, but one or more fields are wrong; ``errors`` names each."""

    code = "invalid-input"
    status = 422
    title = "Invalid input"


class RateLimitedError(DeskhandError):
    """The tenant's own rate limit is used up; ``retry_after`` says until when."""

    code = "rate-limited"
    status = 429
    title = "Too many requests"


class UnavailableError(DeskhandError):
    """Something the request needs is down; the sender should try again."""

    code = "unavailable"
    status = 503
    title = "Temporarily unavailable"
