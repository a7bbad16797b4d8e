"""What is open while HTML is read: a quote, a list item, a cell. Each gathers blocks and ends as one; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from deskhand.kit.html.inline import cell, indented, quoted, table

_COLUMNS = 60
_SPAN = 200
_REPEATED = 120
"""Characters of a cell that are repeated in each row it spans; a longer one is referred to."""


class ListText(str):
    """A block that is a list."""

    __slots__ = ()


@dataclass(slots=True)
class Frame:
    """An element that holds blocks.

    Attributes:
        name: Its tag; empty for the document.
        blocks: Finished blocks, in order.
        bullet: Of a list item.
    """

    name: str
    blocks: list[str] = field(default_factory=list)
    bullet: str = ""

    def text(self) -> str:
        """Its blocks, apart from one another."""
        return "\n\n".join(self.blocks)

    def ended(self) -> list[str]:
        """What it leaves in the frame around it."""
        if self.name == "blockquote":
            return [quoted(self.text())] if self.blocks else []
        return self.blocks


@dataclass(slots=True)
class Item(Frame):
    """A list item: a list below its text stands close to it."""

    def ended(self) -> list[str]:
        if not self.blocks:
            return []
        text = self.blocks[0]
        for block in self.blocks[1:]:
            text += ("\n" if isinstance(block, ListText) else "\n\n") + block
        return [self.bullet + indented(text, len(self.bullet))]


@dataclass(slots=True)
class List(Frame):
    """A list; ``number`` is that of the next item, None for bullets."""

    number: int | None = None

    def next_bullet(self) -> str:
        """The bullet of the next item."""
        if self.number is None:
            return "- "
        self.number += 1
        return f"{self.number - 1}. "

    def ended(self) -> list[str]:
        return [ListText("\n".join(self.blocks))] if self.blocks else []


@dataclass(slots=True)
class Cell(Frame):
    """A cell and how far it reaches."""

    columns: int = 1
    rows: int = 1
    holds_table: bool = False


@dataclass(slots=True)
class Table(Frame):
    """A table, or a layout that looks like one to a parser.

    A table whose rows have one cell each, or that holds further tables, is how mail programs place things on a page:
    its cells are read one after another.
    """

    cells: list[list[Cell]] = field(default_factory=list)

    def row(self) -> list[Cell]:
        """The row at hand."""
        if not self.cells:
            self.cells.append([])
        return self.cells[-1]

    def ended(self) -> list[str]:
        rows = [row for row in self.cells if row]
        cells = [one for row in rows for one in row]
        # By its shape, since no attribute tells: mail programs lay out whole letters in tables that say nothing of it.
        lays_out = all(len(row) == 1 for row in rows) or any(one.holds_table for one in cells)
        if lays_out:
            return [*self.blocks, *(block for one in cells for block in one.blocks)]
        return [*self.blocks, table(_spread(rows))]


def _spread(rows: list[list[Cell]]) -> list[list[str]]:
    """Rows of texts in which a cell that reaches over several rows stands in each of them."""
    reaching: dict[int, tuple[int, str]] = {}
    out: list[list[str]] = []
    for row in rows:
        line: list[str] = []
        for one in row:
            _carry(line, reaching)
            text = cell(one.text())
            # A table of a thousand columns is no table to anybody; what is beyond joins the last cell.
            if len(line) >= _COLUMNS:
                line[-1] = f"{line[-1]} {text}".strip()
                continue
            if one.rows > 1:
                shown = text if len(text) <= _REPEATED else "(as above)"
                # Bounded: a cell may say that it spans a billion rows.
                reaching[len(line)] = (min(one.rows, _SPAN) - 1, shown)
            line += [text, *([""] * (min(one.columns, _COLUMNS - len(line)) - 1))]
        _carry(line, reaching)
        out.append(line)
    return out


def _carry(line: list[str], reaching: dict[int, tuple[int, str]]) -> None:
    """Write what reaches down from a row above into the places it takes."""
    while (place := len(line)) in reaching:
        rows, text = reaching.pop(place)
        line.append(text)
        if rows > 1:
            reaching[place] = (rows - 1, text)
