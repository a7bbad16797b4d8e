"""Which tickets are left without a note, which runs draw at all, and what a ticket that drew once goes through."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from tests.support.product import Customer, Product
from tests.support.runs import execution, run_of, ticket

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.journal import Journal
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Company
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.worth_rules import MOST_HELD_OUT, WorthRules, worth_rules
from deskhand.work.hands import DeskHands
from deskhand.work.holding_out import HELD_OUT, HoldOut, is_held_out
from deskhand.work.note_outcome import NOTE_KEY
from deskhand.work.run import Run

KEY = b"k" * 32
HANDS = cast(DeskHands, SimpleNamespace(may=lambda operation: operation == "add_note"))


class Steps:
    """A journal that keeps what a step made, and nothing else."""

    begun_writes: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    async def step(self, *, body: Any, **more: Any) -> Any:
        made = await body()
        self.kept.append({**more, "output": made})
        return made


def run(share: int | None = MOST_HELD_OUT, *, mode: str = "live", kind: str = "note", tenant: str = "acme") -> Run:
    made = run_of(
        execution(mode=mode, tenant_id=tenant, tool_type="jira", ticket_ref="1"), outcome={"kind": kind}, triggers=[]
    )
    preferences = {} if share is None else {"worth": {"hold_out_share": share}}
    config = TenantConfig(tenant_id=tenant, name="Acme", tool_type="jira", enhancement_preferences=preferences)
    return replace(made, tenant=config, journal=cast(Journal, Steps()))


def held(share: int, *, key: bytes = KEY, tenant: str = "acme") -> set[int]:
    one = run(tenant=tenant)
    return {number for number in range(2_000) if is_held_out(key, one, ticket(id=str(number)), share)}


def test_as_many_are_held_out_as_was_said_and_a_greater_share_only_adds() -> None:
    ten, thirty = held(10), held(30)
    assert len(ten) == pytest.approx(200, abs=45)
    assert len(thirty) == pytest.approx(600, abs=70)
    assert ten < thirty
    assert held(0) == set()
    assert held(10) == ten, "the same each time"


def test_neither_another_key_nor_another_tenant_draws_the_same() -> None:
    assert len(held(30) & held(30, key=b"other")) < 300
    assert len(held(30) & held(30, tenant="globex")) < 300


@pytest.mark.parametrize("stored", [None, {}, {"worth": None}, {"worth": {"hold_out_share": 51}}, {"worth": [20]}])
def test_what_is_no_share_holds_nothing_out(stored: Any) -> None:
    assert worth_rules(stored) == WorthRules(hold_out_share=0)
    assert worth_rules({"worth": {"hold_out_share": 50}}).hold_out_share == 50


@pytest.fixture
async def hold_out(clean_db: Database, make_tenant: Any) -> HoldOut:
    await make_tenant("acme")
    return HoldOut(clean_db, KEY)


async def test_both_who_are_held_out_and_who_are_not_stand_in_the_journal(hold_out: HoldOut) -> None:
    ends = {}
    for number in range(12):
        one = run()
        filed = ticket(id=str(number), company=Company(id="7", name="Nordwind"))
        ends[number] = await hold_out.end(one, HANDS, filed)
        [step] = cast(Steps, one.journal).kept
        assert (step["name"], step["key"], step["kind"], step["owed"]) == ("hold_out", "hold_out", "compute", True)
        assert step["input"] == {"share": 50}
        assert step["output"] == {"held": ends[number] is not None, "company": {"id": "7", "name": "Nordwind"}}
    gone = [end for end in ends.values() if end is not None]
    assert 0 < len(gone) < 12
    output = gone[0].output or {}
    assert gone[0].status is ExecutionStatus.COMPLETED
    assert (output["note"], output["not_written_code"]) == (None, HELD_OUT)
    assert "one of the 50 in 100 that get no note" in output["not_written"]


async def test_runs_that_draw_no_lot_leave_no_trace_of_one(hold_out: HoldOut) -> None:
    begun, waited, asked = run(), run(), run()
    cast(Steps, begun.journal).begun_writes = frozenset({NOTE_KEY})
    waited = replace(waited, waited=timedelta(hours=1))
    trigger = UUID(int=9)
    asked.version.triggers = [{"id": str(trigger), "note_word": "deskhand"}]
    asked = replace(asked, execution=replace(asked.execution, trigger_id=trigger))
    others = [
        *(run(0), run(None), run(mode="dry_run"), run(kind=OutcomeKind.REPLY.value)),
        *(run(kind=OutcomeKind.FIELDS.value), begun, waited, asked),
    ]
    for one in others:
        for number in range(6):
            assert await hold_out.end(one, HANDS, ticket(id=str(number))) is None
        assert cast(Steps, one.journal).kept == []
    mute = cast(DeskHands, SimpleNamespace(may=lambda _operation: False))
    assert await hold_out.end(run(), mute, ticket()) is None


async def share_of(product: Product, customer: Customer, share: int) -> None:
    body = {"enhancement_preferences": {"worth": {"hold_out_share": share}}}
    answer = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=body)
    assert answer.is_success, answer.text


async def event(product: Product, customer: Customer, ticket_id: str, name: str) -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id, delivery_id=f"{name}-{ticket_id}")
    return await product.ended(customer, answer.json()["execution_id"])


async def test_a_held_out_ticket_stays_so_until_somebody_asks(product: Product) -> None:
    customer = await product.customer(outcome={"kind": "note", "nothing_found": "say"})
    await share_of(product, customer, 40)
    await product.start_worker()
    key = SecretBox(product.keys).derive("hold-out")
    drawn: dict[bool, str] = {}
    while len(drawn) < 2:
        ticket_id = await product.desk.file_ticket("Coffee machine hums", "In B flat.")
        one = ticket(tool_type="servicedesk_plus", id=ticket_id)
        drawn.setdefault(is_held_out(key, run(), one, 40), ticket_id)
    kept, noted = drawn[True], drawn[False]

    first = await event(product, customer, kept, "created")
    assert (first["status"], first["note"], first["not_written_code"]) == ("completed", None, HELD_OUT)
    assert product.model.chats == [], "no model is asked"
    assert (await event(product, customer, noted, "created"))["note"]
    assert len(product.model.chats) > 0

    # A smaller share, or one of a hundred, changes nothing for tickets that have drawn.
    await share_of(product, customer, 1)
    again = await event(product, customer, kept, "updated")
    assert again["not_written_code"] == HELD_OUT
    assert await product.desk.notes(kept) == []
    page = await customer.client.get(f"/api/v1/tickets/servicedesk_plus/{kept}")
    assert "get no note, drawn by lot" in page.text, "whoever looks at the ticket reads why"

    replay = await customer.client.post(f"/api/v1/executions/{first['id']}/replay", json={"mode": "live"})
    asked = await product.ended(customer, replay.json()["id"])
    assert asked["note"]
    assert len(await product.desk.notes(kept)) == 1
    month = f"{asked['queued_at']:.7}"
    told = (await customer.client.get("/api/v1/reports/worth", params={"month": month})).json()
    assert told["hold_out_share"] == 1
    with_notes, held_out = told["total"]["groups"]
    assert (with_notes["tickets"], held_out["tickets"], held_out["noted"]) == (1, 1, 1)
