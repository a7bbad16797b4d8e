"""``kill -9`` around the last look: where a technician was faster, no answer goes out, and one note stands for it."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.product import Product
from tests.work.test_standing_back import answering, instead, meanwhile, speak, technician

pytestmark = pytest.mark.chaos

# Killed while the withheld words become a note; the technician had answered before the look.
WITHHELD: dict[str, dict[str, Any]] = {
    "before the look is kept": {"statement": "end_step", "when": "before", "step": "last_look:"},
    "before the note": {"statement": "begin_step", "when": "before", "step": "add_note:instead"},
    "over the note": {"statement": "begin_step", "when": "after", "step": "add_note:instead"},
    "after the note": {"statement": "end_step", "when": "before", "step": "add_note:instead"},
}
# Killed between the look and the answer; the technician answers over the dead worker.
OVERTAKEN: dict[str, dict[str, Any]] = {
    "before the intent": {"statement": "begin_step", "when": "before", "step": "reply:"},
    "after the intent": {"statement": "begin_step", "when": "after", "step": "reply:"},
}


@pytest.mark.parametrize("moment", {**WITHHELD, **OVERTAKEN})
async def test_no_answer_comes_after_a_technicians_and_one_note_stands_for_it(
    product: Product, worker_process: StartProcess, moment: str
) -> None:
    customer = await answering(product, product.desk)
    ticket_id = await product.desk.file_ticket()
    person = technician(product.desk)
    if moment in WITHHELD:
        product.model.script = meanwhile(lambda: speak(product.desk, ticket_id, person))
    victim = await worker_process(stale_after=60.0, **(WITHHELD | OVERTAKEN)[moment])
    execution_id = (await product.deliver(customer, ticket_id)).json()["execution_id"]
    assert await victim.wait() == -signal.SIGKILL
    if moment in OVERTAKEN:
        speak(product.desk, ticket_id, person)
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, execution_id)
    assert (run["status"], "meanwhile; nothing was sent" in run["not_written"]) == ("completed", True), run
    notes = await product.desk.notes(ticket_id)
    assert [note["public"] for note in instead(notes)] == [False]
    assert len(notes) == 2, "the technician's and the one note"


async def test_an_answer_that_was_there_before_its_worker_died_is_no_persons(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await answering(product, product.desk)
    ticket_id = await product.desk.file_ticket()
    victim = await worker_process(stale_after=60.0, statement="end_step", when="before", step="reply:")
    execution_id = (await product.deliver(customer, ticket_id)).json()["execution_id"]
    assert await victim.wait() == -signal.SIGKILL
    speak(product.desk, ticket_id, technician(product.desk))
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["not_written"]) == ("completed", None), run
    notes = await product.desk.notes(ticket_id)
    assert [note["public"] for note in notes] == [True, True]
    assert instead(notes) == []
