"""Two client companies in one desk with nearly equal tickets: nothing of one is found, shown or written for the other.

The scripted model asks for everything by every tool it has, with the widest scope there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.desks import DESKS
from tests.support.product import Customer, Desk, Product, until

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.importer import CompanyOf
from deskhand.simulators.jira import world as jira
from deskhand.simulators.models import Reply, obliging
from deskhand.simulators.servicedesk_plus import wire as servicedesk_plus
from deskhand.simulators.servicenow import schema
from deskhand.simulators.servicenow import tables as servicenow
from deskhand.simulators.zendesk import wire as zendesk

OWN, FOREIGN, EVERYBODYS = "nordwind-canary", "suedwerk-canary", "shared-canary"
NOBODYS = "nobodys-canary"
SUBJECT, TEXT = "VPN drops after the update", "AnyConnect drops the VPN every ten minutes."
OF_COMPANY = {OWN: "Nordwind", FOREIGN: "Suedwerk", EVERYBODYS: "", NOBODYS: ""}
KNOWLEDGE = ["search_past_tickets", "search_articles", "read_article", "find_systems"]
READS = {name: {"scope": "any"} for name in ("get_ticket", "list_notes")}


async def know(product: Product, tenant_id: str, folder: Path) -> None:
    """A past ticket, an article and a system of each company, one of everybody's, and one that names nobody."""
    rows = [(canary, company, canary == EVERYBODYS) for canary, company in OF_COMPANY.items()]
    tickets = [
        {
            **{"ticket_id": f"OLD-{place}", "subject": SUBJECT, "description": f"{TEXT} {canary}"},
            **{"resolution": f"Updated the client of {canary}.", "company": company, "shared": shared},
        }
        for place, (canary, company, shared) in enumerate(rows)
    ]
    articles = [
        {
            **{"article_id": f"KB-{place}", "title": "VPN drops after the update", "company_name": company},
            **{"body": f"{TEXT} Update AnyConnect. {canary}", "shared": shared},
        }
        for place, (canary, company, shared) in enumerate(rows)
    ]
    systems = [
        {"hostname": f"vpn-gate{place}", "role": canary, "client": company, "shared": shared}
        for place, (canary, company, shared) in enumerate(rows)
    ]
    for name, content in (("tickets", tickets), ("articles", articles), ("systems", systems)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    await knowledge.import_tickets(product.db, tenant_id, folder / "tickets.json", embedder=LexicalOnly())
    await knowledge.import_articles(product.db, tenant_id, folder / "articles.json", embedder=LexicalOnly())
    await knowledge.import_systems(product.db, tenant_id, folder / "systems.json")


def told(body: Mapping[str, Any]) -> int:
    return sum(message["role"] == "tool" for message in body["messages"])


def curious(foreign: Mapping[str, str], meanwhile: Callable[[], None] = lambda: None) -> Callable[[Any], Reply]:
    """A model that asks for everything once and then answers."""
    hosts = " ".join(f"vpn-gate{place}" for place in range(len(OF_COMPANY)))

    def script(body: Mapping[str, Any]) -> Reply:
        if told(body):
            meanwhile()
            return obliging(body)
        calls = [
            ("search_past_tickets", {"query": SUBJECT, "limit": 20}),
            ("search_articles", {"query": SUBJECT, "limit": 10}),
            *(("read_article", {"source": f"article:KB-{place}"}) for place in range(len(OF_COMPANY))),
            ("find_systems", {"text": hosts}),
            ("search_tickets", {"text": "VPN", "limit": 50}),
            *(("get_ticket", {"ticket_id": ref}) for ref in foreign.values()),
            ("list_notes", {"ticket_id": foreign["id"]}),
        ]
        offered = {tool["function"]["name"] for tool in body.get("tools", [])}
        return Reply(tool_calls=tuple(call for call in calls if call[0] in offered))

    return script


async def company_desk(
    product: Product, tool: str, folder: Path, **tenant: Any
) -> tuple[Customer, Desk, Mapping[str, str]]:
    """A tenant whose desk serves both, with a live ticket of Suedwerk and an agent that may read everything."""
    desk = await product.open_desk(tool)
    customer = await product.customer(
        tool.replace("_", "-"),
        desk=desk,
        tool_ids=[tool, "knowledge"],
        tool_operations={tool: {**READS, "add_note": "allow", "search_tickets": "allow"}, "knowledge": KNOWLEDGE},
    )
    if tenant:
        changed = await customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=tenant)
        assert changed.is_success, changed.text
    await know(product, customer.tenant_id, folder)
    ticket_id = await desk.file_ticket(SUBJECT, f"{TEXT} {FOREIGN}", company="Suedwerk")
    number = desk.simulator.store.tickets[ticket_id].display_id
    await product.point_desk_at(customer)
    return customer, desk, {"id": ticket_id, "number": number}


