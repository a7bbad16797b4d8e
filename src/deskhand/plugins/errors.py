"""What can go wrong between Deskhand and a desk, translated once, at the plugin's edge.

Part of the tree that is drawn in ``deskhand.errors``. Whether a run tries again, and whether a write that
failed has surely had no effect, is said by the class.
"""

from __future__ import annotations

from collections.abc import Collection

from deskhand.errors import BadRequestError, DeskhandError, NotFoundError
from deskhand.kit.nearest import what_exists
from deskhand.kit.storable import storable_text


class NotAVendorPayloadError(BadRequestError):
    """The body was signed correctly but is not something this desk sends."""

    code = "not-a-vendor-payload"
    title = "Not a payload of this desk"


class DeskError(DeskhandError):
    """A desk did not do what was asked.

    Args:
        detail: One sentence with the vendor's own words in it.
        retry_after: Seconds the vendor asked us to wait, if it said so.
        vendor_code: The vendor's own error code, as text.
        fields: Names of the vendor fields at fault.
        scope: What a rate limit covers: ``"endpoint"``, ``"ticket"`` or ``"account"``.
    """

    code = "desk-error"
    status = 502
    title = "Desk call failed"
    certainly_not_done = True

    def __init__(
        self,
        detail: str,
        *,
        retry_after: float | None = None,
        vendor_code: str | None = None,
        fields: tuple[str, ...] = (),
        scope: str | None = None,
    ) -> None:
        super().__init__(storable_text(detail), retry_after=retry_after)
        self.vendor_code = vendor_code
        self.fields = fields
        self.scope = scope


class DeskUnavailableError(DeskError):
    """The desk cannot be reached or answers 5xx."""

    code = "desk-unavailable"
    status = 503
    title = "Desk unavailable"
    certainly_not_done = False  # a time-out or a broken connection says nothing about a write
    retryable = True


class DeskRateLimitedError(DeskError):
    """The desk asks for fewer calls."""

    code = "desk-rate-limited"
    status = 503
    title = "Desk rate limit"
    retryable = True


class DeskConflictError(DeskError):
    """The ticket moved between our read and our write."""

    code = "desk-conflict"
    status = 409
    title = "Ticket changed meanwhile"
    retryable = True


class DeskAuthError(DeskError):
    """The desk refuses our credentials."""

    code = "desk-auth"
    title = "Desk credentials refused"


class DeskPermissionError(DeskError):
    """Our account may not do this."""

    code = "desk-permission"
    title = "Desk permission missing"


class DeskNotFoundError(DeskError):
    """The desk shows no such ticket to our account."""

    code = "desk-not-found"
    title = "Not found at the desk"


class DeskValidationError(DeskError):
    """The desk refuses one of the values."""

    code = "desk-validation"
    status = 422
    title = "Desk refused a value"


class DeskUnsupportedError(DeskError):
    """The desk has no such operation."""

    code = "desk-unsupported"
    title = "Desk cannot do this"


class DeskProtocolError(DeskError):
    """The answer does not follow the vendor's contract."""

    code = "desk-protocol"
    title = "Unreadable answer of the desk"
    certainly_not_done = False  # a write may have been done before its answer was garbled


class DeskCannotTellError(DeskError):
    """The desk cannot say whether a marked write exists."""

    code = "desk-cannot-tell"
    title = "Desk cannot tell"


class PluginNotFoundError(NotFoundError):
    """No plugin is registered under that name (wording fixed by the specification).

    Args:
        tool_type: The name that was asked for.
        known: The names there are; told after the specification's words.
    """

    code = "plugin-not-found"
    title = "Plugin not found"

    def __init__(self, tool_type: str, known: Collection[str] = ()) -> None:
        super().__init__(f"Plugin '{tool_type}' not registered")
        self.tool_type = tool_type
        if known:
            self.detail += f"; {what_exists(tool_type, known)}"


# Answers of a desk that leave the question open whether a write is there, and would be the same next time.
CANNOT_TELL = (DeskCannotTellError, DeskPermissionError, DeskProtocolError, DeskUnsupportedError)

# Answers of a desk that mean that a change was not made and would not be the next time.
REFUSALS = (DeskNotFoundError, DeskPermissionError, DeskUnsupportedError, DeskValidationError)
