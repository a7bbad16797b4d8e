"""What can go wrong between Deskhand and a desk, translated once, at the plugin's edge.

::

    DeskError
    ├── DeskUnavailableError      timeouts, refused connections, 5xx            retry
    ├── DeskRateLimitedError      429 and vendor equivalents                    retry after ``retry_after``
    ├── DeskConflictError         the ticket changed under us (409, 412)        re-read, then retry
    ├── DeskAuthError             credentials refused                           do not retry
    ├── DeskPermissionError       role, scope or business rule forbids it       do not retry
    ├── DeskNotFoundError         no such ticket (or no permission to see it)   do not retry
    ├── DeskValidationError       the desk refused a value; names the fields    do not retry
    ├── DeskUnsupportedError      this desk cannot do that operation            do not retry
    ├── DeskProtocolError         an answer that is not the vendor's contract   do not retry
    └── DeskCannotTellError       whether a marked write exists is unknowable   ask a person

    NotOurPayloadError            a signed body that this vendor does not send
    PluginNotFoundError           no plugin of that name is registered
"""

from __future__ import annotations

from typing import ClassVar

from deskhand.errors import NotAVendorPayloadError, NotFoundError
from deskhand.kit.storable import storable_text

NotOurPayloadError = NotAVendorPayloadError


class DeskError(Exception):
    """A desk did not do what was asked.

    Args:
        message: One sentence with the vendor's own words in it.
        retry_after: Seconds the vendor asked us to wait, if it said so.
        vendor_code: The vendor's own error code, as text.
        fields: Names of the vendor fields at fault.
        scope: What a rate limit covers: ``"endpoint"``, ``"ticket"`` or ``"account"``.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        vendor_code: str | None = None,
        fields: tuple[str, ...] = (),
        scope: str | None = None,
    ) -> None:
        message = storable_text(message)
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.vendor_code = vendor_code
        self.fields = fields
        self.scope = scope


class DeskUnavailableError(DeskError):
    """The desk cannot be reached or answers 5xx."""

    retryable = True


class DeskRateLimitedError(DeskError):
    """The desk asks for fewer calls."""

    retryable = True


class DeskConflictError(DeskError):
    """The ticket moved between our read and our write."""

    retryable = True


class DeskAuthError(DeskError):
    """The desk refuses our credentials."""


class DeskPermissionError(DeskError):
    """Our account may not do this."""


class DeskNotFoundError(DeskError):
    """The desk shows no such ticket to our account."""


class DeskValidationError(DeskError):
    """The desk refuses one of the values."""


class DeskUnsupportedError(DeskError):
    """The desk has no such operation."""


class DeskProtocolError(DeskError):
    """The answer does not follow the vendor's contract."""


class DeskCannotTellError(DeskError):
    """The desk cannot say whether a marked write exists."""


class PluginNotFoundError(NotFoundError):
    """No plugin is registered under that name (wording fixed by the specification).

    Args:
        tool_type: The name that was asked for.
    """

    code = "plugin-not-found"
    title = "Plugin not found"

    def __init__(self, tool_type: str) -> None:
        super().__init__(f"Plugin '{tool_type}' not registered")
        self.tool_type = tool_type