async def run_on_new(product: Product, customer: Customer, desk: Desk, **fields: str) -> tuple[dict[str, Any], str]:
    """The run of a new ticket, ended, and everything that it showed to anybody, as one text."""
    begun = len(product.model.chats)
    ticket_id = await desk.file_ticket(SUBJECT, f"{TEXT} It is vpn-gate0 or vpn-gate1.", **fields)

    async def started() -> list[dict[str, Any]]:
        items = (await customer.client.get("/api/v1/executions")).json()["items"]
        return [one for one in items if one["ticket_ref"] == ticket_id]

    (first, *_) = await until(started)
    run = await product.ended(customer, str(first["id"]))
    assert run["status"] == "completed", run
    shown = [run, await desk.notes(ticket_id), [chat.body for chat in product.model.chats[begun:]]]
    return run, json.dumps(shown)


LISTS = ("/api/v1/executions", "/api/v1/tickets", "/api/v1/knowledge/history", "/api/v1/knowledge/articles",
         "/executions", "/tickets", "/knowledge/history", "/knowledge/articles", "/knowledge?q=VPN")  # fmt: skip


async def sees_its_own_alone(
    product: Product, customer: Customer, run: dict[str, Any], foreign: Mapping[str, str]
) -> None:
    """A key that is limited to the run's company is shown the run, and nothing of another company anywhere."""
    [company] = await product.rows(
        "SELECT tool_type, company_id FROM desk_companies WHERE name = 'Nordwind' AND company_id NOT LIKE '=%'"
    )
    body = {"name": "portal", "role": "operator", "companies": [":".join(company)]}
    made = await customer.client.post(f"/api/v1/tenants/{customer.tenant_id}/api-keys", json=body)
    key = await product.client(made.json()["api_key"])
    [seen] = (await key.get("/api/v1/executions")).json()["items"]
    assert seen["id"] == run["id"]
    own = (
        f"/api/v1/executions/{run['id']}",
        f"/executions/{run['id']}",
        f"/tickets/{run['tool_type']}/{run['ticket_ref']}",
    )
    for path in (*LISTS, *own):
        shown = await key.get(path)
        assert shown.status_code == 200, f"{path}: {shown.text}"
        assert not canaries(shown.text) & {FOREIGN, NOBODYS}, path
        assert "Suedwerk" not in shown.text, path
    assert (await key.get(f"/api/v1/tickets/{run['tool_type']}/{foreign['id']}")).status_code == 404
    assert (await key.get("/api/v1/reports/costs/export")).status_code == 403


def canaries(text: str) -> set[str]:
    return {canary for canary in OF_COMPANY if canary in text}


