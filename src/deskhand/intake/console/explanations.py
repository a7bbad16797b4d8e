"""What became of a delivery, in words: what it means, and what to do about it. Pure.

The record keeps a sentence for each refusal, and the same sentence is raised in one place each
(``plugins.signatures``, ``intake.inbox``); here is what a person makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.intake.schemas import Outcome


@dataclass(frozen=True, slots=True)
class Explanation:
    """One delivery for a person.

    Attributes:
        title: What became of it, in a few words.
        advice: What to do; empty where there is nothing to do.
    """

    title: str
    advice: str = ""


STARTED = Explanation("Accepted: it started a run")
JOINED = Explanation("Accepted: it joined a run", "One run acts on several events of a ticket that come at once.")
IGNORED = Explanation("Heard, and nothing was started")

_SIGNATURES = (
    (
        "carries no signature",
        Explanation(
            "Not signed",
            "The sender sent no signature. Paste the set-up text into the desk again, its headers too; if a person or"
            " another program called this address, nothing needs to be done.",
        ),
    ),
    (
        "missing or malformed",
        Explanation(
            "Half a signature",
            "A header that belongs to the signature is missing or cut. Look at the headers that the set-up text names,"
            " and at proxies on the way that take headers out.",
        ),
    ),
    (
        # Before the next, which its sentence holds, too.
        "event's own timestamp",
        Explanation(
            "The event is old, by its own time",
            "It was sent again long after it happened, or the desk's clock is wrong. Change the ticket once more and"
            " see whether that event is taken.",
        ),
    ),
    (
        "differs from this server's clock",
        Explanation(
            "Sent at another time than now",
            "Set the sender's clock, or this server's, by a time server. A desk that was away and sends its old events"
            " again is refused like this, too: then send the event anew.",
        ),
    ),
    (
        "does not match",
        Explanation(
            "Signed with another secret",
            "What the desk signs with is not the secret that is in force here. Put the secret of this address into the"
            " desk; if it is there already, something on the way changes the body (a proxy that writes JSON anew).",
        ),
    ),
)
_REFUSED = {
    400: Explanation(
        "Not what the desk sends",
        "The signature held, and the body could not be read: another desk's webhook at this address, or a template of"
        " the body that was changed. Paste the set-up text's body again.",
    ),
    401: Explanation("Not proven", "Nothing proved who sent it; the sentence above says what was wanted."),
    413: Explanation("Too large", "Leave attachments and long texts out of what the desk sends; ids are enough."),
    422: Explanation(
        "Not what the agent asks for",
        "The trigger of the agent has a schema, and the body does not fit it. Change the one or the other.",
    ),
    429: Explanation(
        "Too many at once",
        "The tenant's limit of webhooks a minute was used up. Desks send such an event again by themselves; if it"
        " happens often, ask the platform's administrators for more.",
    ),
}


def explain(outcome: Outcome, reason: str | None, http_status: int) -> Explanation:
    """What to say of a delivery.

    Args:
        outcome: What became of it.
        reason: The sentence that is kept.
        http_status: What was answered.
    """
    if outcome is Outcome.ACCEPTED:
        return STARTED
    if outcome is Outcome.COALESCED:
        return JOINED
    if outcome is Outcome.IGNORED:
        return IGNORED
    if http_status == 401:
        for words, explanation in _SIGNATURES:
            if words in (reason or ""):
                return explanation
    return _REFUSED.get(http_status, Explanation("Refused"))
