"""A digest's worker is killed at every moment that matters: the mail goes out once, or a person is asked."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.digest import assert_digest, fire, mailing, reporting, searching, two_desks
from tests.support.mail import Mailbox, running_mailbox
from tests.support.product import Product

pytestmark = pytest.mark.chaos


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with running_mailbox() as box:
        yield box


@pytest.mark.parametrize("moment", [
    {"statement": "end_step", "when": "after", "step": "search_tickets"},
    {"statement": "end_step", "when": "before", "step": "model"},
    {"statement": "begin_step", "when": "before", "step": "send_mail"},
    {"statement": "end_step", "when": "after", "step": "send_mail"},
])  # fmt: skip
async def test_killed_in_the_middle_the_digest_is_mailed_once(
    product: Product,
    mailbox: Mailbox,
    worker_process: StartProcess,
    moment: dict[str, str],
) -> None:
    customer, shown = await two_desks(product, mailbox, outcome={"kind": "report"})
    product.model.script = searching(mailing)
    execution_id = await fire(product, customer)
    victim = await worker_process(stale_after=60.0, **moment, execution=execution_id)
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["attempt"]) == ("completed", 2), run
    assert_digest(mailbox, shown, subject="New tickets")


async def test_killed_between_the_servers_yes_and_our_journal_a_person_is_asked_and_no_second_mail_goes_out(
    product: Product,
    mailbox: Mailbox,
    worker_process: StartProcess,
) -> None:
    customer, shown = await two_desks(product, mailbox)
    product.model.script = searching(reporting)
    execution_id = await fire(product, customer)
    victim = await worker_process(
        stale_after=60.0, statement="end_step", when="before", step="send_mail", execution=execution_id
    )
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, execution_id)
    assert (run["status"], run["error_code"]) == ("waiting", "in-doubt"), run
    assert_digest(mailbox, shown, subject=r"Night digest of \d{4}-\d\d-\d\d")
    assert mailbox.mails[0]["Message-ID"] in run["error_message"]
    answer = {"step_key": run["question"]["step_key"], "done": True}
    settled = await customer.client.post(f"/api/v1/executions/{execution_id}/answer", json=answer)
    assert settled.is_success, settled.text
    run = await product.ended(customer, execution_id)
    assert run["status"] == "completed", run
    assert len(mailbox.mails) == 1
