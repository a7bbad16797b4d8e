"""How well likeness tells tickets of one outage from others, on invented reports and on duplicates that people marked.

Run: ``.venv/bin/python -m benchmarks.storms [--data FOLDER]``. FOLDER (or ``DESKHAND_SEARCH_SETS``) holds
``seamonkey.json``, whose duplicates people marked; without it the invented reports alone are measured.

The reports below are invented: ten people's wordings of each of four outages, and of two ordinary requests that come
as many at a time on a Monday. They are compared by the product's own thresholds (``storms/likeness.py``), each kind
with the others and with the demo's tickets; what is usual for a kind, which tells a Monday, is not measured here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from benchmarks.retrieval.sets import demo_sets
from benchmarks.retrieval.vectors import KeptVectors

from deskhand.knowledge.embedding import load_embedder
from deskhand.storms.likeness import MEMBERS, NEAR, SAME, words_of

CACHE = Path(".cache/search")
QUANTILES = (0.1, 0.5, 0.9)
SOME_PAIRS = 3_000
REPORTS = {
    "VPN": (
        *("VPN down", "Cannot connect to VPN", "vpn not working since this morning", "No VPN access"),
        *("AnyConnect says connection attempt failed", "VPN keeps failing to connect for our whole team"),
        *("I can't get into the VPN from home, error 'connection timed out'", "Unable to log in through VPN gateway"),
        *("Remote access broken? VPN won't connect", "Hi, the VPN client hangs on connecting since 8:40. Please help"),
    ),
    "mail": (
        *("Outlook is not receiving mail", "Email down?", "Cannot send or receive emails", "emails stuck in outbox"),
        *("Exchange server not reachable", "Outlook disconnected, no mails since 9", "No new e-mails arriving today"),
        *("Mail is not working for anybody in accounting", "My mailbox does not open - trying to connect"),
        "Outlook says 'Trying to connect...'",
    ),
    "SAP": (
        *("SAP login fails with RFC error", "SAP is down", "cannot open SAP GUI, partner not reached"),
        *("SAP PRD not available", "SAP hangs at logon screen", "SAP system does not respond", "sap not working"),
        *("Error 'partner sapprd01:3200 not reached' when starting SAP", "Can't post invoices, SAP unavailable"),
        "No access to SAP since 10 am",
    ),
    "an office in Köln": (
        *("Internet in Köln geht nicht", "Kein Internet im Büro Köln", "Netzwerk Köln ausgefallen"),
        *("Wir haben in Köln keine Verbindung mehr", "Seit 9 Uhr kein Netz am Standort Köln"),
        *("WLAN und LAN in Köln tot", "no internet in Cologne office", "Internet funktioniert nicht (Köln)"),
        *("Netzwerkstörung Standort Köln", "Kommen in Köln nicht mehr ins Internet"),
    ),
    "passwords (a Monday)": (
        *("Password reset", "Please reset my password", "Forgot my password over the weekend", "I need a new password"),
        *("Password expired, cannot log in", "Account locked after too many attempts", "locked out of my account"),
        *("Reset my Windows password please", "My password does not work any more"),
        "Kennwort vergessen, bitte zurücksetzen",
    ),
    "laptops (a Monday)": (
        *("Need a new laptop", "Request: laptop for new starter", "Laptop replacement", "Laptop request"),
        *("New notebook for Anna in sales", "My laptop is too old, I need a new one", "Notebook bestellen"),
        *("Please order a laptop for our trainee", "laptop battery broken, replacement please"),
        "Loan laptop for a trip",
    ),
}

Cosine = Callable[[str, str], float]


def says_the_same(one: str, other: str, cosine: float) -> bool:
    """By the product's thresholds; every word counts as rare, since there are no tickets before."""
    return cosine >= (NEAR if set(words_of(one)) & set(words_of(other)) else SAME)


def spread(values: Sequence[float]) -> str:
    """The cosines' quantiles."""
    return " ".join(f"{value:.3f}" for value in np.quantile(values, QUANTILES))


def measure_reports(cosine: Cosine, others: Sequence[str]) -> None:
    """Print how alike each kind's reports are, and how many foreign tickets would be taken for one of them."""
    print("kind, cosines of two of it (10%, 50%, 90%), share of pairs that say the same, foreign tickets taken in")
    for kind, said in REPORTS.items():
        pairs = list(itertools.combinations(said, 2))
        same = sum(says_the_same(one, other, cosine(one, other)) for one, other in pairs)
        foreign = [*others, *(one for name, ones in REPORTS.items() if name != kind for one in ones)]
        taken = sum(sum(says_the_same(one, mine, cosine(one, mine)) for mine in said) >= MEMBERS for one in foreign)
        alike = spread([cosine(*pair) for pair in pairs])
        print(f"{kind}: {alike}, {same / len(pairs):.0%}, {taken} of {len(foreign)}")


def measure_duplicates(cosine: Callable[[Sequence[str]], Cosine], path: Path, *, seed: int = 0) -> None:
    """Print how alike duplicates are that people marked, beside any two reports."""
    data = json.loads(path.read_text("utf-8"))
    texts = {row["id"]: f"{row['subject']}\n{row['description']}"[:1500] for row in data["documents"]}
    pairs = [(texts[query["id"]], texts[name]) for query in data["queries"] for name in query["relevant"]]
    known = sorted({text for pair in pairs for text in pair})
    chance = random.Random(seed)
    any_two = [tuple(chance.sample(known, 2)) for _ in range(SOME_PAIRS)]
    of = cosine(known)
    print(f"{path.stem}: {len(pairs)} duplicates {spread([of(*pair) for pair in pairs])}, any two", end=" ")
    print(spread([of(one, other) for one, other in any_two]))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("DESKHAND_SEARCH_SETS"))
    given = parser.parse_args()
    embedder = KeptVectors(load_embedder(), CACHE)

    def cosines(texts: Sequence[str]) -> Cosine:
        vectors = dict(zip(texts, map(np.array, embedder.embed(texts)), strict=True))
        return lambda one, other: float(vectors[one] @ vectors[other])

    others = [f"{row['subject']}\n{row['description']}" for one in demo_sets() for row in one.rows if "subject" in row]
    measure_reports(cosines([*others, *(one for said in REPORTS.values() for one in said)]), others)
    path = Path(given.data) / "seamonkey.json" if given.data else None
    if path is None or not path.is_file():
        print(f"seamonkey: left out, since {path or 'no folder was named (--data) that'} is not there")
    else:
        measure_duplicates(cosines, path)


if __name__ == "__main__":
    main()
