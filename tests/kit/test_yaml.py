"""YAML is read as JSON's types with its lines, refused where it is ambiguous, and written one way."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.yaml import MAX_CHARACTERS, UnreadableYamlError, read_yaml, write_yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
WORDS = st.sampled_from(
    ["# c", "yes", "no", "on", "~", "null", "true", "12:30", "1e5", "0x1f", "007", "1_000", "2026-01-01", "- a", "a: b",
     "line\nline", "line \nline\n", "\n", " x", "x\n\n", "a\u2028b\nc", "a\x85b\n", "\tt\n", "{{a}}", "=", "<<"]
)  # fmt: skip
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: object) -> None:
    text = write_yaml(value)
    assert read_yaml(text).value == value
    assert write_yaml(read_yaml(text).value) == text


@given(st.dictionaries(st.sampled_from("abcdef"), st.text("abc \n", max_size=20), max_size=4))
def test_another_reader_reads_the_same(value: object) -> None:
    assert yaml.safe_load(write_yaml(value)) == value


def test_words_mean_what_they_look_like() -> None:
    text = "a: no\nb: 12:30\nc: 010\nd: 2026-01-01\ne: 1.5\nf: true\ng:\nh: 'true'\n1: x\n"
    assert read_yaml(text).value == {
        "a": "no", "b": "12:30", "c": "010", "d": "2026-01-01", "e": 1.5, "f": True, "g": None, "h": "true", "1": "x",
    }  # fmt: skip


def test_every_part_has_its_line() -> None:
    document = read_yaml("# why\nname: a\ntriggers:\n  - type: x\n\n  - type: y\n    cron: z\n")
    assert document.line_of(("name",)) == 2
    assert document.line_of(("triggers", 1)) == 6
    assert document.line_of(("triggers", 1, "cron")) == 7
    assert document.line_of(("triggers", 1, "zone", "deeper")) == 6
    assert document.line_of(("missing",)) == 2


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' stands twice, first in line 1"),
        ("x:\n  - {a: 1, a: 2}\n", 2, "stands twice"),
        ("a: &b [1]\nc: *b\n", 1, "anchors and aliases"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tags are not read"),
        ("a: !!binary aGk=\n", 1, "tags are not read"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("? [a]\n: 1\n", 1, "a key must be a text"),
        ("a: [1\nb: 2\n", 2, "this is not YAML"),
        ("a: 'x\n", 2, "this is not YAML"),
        ("a:\n\t- b\n", 2, "this is not YAML"),
        ("a: \x07\n", 1, "this is not YAML"),
        ("a: 1\nb: \ud83d\n", 2, "surrogate"),
        ("[" * 100_000, 1, "nested deeper than 50"),
        ("- " * 60 + "x", 1, "nested deeper than 50"),
        ("a" * (MAX_CHARACTERS + 1), 1, "longer than"),
    ],
)
def test_what_is_ambiguous_or_dangerous_is_refused_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(UnreadableYamlError, match=told) as refused:
        read_yaml(text)
    assert refused.value.line == line
