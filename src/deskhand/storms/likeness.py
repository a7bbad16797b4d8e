"""What of a ticket is compared, and from how many tickets on a storm is one. Pure.

The thresholds were measured on invented reports of four outages and two ordinary requests, ten wordings each, against
101 real and invented tickets of other kinds, and on duplicates that people marked (decision 63).
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import date, datetime, timedelta

SAME = 0.90
"""Cosine from which two tickets say the same, whatever their words."""
NEAR = 0.88
"""Cosine from which they do where they share a word that few tickets have."""
MEMBERS = 3
"""Tickets of a storm that another one must be like, to be one of them."""
RARE = 10
"""A word is a rare one if at most one in so many of the tickets before has it."""
KNOWN_FOR = timedelta(days=28)
"""How far back it is looked for what is usual."""
YOUNG = timedelta(days=7)
TIMES_USUAL = 2
"""An outage is more than so many times what is usual for its kind."""
GROWTH = 4
"""A storm is spoken of again when it has grown so many times."""

_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 3
_MOST_WORDS = 60
_MOST_CHARACTERS = 1_500


def words_of(text: str) -> tuple[str, ...]:
    """Digests of the words of a ticket's beginning: they tell which ones two tickets share, and none can be read."""
    found = (word for word in _WORD.findall(text[:_MOST_CHARACTERS].casefold()) if len(word) >= _SHORTEST)
    return tuple(digest_of(word, size=5) for word in list(dict.fromkeys(found))[:_MOST_WORDS])


def digest_of(text: str, *, size: int = 16) -> str:
    """What stands for a text that is not to be kept; nothing for nothing."""
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest() if text else ""


def usual_of(times: Iterable[datetime], window: timedelta) -> int:
    """How many of a kind came within a window at most, on its second busiest day: what came once is not usual."""
    by_day: dict[date, list[datetime]] = defaultdict(list)
    for at in sorted(times):
        by_day[at.date()].append(at)
    busiest = sorted((_most_within(day, window) for day in by_day.values()), reverse=True)
    return busiest[1] if len(busiest) > 1 else 0


def is_storm(*, tickets: int, requesters: int, usual: int, least: int, is_young: bool) -> bool:
    """Whether so many tickets are an outage, and not a Monday.

    Args:
        tickets: That say the same, within the window.
        requesters: Who filed them.
        usual: How many of the kind came within as long at most, in the weeks before.
        least: The tenant's number.
        is_young: Too little is known of the desk to say what is usual.
    """
    needed = 2 * least if is_young else least
    return min(tickets, requesters) >= needed and tickets > TIMES_USUAL * usual


def _most_within(times: Iterable[datetime], window: timedelta) -> int:
    within: deque[datetime] = deque()
    most = 0
    for at in times:
        within.append(at)
        while at - within[0] > window:
            within.popleft()
        most = max(most, len(within))
    return most
