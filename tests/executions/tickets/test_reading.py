"""How a ticket's notes, fields and questions are told from the writes that made them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from deskhand.executions.tickets.reading import read_notes, read_questions, read_writes

RUN, LATER, UNDO = uuid4(), uuid4(), uuid4()
BEGAN = datetime(2026, 5, 4, 9, tzinfo=UTC)


def step(name: str, *, run: UUID = RUN, key: str = "k", at: int = 0, **columns: Any) -> Any:
    """One row as the repository gives it."""
    return {"execution_id": run, "step_key": key, "name": name, "kind": "write", "state": "finished",
            "input": None, "output": None, "agent_name": "Triage", "started_at": BEGAN + timedelta(minutes=at),
            "finished_at": BEGAN + timedelta(minutes=at, seconds=1), **columns}  # fmt: skip


def note(text: str, *, note_id: str = "1", **columns: Any) -> Any:
    return step("add_note", **{"input": {"body": text, "public": False}, "output": {"id": note_id}, **columns})


def rewritten(text: str, before: str, *, note_id: str = "1", **columns: Any) -> Any:
    trace = {"body": text, "note_id": note_id, "before": before}
    return step("update_note", **{"input": trace, "output": {"id": note_id}, "run": LATER, "at": 5, **columns})


def undo(name: str, *keys: str, **output: Any) -> Any:
    return step(name, run=UNDO, at=9, input={"target": "jira/1", "undoes": list(keys)}, output=output)


def texts(found: Any) -> list[tuple[str, list[str], str]]:
    return [(one.text.markdown, [text.markdown for text in one.earlier], one.state) for one in found]


def test_a_note_that_was_written_anew_is_one_note_with_its_earlier_texts() -> None:
    steps = [note("A"), rewritten("B", "A"), rewritten("C", "B", key="k2", at=7), note("Z", note_id="2", key="z", at=8)]
    assert texts(read_notes(steps, {})) == [("Z", [], "there"), ("C", ["B", "A"], "there")]


def test_of_a_note_whose_first_run_is_not_shown_the_text_before_is_known_all_the_same() -> None:
    (found,) = read_notes([rewritten("B", "A")], {})
    assert texts([found]) == [("B", ["A"], "there")]
    assert (found.earlier[0].execution_id, found.earlier[0].at, found.step_key) == (None, None, "k")


def test_a_rewriting_in_doubt_leaves_what_surely_stands_there() -> None:
    steps = [note("A"), rewritten("B", "A", state="in_doubt", finished_at=None, output=None)]
    assert texts(read_notes(steps, {})) == [("A", [], "in_doubt")]
    assert texts(read_notes([note("A", state="started", finished_at=None, output=None)], {})) == [("A", [], "in_doubt")]


def test_an_undo_takes_a_note_back_or_says_so_beside_it() -> None:
    key = f"{RUN}/k"
    assert texts(read_notes([note("A"), undo("withdraw_note", key)], {})) == [("A", [], "withdrawn")]
    assert texts(read_notes([note("A"), undo("correct_note", key)], {})) == [("A", [], "corrected")]
    # What the desk refused did not happen, and what another note's undo did is not about this one.
    assert texts(read_notes([note("A"), undo("withdraw_note", key, refused="No.")], {})) == [("A", [], "there")]
    assert texts(read_notes([note("A"), undo("withdraw_note", "x/k")], {})) == [("A", [], "there")]


def test_an_undo_of_a_rewriting_gives_the_text_before_back() -> None:
    steps = [note("A"), rewritten("B", "A"), undo("restore_note", f"{LATER}/k")]
    (found,) = read_notes(steps, {})
    assert texts([found]) == [("A", ["B", "A"], "there")]
    assert found.text.execution_id == UNDO
    assert texts(read_notes([rewritten("B", "A"), undo("restore_note", f"{LATER}/k")], {})) == [
        ("A", ["B", "A"], "there")
    ]


def test_verdicts_are_of_the_runs_note_and_not_of_its_replies() -> None:
    reply = step("reply", key="r", input={"body": "Which one?", "public": True}, output={"id": "3"})
    by_text = {one.text.markdown: one for one in read_notes([note("A"), reply], {RUN: []})}
    assert (by_text["A"].text.can_judge, by_text["Which one?"].text.can_judge) == (True, False)
    assert (by_text["A"].audience, by_text["Which one?"].audience) == ("technicians", "requester")
    (unjudged,) = read_notes([note("A")], {})
    assert not unjudged.text.can_judge


def test_fields_are_told_as_the_desk_told_them_and_else_as_they_were_meant() -> None:
    told = {"id": "1", "changes": [{"field": "priority", "before_text": "", "after_text": "High"},
                                   {"field": "x", "before": {"id": 3}, "after": ["a", "b"]}]}  # fmt: skip
    writes = read_writes(
        [
            step("update_ticket", input={"priority": "high"}, output=told),
            step("transition", key="t", at=1, input={"status": "Open", "target": "jira/1"}, output={"id": "2"}),
            step("send_mail", key="m", at=2, input={"to": ["a@b.example"], "n": 3, "more": {"a": 1}}, output={}),
            step("restore_fields", key="u", at=3, input={"undoes": []}, output={"refused": "No."}),
            step("assign", key="d", at=4, input={"group": "Net"}, state="in_doubt", finished_at=None),
        ]
    )
    assert [(one.operation, one.knows_before, one.state.value) for one in writes] == [
        ("assign", False, "in_doubt"),
        ("send_mail", False, "finished"),
        ("transition", False, "finished"),
        ("update_ticket", True, "finished"),
    ]
    fields = [[(one.field, one.before, one.after) for one in write.fields] for write in writes]
    assert fields == [
        [("group", None, "Net")],
        [("to", None, ["a@b.example"]), ("n", None, "3"), ("more", None, "a: 1")],
        [("status", None, "Open")],
        [("priority", None, "High"), ("x", "id: 3", ["a", "b"])],
    ]


def wait(**columns: Any) -> list[Any]:
    asked = {"question": "Which device?", "round": 1, "until": "2026-05-06T09:00:00Z"}
    put = step("ask_requester", key="ask:1", input={"body": "Which device?", "public": True}, output={"id": "9"})
    return [put, step("await_requester", key="await_requester:ask:1", kind="compute", input=asked, **columns)]


def test_a_question_is_told_with_its_answer_or_why_there_is_none() -> None:
    answer = {"answered": True, "answer": [{"body": "LT-4471", "author": "Dana"}, {"id": "7"}]}
    (open_,) = read_questions(wait(state="started", finished_at=None))
    (answered,) = read_questions(wait(output=answer))
    (unanswered,) = read_questions(wait(output={"answered": False, "why": "Nobody answered."}))
    (over,) = read_questions(wait(output={"over": "The ticket was solved."}))
    assert (open_.question, open_.asked_at, open_.answered_at, open_.answer) == ("Which device?", BEGAN, None, [])
    assert (answered.answer, answered.why) == (["LT-4471"], None)
    assert (unanswered.answer, unanswered.why) == ([], "Nobody answered.")
    assert over.why == "The ticket was solved."
    # The question is a reply on the ticket as well, and no write beside it.
    assert texts(read_notes(wait(), {})) == [("Which device?", [], "there")]
    assert read_writes(wait()) == []
