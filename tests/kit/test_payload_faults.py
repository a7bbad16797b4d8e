"""Where an event does not fit, said without its words; the helper process says the same as the function."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from deskhand.kit.payloads import helper
from deskhand.kit.payloads.faults import SHOWN_FAULTS, faults_of, fits
from deskhand.kit.payloads.rules import compiled

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["ticket_id"],
    "additionalProperties": False,
    "propertyNames": {"maxLength": 20},
    "properties": {
        "ticket_id": {"type": "string", "maxLength": 10},
        "n": {"type": "integer", "minimum": 0},
        "never": False,
        "rows": {"type": "array", "items": {"type": "object", "required": ["id"]}},
        "a/b": {"type": "string"},
    },
}


def _faults(payload: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.detail) for fault in faults_of(payload, compiled(SCHEMA))]


@pytest.mark.parametrize(
    ("payload", "pointers"),
    [
        ({"ticket_id": "1"}, []),
        ({}, [""]),
        ({"ticket_id": 5}, ["/ticket_id"]),
        ({"ticket_id": "1", "n": -1}, ["/n"]),
        ({"ticket_id": "1", "x": 1, "y": 2}, ["/x", "/y"]),
        ({"ticket_id": "1", "never": 1}, ["/never"]),
        ({"ticket_id": "1", "rows": [{"id": 1}, {}]}, ["/rows/1"]),
        ({"ticket_id": "1", "a/b": 5}, ["/a~1b"]),
    ],
)
def test_each_fault_has_its_place(payload: dict[str, Any], pointers: list[str]) -> None:
    assert [pointer for pointer, _ in _faults(payload)] == pointers
    assert fits(payload, compiled(SCHEMA)) is (not pointers)


def test_a_fault_never_says_what_stood_there() -> None:
    secret = "hunter2-and-more"
    payload = {"ticket_id": secret, "n": secret, "never": secret, "rows": [secret], "a/b": [secret]}
    faults = _faults(payload)
    assert len(faults) == 5
    assert secret not in repr(faults)


def test_of_endless_faults_the_first_are_shown_and_long_names_are_cut() -> None:
    many = {"ticket_id": "1", "rows": [{} for _ in range(500)]}
    assert len(_faults(many)) == SHOWN_FAULTS
    [(pointer, _), *_rest] = _faults({"ticket_id": "1", "x" * 5000: 1})
    assert len(pointer) < 1000


@pytest.mark.parametrize("payload", [{"ticket_id": {1}}, {"ticket_id": "1", "n": object()}])
def test_a_value_no_schema_can_judge_is_a_fault_and_no_failure(payload: dict[str, Any]) -> None:
    assert not fits(payload, compiled(SCHEMA))
    [fault] = faults_of(payload, compiled(SCHEMA))
    assert "no schema can judge" in fault.detail


@pytest.mark.parametrize("payload", [{"ticket_id": "1"}, {"ticket_id": 5, "x": 1}])
def test_the_helper_answers_the_same_and_bounds_itself_first(
    payload: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limits: list[int] = []
    monkeypatch.setattr(helper.resource, "setrlimit", lambda kind, _bounds: limits.append(kind))
    task = io.BytesIO(json.dumps({"schema": SCHEMA, "payload": payload}).encode())
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": task}))
    helper.main()
    assert [tuple(pair) for pair in json.loads(capsys.readouterr().out)] == _faults(payload)
    assert {helper.resource.RLIMIT_CPU, helper.resource.RLIMIT_AS} <= set(limits)
