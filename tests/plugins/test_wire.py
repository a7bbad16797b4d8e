"""One call to a desk, and what is read of its answer: statuses, bodies, tokens, and who may be told what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from deskhand.kit.clock import utc_now
from deskhand.plugins import calls
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskConflictError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.further import FurtherOperations
from deskhand.plugins.operations import BASIC_OPERATIONS, Inverse, Operation
from deskhand.plugins.registry import PluginManager
from deskhand.plugins.standing import Standing
from deskhand.plugins.values import AttachedFile, TicketLink
from deskhand.plugins.writes import NoteDraft, TicketDraft, WorkLog

KEY = "kEy-of-the-desk-0123456789"


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> httpx2.Response:
    sent = httpx2.Request("GET", "https://desk.test/x", headers={"Authorization": f"Bearer {KEY}"})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=named, content=body, request=sent)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((401, DeskAuthError), (403, DeskPermissionError), (404, DeskNotFoundError), (410, DeskNotFoundError)),
        *((409, DeskConflictError), (412, DeskConflictError), (429, DeskRateLimitedError)),
        *((408, DeskUnavailableError), (425, DeskUnavailableError), (500, DeskUnavailableError)),
        *((599, DeskUnavailableError), (400, DeskValidationError), (418, DeskValidationError)),
        *((302, DeskProtocolError), (204, DeskProtocolError)),
    ],
)
def test_a_status_without_a_body_still_says_what_to_do(status: int, kind: type[DeskError]) -> None:
    assert calls.class_for_status(status) is kind


@pytest.mark.parametrize(
    ("header", "seconds"), [({"retry_after": "7"}, 7.0), ({}, None), ({"retry_after": "soon"}, None)]
)
def test_a_refusal_says_how_long_to_wait_where_the_desk_did(header: dict[str, str], seconds: float | None) -> None:
    assert calls.error_for_status(answer(429, **header), "Too many.").retry_after == seconds


def test_a_refusal_repeats_no_credential_in_any_of_its_parts() -> None:
    error = calls.error_for_status(answer(400), f"bad {KEY}", vendor_code=f"c-{KEY}", fields=(f"f-{KEY}",))
    assert KEY not in error.detail + str(error.vendor_code) + "".join(error.fields)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"7", b"<html></html>", b"", b"[" * 100_000])
def test_what_is_no_object_is_no_answer_and_of_a_refusal_it_is_nothing(body: bytes) -> None:
    with pytest.raises(DeskProtocolError):
        calls.json_object(answer(body=body), desk="The desk")
    assert calls.error_body(answer(500, body)) == {}


def test_rows_that_are_none_are_left_out_of_a_list() -> None:
    assert calls.json_list(answer(body=b'[{"id": 1}, null, "x", []]'), desk="The desk") == [{"id": 1}]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  Away \n until noon ", "Away until noon"),
        ("<html>Sign in</html>", ""),
        ('{"error": 1}', ""),
        ("[1]", ""),
        ('"quoted"', ""),
        ("x" * 50, "x" * 20),
    ],
)
def test_only_prose_is_quoted_and_never_much_of_it(text: str, shown: str) -> None:
    assert calls.plain_words(answer(503, text.encode()), 20) == shown


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(600, 600), ("600", 600), (None, 3600), ("soon", 3600), (0, 3600), (10**12, 30 * 86_400)],
)
def test_a_token_ends_when_the_vendor_says_within_reason(said: Any, seconds: int) -> None:
    before = utc_now()
    token = calls.access_token({"access_token": "t", "expires_in": said}, life=3600.0)
    assert token is not None
    assert before + timedelta(seconds=seconds) <= token.expires_at <= utc_now() + timedelta(seconds=seconds)


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 7}, {"access_token": None}])
def test_an_answer_without_a_token_has_none(body: dict[str, Any]) -> None:
    assert calls.access_token(body, life=60.0) is None


@pytest.mark.parametrize("error", [TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError])
async def test_an_answer_of_an_odd_shape_is_the_desks_fault(error: type[Exception]) -> None:
    def read(_raw: object) -> None:
        raise error("odd")

    with pytest.raises(DeskProtocolError, match=error.__name__):
        await calls.read_aside(read, {})


async def test_a_refusal_inside_the_reading_stays_what_it_is() -> None:
    def read(_raw: object) -> None:
        raise DeskNotFoundError("gone")

    with pytest.raises(DeskNotFoundError):
        await calls.read_aside(read, {})


# -- what not every desk can do --------------------------------------------------------------------


class Plain(FurtherOperations):
    """A desk that overrides nothing."""

    manifest = PluginManager.installed().get_plugin("jira").manifest


REFUSED: dict[str, Callable[[Plain], Awaitable[object]]] = {
    "list_notes": lambda desk: desk.list_notes("1"),
    "ticket_changes": lambda desk: desk.ticket_changes("1"),
    "read_file": lambda desk: desk.read_file("1", AttachedFile(id="2", name="a.log")),
    "update_note": lambda desk: desk.update_note("1", "2", NoteDraft(body="x")),
    "create_ticket": lambda desk: desk.create_ticket(TicketDraft(subject="x")),
    "find_created": lambda desk: desk.find_created("m", begun_at=utc_now()),
    "link_tickets": lambda desk: desk.link_tickets("1", TicketLink(ticket_id="2")),
    "log_time": lambda desk: desk.log_time("1", WorkLog(minutes=1, text="x", started_at=utc_now())),
    "find_time": lambda desk: desk.find_time("1", "m"),
    "withdraw_time": lambda desk: desk.withdraw_time("1", "2"),
    "restore_fields": lambda desk: desk.restore_fields("1", ()),
    "withdraw_note": lambda desk: desk.withdraw_note("1", "2", reason="x"),
    "unlink_tickets": lambda desk: desk.unlink_tickets("1", TicketLink(ticket_id="2")),
    "close_created": lambda desk: desk.close_created("1", reason="x"),
}


def test_the_further_operations_are_those_that_no_desk_must_have() -> None:
    bodies = {name for name in vars(FurtherOperations) if not name.startswith("_") and name != "manifest"}
    further = {operation.value for operation in set(Operation) - BASIC_OPERATIONS} | {one.value for one in Inverse}
    # What a desk tells of itself is asked of each, and one that tells nothing is not refused.
    assert bodies - {"id_of", "standing"} == REFUSED.keys() == further | {"find_created", "find_time", "read_file"}


async def test_a_desk_that_tells_nothing_of_itself_has_its_ids_for_numbers_and_no_clocks() -> None:
    assert (await Plain().id_of("HELP-7"), await Plain().standing("1")) == ("HELP-7", Standing())


@pytest.mark.parametrize("name", REFUSED)
async def test_what_a_desk_does_not_override_is_refused_by_name(name: str) -> None:
    with pytest.raises(DeskUnsupportedError, match="Jira"):
        await REFUSED[name](Plain())
