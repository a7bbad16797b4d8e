"""The masker of a run: by its tenant's rules, with the names of its ticket, and like that of no other run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from deskhand.kit.masking.kinds import MaskKind
from deskhand.llm.connection import GatewaySettings
from deskhand.plugins.contract import Note, Person, Ticket
from deskhand.tenants.models import TenantConfig
from deskhand.work.privacy import learn_people, masker_for
from deskhand.work.run import Run

TICKET = Ticket(
    tool_type="jira",
    id="1",
    display_id="1",
    subject="VPN",
    requester=Person(name="Anna Weber"),
    assignee=None,
    notes=(Note(id="1", body="", public=True, author=Person(name="Bob Marsh")),),
)


def tenant(**privacy: Any) -> TenantConfig:
    return TenantConfig(tenant_id="acme", enhancement_preferences={"privacy": privacy} if privacy else None)


def test_the_tenants_rules_decide_and_may_say_nothing() -> None:
    usual = masker_for(uuid4(), tenant(), b"k")
    assert usual.kinds == {MaskKind.SECRET, MaskKind.CARD, MaskKind.IBAN}
    nothing = {"secret": False, "card": False, "iban": False}
    assert masker_for(uuid4(), tenant(mask=nothing), b"k").kinds == frozenset()


def test_a_run_has_the_same_placeholders_in_each_attempt_and_shares_them_with_no_other() -> None:
    run, rules = uuid4(), tenant(mask={"mail": True})
    words = set()
    for ident, key in ((run, b"k"), (run, b"k"), (uuid4(), b"k"), (run, b"other")):
        words.add(masker_for(ident, rules, key).mask("anna@acme.test"))
    assert len(words) == 3


def test_the_people_of_a_ticket_are_learned() -> None:
    masker = masker_for(uuid4(), tenant(mask={"name": True}), b"k")
    learn_people(cast(Run, SimpleNamespace(gateway=GatewaySettings(masker=masker))), TICKET)
    assert "Anna" not in masker.mask("Anna asked Bob Marsh")
    assert "Bob" not in masker.mask("Anna asked Bob Marsh")
    # Where nothing is kept back there is nobody to tell.
    learn_people(cast(Run, SimpleNamespace(gateway=GatewaySettings())), TICKET)
