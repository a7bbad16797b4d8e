"""Which keys of an agent's ``llm_config`` go with a call, and which may not stand there at all.

Providers add parameters faster than a schema can follow, so a key that nobody here knows is sent as it is. Not so
what the loop itself decides (messages, tools, streaming), what says where a call goes, and credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic_ai.settings import ModelSettings

from deskhand.llm.config_keys import refusal

KNOWN = (
    "temperature",
    "max_tokens",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop_sequences",
    "seed",
)
_UNSET = ("response_format", None)  # a key of ours without a value; of the others, null is a value like any
_NOT_SENT = frozenset(
    {"provider", "connection", "model", "fallbacks", "fallback_on", "drop_params", "local_only", "extra_body"}
)


def call_settings(llm_config: Mapping[str, Any]) -> ModelSettings:
    """The part of ``llm_config`` that goes with each call; what is not set stays the model's own default."""
    inner = llm_config.get("extra_body")
    members = inner if isinstance(inner, dict) else {}
    # A key with a field of its own is shown there, so that is the one that holds where a version has it twice.
    shared = {key: value for key, value in {**members, **llm_config}.items() if key in KNOWN and value is not None}
    more = {
        key: value
        for key, value in {**llm_config, **members}.items()
        if key not in _NOT_SENT and key not in KNOWN and refusal(key) is None and (key, value) != _UNSET
    }
    return cast("ModelSettings", shared | ({"extra_body": more} if more else {}))
