"""The models to choose from: every known name, with what is known of it and nothing made up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.support.api import Api

from deskhand.agents.model_endpoints import router
from deskhand.agents.offered_models import ModelOrder, offered_model, offered_models
from deskhand.llm import catalogue
from deskhand.llm.embedded.models import EMBEDDED_MODELS


def test_every_known_name_is_offered_once_and_what_is_unknown_is_null() -> None:
    found = offered_models(listed=("our-own-model",))
    assert [one.name for one in found] == catalogue.known_names(listed=["our-own-model"])
    known = {one.name: one for one in found}
    assert (known["gpt-4o"].input_price, known["gpt-4o"].output_price) == (Decimal("2.50"), Decimal("10.00"))
    assert (known["gpt-4o"].reads_at_once, known["gpt-4o"].listed) == (128_000, False)
    own = known["our-own-model"]
    assert (own.listed, own.input_price, own.reads_at_once, own.calls_tools) == (True, None, None, None)
    for name in EMBEDDED_MODELS:
        assert known[name].provider == "embedded"
        assert known[name].reads_at_once is not None
    assert offered_model("anything", embedded=True).provider == "embedded"


@pytest.mark.parametrize("order", ModelOrder)
def test_each_order_lists_all_and_puts_what_is_unknown_last(order: ModelOrder) -> None:
    found = offered_models(listed=("our-own-model",), order=order)
    assert {one.name for one in found} == {one.name for one in offered_models(listed=("our-own-model",))}
    if order is ModelOrder.PRICE:
        sums = [None if one.input_price is None or one.output_price is None else one.input_price + one.output_price
                for one in found]  # fmt: skip
        priced = [one for one in sums if one is not None]
        assert priced == sorted(priced)
        assert sums[len(priced) :] == [None] * (len(sums) - len(priced))
    if order is ModelOrder.WINDOW:
        windows = [one.reads_at_once or 0 for one in found]
        assert windows == sorted(windows, reverse=True)
    if order is ModelOrder.NAME:
        names = [one.name.casefold() for one in found]
        assert names == sorted(names)


def test_a_search_wants_every_word_in_any_case() -> None:
    assert {"gpt-4o", "gpt-4o-mini"} <= {one.name for one in offered_models(q="GPT 4o")}
    assert "gpt-4o" not in {one.name for one in offered_models(q="4o mini")}
    assert offered_models(q=" GPT-4o-mini")[0].name == "gpt-4o-mini"
    assert offered_models(q="no such model anywhere") == []


async def test_the_list_is_read_page_by_page_over_the_api(api: Api) -> None:
    admin = await api.tenant()
    read: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        sent = {"q": "gpt-4", "limit": "7", **({"cursor": cursor} if cursor else {})}
        page = (await admin.get(router.prefix, params=sent)).json()
        read += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert read == [one.name for one in offered_models(q="gpt-4")][:21]
    last = (await admin.get(router.prefix, params={"q": "qwen2.5-coder-1.5b"})).json()
    assert last["next_cursor"] is None
    assert (await admin.get(router.prefix, params={"order": "size"})).status_code == 422
    assert (await (await api.client()).get(router.prefix)).status_code == 401
