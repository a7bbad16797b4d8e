"""What a server lists now beside what was accepted of it. Pure.

A tool that agents may call stays as a person accepted it. Where the server says something else of it by now, it is
switched off with the change beside it, until somebody has looked and accepts exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deskhand.connectors.values import SourceOperation
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError
from deskhand.kit.nearest import what_exists
from deskhand.kit.pointer import pointer

_CHANGED, _GONE = "changed", "gone"


def compared(stored: Sequence[SourceOperation], listed: Sequence[SourceOperation]) -> list[SourceOperation]:
    """The operations of a source after its server was read again.

    Args:
        stored: With what the tenant said of each.
        listed: As the server has them now.
    """
    known = {one.name: one for one in stored}
    now = {one.name: one for one in listed}
    kept = [_compared(known[one.name], one) if one.name in known else one for one in listed]
    gone = [one for one in stored if one.name not in now and (one.is_enabled or is_waiting(one))]
    return [*kept, *(_waits(one, {_GONE: True}) for one in gone)]


def is_waiting(operation: SourceOperation) -> bool:
    """Whether it was switched off because the server changed it."""
    return _CHANGED in operation.call or _GONE in operation.call


def change_of(operation: SourceOperation) -> SourceOperation | None:
    """What the server says of it now, where that waits to be accepted."""
    stored = operation.call.get(_CHANGED)
    return None if not stored else SourceOperation(**stored)


def is_gone(operation: SourceOperation) -> bool:
    """Whether the server does not list it any more."""
    return _GONE in operation.call


def settled(operation: SourceOperation) -> SourceOperation:
    """The operation without a change that waits: somebody said that it stays off, whatever its server says later."""
    call = {name: value for name, value in operation.call.items() if name not in (_CHANGED, _GONE)}
    return replace(operation, call=call)


def suspended(operations: Sequence[SourceOperation], name: str) -> list[SourceOperation]:
    """The operations, one of them switched off because a run was told that it changed; how, is to be read."""
    return [_waits(one, {_CHANGED: {}}) if one.name == name and one.is_enabled else one for one in operations]


def accepted(operations: Sequence[SourceOperation], digests: Mapping[str, str]) -> list[SourceOperation]:
    """The operations after somebody accepted changes, by the digest of what was read.

    Raises:
        InvalidInputError: No change of such an operation waits, or the tool cannot be used as it is now.
        ConflictError: It has changed again since it was read.
    """
    waiting = {one.name: change for one in operations if (change := change_of(one)) is not None}
    for name, digest in digests.items():
        place = pointer(["operations", name])
        if name not in waiting:
            _refuse(place, f"no change of '{name}' waits to be accepted; {what_exists(name, waiting)}")
        if waiting[name].call["digest"] != digest:
            raise ConflictError(f"'{name}' has changed again since you read it. Look at it once more.")
        if waiting[name].call["fault"]:
            _refuse(place, f"'{name}' cannot be used as it is now: {waiting[name].call['fault']}")
    return [
        # What the tenant said of it holds on: a server's hints decide nothing, now as little as before.
        replace(waiting[one.name], is_enabled=True, is_write=one.is_write, repeatable=one.repeatable)
        if one.name in digests
        else one
        for one in operations
    ]


def ready(_source: object, enabled: Sequence[SourceOperation]) -> Sequence[SourceOperation]:
    """Operations that are switched on, if each of them can be.

    Raises:
        InvalidInputError: One cannot be used, or waits for somebody to read its change.
    """
    for one in enabled:
        place = pointer(["operations", one.name])
        if one.call["fault"]:
            _refuse(place, f"'{one.name}' cannot be used: {one.call['fault']}")
        if is_gone(one):
            _refuse(place, f"the server does not list '{one.name}' any more")
        if is_waiting(one):
            _refuse(place, f"what the server says of '{one.name}' has changed: read the change, then accept it")
    return enabled


def _compared(old: SourceOperation, new: SourceOperation) -> SourceOperation:
    if old.call["digest"] == new.call["digest"]:
        # Back to what was accepted, so it is on again; what was off stays off.
        return replace(settled(old), is_enabled=old.is_enabled or is_waiting(old))
    if old.is_enabled or is_waiting(old):
        return _waits(old, {_CHANGED: new.as_stored()})
    return new


def _waits(operation: SourceOperation, why: Mapping[str, object]) -> SourceOperation:
    return replace(operation, is_enabled=False, call={**settled(operation).call, **why})


def _refuse(place: str, detail: str) -> None:
    raise InvalidInputError(f"{detail}.", errors=[FieldProblem(place, detail)])
