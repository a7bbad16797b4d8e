"""Models to fall back to in the editor: whose list counts, a model a line, and after which failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deskhand.errors import FieldProblem
from deskhand.llm.fallbacks import TRIGGERS

OF_TENANT, NONE, OWN = "tenant", "none", "own"
CHAIN_WORDS = {
    OF_TENANT: "Those of the tenant",
    NONE: "None: it fails where its model does",
    OWN: "These, one after the other",
}
TRIGGER_WORDS = {
    "rate_limit": "it is throttled",
    "unavailable": "it is away",
    "timeout": "it takes too long",
    "context": "the ticket is too long for it",
    "filter": "it refuses or withholds an answer",
    "budget": "there is no money for it",
}
_VIA = " via "
_FIELDS = ("fallbacks", "fallback_on")


def typed_chain(llm_config: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says of an agent's settings before anybody typed."""
    named = llm_config.get("fallbacks")
    return {
        "chain": OF_TENANT if named is None else OWN if named else NONE,
        "fallbacks": "\n".join(link_words(named or ())),
        "fallback_on": list(llm_config.get("fallback_on") or TRIGGERS),
    }


def link_words(links: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each model of a chain as a line of the form: its name, and its connection where it has one of its own."""
    return [f"{one['model']}{_VIA}{one['connection']}" if one.get("connection") else str(one["model"]) for one in links]


def chain_settings(
    llm_config: Mapping[str, Any], *, chain: str, fallbacks: str, fallback_on: Sequence[str]
) -> dict[str, Any]:
    """Model settings with the chain that was typed in place of the one they have.

    Args:
        llm_config: The agent's, from which everything else stays.
        chain: Whose list counts; anything else leaves the chain as it is, as a form without the field does.
        fallbacks: A model a line, ``gpt-4o-mini`` or ``gpt-4o-mini via backup``; empty lines are skipped.
        fallback_on: Failures that lead on; all of them, or none ticked, are as if nothing was said.
    """
    if chain not in CHAIN_WORDS:
        return dict(llm_config)
    config = {name: value for name, value in llm_config.items() if name not in _FIELDS}
    if chain == OF_TENANT:
        return config
    config["fallbacks"] = [_link(line) for line in fallbacks.splitlines() if line.strip()] if chain == OWN else []
    if chain == OWN and fallback_on and set(fallback_on) != set(TRIGGERS):
        config["fallback_on"] = list(fallback_on)
    return config


def chain_faults(faults: Iterable[FieldProblem]) -> dict[str, str]:
    """What is wrong with the chain, to stand beside its fields: of the models, by the line each is on."""
    said: dict[str, list[str]] = {name: [] for name in _FIELDS}
    for fault in faults:
        _, _, name, *within = f"{fault.pointer}//".split("/", 4)
        if name in said:
            number = within[0].partition("/")[0] if within else ""
            said[name].append(
                f"Model {int(number) + 1}: {fault.detail}"
                if name == "fallbacks" and number.isdecimal()
                else fault.detail
            )
    return {name: " ".join(sentences) for name, sentences in said.items()}


def _link(line: str) -> dict[str, str]:
    # From the end: what a connection is called has no blanks, what a gateway calls a model may.
    model, via, connection = line.strip().rpartition(_VIA)
    return {"model": model.strip(), "connection": connection.strip()} if via else {"model": line.strip()}
