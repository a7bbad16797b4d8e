"""What a tenant keeps from models: its setting over the API and in the console, and what counts where it is broken."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.kit.masking.kinds import MaskKind
from deskhand.tenants.preferences.sections import PRIVACY
from deskhand.tenants.privacy_rules import EVERYTHING, MaskedKinds, PrivacyRules, privacy_rules
from deskhand.tenants.schemas import EnhancementPreferences

USUAL = {MaskKind.SECRET, MaskKind.CARD, MaskKind.IBAN}


def test_every_kind_has_a_setting_and_a_box() -> None:
    kinds = {kind.value for kind in MaskKind}
    assert set(MaskedKinds.model_fields) == kinds
    assert {box.path[-1] for box in PRIVACY.boxes} == kinds
    assert EVERYTHING.kinds == set(MaskKind)


@pytest.mark.parametrize(
    ("preferences", "kinds"),
    [
        (None, USUAL),
        ({}, USUAL),
        ({"privacy": {}}, USUAL),
        ({"privacy": {"mask": {"mail": True}}}, USUAL | {MaskKind.MAIL}),
        ({"privacy": {"mask": dict.fromkeys(("secret", "card", "iban"), False)}}, set()),
        # Of another version, or written past us: nobody takes it for less than it was.
        ({"privacy": {"mask": {"shoe_size": True}}}, set(MaskKind)),
        ({"privacy": "yes"}, set(MaskKind)),
    ],
)
def test_what_is_stored_and_what_it_means(preferences: dict[str, Any] | None, kinds: set[MaskKind]) -> None:
    assert privacy_rules(preferences).kinds == kinds


def test_the_boxes_show_what_counts() -> None:
    stored = EnhancementPreferences(privacy=PrivacyRules(mask=MaskedKinds(mail=True, card=False))).model_dump()
    assert {box.path[-1] for box in PRIVACY.boxes if box.value_in(stored)} == {"secret", "iban", "mail"}
    assert {box.path[-1] for box in PRIVACY.boxes if box.value_in({})} == {"secret", "card", "iban"}
