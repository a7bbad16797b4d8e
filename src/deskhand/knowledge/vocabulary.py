"""Words of a service desk: which carry the topic, which mean the same, and which say nothing.

Used for the word side of search only. Other words count as well, by how rare they are among the tenant's
own tickets; this list tilts the balance where a small history cannot know that "printer" matters more
than "morning".
"""

from __future__ import annotations

import re

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("wifi", "wi-fi", "wireless", "wlan", "ssid"),
    ("email", "e-mail", "mail", "mailbox"),
    ("outlook",),
    ("attachment",),
    ("quota", "mailbox"),
    ("laptop", "notebook"),
    ("computer", "pc", "workstation"),
    ("battery",),
    ("dock", "docking"),
    ("monitor", "screen", "display"),
    ("headset", "microphone", "sound", "camera"),
    ("crash", "reboot", "bluescreen"),
    ("password", "credentials", "passcode"),
    ("login", "logon", "sign-in", "log"),
    ("locked", "lockout", "blocked"),
    ("mfa", "authenticator", "two-factor", "2fa", "factor"),
    ("printer", "print", "copier"),
    ("toner",),
    ("jam",),
    ("share", "shared", "folder", "drive", "directory"),
    ("vpn", "anyconnect", "tunnel"),
    ("erp", "sap"),
    ("hire", "starter", "onboarding", "joiner"),
    ("leaver", "offboarding", "leaving"),
    ("website", "web", "site"),
    ("phishing", "spam", "suspicious", "fake"),
    ("virus", "malware", "trojan", "antivirus", "ransom"),
    ("encrypted", "ransom"),
    ("install", "deploy"),
    ("licence", "license"),
    ("teams", "meeting"),
)
"""Each group is one thing under several names; a group of one is a topic word without another name."""

FILLER = (
    "please help need issue problem get got cannot can't not unable work working try tried see use user anybody "
    "somebody everybody nobody new since morning today yesterday appear seem keep want like also still able make "
    "give back time day week first way thing message hello hi thanks regards say says show shows anything something "
    "nothing every many much open go going come"
)
"""Words most tickets have, whatever they are about; they are left out of the comparison."""

_CODE = re.compile(r"(?<![\w-])(?=[\w-]*\d)[A-Za-z0-9][\w-]{2,30}(?![\w-])|\b[A-Z]{2,}(?:_[A-Z0-9]+){1,6}\b")


def exact_codes(text: str) -> tuple[str, ...]:
    """Error codes, transaction and device names in a text (``809``, ``FB60``, ``PRN-204``), in lower case.

    Args:
        text: Any text; only its first 4,000 characters are read.

    Returns:
        Each once, in order of appearance, at most twelve.
    """
    found = dict.fromkeys(match.group().lower() for match in _CODE.finditer(text[:4000]))
    return tuple(found)[:12]


__all__ = ["FILLER", "SYNONYMS", "exact_codes"]
