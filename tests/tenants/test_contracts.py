"""Contracts: which one a company is served under, and what cannot be told apart."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deskhand.tenants.contracts import Contract, contract_for, contracts_of
from deskhand.tenants.schemas import EnhancementPreferences

CONTRACTS = [Contract(number="C-1", company=["17", "nordwind LTD"]), Contract(number="C-2", company=["17", "18"])]
REST = Contract(number="REST")


@pytest.mark.parametrize(
    ("company", "name", "number"),
    [
        ("17", "Seventeen", "C-1"),
        ("99", "Nordwind Ltd", "C-1"),
        ("18", None, "C-2"),
        ("19", "Elsewhere", ""),
        (None, None, ""),
    ],
)
def test_the_first_that_names_a_company_holds(company: str | None, name: str | None, number: str) -> None:
    assert contract_for(CONTRACTS, company, name) == number
    assert contract_for([REST, *CONTRACTS], company, name) == (number or "REST")


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([{"number": "C"}, {"number": "D"}], "only one contract may leave out its companies"),
        ([{"number": "C", "company": ["a"]}, {"number": " C"}], "stands there twice"),
        ([{"number": " "}], "at least 1 character"),
        ([{"number": "C", "company": []}], "at least 1 item"),
    ],
)
def test_contracts_that_cannot_be_told_apart_are_refused(some: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EnhancementPreferences.model_validate({"contracts": some})


def test_what_else_stands_under_the_name_is_no_contract() -> None:
    assert contracts_of({"contracts": "C-1"}) == contracts_of({"contracts": [{"no": 1}]}) == contracts_of(None) == []
    assert contracts_of({"contracts": [{"number": "C"}]}) == [Contract(number="C")]
