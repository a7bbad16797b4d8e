"""A ``payload_schema``: what may be saved, what fits it, and that nothing hostile holds anybody up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from deskhand.errors import InvalidInputError
from deskhand.kit.payloads.holding import check_schema
from deskhand.kit.payloads.rules import check_payload_schema
from deskhand.kit.payloads.walk import SchemaFaultError

PATIENCE = 60
DRAFT_4, DRAFT_7 = "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"
DRAFT_2019, DRAFT_2020 = (f"https://json-schema.org/draft/{year}/schema" for year in ("2019-09", "2020-12"))


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _in(**schema: Any) -> dict[str, Any]:
    return {"properties": {"x": schema}}


def _doubling(levels: int, *, word: str = "allOf") -> dict[str, Any]:
    parts: dict[str, Any] = {f"a{at}": {word: [_ref(f"a{at + 1}")] * 2} for at in range(levels)}
    return {"$defs": {**parts, f"a{levels}": {"type": "object"}}, **_ref("a0")}


def _nested(levels: int, *, word: str = "not") -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {word: schema}
    return schema


TREE = {"$defs": {"node": {"properties": {"left": _ref("node"), "right": _ref("node")}, "required": ["name"]}}}
BUSHY = {"$defs": {"a": {"allOf": [{"items": _ref("a")}, {"items": _ref("a")}]}}, "properties": {"x": _ref("a")}}

SAVED: list[tuple[str, dict[str, Any]]] = [
    ("empty", {}),
    ("draft 4", {"$schema": DRAFT_4, "properties": {"n": {"maximum": 5, "exclusiveMaximum": True}}}),
    ("draft 7", {"$schema": DRAFT_7, "definitions": {"a": {}}, "properties": {"n": {"$ref": "#/definitions/a"}}}),
    ("draft 7: neighbours of a reference are ignored", {"$schema": DRAFT_7, "$ref": "#/definitions/a", "allOf": [
        {"$ref": "#"}], "definitions": {"a": {}}}),
    ("draft 2019-09", {"$schema": DRAFT_2019, "properties": {"n": {"$recursiveRef": "#"}}}),
    ("draft 2020-12", {"$schema": DRAFT_2020, "$dynamicAnchor": "n", "properties": {"n": {"$dynamicRef": "#n"}}}),
    ("by anchor", {"$defs": {"a": {"$anchor": "here"}}, "$ref": "#here"}),
    ("escaped pointer", {"$defs": {"a/b %": {}}, "$ref": "#/$defs/a~1b%20%25"}),
    ("a tree", {**TREE, **_ref("node")}),
    ("a reference as data", {"enum": [{"$ref": "https://x.example/"}], "const": {"$ref": "#/nowhere"}}),
    ("a property named like a word", {"properties": {"$ref": {"type": "string"}, "enum": {"pattern": "^a"}}}),
    ("an id of its own", {"$id": "https://x.example/s.json", "$defs": {"a": {}}, **_ref("a")}),
    ("patterns", {"pattern": r"^\d{4}-\w{1,255}$", "patternProperties": {r"^x-[\p{L}]+$": {}}}),
    ("a little doubling", _doubling(5)),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no type", {"properties": {"a": {"type": "nothing"}}}, "/properties/a/type"),
    ("draft 3", {"$schema": "http://json-schema.org/draft-03/schema#"}, "/$schema"),
    ("no draft", {"$schema": {"a": 1}}, "/$schema"),
    ("another draft inside", _in(**{"$schema": DRAFT_4}), "/properties/x/$schema"),
    ("elsewhere", {"properties": {"a": {"$ref": "https://x.example/s.json"}}}, "/properties/a/$ref"),
    ("a file", {"items": [{"$ref": "file:///etc/passwd"}]}, "/items/0/$ref"),
    ("dangling", {"properties": {"a": {"$ref": "#/nowhere"}}}, "/properties/a/$ref"),
    ("dangling, in a shelf nobody uses", {"$defs": {"a": {"$ref": "#/$defs/b"}}}, "/$defs/a/$ref"),
    ("no such anchor", {"$dynamicRef": "#n"}, "/$dynamicRef"),
    ("refers to no schema", {"title": "x", "$ref": "#/title"}, "/$ref"),
    ("itself", {"$defs": {"a": _ref("a")}, **_ref("a")}, "/$defs/a"),
    ("itself, the long way", {"$defs": {"a": {"anyOf": [_ref("b")]}, "b": {"not": _ref("a")}}}, "/$defs/"),
    ("the root", {"allOf": [{"$ref": "#"}]}, "itself"),
    ("an identity inside", {"properties": {"a": {"$id": "https://x.example/a"}}}, "/properties/a/$id"),
    ("look-around", {"properties": {"a": {"pattern": "(?=a)b"}}}, "/properties/a/pattern"),
    ("back-reference", {"patternProperties": {"(a)\\1": {}}}, "/patternProperties/(a)\\1"),
    ("no expression", {"pattern": "("}, "/pattern"),
    ("a huge expression", {"pattern": "((a{100}){100}){100}"}, "/pattern"),
    ("expressions without end", {"allOf": [{"pattern": f"a{n}"} for n in range(31)]}, "30"),
    ("doubling allOf", _doubling(30), "multiply"),
    ("doubling oneOf", _doubling(30, word="oneOf"), "multiply"),
    ("doubling by asking again", _nested(40, word="unevaluatedProperties") | _doubling(13), "multiply"),
    ("deep", _nested(100), "nested"),
    ("wide", {"enum": [*range(6_000)]}, "values"),
    ("large", {"description": "x" * 70_000}, "64 KiB"),
]  # fmt: skip


@pytest.mark.parametrize("schema", [pytest.param(schema, id=name) for name, schema in SAVED])
def test_a_schema_that_events_can_be_held_to_is_taken(schema: dict[str, Any]) -> None:
    assert check_payload_schema(schema) == schema


@pytest.mark.parametrize(("schema", "words"), [pytest.param(schema, words, id=name) for name, schema, words in REFUSED])
def test_another_is_refused_in_words_that_name_the_place(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(SchemaFaultError) as refusal:
        check_payload_schema(schema)
    assert words in str(refusal.value)
    assert len(str(refusal.value)) < 1_000


async def _faults(schema: dict[str, Any], body: dict[str, Any]) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        try:
            await check_schema(body, schema, at="/in")
        except InvalidInputError as error:
            return [fault.pointer for fault in error.errors] or [error.detail]
    return []


@pytest.mark.parametrize(
    ("schema", "value", "faults"),
    [
        (_in(multipleOf=0.01), 19.99, []),
        (_in(multipleOf=0.01), 4.35, []),
        (_in(multipleOf=0.01), 19.999, ["/in/x"]),
        (_in(maximum=10**30), 10**30, []),
        (_in(maximum=10**30), 10**30 + 1, ["/in/x"]),
        (_in(multipleOf=3), 3 * 10**30 + 1, ["/in/x"]),
        (_in(type="integer"), 1.0, []),
        ({"$schema": DRAFT_4, **_in(type="integer")}, 1.0, ["/in/x"]),
        ({"$schema": DRAFT_4, **_in(maximum=5, exclusiveMaximum=True)}, 5, ["/in/x"]),
        ({"$schema": DRAFT_7, **_in(items=[{"type": "string"}])}, [1], ["/in/x/0"]),
        (_in(format="email"), "no address", []),
        (_in(uniqueItems=True), [{"a": 1}, {"a": 1.0}], ["/in/x"]),
        (_in(properties={"c": {}}, additionalProperties=False), {"b/~": 1, "a": 2}, ["/in/x/a", "/in/x/b~1~0"]),
        (_in(items={"type": "string"}), [1] * 40, [f"/in/x/{at}" for at in sorted(map(str, range(40)))]),
        ({**TREE, "properties": {"x": _ref("node")}}, {"name": "a", "left": {}}, ["/in/x/left"]),
        ({**TREE, "properties": {"x": _ref("node")}}, {"name": "a", "left": {"name": "b"}}, []),
    ],
)
async def test_a_body_fits_or_its_faults_are_named(schema: dict[str, Any], value: Any, faults: list[str]) -> None:
    check_payload_schema(schema)
    assert await _faults(schema, {"x": value}) == faults


async def test_a_refusal_names_fifty_faults_and_does_not_send_the_body_back() -> None:
    secret = "s3cret " * 1_000
    body = {"x": [secret] * 100, "y": {secret: 1}, "z": secret}
    schema = {**_in(items={"type": "integer"}), "additionalProperties": {"not": {"type": ["object", "string"]}}}
    with pytest.raises(InvalidInputError) as refusal:
        await check_schema(body, schema)
    assert len(refusal.value.errors) == 50
    assert "s3cret" not in json.dumps([fault.detail for fault in refusal.value.errors])


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


HOSTILE = [
    pytest.param(_in(pattern="(a+)+$"), "a" * 1_000_000 + "b", ["/in/x"], id="backtracking"),
    pytest.param(_in(pattern="([^x]{0,200}y)+$"), "a" * 1_000_000, ["/in/x"], id="large repetition"),
    pytest.param(_in(uniqueItems=True), [*range(100_000)], [], id="unique numbers"),
    pytest.param(_in(uniqueItems=True), [{"a": at} for at in range(60_000)], [], id="unique objects"),
    pytest.param(_in(uniqueItems=True), [10**30 + at for at in range(20_000)], ["takes too long"], id="large numbers"),
    pytest.param(BUSHY, _deep(60), None, id="doubling into the value"),
    pytest.param(_in(items={"type": "string"}), [1] * 100_000, 50, id="faults without end"),
]


@pytest.mark.parametrize(("schema", "value", "faults"), HOSTILE)
async def test_what_is_hostile_ends_and_holds_nobody_up(schema: dict[str, Any], value: Any, faults: Any) -> None:
    check_payload_schema(schema)
    answer = asyncio.create_task(_faults(schema, {"x": value}))
    ticks = 0
    while not answer.done():
        ticks += 1
        await asyncio.wait([answer], timeout=0.01)
    names = answer.result()
    if isinstance(faults, int):
        assert len(names) == faults
    elif faults and "/" not in faults[0]:
        assert faults[0] in names[0]
    elif faults is not None:
        assert names == faults
    assert ticks > 1 or faults is not None


@pytest.mark.parametrize("schema", [_doubling(30), {"$defs": {"a": _ref("a")}, **_ref("a")}, {"$ref": "#/nowhere"}])
async def test_a_schema_saved_before_the_rules_is_refused_with_the_event(schema: dict[str, Any]) -> None:
    assert "cannot be used" in (await _faults(schema, {}))[0]
