"""The places of one tool: what a call comes to, checked against what the tenant set up. Nothing is sent here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.errors import ForbiddenError
from deskhand.kit.nearest import what_exists
from deskhand.kit.outside import (
    Answer,
    Outgoing,
    OutsideError,
    OutsideInDoubtError,
    OutsideUnavailableError,
)
from deskhand.tools.values import Provider, ToolOperation

WORDS = 300
"""Characters that are kept of what the other side says about a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One call that may go out.

    Attributes:
        place: The tenant's name of the other side.
        trace: What the journal and people see: arguments, and no address that is a secret.
        facts: The same for the audit log, without texts.
        request: The request, made of the call's mark.
        result: What is told of an answer; raises for one that is a refusal.
    """

    place: str
    trace: Mapping[str, Any]
    facts: Mapping[str, Any]
    request: Callable[[str], Outgoing]
    result: Callable[[Answer], dict[str, Any]]


class Places(ABC):
    """Everywhere that one tool of one tenant may go."""

    provider: Provider
    what: str

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """What a model may name."""

    @abstractmethod
    def errand(self, operation: ToolOperation, args: Mapping[str, Any]) -> Errand:
        """What a call comes to.

        Raises:
            ForbiddenError: The tenant has no such place.
        """

    def ensure_known(self, name: str) -> None:
        """Refuse a name that the tenant did not set up.

        Raises:
            ForbiddenError: Says which there are.
        """
        if name not in self.names:
            raise ForbiddenError(f"The tenant has no {self.what} '{name}'; {what_exists(name, list(self.names))}.")


def ensure_taken(place: str, answer: Answer, *, passing: Sequence[int] = (429,)) -> None:
    """Refuse to call an answer a yes that is none.

    Args:
        place: Who answered.
        answer: What it said.
        passing: Statuses that only mean "later".

    Raises:
        OutsideUnavailableError: It wants to be asked later.
        OutsideInDoubtError: It failed, and may have done it before.
        OutsideError: It refused.
    """
    if 200 <= answer.status < 300:
        return
    said = " ".join(answer.text.split())[:WORDS]
    sentence = f"{place} answered {answer.status}" + (f": {said}" if said else "") + "."
    if answer.status in passing:
        raise OutsideUnavailableError(sentence, retry_after=answer.retry_after)
    # A gateway in between says 502 or 504 also of what it has passed on.
    if answer.status >= 500:
        raise OutsideInDoubtError(sentence, retry_after=answer.retry_after)
    if answer.status < 400:
        sentence = f"{place} answered {answer.status}: it redirects, and redirects are not followed."
    raise OutsideError(sentence)
