"""Whose event is it? What every desk needs to answer that from its configuration alone."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

Config = TypeVar("Config", bound=BaseModel)


def own_config(kind: type[Config], config: BaseModel) -> Config:
    """A connection's configuration as its own class.

    Raises:
        TypeError: It belongs to another desk.
    """
    if not isinstance(config, kind):
        raise TypeError(f"expected {kind.__name__}, got {type(config).__name__}")
    return config


def same_account(*names: tuple[object, object]) -> bool | None:
    """Compare what we call ourselves with what an event calls its actor.

    Args:
        names: Pairs of our name and theirs of one sort: two ids, two mail addresses.

    Returns:
        True if one pair is equal, False if pairs could be compared and none is, None if no pair has both sides.
    """
    pairs = [(str(ours).casefold(), str(theirs).casefold()) for ours, theirs in names if ours and theirs]
    return any(ours == theirs for ours, theirs in pairs) if pairs else None
