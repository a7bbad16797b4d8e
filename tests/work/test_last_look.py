"""The last look itself: what counts as somebody's work, what is our own, and what it costs where nothing is guarded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.runs import QUEUED, execution, ticket

from deskhand.engine.journal import Journal
from deskhand.errors import StoodBackError, TicketMergedError
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Note, Person, Ticket, TicketingToolPlugin, WriteReceipt
from deskhand.plugins.errors import DeskCannotTellError, DeskNotFoundError
from deskhand.tools.values import Access, ToolOperation
from deskhand.work import last_look
from deskhand.work.last_look import GUARDED, LastLook
from deskhand.work.merging import GONE, why_merged
from deskhand.work.writing import NEW, Write

ALICE = Person(id="7", name="Alice", email="alice@acme.test")
INES = Person(id="1", name="Ines", is_staff=True)
HERE = ticket(requester=ALICE, status="Open", notes=())


def note(words: str, author: Person = INES, *, number: str = "n1", minutes: int = 1) -> Note:
    at = QUEUED + timedelta(minutes=minutes)
    return Note(id=number, body=words, public=True, author=author, created_at=at)


class Desk:
    """A desk whose ticket is what the test says, and that counts how often it is asked."""

    manifest = SimpleNamespace(tool_type="jira")

    def __init__(self, now: Ticket | None) -> None:
        self.now = now
        self.asked = 0
        self.notes: list[str] = []

    async def get_ticket(self, _ref: str, *, with_notes: bool = True) -> Ticket:
        self.asked += 1
        if self.now is None:
            raise DeskNotFoundError("It is gone.")
        return self.now

    async def add_note(self, ticket_id: str, draft: Any) -> WriteReceipt:
        self.notes.append(draft.body)
        return WriteReceipt(id="n9", ticket_id=ticket_id, mark=draft.mark)


class Steps:
    """A journal in memory: a step that has ended is answered as it was."""

    def __init__(self, *, begun: frozenset[str] = frozenset(), mode: str = "live") -> None:
        self.execution = execution(mode=mode, ticket_ref=HERE.id, tool_type="jira")
        self.begun_writes = begun
        self.ended: dict[str, Any] = {}

    def mark_for(self, key: str) -> str:
        return f"mark of {key}"

    async def step(self, *, key: str, body: Callable[[], Awaitable[Any]], **_: Any) -> Any:
        if key not in self.ended:
            self.ended[key] = await body()
        return self.ended[key]


@asynccontextmanager
async def session(*_: Any, **__: Any) -> AsyncIterator[None]:
    yield None


@pytest.fixture(autouse=True)
def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the journal knows: the note ``ours`` is ours, and so many public messages were written; last: by now."""
    written = [0]

    async def receipts(*_: Any) -> set[str]:
        return {"ours"}

    async def count_on_ticket(*_: Any, **__: Any) -> int:
        return written[0]

    monkeypatch.setattr(last_look, "receipts", receipts)

    async def take_place(*_: Any, most: int, **__: Any) -> int | None:
        return None if written[-1] < most else written[-1]

    monkeypatch.setattr(last_look, "count_on_ticket", count_on_ticket)
    monkeypatch.setattr(last_look, "take_place", take_place)
    return written


def looking(now: Ticket | None, steps: Steps | None = None, *, seen: Ticket | None = HERE) -> tuple[LastLook, Desk]:
    desk = Desk(now)
    db = cast(Database, SimpleNamespace(tenant_session=session))
    look = LastLook(cast(TicketingToolPlugin, desk), cast(Journal, steps or Steps()), db)
    if seen is not None:
        look.saw(seen, with_notes=True)
    return look, desk


def write(name: str = "reply", **trace: Any) -> Write:
    operation = ToolOperation(name=name, description="", arguments={}, result={}, access=Access.WRITE, cost="")

    async def make(mark: str) -> WriteReceipt:
        return WriteReceipt(id="made", ticket_id=HERE.id, mark=mark)

    async def find(_mark: str) -> WriteReceipt | None:
        return None

    return Write(operation, HERE.id, f"{name}:1", trace or {"body": "Restart it.\n\nThen wait."}, make, find)


async def once(one: Write, *, owed: bool = False) -> WriteReceipt:
    if one.look is not None:
        await one.look()
    return await one.make("mark")


