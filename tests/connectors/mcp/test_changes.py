"""A tool that was granted is the tool that was read: what a server changes afterwards waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from mcp.types import Tool

from deskhand.connectors.mcp.changes import accepted, change_of, compared, is_gone, is_waiting, ready, suspended
from deskhand.connectors.mcp.listing import operations_from
from deskhand.connectors.values import SourceOperation
from deskhand.errors import ConflictError, InvalidInputError


def listed(**descriptions: str) -> list[SourceOperation]:
    schema: dict[str, Any] = {"type": "object"}
    return operations_from(
        [
            Tool.model_validate({"name": name, "description": words, "inputSchema": schema})
            for name, words in descriptions.items()
        ]
    )


def switched_on(operations: Sequence[SourceOperation], *names: str) -> list[SourceOperation]:
    """As an administrator would: on, a read, and repeatable."""
    return [
        replace(one, is_enabled=True, is_write=False, repeatable=True) if one.name in names else one
        for one in operations
    ]


def one(operations: Sequence[SourceOperation], name: str = "a") -> SourceOperation:
    return next(each for each in operations if each.name == name)


STORED = switched_on(listed(a="one", b="two"), "a")
CHANGED = compared(STORED, listed(a="other", b="other"))


def test_nothing_changes_where_nothing_changed() -> None:
    assert compared(STORED, listed(a="one", b="two")) == STORED


def test_a_change_of_what_is_on_waits_and_of_what_is_off_is_taken() -> None:
    assert (one(CHANGED).is_enabled, one(CHANGED).description) == (False, "one")
    change = change_of(one(CHANGED))
    assert change is not None
    assert change.description == "other"
    assert (one(CHANGED, "b").description, is_waiting(one(CHANGED, "b"))) == ("other", False)


def test_a_change_is_accepted_by_the_digest_of_what_was_read_and_keeps_the_tenants_word() -> None:
    change = change_of(one(CHANGED))
    assert change is not None
    after = one(accepted(CHANGED, {"a": change.call["digest"]}))
    assert (after.description, after.is_enabled, after.is_write, after.repeatable) == ("other", True, False, True)
    assert not is_waiting(after)
    with pytest.raises(ConflictError, match="changed again"):
        accepted(compared(CHANGED, listed(a="yet another", b="other")), {"a": change.call["digest"]})
    with pytest.raises(InvalidInputError, match="no change of 'b' waits"):
        accepted(CHANGED, {"b": "x"})


def test_a_change_that_is_taken_back_needs_nobody() -> None:
    assert one(compared(CHANGED, listed(a="one"))) == one(STORED)


def test_what_is_gone_is_off_and_comes_back_as_it_was_accepted() -> None:
    gone = compared(STORED, listed(b="two"))
    assert (one(gone).is_enabled, is_gone(one(gone)), change_of(one(gone))) == (False, True, None)
    assert [each.name for each in compared(STORED, listed(a="one"))] == ["a"]
    assert one(compared(gone, listed(a="one", b="two"))) == one(STORED)
    assert change_of(one(compared(gone, listed(a="other")))) is not None


def test_a_run_that_was_told_of_a_change_switches_it_off_for_all() -> None:
    off = suspended(STORED, "a")
    assert (one(off).is_enabled, is_waiting(one(off)), change_of(one(off))) == (False, True, None)
    assert suspended(STORED, "b") == STORED
    assert one(compared(off, listed(a="one", b="two"))) == one(STORED)


def test_what_cannot_be_used_is_not_switched_on() -> None:
    faulty = [replace(one(STORED), call={**one(STORED).call, "fault": "its schema is none"})]
    for operations, words in [
        (faulty, "cannot be used: its schema"),
        (CHANGED, "read the change"),
        (suspended(STORED, "a"), "read the change"),
        (compared(STORED, []), "does not list 'a'"),
    ]:
        with pytest.raises(InvalidInputError, match=words) as raised:
            ready(None, [one(operations)])
        assert raised.value.errors[0].pointer == "/operations/a"
    assert ready(None, STORED) == STORED
    bad = [replace(change, call={**change.call, "fault": "x"}) for change in [change_of(one(CHANGED))] if change]
    waiting = [replace(one(CHANGED), call={**one(CHANGED).call, "changed": bad[0].as_stored()})]
    with pytest.raises(InvalidInputError, match="as it is now: x"):
        accepted(waiting, {"a": bad[0].call["digest"]})
