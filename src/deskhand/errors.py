"""Domain errors: every failure a caller, a run or an operator can meet, in one tree.

A class says everything about its kind: the stable ``code`` (what a run stores and an answer carries),
the HTTP ``status``, the ``title``, whether the same attempt may succeed later (``retryable``) and after
how many seconds at the soonest (``retry_after``, which an instance may know better). An instance carries
the sentence for this one occurrence. Features raise them; ``kit.problem`` alone turns them into RFC 9457
documents, ``engine.retry`` alone decides from them what becomes of a run. What belongs to one room is
defined there: desks in ``plugins.errors``, models in ``llm.errors``.

::

    DeskhandError (500 internal-error)
    ├── ConfigurationError (500 configuration)
    ├── BadRequestError (400 bad-request)
    │   └── NotAVendorPayloadError (400 not-a-vendor-payload)
    ├── UnauthenticatedError (401 unauthenticated)
    │   └── SignatureError (401 invalid-signature)
    ├── ForbiddenError (403 forbidden)
    │   └── SecondFactorNeededError (403 second-factor-needed)
    ├── NotFoundError (404 not-found)
    │   └── PluginNotFoundError (404 plugin-not-found)
    ├── ConflictError (409 conflict)
    │   ├── InvalidTransitionError (409 invalid-transition)
    │   ├── AgentNotReadyError (409 agent-not-ready)
    │   ├── BelowBarError (409 below-replay-bar)
    │   └── NotApprovedError (409 not-approved)
    │       └── StoodBackError (409 stood-back)
    │           └── TicketMergedError (409 ticket-merged)
    ├── PreconditionFailedError (412 precondition-failed)
    ├── PayloadTooLargeError (413 payload-too-large)
    ├── InvalidInputError (422 invalid-input)
    │   ├── UnreadableFileError (422 unreadable-file)
    │   └── ImportStoppedError (422 import-stopped)
    ├── RateLimitedError (429 rate-limited)
    ├── UnavailableError (503 unavailable, retried)
    │   ├── CallInDoubtError (503 tool-in-doubt, retried)
    │   └── DatabaseUnavailableError (503 database-unavailable, retried)
    ├── RunInterrupted (409 run-interrupted)
    │   ├── LostClaimError (409 claim-lost)
    │   ├── RunCancelledError (409 cancelled)
    │   ├── AgentNotActiveError (409 agent-not-active)
    │   ├── InDoubtError (409 in-doubt)
    │   ├── ApprovalNeededError (409 approval-needed)
    │   ├── RequesterAskedError (409 requester)
    │   ├── WaitOverError (409 wait-over)
    │   ├── LimitReachedError (422 limit-reached)
    │   ├── WorkerStoppedError (503 worker-stopped, retried)
    │   └── WorkerDiedError (409 worker-died)
    ├── ModelError (502 model-error)
    │   ├── ModelUnavailableError (503 model-unavailable, retried)
    │   ├── ModelTimeoutError (504 model-timeout, retried)
    │   ├── ModelRateLimitedError (503 model-rate-limited, retried)
    │   ├── ModelAuthError (502 model-auth)
    │   ├── ModelQuotaError (502 model-quota)
    │   ├── ModelRefusedError (422 model-refused)
    │   ├── ModelBadRequestError (502 model-bad-request)
    │   │   ├── ContextTooLongError (502 model-context-too-long)
    │   │   └── UnknownModelError (502 model-unknown)
    │   └── InvalidOutputError (502 model-invalid-output)
    ├── MailError (502 mail-refused)
    │   ├── MailUnavailableError (503 mail-unavailable, retried)
    │   └── MailInDoubtError (503 mail-in-doubt, retried)
    ├── OutsideError (502 outside-refused)
    │   ├── OutsideUnavailableError (503 outside-unavailable, retried)
    │   └── OutsideInDoubtError (503 outside-in-doubt, retried)
    ├── SourceError (502 tool-error)
    │   ├── SourceRefusedError (422 tool-refused)
    │   │   └── ToolChangedError (409 tool-changed)
    │   └── SourceUnavailableError (503 tool-unavailable, retried)
    │       └── SourceUnreachableError (503 tool-unreachable, retried)
    └── DeskError (502 desk-error)
        ├── DeskUnavailableError (503 desk-unavailable, retried)
        ├── DeskRateLimitedError (503 desk-rate-limited, retried)
        ├── DeskConflictError (409 desk-conflict, retried)
        ├── DeskAuthError (502 desk-auth)
        ├── DeskPermissionError (502 desk-permission)
        ├── DeskNotFoundError (502 desk-not-found)
        ├── DeskValidationError (422 desk-validation)
        ├── DeskUnsupportedError (502 desk-unsupported)
        ├── DeskProtocolError (502 desk-protocol)
        └── DeskCannotTellError (502 desk-cannot-tell)
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

    # On the class and not the instance: runs store the code and clients branch on it, so it must be the same wherever
    # an error of this kind is raised.
    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    # False unless a class says otherwise: to take a write for undone that was done would make it twice.
    certainly_not_done: ClassVar[bool] = False
    """Whether a write that failed this way has surely had no effect: the other side read it and refused it."""
    retry_after: float | None = None

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
        # Only where somebody knows better: the class may have a wait of its own, which None must not hide.
        if retry_after is not None:
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


class SecondFactorNeededError(ForbiddenError):
    """The caller has shown the password alone, and the account or the installation asks for a second factor."""

    code = "second-factor-needed"
    title = "Second factor needed"


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


class NotApprovedError(ConflictError):
    """A write that a person was to approve is not made: declined, nobody answered, or its ticket changed meanwhile."""

    code = "not-approved"
    title = "Not approved"
    certainly_not_done = True


class StoodBackError(NotApprovedError):
    """A person answered, took or changed the ticket while the run was at work; what it was about to do is withheld."""

    code = "stood-back"
    title = "A person was faster"


class TicketMergedError(StoodBackError):
    """The ticket was merged into another one, or is gone, while the run was at work; nothing is written on it."""

    code = "ticket-merged"
    title = "Ticket merged"


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
    retryable = True


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer, or cannot take anything at the moment."""

    code = "database-unavailable"
    title = "Database unavailable"
    retry_after = 5.0