WORK_OF_OTHERS: list[tuple[Ticket, str]] = [
    (replace(HERE, notes=(note("I am on it."),)), "Ines wrote on the ticket meanwhile"),
    (replace(HERE, notes=(note("Never mind.", ALICE),)), "Alice wrote on the ticket meanwhile"),
    (replace(HERE, notes=(note("x", Person(email="bo@desk.test")),)), "bo@desk.test wrote on the ticket meanwhile"),
    (replace(HERE, notes=(note("x", Person()),)), "Somebody wrote on the ticket meanwhile"),
    (replace(HERE, assignee=INES), "Ines took the ticket meanwhile"),
    (replace(HERE, status="In Progress"), "Somebody changed the ticket's status meanwhile"),
    (replace(HERE, is_closed=True), "The ticket was solved meanwhile"),
    (replace(HERE, group="Network"), "Somebody changed the ticket's group meanwhile"),
    (replace(HERE, priority="high"), "Somebody changed the ticket's priority meanwhile"),
    (replace(HERE, category="VPN"), "Somebody changed the ticket's category meanwhile"),
    (replace(HERE, description="More."), "Somebody changed the ticket's description meanwhile"),
]
NOBODYS_WORK: list[Ticket] = [
    HERE,
    replace(HERE, revision="8", updated_at=QUEUED, tags=("sla",)),
    replace(HERE, notes=(note("Restart it.", number="ours"),)),
    replace(HERE, notes=(note("I am out of the office until Monday.", ALICE),)),
]


async def test_where_a_rule_keeps_agents_out_by_now_not_even_a_note_is_written() -> None:
    rule = "The tenant's rule 'HR' is about this ticket: nothing was done."
    steps = Steps()
    look, desk = looking(replace(HERE, group="HR"), steps)
    look.why_left_alone = lambda now: rule if now.group == "HR" else None
    for _ in range(2):
        with pytest.raises(StoodBackError) as stood_back:
            await look.make(write(), once, owed=True)
        assert stood_back.value.detail == rule
    assert (desk.notes, desk.asked) == ([], 1), "the journal has what was decided"
    # Whoever takes the write up after a death finds it in the journal, too.
    again, other = looking(HERE, steps)
    with pytest.raises(StoodBackError):
        await again.make(write(), once, owed=True)
    assert other.notes == []


@pytest.mark.parametrize(("now", "why"), WORK_OF_OTHERS, ids=[why for _, why in WORK_OF_OTHERS])
async def test_where_somebody_was_faster_the_words_become_a_note(now: Ticket, why: str) -> None:
    look, desk = looking(now)
    with pytest.raises(StoodBackError) as stood_back:
        await look.make(write(), once, owed=True)
    assert stood_back.value.detail == f"{why}; nothing was sent."
    assert stood_back.value.certainly_not_done
    assert desk.notes == [f"{why}, so this was not sent. For whoever works on it:\n\n> Restart it.\n>\n> Then wait."]


@pytest.mark.parametrize("now", NOBODYS_WORK, ids=["nothing", "stamp and tags", "our own", "a machine's"])
async def test_what_is_nobodys_work_keeps_nothing_back(now: Ticket) -> None:
    look, desk = looking(now)
    assert (await look.make(write(), once, owed=True)).id == "made"
    assert (desk.asked, desk.notes) == (1, [])


def test_a_ticket_that_stands_by_itself_is_no_merged_one() -> None:
    assert why_merged(HERE) is None
    assert why_merged(replace(HERE, is_closed=True)) is None


async def test_on_a_ticket_that_was_merged_or_is_gone_not_even_a_note_is_written() -> None:
    for now, why in (
        (
            replace(HERE, is_closed=True, merged_into="4711"),
            "The ticket was merged into ticket 4711; nothing was written.",
        ),
        (replace(HERE, merged_into=""), "The ticket was merged into another one; nothing was written."),
        (None, GONE),
    ):
        steps = Steps()
        look, desk = looking(now, steps)
        with pytest.raises(TicketMergedError) as merged:
            await look.make(write(), once, owed=True)
        assert (merged.value.detail, merged.value.certainly_not_done, desk.notes) == (why, True, [])
        # Whoever takes the write up finds what was decided, and asks the desk no more.
        again, desk = looking(HERE, steps)
        with pytest.raises(TicketMergedError):
            await again.make(write(), once, owed=True)
        assert (desk.asked, desk.notes) == (0, [])
    look, _ = looking(HERE)
    assert look.has_seen(HERE.id)
    assert not look.has_seen("another")


