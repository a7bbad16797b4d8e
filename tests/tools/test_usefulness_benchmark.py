"""What ``benchmarks/usefulness.py`` counts is what it says, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="comes with the extra 'embedded'")

import numpy as np
from benchmarks.foreign.claims import stands
from benchmarks.foreign.fields import Proposal, judge, majority, nearest, regression
from benchmarks.foreign.labelled import labelled
from benchmarks.foreign.library import read_library
from benchmarks.foreign.tickets import CASES, filed


def test_baselines_find_what_the_vectors_tell_apart() -> None:
    known = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [0.05, 0.95]])
    labels = ["network", "network", "access", "access", "access"]
    asked = np.array([[0.8, 0.2], [0.2, 0.8]])
    for way in (nearest, regression):
        assert [one.value for one in way(known, labels, asked)] == ["network", "access"]
    assert [one.value for one in majority(labels, 2)] == ["access", "access"]


def test_silence_is_neither_right_nor_wrong_and_the_surest_are_taken_first() -> None:
    proposals = [Proposal("a", 0.9), Proposal(None), Proposal("b", 0.5), Proposal("a", 0.7)]
    judged = judge(proposals, ["a", "a", "a", "a"], most=2)
    assert (judged.spoke, judged.right, judged.at) == (3, 2, 2)
    assert judged.share == pytest.approx(2 / 3)
    assert judge([Proposal(None)], ["a"], most=0).share == 0.0


@pytest.mark.parametrize(
    ("step", "is_said"),
    [
        ("Update the VPN client.", True),
        ("Restart the laptop and update the VPN client.", False),
        ("Never update the VPN client.", False),
        ("Update the VPN client to 5.1.", False),
        ("Updated the VPN client on the gateway …", True),
    ],
)
def test_a_step_stands_on_its_source_or_does_not(step: str, is_said: bool) -> None:
    assert stands(step, "Updated the VPN client on the gateway and told the user.") is is_said


def test_what_is_filed_as_new_is_in_no_history_and_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "search").mkdir()
    rows = [{"id": name, "subject": f"s{name}", "description": "d", "priority": None} for name in ("1700380", "2", "3")]
    bugs = {"documents": rows, "queries": [{"id": "3", "relevant": ["1700380"], "language": "en"}]}
    (tmp_path / "search" / "seamonkey.json").write_text(json.dumps(bugs))
    tickets = list(filed(tmp_path))
    ours = [case for case in CASES if not case.where]
    assert sorted(one.subject for one in tickets) == sorted(["s1700380", *(case.subject for case in ours)])
    assert capsys.readouterr().out.count("left out") == len(CASES) - len(tickets)
    library = read_library(tmp_path, new={one.case.ident for one in tickets}, bugs=1, pages=1)
    assert [row["ticket_id"] for row in library.tickets] == ["3"]
    assert read_library(None, new=(), bugs=1, pages=1).tickets == ()


def test_a_set_is_halved_by_chance_and_the_same_way_each_time(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    rows = [
        {"id": str(n), "subject": f"s{n}", "description": "d", "priority": "P1" if n % 2 else None} for n in range(40)
    ]
    (tmp_path / "search" / "seamonkey.json").write_text(json.dumps({"documents": rows, "queries": []}))
    (first,), (again,) = ([one for one in labelled(tmp_path, most=10) if "seamonkey" in one.name] for _ in range(2))
    assert (len(first.known), len(first.asked)) == (5, 5)
    assert first.asked == again.asked
    assert not {row["subject"] for row in first.known} & {text.split("\n")[0] for text, _ in first.asked}
    assert all(values == {"priority": "P1"} for _, values in first.asked)
