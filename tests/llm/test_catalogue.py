from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files

import pytest

from deskhand.llm import catalogue
from deskhand.llm.embedded.models import EMBEDDED_MODELS, choose_model
from deskhand.llm.embedded.server import memory_available


@pytest.mark.parametrize("name", [*catalogue.SPECIFIED, *EMBEDDED_MODELS, "auto"])
def test_the_specified_names_and_the_embedded_ones_are_allowed(name: str) -> None:
    assert catalogue.is_allowed(name)


@pytest.mark.parametrize(
    "name", ["claude-3-5-sonnet-20241022", "gpt-4-turbo-2024-04-09", "claude-3-opus-latest", "litellm_proxy/gpt-4"]
)
def test_dated_and_routed_variants_are_allowed(name: str) -> None:
    assert catalogue.is_allowed(name)


@pytest.mark.parametrize("name", ["gpt-4x", "claude-3-5-sonett", "invalid-model", "", "gpt-4-turbo; drop table"])
def test_anything_else_is_not(name: str) -> None:
    assert not catalogue.is_allowed(name)


def test_what_the_gateway_lists_is_allowed() -> None:
    assert catalogue.is_allowed("our-finetune", listed=["our-finetune"])


def test_a_typo_is_answered_with_the_closest_names() -> None:
    sentence = catalogue.unknown_model_sentence("claude-3-5-sonett")
    assert sentence.startswith("Model 'claude-3-5-sonett' is not a known model.")
    assert "claude-3-5-sonnet" in sentence
    assert "our-finetune" in catalogue.unknown_model_sentence("our-finetun", listed=["our-finetune"])


def test_prices_are_exact_decimals() -> None:
    known = catalogue.facts("gpt-4o")
    assert known is not None
    assert known.price == catalogue.ModelPrice(Decimal("0.0000025"), Decimal("0.00001"), Decimal("0.00000125"))
    assert known.supports_json_schema
    assert known.price.cost(tokens_in=1000, tokens_out=100, cached=400) == Decimal("0.003")


def test_an_unknown_price_is_none_and_not_zero() -> None:
    assert catalogue.facts("claude-3-5-sonnet") is None


def test_the_catalogue_says_where_it_comes_from() -> None:
    data = files("deskhand.llm").joinpath("data")
    source = json.loads(data.joinpath("model_catalogue.json").read_text("utf-8"))["source"]
    assert source["package"] == "litellm"
    assert "MIT License" in data.joinpath("LICENSE.litellm").read_text("utf-8")


def test_the_larger_model_is_chosen_only_where_it_fits() -> None:
    assert choose_model(memory_available=8_000_000_000).name == "qwen2.5-coder-1.5b"
    assert choose_model(memory_available=2_000_000_000).name == "qwen2.5-coder-0.5b"
    small_only = frozenset({"qwen2.5-coder-0.5b"})
    assert choose_model(memory_available=8_000_000_000, present=small_only).name == "qwen2.5-coder-0.5b"
    assert memory_available() > 0