async def test_a_ticket_that_was_taken_and_given_back_or_reopened_is_said_so() -> None:
    for seen, now, why in (
        (replace(HERE, assignee=INES), HERE, "The ticket was given back meanwhile"),
        (replace(HERE, is_closed=True), HERE, "The ticket was opened again meanwhile"),
        (replace(HERE, assignee=INES), replace(HERE, assignee=ALICE), "Alice took the ticket meanwhile"),
    ):
        look, _ = looking(now, seen=seen)
        with pytest.raises(StoodBackError, match=why):
            await look.make(write("assign", assignee_email="x@y.test"), once, owed=False)
    same = replace(HERE, assignee=replace(INES, email="ines@desk.test"))
    look, _ = looking(same, seen=replace(HERE, assignee=INES))
    assert (await look.make(write(), once, owed=False)).id == "made"


async def test_the_look_is_kept_and_taken_again_by_whoever_takes_the_write_up() -> None:
    steps = Steps()
    look, desk = looking(HERE, steps)
    await look.make(write(), once, owed=True)
    again, desk = looking(replace(HERE, assignee=INES), steps)
    with pytest.raises(StoodBackError, match="Ines took the ticket"):
        await again.make(write(), once, owed=True)
    assert desk.asked == 1, "inside the write's own step; the first is kept"
    assert list(steps.ended) == ["last_look:reply:1"]
    # Withheld once, it stays so, though nothing is there any more that would keep it back.
    began, desk = looking(HERE, Steps(begun=frozenset({"add_note:instead/reply:1"})))
    with pytest.raises(StoodBackError, match="Somebody worked on the ticket meanwhile"):
        await began.make(write(), once, owed=True)
    assert (desk.asked, len(desk.notes)) == (0, 1)


NETWORK = {"group": "Network"}
TAKEN = replace(HERE, assignee=replace(INES, email="ines@desk.test"), group="Network", status="In Progress")


@pytest.mark.parametrize(
    ("name", "trace", "now", "made"),
    [
        # As the write that was begun left it, with what a desk moves along.
        ("assign", {"assignee_email": "INES@desk.test"}, TAKEN, True),
        ("assign", {"assignee_email": "ines@desk.test", **NETWORK}, TAKEN, True),
        ("assign", NETWORK, TAKEN, True),
        ("transition", {"status": "in progress"}, TAKEN, True),
        # In the group that was meant a technician took it: the write was not made, and is not to be.
        ("assign", {"assignee_email": "bo@desk.test", **NETWORK}, TAKEN, False),
        ("assign", {"group": "Hardware"}, TAKEN, False),
        ("transition", {"status": "On hold"}, TAKEN, False),
        ("assign", NETWORK, replace(TAKEN, notes=(note("Mine."),)), False),
        ("assign", NETWORK, replace(TAKEN, priority="high"), False),
    ],
)
async def test_what_a_worker_wrote_before_it_died_is_nobody_elses_work(
    name: str, trace: dict[str, Any], now: Ticket, made: bool
) -> None:
    steps = Steps()
    await looking(HERE, steps)[0].make(write(name, **trace), once, owed=True)
    again, desk = looking(now, steps)
    if made:
        assert (await again.make(write(name, **trace), once, owed=True)).id == "made"
    else:
        with pytest.raises(StoodBackError, match="meanwhile"):
            await again.make(write(name, **trace), once, owed=True)
    assert desk.asked == 1


@pytest.mark.parametrize("found", ["ours", "none", "cannot tell"])
async def test_a_solution_is_known_by_its_mark_and_not_by_how_the_ticket_looks(found: str) -> None:
    async def find(_mark: str) -> WriteReceipt | None:
        if found == "cannot tell":
            raise DeskCannotTellError("The list was cut.")
        return WriteReceipt(id="n1", ticket_id=HERE.id) if found == "ours" else None

    steps, solved = Steps(), replace(HERE, status="Solved", is_closed=True, notes=(note("It was the cable."),))
    solving = replace(write("resolve", resolution="It was the cable."), find=find)
    await looking(HERE, steps)[0].make(solving, once, owed=True)
    again, _ = looking(solved, steps)
    if found == "ours":
        assert (await again.make(solving, once, owed=True)).id == "made"
    else:
        with pytest.raises(StoodBackError, match="Ines wrote on the ticket meanwhile"):
            await again.make(solving, once, owed=True)


