"""Under which contract a client company is served, so that what its tickets cost can be charged to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from deskhand.kit.schema import InputModel
from deskhand.tenants.traits import Labels, whole

MOST_CONTRACTS = 200


class Contract(InputModel):
    """One contract: for some client companies or, without one, for everything else."""

    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = Field(
        description="As your books call it; it stands in each row of the file."
    )
    company: Labels | None = Field(
        None,
        description="Client companies that are served under it, by name or by the desk's id. Left out, everything that"
        " no other contract is about; runs without a ticket, too.",
    )


def check_contracts(contracts: list[Contract]) -> list[Contract]:
    """Refuse numbers that stand twice, and a second contract for everything else.

    Raises:
        ValueError: Says which.
    """
    twice = [number for number, times in Counter(one.number for one in contracts).items() if times > 1]
    if twice:
        raise ValueError(f"the contract '{twice[0]}' stands there twice; name all its companies in one")
    if sum(one.company is None for one in contracts) > 1:
        raise ValueError("only one contract may leave out its companies, and stand for everything else")
    return contracts


Contracts = Annotated[
    list[Contract],
    AfterValidator(check_contracts),
    Field(
        max_length=MOST_CONTRACTS,
        description="Under which contract client companies are served: what the chargeback is added up by.",
    ),
]
_CONTRACTS = TypeAdapter(Contracts)


def contracts_of(preferences: Mapping[str, Any] | None) -> list[Contract]:
    """The contracts as they are stored; where something else stands under that name, none."""
    try:
        return _CONTRACTS.validate_python((preferences or {}).get("contracts") or [])
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return []


def contract_for(contracts: Sequence[Contract], company_id: str | None, name: str | None) -> str:
    """The number of the contract under which a company is served, the first that names it; empty where none is.

    Args:
        contracts: The tenant's, in their order.
        company_id: The desk's own id of the company; None where nobody names one.
        name: What the desk calls it.
    """
    known = whole(company_id, name)
    named = next((one for one in contracts if one.company is not None and known.any_of(one.company)), None)
    usual = next((one for one in contracts if one.company is None), None)
    found = named or usual
    return found.number if found else ""
