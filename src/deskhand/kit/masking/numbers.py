"""Numbers that say whose they are: bank accounts and cards by their check digits, phones by how they are written.

Pure. A pattern finds what may be one, in linear time and of bounded length; code says which part of it is. Such a part
ends where a group of digits ends, so that what stands behind it on the line does not hide it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Place = tuple[int, int]

# Looked at from each place where one may begin: what follows on the line may be the next one.
_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,32}))")
# Characters of an account by country, from the registry of SWIFT.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS", 23: "AE GI IL TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT", 26: "IS TR", 27: "FR GR IT MC SM", 28: "AL AZ BY CY DO GT HU LB PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU", 31: "MT SC",
    }.items()
    for country in countries.split()
}  # fmt: skip

_CARD = re.compile(r"(?<![\w.+-])(?=(\d(?:[ -]?\d){12,18}))")
# Lengths by how the number begins: a check digit alone fits every tenth number there is.
_ISSUERS = (
    (re.compile(r"4"), frozenset({13, 16, 19})),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720"), frozenset({16})),
    (re.compile(r"3[47]"), frozenset({15})),
    (re.compile(r"30[0-5]|36|38"), frozenset({14})),
    (re.compile(r"6011|64[4-9]|65|62|35"), frozenset({16, 17, 18, 19})),
)

# Groups of digits, each behind a separator of its own: no two ways to read one text.
_PHONE = re.compile(
    r"(?<![\w.,+/-])[+(]{0,2}\d{1,15}+(?:(?:\)[ \u00a0./-]{0,2}|[ \u00a0./-]{1,3}\(?|\()\d{1,12}+){0,7}+"
)
_DIGITS = re.compile(r"\d+")
_LABEL = re.compile(
    r"(?i)(?<!\w)(?:telefon(?:nummer)?|tel|phone|mobile?|handy|cell|fax|durchwahl|ext(?:ension)?|hotline|rufnummer"
    r"|nebenstelle|tél|téléphone|poste|teléfono|portable)\.?"
    r"(?: (?:no|nr|number|nummer)\.?)?[ \u00a0]?[:=#]?[ \u00a0]{0,2}\Z"
)
_LABEL_ROOM = 40
_DATE = re.compile(r"\d{1,2}([./ -])\d{1,2}\1(?:\d\d){1,2}|\d{4}([./-])\d{1,2}\2\d{1,2}(?: \d.*)?")
_MOBILE = re.compile(r"01[567]\d{8,9}")  # Germany's, which people write in one piece
_NORTH_AMERICAN = re.compile(r"\(?[2-9]\d\d\)?[ .-]{1,2}\d{3}[ .-]\d{4}")
_FRENCH = re.compile(r"0[1-9](?:[ .-]\d\d){4}")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def ibans(text: str) -> Iterator[Place]:
    """Where bank account numbers stand whose check digits are right."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[1][:2].upper(), 0)
        end = _end_of(match[1], length)
        # Whatever is longer is something else: a serial number may begin like an account.
        if end and not _goes_on(text, match.start() + end) and _checks_out(match[1][:end]):
            yield match.start(), match.start() + end


def cards(text: str) -> Iterator[Place]:
    """Where card numbers stand: of a known issuer, and with the right check digit."""
    done = 0
    for match in _CARD.finditer(text):
        if match.start() < done:
            continue
        for length in (19, 18, 17, 16, 15, 14, 13):
            end = _end_of(match[1], length)
            whole = end and not _goes_on(text, match.start() + end)
            if whole and _is_card(match[1][:end].replace(" ", "").replace("-", "")):
                done = match.start() + end
                yield match.start(), done
                break


def phones(text: str) -> Iterator[Place]:
    """Where phone numbers stand: international, of national forms, or any that a word before it calls one."""
    place = 0
    while match := _PHONE.search(text, place):
        start, place = match.span()
        is_labelled = _LABEL.search(text, max(0, start - _LABEL_ROOM), start) is not None
        for group in reversed(list(_DIGITS.finditer(match[0]))):
            end = start + group.end()
            if not _goes_on(text, end) and _is_phone(text[start:end], is_labelled=is_labelled):
                yield start, end
                # The next one may stand behind it, without a word between them.
                place = end
                break


def _goes_on(text: str, end: int) -> bool:
    """Whether a number that ends here is cut out of a longer word, a version, an address or a time."""
    after = text[end : end + 2]
    return after[:1].isalnum() or (after[:1] in (".", ":") and after[1:].isdigit())


def _end_of(text: str, length: int) -> int:
    """Where the first so many letters and digits of a text end; 0 where it has fewer, or none are asked for."""
    seen = 0
    for place, sign in enumerate(text):
        seen += sign.isalnum()
        if seen == length:
            return place + 1
    return 0


def _checks_out(iban: str) -> bool:
    packed = iban.replace(" ", "").replace("-", "").upper()
    return int("".join(str(int(sign, 36)) for sign in packed[4:] + packed[:4])) % 97 == 1


def _is_card(digits: str) -> bool:
    if not any(begins.match(digits) and len(digits) in lengths for begins, lengths in _ISSUERS):
        return False
    doubled = [int(one) * (1 + place % 2) for place, one in enumerate(reversed(digits))]
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0 and len(set(digits)) > 1


def _is_phone(written: str, *, is_labelled: bool) -> bool:
    digits = "".join(_DIGITS.findall(written))
    if _DATE.fullmatch(written) or _ADDRESS.fullmatch(written):
        return False
    # Nobody writes one number with both: what follows the blank is an address or an amount.
    if "." in written and " " in written:
        return False
    if written.lstrip("(").startswith("+"):
        return 8 <= len(digits) <= 15
    if is_labelled:
        return 3 <= len(digits) <= 15
    if written.startswith("00") and digits[2:3] != "0":
        return 10 <= len(digits) <= 17
    national = any(form.fullmatch(written) for form in (_MOBILE, _NORTH_AMERICAN, _FRENCH))
    return national or _has_area_code(written, digits)


def _has_area_code(written: str, digits: str) -> bool:
    first = _DIGITS.search(written)
    assert first is not None
    # With a full stop between them digits are a version, an amount or a date far more often.
    begins = digits[0] == "0" and digits[1:2] not in ("", "0") and 3 <= len(first[0]) <= 6
    return begins and "." not in written and len(first[0]) < len(digits) and 9 <= len(digits) <= 13
