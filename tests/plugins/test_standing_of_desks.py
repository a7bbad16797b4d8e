"""How each desk tells how a ticket stands beside its fields, and what an account that is told nothing gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from deskhand.plugins.contract import SentMail, Standing
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError
from deskhand.plugins.jira import measures as jira
from deskhand.plugins.registry import BUILT_IN
from deskhand.plugins.servicedesk_plus import measures as servicedesk_plus
from deskhand.plugins.servicenow import measures as servicenow
from deskhand.plugins.servicenow.records import is_shown
from deskhand.plugins.standing import NoteEffect
from deskhand.plugins.zendesk import measures as zendesk
from deskhand.plugins.zendesk.mapping import comment_public

AT = "2026-11-30T09:00:00+00:00"
MILLISECONDS = "1796029200000"


@pytest.mark.parametrize("tool_type", BUILT_IN)
def test_each_desk_says_where_each_effect_is_changed(tool_type: str) -> None:
    settings = BUILT_IN[tool_type].manifest.note_settings
    assert set(settings) == set(NoteEffect)
    assert all(words.endswith(".") and len(words) > 40 for words in settings.values())


class Answers:
    """A client of which each address has one answer."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    async def get(self, path: str, _params: Any = None) -> Any:
        answer = self._answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


SLAS = [
    {"name": "Time to First Response", "completedCycles": [{"stopTime": {"iso8601": AT}}]},
    {"name": "Time to resolution", "completedCycles": [], "ongoingCycle": {"paused": True}},
]


@pytest.mark.parametrize(
    ("answer", "standing"),
    [
        (
            {"values": SLAS},
            Standing(first_response=AT, clocks={"Time to First Response": "stopped", "Time to resolution": "paused"}),
        ),
        ({"values": SLAS[1:]}, Standing(clocks={"Time to resolution": "paused"})),
        ({"values": []}, Standing(clocks={})),
        (DeskNotFoundError("No request."), Standing()),
        (DeskPermissionError("No agent."), Standing()),
    ],
)
async def test_jira(answer: Any, standing: Standing) -> None:
    assert await jira.read_standing(Answers({"request/1/sla": answer}), "request/1") == standing  # type: ignore[arg-type]


def audit(*events: dict[str, Any]) -> dict[str, Any]:
    return {"audits": [{"events": list(events)}], "users": [{"id": 7, "email": "alice@acme.test"}]}


SENT = {
    **{"type": "Notification", "id": 91, "recipients": [7, 8]},
    "via": {"source": {"from": {"title": "Notify requester"}}},
}


def test_zendesk() -> None:
    ticket = {
        "metric_set": {"reply_time_in_minutes": {"calendar": 4, "business": 4}},
        "slas": {"policy_metrics": [{"metric": "first_reply_time", "stage": "achieved"}]},
    }
    read = zendesk._read({"ticket": ticket}, [audit({"type": "Comment", "id": 1, "public": False}, SENT)])
    mail = SentMail(id="91", to=("alice@acme.test", "8"), rule="Notify requester")
    assert read == Standing(first_response="after 4 minutes", clocks={"first_reply_time": "stopped"}, mails=(mail,))
    bare = zendesk._read({"ticket": {"metric_set": {}}}, [audit()])
    assert bare == Standing(first_response=None, clocks=None, mails=())
    waiting = zendesk._read({"ticket": {"metric_set": {"reply_time_in_minutes": {"calendar": None}}}}, [])
    assert waiting.first_response == ""


@pytest.mark.parametrize(
    ("audit", "public"),
    [
        ({"events": [{"type": "Change"}, {"type": "Comment", "public": True}]}, True),
        ({"events": [{"type": "Comment", "public": False}]}, False),
        ({"events": [{"type": "Change"}]}, None),
        (None, None),
    ],
)
def test_the_comment_of_an_update_says_who_sees_it(audit: Any, public: bool | None) -> None:
    assert comment_public(audit) is public


@pytest.mark.parametrize(
    ("raw", "mails", "standing"),
    [
        (
            {"responded_time": {"value": MILLISECONDS}, "first_response_due_by_time": {"value": MILLISECONDS}},
            [{"id": 5, "to": [{"email_id": "alice@acme.test"}, "bob@acme.test"], "subject": "Note added"}],
            Standing(
                first_response="2026-11-30T09:00:00+00:00",
                clocks={"First response": "stopped"},
                mails=(SentMail(id="5", to=("alice@acme.test", "bob@acme.test"), rule="Note added"),),
            ),
        ),
        (
            {"responded_time": None, "due_by_time": {"value": MILLISECONDS}, "status": {"name": "On Hold"}},
            None,
            Standing(first_response="", clocks={"Resolution": "paused"}),
        ),
        (
            {"due_by_time": {"value": MILLISECONDS}, "resolved_time": {"value": MILLISECONDS}},
            [],
            Standing(clocks={"Resolution": "stopped"}, mails=()),
        ),
        ({"due_by_time": {"value": MILLISECONDS}}, None, Standing(clocks={"Resolution": "running"})),
        ({}, None, Standing()),
    ],
)
def test_servicedesk_plus(raw: dict[str, Any], mails: list[dict[str, Any]] | None, standing: Standing) -> None:
    assert servicedesk_plus._read(raw, mails) == standing


def row(**cells: str) -> dict[str, Any]:
    return {name.replace("__", "."): {"value": value, "display_value": value} for name, value in cells.items()}


def test_servicenow() -> None:
    answered = row(sla="Response", sla__target="response", stage="completed", end_time=AT)
    solving = row(sla="Resolution", sla__target="resolution", stage="paused")
    assert servicenow._first_response([solving, answered]) == AT
    assert servicenow._first_response([solving]) is None
    assert servicenow._first_response([{**answered, **row(stage="in_progress")}]) == ""
    assert (servicenow._clock(solving), servicenow._clock(row(stage="odd"))) == ("paused", "odd")
    mail = servicenow._mail(row(sys_id="1", recipients="alice@acme.test, ,bob@acme.test", subject="Worked on"))
    assert mail == SentMail(id="1", to=("alice@acme.test", "bob@acme.test"), rule="Worked on")


def test_a_note_of_servicenow_is_where_its_entry_or_its_text_stands() -> None:
    mark = "dh-0123456789abcdef0123"
    record = {"comments": {"value": "", "display_value": f"x Ref: {mark}"}, "work_notes": {"display_value": ""}}
    inside = {"comments": {"display_value": ""}, "work_notes": {"value": "", "display_value": f"x Ref: {mark}"}}
    assert (is_shown(row(element="comments"), {}, mark), is_shown(row(element="work_notes"), {}, mark)) == (True, False)
    assert (is_shown(None, record, mark), is_shown(None, inside, mark)) == (True, False)
    assert is_shown(None, {}, mark) is None
