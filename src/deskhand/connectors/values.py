"""What a tool source is to the rest: its operations, its credential, and how it is called. Values alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from deskhand.kit.http import HttpClientFactory

MOST_ENABLED = 50
"""Operations of one source that are switched on; a model is shown each at every call."""
MOST_OPERATIONS = 2_000
OPERATION_NAME = 43
"""Characters of an operation's name: with a slug of twenty before it, as many as model vendors take."""
ADDRESS = r"^https?://[A-Za-z0-9\[]([A-Za-z0-9.:\]-]*[A-Za-z0-9\]])?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?$"
MOST_ADDRESS = 500
NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOperation:
    """One thing a source can do.

    Attributes:
        name: As it is granted and as a model reads it: letters, digits, ``_`` and ``-``; unique in the source.
        description: One line.
        is_write: The tenant's word, which decides; what the source says of itself is ``hint``.
        is_enabled: Whether agents may be granted it.
        repeatable: Whether to do it twice is as once, so that a doubt is settled by doing it again.
        hint: What the source says: ``read``, ``write``, or nothing.
        arguments: JSON schema of the arguments, an object.
        result: JSON schema of the answer.
        call: How it is called; the kind's own.
    """

    name: str
    description: str
    is_write: bool
    is_enabled: bool = False
    repeatable: bool = False
    hint: str = ""
    arguments: Mapping[str, Any] = field(default_factory=lambda: dict(NOTHING))
    result: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    call: Mapping[str, Any] = field(default_factory=dict)

    def as_stored(self) -> dict[str, Any]:
        """The form in which ``tool_sources.operations`` keeps it."""
        return asdict(self)


class CredentialKind(StrEnum):
    """How a credential goes along with a request."""

    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    QUERY = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a source is shown to let us in.

    Attributes:
        name: The header, or the query parameter.
        user: Of ``basic``.
    """

    kind: CredentialKind
    secret: str = field(repr=False)
    name: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A source as it is called, with its credential.

    Attributes:
        configuration: The kind's own, without secrets.
    """

    tool_id: str
    name: str
    configuration: Mapping[str, Any]
    credential: Credential | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a source says of itself.

    Attributes:
        operations: Each switched off.
    """

    operations: Sequence[SourceOperation]


class SourceCaller(Protocol):
    """Calls the operations of one source, for one run."""

    async def check(self, operation: SourceOperation, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments before anything leaves the machine, and before a person is asked.

        Raises:
            SourceRefusedError: Says what is wrong with them, for the model.
        """
        ...

    async def call(self, operation: SourceOperation, arguments: Mapping[str, Any], *, mark: str) -> dict[str, Any]:
        """Do it once, and say what came of it.

        Args:
            operation: Switched on, and granted.
            arguments: By its schema.
            mark: Of a write: the same on every attempt; for the source's idempotency header, if it has one.

        Returns:
            What the model reads: JSON, storable throughout and without the credential; it is cut later.

        Raises:
            SourceRefusedError: It was surely not done, and would not be the next time.
            SourceError: Anything else; ``certainly_not_done`` says whether a write may have happened.
        """
        ...


Reader = Callable[[Connection, HttpClientFactory], Awaitable[Described]]
"""Asks a source what it can do."""
Opener = Callable[[Connection, HttpClientFactory], AbstractAsyncContextManager[SourceCaller]]
"""Opens a source; nothing may be asked of it before the first call, because a run may not need it."""
