"""What can go wrong between Deskhand and a tool source. Part of the tree that is drawn in ``deskhand.errors``."""

from __future__ import annotations

from deskhand.errors import DeskhandError, UnavailableError
from deskhand.kit.storable import storable_text


class SourceError(DeskhandError):
    """A tool source did not do what was asked."""

    code = "tool-error"
    status = 502
    title = "Tool call failed"
    certainly_not_done = False  # an answer that cannot be read, or none, says nothing about a write

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(storable_text(detail), retry_after=retry_after)


class SourceRefusedError(SourceError):
    """The source, or its description, does not take this call; nothing was done."""

    code = "tool-refused"
    status = 422
    title = "Tool refused the call"
    certainly_not_done = True


class ToolChangedError(SourceRefusedError):
    """A source says something else of a tool than what was accepted of it; it was not called."""

    code = "tool-changed"
    status = 409
    title = "Tool changed"


class SourceUnavailableError(SourceError):
    """The source cannot be reached, or is not able to answer now."""

    code = "tool-unavailable"
    status = 503
    title = "Tool unavailable"
    retryable = True


class CallInDoubtError(UnavailableError):
    """A write may have happened and its answer never came; the next attempt of the run asks a person."""

    code = "tool-in-doubt"
    title = "Tool call in doubt"


class SourceUnreachableError(SourceUnavailableError):
    """No connection was made, so nothing of the call has arrived."""

    code = "tool-unreachable"
    title = "Tool unreachable"
    certainly_not_done = True
