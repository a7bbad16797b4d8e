"""The parts of the room by themselves: what was typed, what is kept in step, what a risk becomes."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import ValidationError

from deskhand.approvals import endpoints
from deskhand.approvals.models import Approval
from deskhand.approvals.pages import read_arguments
from deskhand.approvals.rules import STARTS
from deskhand.approvals.schemas import MOST_AT_ONCE, Batch, BatchItem, Decline
from deskhand.approvals.service import ensure_fitting
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.plugins.registry import PluginManager
from deskhand.tools.mail import MAIL
from deskhand.tools.values import Grant, Mode, Risk
from deskhand.work.approvals import Call, _step_key

DIGEST = "0" * 64


@pytest.mark.parametrize("typed", ["", "{", "[]", "1", "null", "[" * 100_000])
def test_what_is_no_object_is_told(typed: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_arguments(typed)
    assert [fault.pointer for fault in refused.value.errors] == ["/arguments"]


def test_what_is_typed_is_read() -> None:
    assert read_arguments('{"a": [1, "ä"]}') == {"a": [1, "ä"]}


def test_a_batch_has_an_end_and_a_no_has_a_reason() -> None:
    one = BatchItem(id=uuid4(), digest=DIGEST)
    assert len(Batch(items=[one] * MOST_AT_ONCE).items) == MOST_AT_ONCE
    for wrong in (lambda: Batch(items=[one] * (MOST_AT_ONCE + 1)), lambda: Batch(items=[])):
        with pytest.raises(ValidationError):
            wrong()
    for reason in ("", "  ", "x" * 1001):
        with pytest.raises(ValidationError):
            Decline(digest=DIGEST, reason=reason)


def test_an_operation_that_a_desk_lost_cannot_be_changed_only_declined() -> None:
    gone = Approval(tool_id="jira", operation="dance")
    with pytest.raises(ConflictError, match="decline it"):
        ensure_fitting(gone, {}, PluginManager())


@pytest.mark.parametrize(("risk", "elsewhere"), [
    (Risk.LOW, Risk.MEDIUM), (Risk.MEDIUM, Risk.HIGH), (Risk.HIGH, Risk.HIGH),
])  # fmt: skip
def test_a_call_on_another_ticket_is_one_step_riskier(risk: Risk, elsewhere: Risk) -> None:
    call = Call(
        key="send:1",
        tool_id="email",
        operation=replace(MAIL.operations[0], risk=risk),
        grant=Grant(Mode.APPROVE),
        arguments={},
        reason="",
        ticket_id=None,
        look=None,
    )
    assert (call.risk, replace(call, elsewhere=True).risk) == (risk, elsewhere)


def test_a_question_has_one_key_however_long_that_of_its_write_is() -> None:
    assert _step_key("reply:outcome") == "ask_approval:reply:outcome"
    long = _step_key("x" * 200)
    assert len(long) <= 200
    assert long == _step_key("x" * 200) != _step_key("y" * 200)


def test_every_route_that_answers_is_a_post_and_what_starts_a_run_is_known() -> None:
    routes = {(method, route.path) for route in endpoints.router.routes for method in route.methods}  # type: ignore[attr-defined]
    assert {path.rpartition("/")[2] for method, path in routes if method == "POST"} == {"approve", "decline", "change"}
    assert all(verb.partition(".")[0] in ("execution", "schedule") for verb in STARTS)
