"""Whether a text that leaves the house holds the agent's own instructions. Pure.

Ticket text may talk a model into repeating its prompt, which names procedures, people and numbers that were meant for
the agent alone. What an author wants to be sent stands in the prompt in quotation marks, as a quotation or as code, and
is not counted. A prompt that is told in other words cannot be recognised.
"""

from __future__ import annotations

import re

from deskhand.errors import ForbiddenError

# Whoever filed a ticket reads these; an internal note is read by those who may read the prompt as well.
READ_OUTSIDE = {"reply": "body", "resolve": "resolution", "create_ticket": "description", "ask_requester": "question"}
"""By operation, the argument that leaves the house."""
_VARIABLE = re.compile(r"\{\{[^{}\n]{0,100}\}\}")
_FENCED = re.compile(r"(?ms)^```.*?^```")
_QUOTED = re.compile(r"(?m)\"[^\"\n]{1,2000}\"|“[^“”]{1,2000}”|„[^„“\n]{1,2000}“|«[^«»]{1,2000}»|^[ \t]{0,3}>.*$")
_WORD = re.compile(r"\w+")
RUN = 8
"""Words in a row that two texts do not share by chance."""
FEWEST = 16
"""Words of a prompt that are worth keeping; shorter ones say what anybody would."""
SHARE = 0.5
MOST = 150
"""Words of a long prompt that may be repeated, whatever part of it they are."""


def holds_instructions(text: str, prompt: str) -> bool:
    """Whether a text repeats so much of a prompt that its reader knows it.

    Args:
        text: What would be sent.
        prompt: The version's prompt, as its author wrote it.
    """
    # A variable is not the author's word, and what it stands for is often what the text is about.
    own = [_words(part) for part in _VARIABLE.split(_QUOTED.sub("\n", _FENCED.sub("\n", prompt)))]
    total = sum(map(len, own))
    if total < FEWEST:
        return False
    sent = _words(text)
    there = {tuple(sent[at : at + RUN]) for at in range(len(sent) - RUN + 1)}
    repeated = sum(_repeated(words, there) for words in own)
    return repeated >= min(SHARE * total, MOST)


def ensure_no_instructions(text: str, *prompts: str) -> None:
    """Refuse a text for outside that repeats the agent's instructions, or what its tenant told it besides.

    Raises:
        ForbiddenError: Says what an author does whose text it is.
    """
    if any(holds_instructions(text, prompt) for prompt in prompts):
        raise ForbiddenError(
            "The text repeats the agent's own instructions, which are not for outside. Say it without them; what a"
            " prompt wants to be sent word for word stands in it in quotation marks."
        )


def _repeated(words: list[str], there: set[tuple[str, ...]]) -> int:
    """How many of the words stand in a run that the other text has as well."""
    covered = set[int]()
    for at in range(len(words) - RUN + 1):
        if tuple(words[at : at + RUN]) in there:
            covered.update(range(at, at + RUN))
    return len(covered)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
