"""YAML that people write and keep: read without surprises, with the line of everything in it, and written one way.

It is YAML's block and flow form with JSON's types. What makes YAML dangerous or ambiguous is refused instead of read:
tags, which name types to build; aliases, of which a few lines unfold to gigabytes; a key that stands twice, of which
one would be lost unseen. ``no`` and ``12:30`` are texts: only ``true``, ``false``, ``null`` and JSON's numbers are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_CHARACTERS = 262_144
"""Eight times the longest prompt: a file that is longer holds something else."""
MAX_DEPTH = 50

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value; the empty place is the whole document."""

# libyaml reads ten times as fast; an installation whose wheel lacks it reads the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,299})", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,299})(?:\.[0-9]{1,299})?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_WORDS: Mapping[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TEXT_TAG = "tag:yaml.org,2002:str"


class UnreadableYamlError(ValueError):
    """The text cannot be read.

    Attributes:
        line: Where, counted from 1.
    """

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """What a text holds, and on which line each part of it begins."""

    value: Any
    lines: Mapping[Place, int]

    def line_of(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it that is written out."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


@dataclass(slots=True)
class _Open:
    """A mapping or a sequence that has begun."""

    value: dict[str, Any] | list[Any]
    place: Place
    key: str | None = None


@dataclass(slots=True)
class _Reader:
    """Builds the value from the parser's events: composing it there would recurse as deep as a stranger nests."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    documents: int = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise UnreadableYamlError("anchors and aliases ('&' and '*') are not read; write the value out", line)
        if getattr(event, "tag", None) is not None:
            raise UnreadableYamlError(f"tags are not read, and this is '{event.tag[:60]}'", line)
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise UnreadableYamlError("a second document begins; one file holds one", line)
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.MappingStartEvent():
                self._begin({}, line)
            case yaml.SequenceStartEvent():
                self._begin([], line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.stack.pop()

    def _scalar(self, event: Any, line: int) -> None:
        parent = self.stack[-1] if self.stack else None
        if parent is None or isinstance(parent.value, list) or parent.key is not None:
            self._put(_plain(event.value) if event.implicit[0] else event.value, line)
            return
        place = (*parent.place, event.value)
        if event.value in parent.value:
            raise UnreadableYamlError(
                f"the key '{event.value[:100]}' stands twice, first in line {self.lines[place]}", line
            )
        parent.key = event.value
        self.lines[place] = line

    def _begin(self, value: dict[str, Any] | list[Any], line: int) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise UnreadableYamlError(f"it is nested deeper than {MAX_DEPTH} levels", line)
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise UnreadableYamlError("a key must be a text", line)
        self.stack.append(_Open(value, self._put(value, line)))

    def _put(self, value: Any, line: int) -> Place:
        if not self.stack:
            self.value = value
            self.lines[()] = line
            return ()
        parent = self.stack[-1]
        if isinstance(parent.value, list):
            place: Place = (*parent.place, len(parent.value))
            parent.value.append(value)
            self.lines[place] = line
            return place
        assert parent.key is not None  # a value comes after its key
        place = (*parent.place, parent.key)
        parent.value[parent.key] = value
        parent.key = None
        return place


def read_yaml(text: str) -> YamlDocument:
    """The one document in a text.

    Raises:
        UnreadableYamlError: It is no YAML, or more of it than is read here; names the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnreadableYamlError(f"it is longer than {MAX_CHARACTERS} characters", 1)
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise UnreadableYamlError(f"this is not YAML: {problem}", mark.line + 1 if mark else 1) from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise UnreadableYamlError("this is half of a surrogate pair, which is no character", line) from None
    return YamlDocument(reader.value, reader.lines)


def write_yaml(value: Any) -> str:
    """A JSON value as YAML that ``read_yaml`` reads as the same; always the same text for the same value."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1_000_000
    )


class _Dumper(yaml.SafeDumper):
    """Writes out what stands twice, and indents lists, as people do."""

    def ignore_aliases(self, _data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text and not _ODD_BREAKS.search(text):
        style = "|"  # a prompt is read line by line, and so are its changes
    elif not isinstance(_plain(text), str) or _ODD_BREAKS.search(text):
        style = '"'
    return dumper.represent_scalar(_TEXT_TAG, text, style=style)


# YAML takes these for ends of lines too, and a block would come back with others in their place.
_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_Dumper.add_representer(str, _represent_text)


def _plain(text: str) -> object:
    """What a word without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
