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
_NOT_SENT = frozenset({"provider", "model", "extra_body"})


def call_settings(llm_config: Mapping[str, Any]) -> ModelSettings:
    """The part of ``llm_config`` that goes with each call; what is not set stays the model's own default."""
    given = {key: llm_config[key] for key in KNOWN if llm_config.get(key) is not None}
    inner = llm_config.get("extra_body")
    wanted = {**llm_config, **(inner if isinstance(inner, dict) else {})}
    more = {
        key: value
        for key, value in wanted.items()
        if key not in _NOT_SENT and key not in KNOWN and value is not None and refusal(key) is None
    }
    return cast("ModelSettings", given | ({"extra_body": more} if more else {}))
