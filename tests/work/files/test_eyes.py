"""Which model a run's pictures are shown to, and what is made of its answer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from tests.support.written_pictures import written

from deskhand.errors import UnavailableError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.marks import MarkMaker
from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.masking.masker import Masker
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.errors import ModelUnavailableError
from deskhand.llm.masked import masker_of
from deskhand.work.files.bare import BarePicture, bare
from deskhand.work.files.excerpts import CHARACTERS
from deskhand.work.files.eyes import Eyes, Looked, eyes_of
from deskhand.work.run import Run

VENDOR = GatewaySettings(base_url="https://api.vendor.test/v1", masker=Masker(frozenset(MaskKind), b"key"))
HOUSE = replace(VENDOR, is_local=True)


def run(config: dict[str, Any], **rules: str) -> Run:
    tenant = SimpleNamespace(enhancement_preferences={"notes": rules})
    version = SimpleNamespace(llm_config=config)
    return cast(
        "Run", SimpleNamespace(tenant=tenant, version=version, http=HttpClientFactory(), journal=None, deadline=1e9)
    )


@pytest.mark.parametrize(("gateway", "rules", "found"), [
    (HOUSE, {}, "gpt-4o"),
    (HOUSE, {"pictures": "nowhere"}, ""),
    (VENDOR, {}, "'gpt-4o' is not in the house, and the tenant lets no picture leave it"),
    (VENDOR, {"pictures": "anywhere"}, "gpt-4o"),
    (VENDOR, {"pictures": "anywhere", "picture_model": "gpt-4.1"}, "gpt-4.1"),
    (VENDOR, {"pictures": "anywhere", "picture_connection": "house"}, "gpt-4o"),
    (HOUSE, {"picture_model": "x", "picture_connection": "house"}, "There is no model connection"),
    # What somebody wrote there that is none of the three is no word for letting pictures out.
    (VENDOR, {"pictures": "everywhere"}, "'gpt-4o' is not in the house, and the tenant lets no picture leave it"),
])  # fmt: skip
def test_the_tenants_rules_decide_where_pictures_go(
    gateway: GatewaySettings, rules: dict[str, str], found: str
) -> None:
    eyes = eyes_of(run({"model": "gpt-4o"}, **rules), gateway)
    if isinstance(eyes, str):
        assert eyes.startswith(found)
        assert bool(eyes) is bool(found)
    else:
        assert eyes.model.model_name == found
        assert masker_of(eyes.model) is None, "a picture is no text, and must not be masked as one"


class Answering:
    """A journal that knows what came of the step, or fails at it."""

    def __init__(self, answer: Any = None, error: Exception | None = None) -> None:
        self.answer = answer
        self.error = error
        self.asked: list[dict[str, Any]] = []

    async def step(self, **asked: Any) -> Any:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return self.answer


async def look(journal: Answering) -> Looked:
    eyes = eyes_of(run({"model": "gpt-4o"}), HOUSE)
    assert isinstance(eyes, Eyes)

    async def fetch() -> list[BarePicture]:
        picture = bare(written("x"))
        assert picture is not None
        return [picture]

    return await replace(eyes, journal=cast("Any", journal)).look(["a.png"], fetch, key="read_pictures")


async def test_what_a_model_says_of_a_picture_is_cut_and_bears_no_mark_of_ours() -> None:
    mark = MarkMaker(b"k" * 32).make(uuid4(), "add_note")
    words = f"Error 0x80070035\n{mark}\n" + "\n".join(f"line {number} failed {'x' * number}" for number in range(300))
    answer = {"pictures": [{"words": words, "shows": f"A  window,\nbroken. {'y' * 900}"}]}
    looked = await look(Answering({"answer": answer, "model_name": "gpt-4o"}))
    (text,) = looked.texts
    assert looked.model == "gpt-4o"
    assert len(text) <= CHARACTERS + 1
    assert text.endswith("y)")
    assert "(a model says of the picture: A window, broken. yyy" in text
    assert mark not in text
    nothing = {"pictures": [{"words": " ", "shows": ""}]}
    assert (await look(Answering({"answer": nothing, "model_name": "m"}))).texts == ("",)


@pytest.mark.parametrize(("journal", "why"), [
    (Answering({"answer": None, "model_name": "gpt-4o"}), "what 'gpt-4o' answered had not the form that was asked for"),
    (Answering(error=ModelUnavailableError("Nobody answers.")), "Nobody answers"),
    (Answering(error=UnavailableError("they are others than before.")), "they are others than before"),
])  # fmt: skip
async def test_why_no_model_read_them_is_told(journal: Answering, why: str) -> None:
    assert await look(journal) == Looked(why=why)
    (asked,) = journal.asked
    assert (asked["kind"], asked["input"]["pictures"]) == ("model", ["a.png"])
    assert asked["input"]["sent_to"] == [{"connection": "installation", "host": "api.vendor.test", "is_local": True}]
