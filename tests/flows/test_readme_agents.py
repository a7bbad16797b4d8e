"""The README's example agents: its own lines, applied by its own command, run on simulators."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DatabaseUrls
from tests.support.digest import digest, fire, results, searching
from tests.support.logins import TENANT_KEY
from tests.support.mail import running_mailbox
from tests.support.product import Customer, Product
from typer.testing import CliRunner

from deskhand.cli import app as command_line
from deskhand.simulators.models import Reply

README = Path(__file__).parents[2] / "README.md"
SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"


def examples() -> list[str]:
    """The README's agents, as text."""
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if "kind: Agent\n" in block]


async def tenant(product: Product, **extras: Any) -> Customer:
    platform = await product.platform()
    body = {"tenant_id": "acme", "name": "Acme", **product.desk.tenant(), "connection_extras": extras}
    created = await platform.post("/api/v1/tenants", json=body)
    assert created.is_success, created.text
    key = (await platform.post("/api/v1/tenants/acme/api-keys", json={"name": "t", "role": "tenant_admin"})).json()
    return Customer("acme", await product.client(key["api_key"]), "", SECRET, key["api_key"], product.desk)


async def applied(product: Product, urls: DatabaseUrls, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """What ``deskhand apply`` says of the README's agents."""
    for number, example in enumerate(examples()):
        (folder / f"{number}.yaml").write_text(example, encoding="utf-8")
    environment = {
        "DESKHAND_DATABASE_URL": urls.app_url,
        "DESKHAND_DATABASE_PLATFORM_URL": urls.platform_url,
        "DESKHAND_TENANT_KEY": TENANT_KEY,
        "DESKHAND_ENCRYPTION_KEYS": product.keys[0],
        "DESKHAND_LLM_BASE_URL": product.model_url,
        "DESKHAND_LLM_API_KEY": product.gateway_key,
        "DESKHAND_ALLOW_PRIVATE_ADDRESSES": "true",
        "DESKHAND_DATA_DIR": str(folder / "data"),
        "ACME_WEBHOOK_SECRET": SECRET,
    }
    for name, value in environment.items():
        patch.setenv(name, value)
    command = ["apply", "-f", str(folder), "--yes", "--tenant", "acme"]
    result = await asyncio.to_thread(CliRunner().invoke, command_line, command)
    assert result.exit_code == 0, (result.output, result.exception, getattr(result.exception, "errors", ""))
    return result.output


def reporting(body: Mapping[str, Any]) -> Reply:
    return Reply(tool_calls=(("give_answer", {"report": digest(body)}),))


def sorting(body: Mapping[str, Any]) -> Reply:
    """A model that looks the groups up and takes the second of them."""
    told = results(body)
    if not told:
        return Reply(tool_calls=(("list_values", {"kind": "groups"}),))
    fields = {"priority": "high", "category": None, "group": told[0]["values"][1], "reason": "The whole floor."}
    return Reply(tool_calls=(("give_answer", fields),))


async def test_the_readmes_agents_run_from_its_text_alone(
    product: Product, database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(examples()) == 2
    async with running_mailbox() as mailbox:
        customer = await tenant(product, email=mailbox.settings("acme.example"))
        assert "2 to create" in await applied(product, database_urls, tmp_path, monkeypatch)
        agents = (await customer.client.get("/api/v1/agents")).json()["items"]
        by_name = {agent["name"]: agent["id"] for agent in agents if agent["status"] == "active"}
        await product.start_worker()

        filed = [await product.desk.file_ticket(f"New fault {number}") for number in range(3)]
        product.model.script = searching(reporting)
        run = await product.ended(customer, await fire(product, customer))
        assert run["status"] == "completed", run
        assert run["agent_id"] == by_name["Nine o'clock digest"]
        [mail] = mailbox.mails
        assert mail["To"] == "leads@acme.example"
        assert re.fullmatch(r"New tickets, \d{4}-\d\d-\d\d", mail["Subject"])
        numbers = [product.desk.simulator.store.tickets[ticket_id].display_id for ticket_id in filed]
        assert all(number in mail.get_content() for number in numbers)

        product.model.script = sorting
        customer.agent_id = by_name["Sort new tickets"]
        accepted = await product.deliver(customer, filed[0])
        assert accepted.status_code == 202, accepted.text
        run = await product.ended(customer, accepted.json()["execution_id"])
        assert run["status"] == "completed", run
        ticket = product.desk.simulator.store.tickets[filed[0]]
        assert (ticket.priority, ticket.group) == ("High", "Network")
        assert (await product.desk.effects(filed[0]))["updates"] == 1
