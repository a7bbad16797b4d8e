"""The parts of a ticket's page that only some tickets have, as whoever looks at them reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from tests.support.approvals import waiting_approval
from tests.support.console import Console
from tests.support.tickets import DESK, build_past

from deskhand.approvals.models import ApprovalState
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory

PAGE = f"/tickets/{DESK}/7"


async def read(console: Console, *, role: str = "viewer", path: str = PAGE) -> str:
    """The page as text, without what only draws it."""
    answer = await (await console.browser(role=role)).get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text.partition("<main")[2])).split())


async def run(console: Console, **columns: Any) -> UUID:
    return await console.execution(await console.agent(), ticket="7", **{"status": "completed", **columns})


async def wrote(console: Console, execution_id: UUID, name: str, key: str, **columns: Any) -> None:
    values: Mapping[str, Any] = {"kind": "write", "step_key": key, "output": {"id": key}, **columns}
    await console.step("acme", execution_id, name, **values)


async def test_a_question_that_waits_says_until_when(console: Console) -> None:
    until = await console.now() + timedelta(days=2)
    one = await run(console, status="waiting", error_code="requester", error_message="Waits for the requester.")
    await wrote(console, one, "ask_requester", "ask:1", input={"body": "Which device?", "public": True})
    asked = {"question": "Which device?", "round": 2, "until": until.isoformat()}
    await console.step("acme", one, "await_requester", kind="compute", state="started",
                       step_key="await_requester:ask:1", input=asked)  # fmt: skip
    page = await read(console)
    assert "question 2 of 2" in page
    assert f"until {until:%Y-%m-%d %H:%M}" in page
    # Who is asked is the requester: nobody here has anything to do.
    assert "Waits for a person" not in page
    assert "Reply to the requester" in page


async def test_an_answer_stands_beside_its_question(console: Console) -> None:
    one = await run(console)
    await wrote(console, one, "ask_requester", "ask:1", input={"body": "Which device?", "public": True})
    asked = {"question": "Which device?", "round": 1, "until": (await console.now()).isoformat()}
    answer = {"answered": True, "answer": [{"body": "It is **LT-4471**."}]}
    await console.step("acme", one, "await_requester", kind="compute", step_key="await_requester:ask:1",
                       input=asked, output=answer)  # fmt: skip
    page = await read(console)
    assert "Answered, and read" in page
    assert "It is LT-4471" in page
    assert "The requester answered" in page


@pytest.mark.parametrize(
    ("undo", "badge"), [("withdraw_note", "Taken back"), ("correct_note", "Withdrawn by another note")]
)
async def test_a_note_that_was_taken_back_says_so_and_is_not_offered_for_it_again(
    console: Console, undo: str, badge: str
) -> None:
    one = await run(console, ago=60)
    await wrote(console, one, "add_note", "n", input={"body": "Format the disk."})
    page = await read(console, role="operator")
    assert (badge in page, page.count("Undo…")) == (False, 2)
    back = await run(console, mode="undo", ago=30, input_payload={"requested_by": "person:pat", "undoes": []})
    await wrote(console, back, undo, "undo:0", input={"target": f"{DESK}/7", "undoes": [f"{one}/n"]})
    page = await read(console, role="operator")
    assert badge in page
    assert "person:pat undid what agents wrote" in page
    # That of the run is left: it may have written more.
    assert page.count("Undo…") == 1


async def test_what_nobody_knows_of_is_said_to_be_unknown(console: Console) -> None:
    one = await run(console, status="waiting", error_code="in-doubt", error_message="Was it written?")
    await wrote(console, one, "add_note", "n", input={"body": "A"}, output=None, state="in_doubt", finished_at=None)
    await wrote(console, one, "assign", "a", input={"group": "Net"}, output=None, state="in_doubt", finished_at=None)
    page = await read(console, role="operator")
    assert "Nobody knows whether it was written" in page
    assert "Nobody knows whether it was done" in page
    assert "Waits for a person" in page
    assert "Was it written?" in page
    assert "Undo…" not in page


async def test_what_the_desk_did_not_say_is_not_called_nothing(console: Console) -> None:
    one = await run(console)
    known = {"id": "1", "changes": [{"field": "group", "before_text": "", "after_text": "Net"}]}
    await wrote(console, one, "assign", "a", input={"group": "Net"}, output=known)
    assert "Group nothing Net" in await read(console)
    await wrote(console, one, "transition", "t", input={"status": "Open"})
    assert "Status the desk did not say Open" in await read(console)


async def test_what_was_decided_is_kept_with_what_it_was_about(console: Console) -> None:
    one = await run(console)
    answered = {"answered_by": "person:pat@acme.example", "answered_at": await console.now(), "answer": "Not now."}
    await waiting_approval(
        console.db, "acme", one, ticket_id="7", state=ApprovalState.DECLINED, step_key="a", **answered
    )
    # One about another ticket is on that one's page, and one about none, such as a mail, on this.
    await waiting_approval(console.db, "acme", one, ticket_id="8", state=ApprovalState.APPROVED, step_key="b")
    await waiting_approval(console.db, "acme", one, ticket_id=None, ticket=None, tool_id="email", operation="send",
                           arguments={"subject": "Hello"}, state=ApprovalState.EXPIRED, step_key="c")  # fmt: skip
    page = await read(console)
    assert "Update ticket: declined by person:pat@acme.example" in page
    assert "Priority low high" in page
    assert "Send: expired" in page
    assert "approved" not in page


async def test_an_operator_is_led_to_the_answer_and_a_viewer_told_who_gives_it(console: Console) -> None:
    past = await build_past(console)
    operator, viewer = [await read(console, role=role, path=past.page) for role in ("operator", "viewer")]
    assert "Approve, change or decline" in operator
    assert "Somebody with the role Operator answers this." in viewer
    assert "It helped" in operator
    assert "It helped" not in viewer


async def test_a_namesake_is_linked(console: Console) -> None:
    await run(console)
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(
            TicketHistory(tenant_id="acme", tool_type=DESK, ticket_id="7", desk_id="99", subject="", description="")
        )
    page = (await (await console.browser(role="viewer")).get(PAGE)).text
    assert f'<a href="/tickets/{DESK}/99">show that one</a>' in page


@pytest.mark.parametrize(
    ("columns", "tag"),
    [
        ({"mode": "dry_run"}, "Dry run"),
        ({"replay_of": UUID(int=1)}, "Replay"),
        ({"output_result": {"degraded": True}}, "Without model"),
        ({"output_result": {"same_as": {"execution_id": str(UUID(int=1))}}}, "a note that says the same"),
        ({"output_result": {"not_written": "It was solved meanwhile."}}, "It was solved meanwhile."),
        (
            {"output_result": {"not_approved": [{"operation": "reply", "state": "declined", "why": "Too harsh."}]}},
            "reply: Too harsh.",
        ),
    ],
)
async def test_a_run_says_what_is_special_about_it(console: Console, columns: dict[str, Any], tag: str) -> None:
    await run(console, **columns)
    page = await read(console)
    assert tag in page
    assert "No run has written one" in page