async def test_what_the_run_has_done_and_read_itself_is_nobodys_work() -> None:
    moved = replace(HERE, status="In Progress", assignee=INES, notes=(note("Third floor.", ALICE, number="answer"),))
    look, _ = looking(moved)
    look.wrote(HERE.id, "transition")
    look.has_read(["answer"])
    assert (await look.make(write(), once, owed=True)).id == "made"
    look, _ = looking(replace(moved, category="VPN"))
    look.wrote(HERE.id, "transition")
    look.has_read(["answer"])
    with pytest.raises(StoodBackError, match="category"):
        await look.make(write(), once, owed=True)


async def test_of_a_listed_ticket_what_was_written_since_the_run_began_counts() -> None:
    for minutes, withheld in ((1, True), (-1, False)):
        look, _ = looking(replace(HERE, notes=(note("x", minutes=minutes),)), seen=None)
        look.saw(HERE)
        look.saw(replace(HERE, status="Closed"))
        if withheld:
            with pytest.raises(StoodBackError, match="Ines wrote"):
                await look.make(write(), once, owed=False)
        else:
            assert (await look.make(write(), once, owed=False)).id == "made"
    # One that nobody has seen is one that the run has just made.
    look, desk = looking(replace(HERE, assignee=INES), seen=None)
    assert (await look.make(write(), once, owed=False)).id == "made"
    assert desk.asked == 0


async def test_public_messages_are_counted_and_nothing_else_is(count: list[int]) -> None:
    count[0] = 5
    for name, trace in (("reply", {"body": "x"}), ("ask_requester", {"body": "x"})):
        look, desk = looking(HERE)
        with pytest.raises(StoodBackError, match="got 5 public messages of ours within a day"):
            await look.make(write(name, **trace), once, owed=False)
        assert len(desk.notes) == 1
        look.ceiling = 6
        look.journal = cast(Journal, Steps())
        assert (await look.make(write(name, **trace), once, owed=False)).id == "made"
    look, _ = looking(HERE)
    assert (await look.make(write("transition", status="Closed"), once, owed=False)).id == "made"


async def test_what_others_wrote_since_the_count_takes_the_place_of_a_message_that_was_begun(count: list[int]) -> None:
    count.append(5)
    look, desk = looking(HERE)
    with pytest.raises(StoodBackError, match="got 5 public messages of ours within a day"):
        await look.make(write(), once, owed=False)
    assert len(desk.notes) == 1, "and its words are a note"
    look, _ = looking(HERE)
    assert (await look.make(write("transition", status="Closed"), once, owed=False)).id == "made"


def test_what_is_guarded_is_what_takes_a_ticket_out_of_a_persons_hands() -> None:
    look, _ = looking(HERE)
    assert all(look.concerns(name, {"status": "x"}) for name in GUARDED)
    for field in ("group", "priority", "category", "subject", "description", "custom"):
        assert look.concerns("update_ticket", {field: "x", "add_tags": ["vpn"]})
    for name, shown in (
        ("update_ticket", {"add_tags": ["vpn"], "remove_tags": ["new"]}),
        ("add_note", {}),
        ("link_tickets", {}),
        ("update_note", {}),
    ):
        assert not look.concerns(name, shown)
    dry, _ = looking(HERE, Steps(mode="dry_run"))
    assert not dry.concerns("reply", {})


async def test_a_key_that_is_too_long_for_the_journal_is_cut_so_that_it_stays_one() -> None:
    steps = Steps()
    look, _ = looking(HERE, steps)
    long = replace(write(), key="reply:" + "k" * 200)
    await look.make(long, once, owed=True)
    (kept,) = steps.ended
    assert len(kept) <= 200
    assert kept.startswith("last_look:")
    assert (long.where, replace(long, ticket_id=NEW).where) == (f"ticket {HERE.id}", "the newest tickets")
