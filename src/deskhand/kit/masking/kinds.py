"""Which kinds of values are kept from models. Pure; the API reads it for its schema."""

from __future__ import annotations

from enum import StrEnum


class MaskKind(StrEnum):
    """One kind of value, in the order in which a text that is two of them counts as the first."""

    SECRET = "secret"  # noqa: S105  (the word)
    CARD = "card"
    IBAN = "iban"
    MAIL = "mail"
    IP = "ip"
    PHONE = "phone"
    NAME = "name"


ORDER = {kind: place for place, kind in enumerate(MaskKind)}
WORDS = {
    MaskKind.SECRET: "secret",
    MaskKind.CARD: "card number",
    MaskKind.IBAN: "account number",
    MaskKind.MAIL: "mail address",
    MaskKind.IP: "IP address",
    MaskKind.PHONE: "phone number",
    MaskKind.NAME: "name",
}
