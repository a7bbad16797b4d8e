"""The tenant's word on tickets of monitoring: a rule counts where the desk says enough, and cannot be lost."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.runs import ticket

from deskhand.errors import ConfigurationError
from deskhand.plugins.contract import Person
from deskhand.tenants.boundaries import NO_BOUNDARIES
from deskhand.tenants.machine_rules import MachineRule, machine_rules, rule_about
from deskhand.tenants.traits import Knowledge, Trait, whole

NAGIOS = {"name": "Nagios", "requester": ["nagios@example.com"]}
CLOUD = {"name": "Cloud", "form": ["Alert"], "speak": "once", "quiet_hours": 12}
RULES = machine_rules({"machines": [NAGIOS, CLOUD]})


def test_rules_are_read_as_they_are_stored() -> None:
    assert [(rule.name, rule.speak, rule.quiet_hours) for rule in RULES] == [
        ("Nagios", "silent", 24),
        ("Cloud", "once", 12),
    ]
    assert machine_rules(None) == machine_rules({}) == ()
    for broken in ("all", [{"name": "x"}], [{**NAGIOS, "speak": "twice"}]):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            machine_rules({"machines": broken})


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (ticket(requester=Person(email="Nagios@example.com")), "Nagios"),
        (ticket(kinds=("7", "alert")), "Cloud"),
        (ticket(kinds=("7", "alert"), requester=Person(email="nagios@example.com")), "Nagios"),
        (ticket(requester=Person(email="ada@example.com")), None),
        # Where nobody can tell, it is a person's: people wait for an answer, and machines do not.
        (ticket(requester=Person(id="9")), None),
        (ticket(kinds=("7",)), None),
    ],
    ids=["by its sender", "by its form", "the first rule", "a person's", "a hidden address", "a form without a name"],
)
def test_a_ticket_is_a_machines_where_that_is_sure(about: Any, name: str | None) -> None:
    rule = rule_about(RULES, NO_BOUNDARIES.of_ticket(about))
    assert (rule.name if rule else None) == name


@pytest.mark.parametrize(
    "wrong", [{}, {"quiet_hours": 0}, {"quiet_hours": 721}, {"speak": "loud"}, {"effect": "local"}]
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(wrong: dict[str, Any]) -> None:
    condition = {"tags": ["alert"]} if wrong else {}
    with pytest.raises(ValidationError):
        MachineRule.model_validate({"name": "x", **condition, **wrong})


def test_what_is_known_of_a_trait_has_three_answers() -> None:
    assert whole("A", None).any_of(["a"]) is True
    assert whole().any_of(["a"]) is False
    assert Trait().any_of(["a"]) is None
    ids = Trait(("42",), Knowledge.IDS)
    assert [ids.any_of([word]) for word in ("42", "43", "Alert")] == [True, False, None]
    assert ids.any_of(["43", "Alert"]) is None
    assert whole("ada@x.test").any_of(["@x.test"]) is True
    assert whole("ada@sub.x.test").any_of(["@x.test"]) is False