class RunInterrupted(DeskhandError):  # noqa: N818  (the run stops for a reason outside itself; not a fault)
    """The run must stop now, without another effect."""

    code = "run-interrupted"
    status = 409
    title = "Run interrupted"


class LostClaimError(RunInterrupted):
    """Another worker owns the run, or may own it by now; nothing more may be written."""

    code = "claim-lost"
    title = "Claim lost"


class RunCancelledError(RunInterrupted):
    """Cancelled on request."""

    code = "cancelled"
    title = "Cancelled"


class AgentNotActiveError(RunInterrupted):
    """The agent was suspended or deactivated before the run could begin or go on."""

    code = "agent-not-active"
    title = "Agent not active"


class InDoubtError(RunInterrupted):
    """A write was started, and neither we nor the desk can say whether it happened; a person must look."""

    code = "in-doubt"
    title = "In doubt"


class ApprovalNeededError(RunInterrupted):
    """A write waits for a person's yes; ``retry_after`` says in how many seconds it waits no more."""

    code = "approval-needed"
    title = "Approval needed"


class RequesterAskedError(RunInterrupted):
    """The run asked its ticket's requester; ``retry_after`` says in how many seconds it goes on without an answer."""

    code = "requester"
    title = "Waiting for the requester"


class WaitOverError(RunInterrupted):
    """The ticket was solved while the run waited for its requester, so nothing is left to do; the run completes."""

    code = "wait-over"
    title = "Nothing left to wait for"


class LimitReachedError(RunInterrupted):
    """The run used up its steps, tokens, money or time; nothing further was begun."""

    code = "limit-reached"
    status = 422
    title = "Run limit reached"


class WorkerStoppedError(RunInterrupted):
    """A stopping worker handed the run back; another one goes on with it."""

    code = "worker-stopped"
    status = 503
    title = "Worker stopped"
    retryable = True


class WorkerDiedError(RunInterrupted):
    """The workers of the run died too often, one after another; it may be what kills them."""

    code = "worker-died"
    title = "Worker died"


def titles() -> dict[str, str]:
    """Each code there is in words, as far as the rooms that define them are loaded."""
    found, pending = {}, [DeskhandError]
    while pending:
        kind = pending.pop()
        # A kind that was made for one answer, such as `HttpError`, names no code of ours.
        if kind.__module__.startswith("deskhand.") and "code" in kind.__dict__:
            found[kind.code] = kind.title
        pending.extend(kind.__subclasses__())
    return found
