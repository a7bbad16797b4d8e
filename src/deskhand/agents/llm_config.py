"""The model settings of an agent, stored as JSONB: known keys are checked, unknown ones kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from deskhand.kit.schema import InputModel
from deskhand.llm import catalogue
from deskhand.llm.config_keys import PROVIDERS, faults, refusal
from deskhand.llm.fallbacks import TRIGGER_HELP, Fallbacks, Triggers
from deskhand.llm.reasoning import is_reasoning

StopText = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class LLMConfig(InputModel):
    """Which model an agent uses and how.

    Providers add parameters faster than schemas change, so an unknown key is kept and sent with each call. Keys
    that look like credentials are refused (this is stored readable and shown to every viewer), and so is what Deskhand
    or the installation decides: see ``llm.config_keys``.
    """

    max_bytes = 32_768

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"provider": "litellm", "model": "gpt-4", "temperature": 0.7, "max_tokens": 4096}]
        },
    )

    provider: str = Field(
        "litellm",
        min_length=1,
        max_length=100,
        description="Who serves the model.",
        json_schema_extra={"enum": list(PROVIDERS)},
    )
    connection: str | None = Field(
        None,
        pattern="^[a-z][a-z0-9-]{0,39}$",
        description="Which connection to models it uses, by its slug; left out, the tenant's default. `installation`"
        " names the one that the installation's settings make.",
    )
    model: str = Field(
        min_length=1,
        max_length=200,
        description="Model name, as the gateway or LiteLLM knows it.",
    )
    temperature: float = Field(0.7, ge=0.0, le=2.0, description="How freely it words things.")
    max_tokens: int = Field(4096, ge=1, le=32000, description="Longest answer, in tokens.")
    top_p: float | None = Field(None, gt=0.0, le=1.0, description="Nucleus sampling.")
    frequency_penalty: float | None = Field(None, ge=-2.0, le=2.0)
    presence_penalty: float | None = Field(None, ge=-2.0, le=2.0)
    stop_sequences: Annotated[list[StopText], Field(max_length=16)] | None = Field(
        None, description="Texts that end an answer."
    )
    response_format: dict[str, Any] | None = Field(
        None, description="Shape of answers, as the provider names it; refused where ours must stand in its place."
    )

    fallbacks: Fallbacks | None = Field(
        None,
        description="Models that are asked in turn where this one cannot answer. Left out: the tenant's; empty: none.",
    )
    fallback_on: Triggers | None = Field(None, description=TRIGGER_HELP)

    drop_params: bool | None = Field(
        None, description="Ask again without a parameter that the gateway says it does not know, instead of failing."
    )

    local_only: bool | None = Field(
        None,
        description="Ask no model but one that runs in your own house: the embedded one, or of a connection that says"
        " so. Where the agent's model is another, its runs go on without a model.",
    )

    @field_validator("model", mode="after")
    @classmethod
    def validate_model(cls, value: str, info: ValidationInfo) -> str:
        """Refuse a model nobody knows, with the closest names. ``context={"models": [...]}`` allows more."""
        listed = info.context.get("models", ()) if isinstance(info.context, dict) else ()
        fault = cls.model_fault(value, listed=listed)
        if fault:
            raise ValueError(fault)
        return value

    @staticmethod
    def model_fault(name: str, *, listed: Collection[str] = ()) -> str | None:
        """Why agents may not use a model, with the closest names; None if they may.

        Args:
            name: The model.
            listed: What the configured gateway lists; allowed besides the known names.
        """
        if catalogue.is_allowed(name, listed=listed):
            return None
        return catalogue.unknown_model_sentence(name, listed=listed)

    @model_validator(mode="after")
    def _only_what_is_sent(self) -> LLMConfig:
        first = next(
            (fault for fault in map(refusal, self.model_extra or {}) if fault),
            next(faults(self.model_dump(), named=self.model_fields_set), None),
        )
        if first:
            raise ValueError(first)
        return self

    def as_stored(self) -> dict[str, Any]:
        """What is written to the column: defaults filled in, known keys without a value left out."""
        stored = self.model_dump(mode="json")
        known = type(self).model_fields
        # Defaults that would not be sent: the model's own takes their place.
        replaced = {"temperature"} if is_reasoning(self.model) else set()
        replaced |= {"max_tokens"} if stored.get("max_completion_tokens") is not None else set()
        left_out = replaced - self.model_fields_set
        return {
            name: value
            for name, value in stored.items()
            if (value is not None or name not in known) and name not in left_out
        }


class SentLLMConfig(LLMConfig):
    """Model settings as they come over HTTP: FastAPI hands no context to a body, so the service checks the model."""

    @field_validator("model", mode="after")
    @classmethod
    def validate_model(cls, value: str, info: ValidationInfo) -> str:
        """Leave the name to the service, which knows what the gateway lists."""
        del info
        return value
