"""The threat table is true: each row names a control that can be taken away, and a test that exists.

That the tests fail then is seen by ``make controls``, which takes too long for every run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
UNTRIED = 20
TABLE = ROOT / "docs" / "explanation" / "security.md"


def script() -> ModuleType:
    spec = spec_from_file_location("remove_controls", ROOT / "tools" / "remove_controls.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


CONTROLS = script().read_controls()


def rows() -> list[list[str]]:
    """The cells of the threat table: letter, threat, control, tests."""
    text = TABLE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r"\| [STRIDE] \|", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def named_in(cell: str) -> list[str]:
    return re.findall(r"`((?:test_\w+|tests/[\w/]+\.py|test_\w+\.py))`", cell)


def there_is(name: str) -> bool:
    if name.endswith(".py"):
        return bool(list(ROOT.glob(name if "/" in name else f"tests/**/{name}")))
    return any(f"def {name}(" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("control", CONTROLS, ids=[control.name for control in CONTROLS])
def test_each_control_can_still_be_taken_away(control: object) -> None:
    assert control.fault() == ""  # type: ignore[attr-defined]
    for test in control.tests:  # type: ignore[attr-defined]
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert not name or there_is(name), test


def test_there_is_a_control_against_each_threat_and_no_threat_is_made_up() -> None:
    threats = [row[1] for row in rows()]
    assert len(threats) == len(set(threats)) >= 20
    assert {letter for letter, *_ in rows()} == set("STRIDE")
    assert {control.threat for control in CONTROLS} <= set(threats)
    assert len(CONTROLS) >= 20
    names = [control.name for control in CONTROLS]
    assert len(names) == len(set(names))
    assert len({control.threat for control in CONTROLS}) >= 28, "of what is held off, most can be seen to matter"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[1])
def test_each_row_names_tests_that_exist(row: Sequence[str]) -> None:
    assert len(row) == 4
    named = named_in(row[3])
    assert named, row
    assert [name for name in named if not there_is(name)] == []


def test_the_page_says_of_each_control_which_test_failed_without_it() -> None:
    """A control that is new, or against another threat now, has to be tried: `make controls ARGS="--write NAME"`."""
    module = script()
    rows = module.rows_of(module.PAGE)
    assert rows.keys() <= {control.name for control in CONTROLS}, "a row of a control that is gone"
    # To try one takes half a minute of a quiet machine: whoever adds some need not stop for that, but not for long.
    assert len(CONTROLS) - len(rows) <= UNTRIED
    for control in CONTROLS:
        if control.name not in rows:
            continue
        _, threat, failed, commit = (cell.strip(" |") for cell in rows[control.name].split(" | "))
        assert threat == control.threat, control.name
        path, _, name = failed.strip("`").partition("[")[0].partition("::")
        assert there_is(name), failed
        assert any(test.partition("::")[0] == path or path.startswith(test) for test in control.tests), failed
        assert re.fullmatch("[0-9a-f]{7,}", commit), "tried on a tree that nobody can look at"


def test_parts_are_all_controls_and_no_two_have_the_same() -> None:
    module = script()
    parts = [module.chosen_of(CONTROLS, [], f"{number}/3") for number in (1, 2, 3)]
    assert sorted(one.name for part in parts for one in part) == sorted(one.name for one in CONTROLS)
    assert module.chosen_of(CONTROLS, [CONTROLS[0].name], "1/1") == [CONTROLS[0]]


def test_the_page_keeps_what_was_seen_before_and_forgets_what_is_gone(tmp_path: Path) -> None:
    module, page = script(), tmp_path / "controls.md"
    first, second = CONTROLS[:2]
    row = "| {} | threat | `tests/x.py::test_y` | abcdef0 |"
    module.put_on_page(page, [first, second], {first.name: row.format(first.name)})
    module.put_on_page(page, [first, second], {second.name: row.format(second.name)})
    assert list(module.rows_of(page)) == [first.name, second.name]
    module.put_on_page(page, [second], {})
    assert list(module.rows_of(page)) == [second.name]


def test_a_control_that_is_not_there_any_more_is_told() -> None:
    module = script()
    known = CONTROLS[0]
    gone = module.Control(known.name, known.threat, known.file, "no such text", "", known.tests)
    assert "in 0 files" in gone.fault()
    same = module.Control(known.name, known.threat, known.file, known.before, known.before, known.tests)
    assert same.fault() == "nothing would change"
    assert "in 0 files" in module.Control("x", "x", "nowhere.py", "a", "b", ()).fault()
    twice = module.Control("x", "x", known.file, "\n", "", ())
    assert " times" in twice.fault()