@pytest.mark.parametrize("tool", DESKS)
async def test_what_belongs_to_one_company_is_never_shown_for_another(
    product: Product, tool: str, tmp_path: Path
) -> None:
    customer, desk, foreign = await company_desk(product, tool, tmp_path)
    product.model.script = curious(foreign)
    await product.start_worker()
    run, shown = await run_on_new(product, customer, desk, company="Nordwind")
    assert canaries(shown) == {OWN, EVERYBODYS}
    assert run["output_result"]["company"]["name"] == "Nordwind"
    assert "OLD-0" in run["note"]["markdown"]
    assert "OLD-1" not in run["note"]["markdown"]
    await sees_its_own_alone(product, customer, run, foreign)
    # Whose company nobody knows is shown what is everybody's, and no other ticket that names none.
    _, shown = await run_on_new(product, customer, desk)
    assert canaries(shown) == {EVERYBODYS}


async def test_a_desk_that_is_one_company_finds_all_of_its_own(product: Product, tmp_path: Path) -> None:
    """The control: the same curious model sees every canary where nobody is to be kept apart."""
    one = {"company_mapping": {"*": "one"}}
    customer, desk, foreign = await company_desk(product, "servicedesk_plus", tmp_path, **one)
    product.model.script = curious(foreign)
    await product.start_worker()
    _, shown = await run_on_new(product, customer, desk, company="Nordwind")
    assert canaries(shown) == set(OF_COMPANY)


async def test_a_ticket_that_goes_to_another_company_voids_what_was_found(product: Product, tmp_path: Path) -> None:
    customer, desk, foreign = await company_desk(product, "servicedesk_plus", tmp_path)

    def move() -> None:
        for ticket in desk.simulator.store.tickets.values():
            ticket.company = "Suedwerk"

    product.model.script = curious(foreign, meanwhile=move)
    await product.start_worker()
    run, _ = await run_on_new(product, customer, desk, company="Nordwind")
    [note] = await desk.notes(run["ticket_ref"])
    assert canaries(note["html"]) <= {FOREIGN, EVERYBODYS}
    assert "OLD-0" not in note["html"]
    assert "OLD-1" in note["html"]
    assert run["output_result"]["company"]["name"] == "Suedwerk"


def call_companies(monkeypatch: pytest.MonkeyPatch, desk: Desk, names: Mapping[str, str]) -> None:
    """The desk calls its companies otherwise; each keeps its id, unless two are one from now on."""
    for ticket in desk.simulator.store.tickets.values():
        ticket.company = names.get(ticket.company or "", ticket.company)
    ids = {"jira": jira.ORGANIZATIONS, "zendesk": zendesk.ORGANIZATIONS}.get(desk.tool_type)
    if ids is not None:
        before = dict(ids)
        for name in before:
            monkeypatch.delitem(ids, name)
        # Who keeps a name first: of two that are one from now on, it is that one.
        for name, number in sorted(before.items(), key=lambda one: names[one[0]] != one[0]):
            if names[name] not in ids:
                monkeypatch.setitem(ids, names[name], number)
    elif desk.tool_type == "servicedesk_plus":
        sites = tuple(names.get(name, name) for name in servicedesk_plus.LISTS["sites"])
        monkeypatch.setitem(servicedesk_plus.LISTS, "sites", sites)
    else:
        first = {new: old for old, new in reversed(names.items())}
        company_id = servicenow.company_id
        monkeypatch.setattr(servicenow, "company_id", lambda name: company_id(first.get(name, name)))
        monkeypatch.setattr(schema, "COMPANIES", tuple(first))


RENAMED = {
    "another name": {"Nordwind": "Nordwind AG", "Suedwerk": "Suedwerk"},
    # The name that the other one had: whoever went by names would show each the other's.
    "the other's name": {"Nordwind": "Suedwerk", "Suedwerk": "Suedwerk alt"},
}


@pytest.mark.parametrize("names", RENAMED.values(), ids=list(RENAMED))
@pytest.mark.parametrize("tool", DESKS)
async def test_a_company_that_is_called_otherwise_has_the_same_walls(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tool: str, names: Mapping[str, str]
) -> None:
    customer, desk, foreign = await company_desk(product, tool, tmp_path)
    product.model.script = curious(foreign)
    await product.start_worker()
    before, _ = await run_on_new(product, customer, desk, company="Nordwind")
    call_companies(monkeypatch, desk, names)
    run, shown = await run_on_new(product, customer, desk, company=names["Nordwind"])
    assert run["output_result"]["company"]["name"] == names["Nordwind"]
    assert run["output_result"]["company"]["id"] == before["output_result"]["company"]["id"]
    assert OWN in canaries(shown)
    assert not canaries(shown) & {FOREIGN, NOBODYS}


