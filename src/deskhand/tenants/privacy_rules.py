"""What of a tenant's tickets is kept from models that do not run in its own house."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.schema import InputModel


class MaskedKinds(InputModel):
    """By kind, whether its values are put behind placeholders before a model sees them, and back afterwards."""

    secret: bool = Field(True, description="Passwords, keys and tokens, as the log knows them.")
    card: bool = Field(True, description="Card numbers with a right check digit.")
    iban: bool = Field(True, description="Bank account numbers with right check digits.")
    mail: bool = Field(False, description="Mail addresses.")
    ip: bool = Field(False, description="IP addresses, but loopback and masks of networks.")
    phone: bool = Field(False, description="Phone numbers.")
    name: bool = Field(False, description="Names of people that stand in the ticket's own fields.")


class PrivacyRules(InputModel):
    """What is kept from models. Models in the tenant's or the operator's own house are shown everything."""

    mask: MaskedKinds = Field(default_factory=MaskedKinds, description="Which kinds of values are masked.")

    @property
    def kinds(self) -> frozenset[MaskKind]:
        """The kinds that are masked."""
        return frozenset(kind for kind in MaskKind if getattr(self.mask, kind.value))


EVERYTHING = PrivacyRules(mask=MaskedKinds(**{kind.value: True for kind in MaskKind}))


def privacy_rules(preferences: dict[str, Any] | None) -> PrivacyRules:
    """The rules as they are stored; where something else stands under that name, everything is masked."""
    stored = (preferences or {}).get("privacy")
    if stored is None:
        return PrivacyRules()
    try:
        return PrivacyRules.model_validate(stored)
    except ValidationError:
        # Whoever wrote it wanted something kept back; nobody may take it for less than it was.
        return EVERYTHING
