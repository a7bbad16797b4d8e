"""A tenant's boundaries: which rule is about a ticket, told by what its event, its record or a stored row says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.runs import ticket

from deskhand.errors import ConfigurationError
from deskhand.plugins.contract import Company, Person, Ticket, TicketMetadata
from deskhand.tenants.boundaries import Boundaries, Boundary, Effect, stored_rules
from deskhand.tenants.traits import CONDITIONS

NAMES = {("zendesk", "42"): "Contoso", ("zendesk", "43"): "Nordwind"}
WHOLE = ticket(
    tool_type="jira",
    company=Company(id="42", name="Contoso"),
    group="People & Culture",
    category="Network, Access",
    kinds=("10001", "Incident"),
    tags=("vip-room", "hr"),
    requester=Person(id="u1", email="Ada@HR.example.com", is_vip=True),
    custom={"cf_1": {"id": "7", "name": "Payroll"}, "udf_fields": {"udf_pick_1": "Secret"}, "cf_2": [True]},
)


def rules(**condition: Any) -> Boundaries:
    return Boundaries((Boundary(name="r", **condition),), NAMES)


def of_ticket(one: Ticket, *, is_listed: bool = False, **condition: Any) -> bool | None:
    known = rules(**condition)
    return known.rules[0].fits(known.of_ticket(one, is_listed=is_listed))


def of_event(about: TicketMetadata, field: str | None = None, **condition: Any) -> bool | None:
    known = rules(**condition)
    return known.rules[0].fits(known.of_event(about, field))


FITTING: list[dict[str, Any]] = [
    {"desk": ["JIRA"]},
    {"company": ["contoso"]},
    {"company": ["42"]},
    {"group": ["other", "people & culture"]},
    {"category": ["access"]},
    {"form": ["incident"]},
    {"form": ["10001"]},
    {"tags": ["HR"]},
    {"words": ["legal", "people"]},
    {"words": ["VIP room"]},
    {"requester": ["ada@hr.example.com"]},
    {"requester": ["@hr.example.com"]},
    {"requester": ["u1"]},
    {"custom": {"cf_1": ["payroll"], "CF_2": ["true"]}},
    {"custom": {"udf_pick_1": ["secret"]}},
    {"vip": True},
    {"group": ["People & Culture"], "company": ["Contoso"]},
]


@pytest.mark.parametrize("condition", FITTING, ids=str)
def test_a_rule_is_about_a_ticket_that_fits_each_of_its_conditions(condition: dict[str, Any]) -> None:
    assert of_ticket(WHOLE, **condition) is True
    assert of_ticket(WHOLE, **{**condition, "tags": ["elsewhere"]}) is False
    other = ticket(tool_type="servicenow", requester=Person(id="u2", email="bo@example.com", is_vip=False))
    assert of_ticket(other, **condition) is False
    assert {name for one in FITTING for name in one} == set(CONDITIONS)


def test_what_is_not_known_is_left_open_and_taken_for_so_by_who_has_read_the_ticket() -> None:
    nameless = ticket(company=Company(id="77", name="77"), requester=Person(id="9"))
    assert of_ticket(nameless, company=["Contoso"]) is None, "the desk shows no name"
    assert of_ticket(nameless, company=["42"]) is False
    assert of_ticket(nameless, requester=["@example.com"]) is None, "nor an address"
    assert of_ticket(nameless, requester=["10"]) is False
    assert of_ticket(nameless, vip=True) is False, "a desk without the mark has no VIP"
    for unlisted in ({"custom": {"cf_1": ["x"]}}, {"vip": True}):
        assert of_ticket(ticket(requester=Person(id="9")), is_listed=True, **unlisted) is None
    known = rules(company=["Contoso"])
    traits = known.of_ticket(nameless)
    assert known.why_silent(traits, openly=True) is None
    assert "does not say enough" in str(known.why_silent(traits))


def test_words_are_looked_for_whole_in_every_name_that_says_what_a_ticket_is_about() -> None:
    def says(one: Ticket, *words: str) -> bool | None:
        return of_ticket(one, words=list(words))

    assert says(ticket(group="HR Operations"), "hr") is True
    assert says(ticket(category="Access, Human  Resources"), "human resources") is True
    assert says(ticket(kinds=("10001", "Legal hold")), "Legal") is True
    assert says(ticket(tags=("sec_incident",)), "INCIDENT") is True
    assert says(ticket(group="HRS", subject="HR", tags=("chris",)), "hr", "h") is False, "a part is no word"
    # A form of which its desk shows a number alone has no name; a list of such tickets is not read one by one.
    assert says(ticket(kinds=("360",), group="Network"), "hr") is False
    assert of_ticket(ticket(kinds=("360",)), words=["hr"], is_listed=True) is False
    said = {"tool_type": "zendesk", "ticket_id": "1"}
    assert of_event(TicketMetadata(**said), words=["HR"]) is None
    assert of_event(TicketMetadata(**said, group="Network", kinds=("360",), tags=()), words=["HR"]) is None
    assert of_event(TicketMetadata(**said, group="HR Operations"), words=["HR"]) is True
    assert rules(words=["HR"]).asks_desks is True
    for nothing in ([], [" "], ["&/_"]):
        with pytest.raises(ValidationError):
            rules(words=nothing)


def test_an_event_decides_as_far_as_it_says_enough() -> None:
    def event(**said: Any) -> TicketMetadata:
        return TicketMetadata(tool_type="zendesk", ticket_id="1", **said)

    assert of_event(event(), company=["Contoso"]) is None
    assert of_event(event(companies={}), company=["Contoso"]) is False
    contoso = {"organization_id": Company(id="42", name="42")}
    assert of_event(event(companies=contoso), company=["Contoso"]) is True, "known by the desk's earlier word"
    assert of_event(event(companies=contoso), company=["Nordwind"]) is False
    strange = {"organization_id": Company(id="99", name="99")}
    assert of_event(event(companies=strange), company=["Contoso"]) is None
    both = {"site": Company(id="1", name="Contoso"), "account": None}
    assert of_event(event(companies=both), "account", company=["Contoso"]) is False
    assert of_event(event(companies=both), "site", company=["Contoso"]) is True
    assert of_event(event(companies=both), "branch", company=["Contoso"]) is None
    assert [of_event(event(group_id=one), group=["5"]) for one in ("5", "6", "", None)] == [True, False, False, None]
    assert of_event(event(group_id="5"), group=["HR"]) is None
    assert of_event(event(group="HR"), group=["hr"]) is True
    assert of_event(event(kinds=("360",)), form=["360"]) is True
    assert of_event(event(kinds=("360",)), form=["HR"]) is None
    assert of_event(event(tags=("a",)), tags=["hr"]) is False
    assert of_event(event(requester_email="a@b.test"), requester=["@b.test"]) is True
    assert of_event(event(), requester=["@b.test"]) is None
    assert of_event(event(custom={"x": "1"}), custom={"x": ["1"], "y": ["1"]}) is None
    assert of_event(event(is_vip=True), vip=True) is True
    assert of_event(event(), vip=True) is None


def test_a_stored_row_answers_for_company_tags_and_category() -> None:
    def row(**said: Any) -> bool | None:
        known = Boundaries((Boundary(name="r", company=["Contoso"]),), NAMES)
        return known.rules[0].fits(
            known.of_row({"tool_type": "zendesk", "company_id": None, "company_name": None} | said)
        )

    assert row(company_id="42") is True
    assert row(company_id="=contoso", company_name="Contoso") is True
    assert row(company_id="43") is False
    assert row() is False
    assert rules(company=["x"]).asks_desks is False
    assert rules(group=["x"]).asks_desks is True
    assert rules(tags=["x"]).digest != rules(tags=["y"]).digest


def test_the_first_certain_rule_of_an_effect_decides() -> None:
    known = Boundaries(
        (
            Boundary(name="maybe", company=["Contoso"]),
            Boundary(name="care", effect=Effect.APPROVE, tags=["hr"]),
            Boundary(name="sure", tags=["hr"]),
        )
    )
    traits = known.of_ticket(ticket(company=Company(id="77", name="77"), tags=("hr",)))
    decision = known.decide(traits, Effect.SILENCE)
    assert decision is not None
    assert (decision.rule.name, decision.is_certain) == ("sure", True)
    local = known.decide(traits, Effect.LOCAL)
    assert local is None


@pytest.mark.parametrize(
    "wrong", [{}, {"company": []}, {"tags": None}, {"tags": ["x"], "effect": "loud"}, {"custom": {}}, {"grop": ["x"]}]
)
def test_a_rule_says_what_it_is_about(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Boundary.model_validate({"name": "r", **wrong})


def test_rules_that_cannot_be_read_are_not_taken_for_none() -> None:
    assert stored_rules(None) == stored_rules({}) == ()
    with pytest.raises(ConfigurationError):
        stored_rules({"boundaries": "everything"})