async def test_a_file_that_names_a_company_means_the_one_that_is_called_so_now(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    customer, desk, foreign = await company_desk(product, "jira", tmp_path)
    product.model.script = curious(foreign)
    await product.start_worker()
    await run_on_new(product, customer, desk, company="Nordwind")
    names = RENAMED["the other's name"]
    call_companies(monkeypatch, desk, names)
    await run_on_new(product, customer, desk, company=names["Nordwind"])
    rows = [{"ticket_id": "NEW-1", "subject": SUBJECT, "resolution": "Updated it.", "company": names["Nordwind"]}]
    (tmp_path / "new.json").write_text(json.dumps(rows))
    await knowledge.import_tickets(
        product.db, customer.tenant_id, tmp_path / "new.json", embedder=LexicalOnly(), tool_type="jira"
    )
    stored = await product.rows("SELECT company_id FROM ticket_history WHERE ticket_id = 'NEW-1'")
    assert [row["company_id"] for row in stored] == [jira.ORGANIZATIONS[names["Nordwind"]]] == ["1"]


@pytest.mark.parametrize("tool", DESKS)
async def test_what_was_known_of_a_company_that_went_into_another_stays_behind_its_wall(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tool: str
) -> None:
    customer, desk, _ = await company_desk(product, tool, tmp_path)
    # Of the live tickets the desk says whose they are; what is asked for here is what was known before.
    product.model.script = curious({"id": "none"})
    await product.start_worker()
    await run_on_new(product, customer, desk, company="Suedwerk")
    call_companies(monkeypatch, desk, {"Nordwind": "Nordwind", "Suedwerk": "Nordwind"})
    for ticket in desk.simulator.store.tickets.values():
        ticket.subject, ticket.description = "A thing of the past", ""
    run, shown = await run_on_new(product, customer, desk, company="Nordwind")
    assert canaries(shown) == {OWN, EVERYBODYS}
    assert "OLD-1" not in run["note"]["markdown"]


async def test_a_mapping_names_a_desk_and_one_of_two_words(product: Product) -> None:
    customer = await product.customer()
    path = "/api/v1/tenants/acme"
    stored = (await customer.client.get(path)).json()["company_mapping"]
    assert stored == {}
    for mapping, pointer in (
        ({"jria": "company"}, "/company_mapping/jria"),
        ({"jira": "both"}, "/company_mapping/jira"),
    ):
        refused = await customer.client.patch(path, json={"company_mapping": mapping})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == pointer
    changed = await customer.client.patch(path, json={"company_mapping": {"jira": "company", "*": "one"}})
    assert changed.json()["company_mapping"] == {"jira": "company", "*": "one"}


async def test_a_whole_file_can_be_one_companys_or_everybodys(product: Product, tmp_path: Path) -> None:
    customer = await product.customer()
    (tmp_path / "a.csv").write_text("hostname,client\nsrv-1,\nsrv-2,Suedwerk\n")
    for company in (CompanyOf(name="Nordwind"), CompanyOf(company_id="7"), CompanyOf(shared=True)):
        await knowledge.import_systems(product.db, customer.tenant_id, tmp_path / "a.csv", company=company)
        rows = await product.rows("SELECT company_id, tool_type, shared FROM system_inventory ORDER BY hostname")
        assert tuple(rows[1]) == ("=suedwerk", "servicedesk_plus", False)
        expected = company.company_id or ("=nordwind" if company.name else None)
        assert (rows[0]["company_id"], rows[0]["shared"]) == (expected, company.shared)
