"""What an alert's subject is about: the same condition on the same device, however it is counted and timed. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\W_][\w./-]*")
_COUNTED = re.compile(r"[0-9][0-9.,/-]*[a-z]{0,3}")
_RECOVERED = frozenset(
    {"ok", "up", "recovery", "recovered", "resolved", "resolve", "cleared", "clear", "closed", "normal", "flappingstop"}
    | {"online", "healthy", "gelöst", "behoben", "rétabli", "résolu", "resuelto", "resolvido"}
)
_RAISED = frozenset(
    {
        "problem",
        "problems",
        "alert",
        "alarm",
        "alerting",
        "firing",
        "critical",
        "crit",
        "warning",
        "warn",
        "error",
        "down",
    }
    | {"unreachable", "unknown", "triggered", "flapping", "flappingstart", "offline", "unhealthy", "failed", "failing"}
    | {"disaster", "high", "average", "störung", "problème", "alerte", "alerta", "problema"}
)
_AROUND = frozenset(
    {"is", "on", "at", "in", "for", "the", "a", "was", "has", "been", "since", "after", "to", "of", "and"}
)
_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        condition: Names condition and device; the same for each alert of them, and for their recovery.
        is_recovery: It says that the condition is over.
    """

    condition: str
    is_recovery: bool


def read_alert(subject: str) -> Alert:
    """What a ticket of monitoring is about, by its subject."""
    tokens = [token.strip("./-") for token in _TOKEN.findall(subject.casefold()[:_CHARACTERS])]
    said = next((token for token in tokens if token in _RECOVERED or token in _RAISED), None)
    # Words of a state come and go with it, numbers are values and times; a name with digits is a device's.
    kept = {token for token in tokens if token not in _RECOVERED | _RAISED | _AROUND and not _COUNTED.fullmatch(token)}
    # Sorted: a monitor may say "srv-12: disk full" and "disk ok on srv-12".
    about = " ".join(sorted(kept - {""})) or subject.casefold()
    return Alert(hashlib.sha256(about.encode()).hexdigest()[:40], said in _RECOVERED)
