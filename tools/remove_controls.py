"""Take the security controls away one by one, and see which attack each of them held off.

Each control of ``tests/attacks/controls.toml`` is a change of one source file. It is made in a copy of ``src``, the
named tests run against the copy, and they must fail: a control whose removal nobody notices is not tested. Prints a
table and exits with 1 if any removal leaves all tests green.

    python tools/remove_controls.py                 # all of them, some twenty minutes
    python tools/remove_controls.py cookie redirect # those with such a word in their name
    python tools/remove_controls.py --part 2/5      # the second fifth, where a place is free for some minutes only
    python tools/remove_controls.py --write cookie  # and put what was seen on docs/reference/controls.md
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "deskhand"
CONTROLS = ROOT / "tests" / "attacks" / "controls.toml"
PAGE = ROOT / "docs" / "reference" / "controls.md"
SECONDS = 300
HEAD = """# Controls, taken away one by one

<!-- Written by tools/remove_controls.py (`make controls ARGS=--write`). -->

Each control against a threat of [the threat table](../explanation/security.md#threats), taken out of a copy of the
source, and the first test that failed then. *Seen in* is the tree on which it was tried (`git show`). Which change
takes a control away stands in `tests/attacks/controls.toml`; a test of the suite checks that each still fits the source
and is on this page, and `make controls` tries them anew.

| Control taken away | Threat | Fails then | Seen in |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Control:
    """One control, and what takes it away.

    Attributes:
        name: What it does.
        threat: The row of the threat table it stands against, word for word.
        file: Where it stands, below ``src/deskhand``; a pattern where it may move within a room.
        before: Its text there, which occurs once.
        after: What stands there without it.
        tests: Which must fail then.
    """

    name: str
    threat: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def fault(self) -> str:
        """Why this control could not be removed as it is described; empty if it can."""
        places = self.places(PACKAGE)
        if len(places) != 1:
            return f"its text stands in {len(places)} files of {self.file}"
        times = places[0].read_text(encoding="utf-8").count(self.before)
        if times != 1:
            return f"its text occurs {times} times in {self.file}"
        return "" if self.before != self.after else "nothing would change"

    def places(self, package: Path) -> list[Path]:
        """The files that have its text."""
        return [path for path in sorted(package.glob(self.file)) if self.before in path.read_text(encoding="utf-8")]


def read_controls(path: Path = CONTROLS) -> list[Control]:
    """All controls, in the order of the file."""
    listed = tomllib.loads(path.read_text(encoding="utf-8"))["control"]
    return [Control(**{**one, "tests": tuple(one["tests"])}) for one in listed]


def failing_tests(control: Control) -> list[str]:
    """The tests that fail without the control.

    Raises:
        RuntimeError: They could not be run: a change that breaks the program proves nothing.
    """
    with tempfile.TemporaryDirectory(prefix="deskhand-without-") as directory:
        source = Path(directory) / "src"
        shutil.copytree(PACKAGE, source / "deskhand", ignore=shutil.ignore_patterns("__pycache__"))
        (path,) = control.places(source / "deskhand")
        path.write_text(path.read_text(encoding="utf-8").replace(control.before, control.after), encoding="utf-8")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-x", "-rfE", "-p", "no:cacheprovider"),
                *("--tb=line", "--show-capture=no", "--no-header", *control.tests),
            ],
            cwd=ROOT,
            # Before the checkout's own src on the path of modules, for the tests and for the programs they start.
            env={**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    # A fixture that cannot be made is a program that does not run, and no attack that got through. What a fixture says
    # at its end may be of the attack.
    if done.returncode not in (0, 1) or re.search(r"^_+ ERROR at setup of ", done.stdout, re.MULTILINE):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}")
    # A name of a parameter may have blanks; what comes after " - " is why.
    return re.findall(r"^FAILED (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)


def chosen_of(controls: Sequence[Control], words: Sequence[str], part: str) -> list[Control]:
    """Those with one of the words in their name (all, without words), and of these one part of several, as ``2/5``."""
    named = [control for control in controls if not words or any(word in control.name for word in words)]
    number, _, parts = part.partition("/")
    # Every fifth and not the first fifth: neighbours in the file are as slow as each other.
    return named[int(number) - 1 :: int(parts)]


def seen_in() -> str:
    """The commit of the checkout; with a mark if what is tried was changed since, so that nobody looks there for it."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}-changed" if _git("status", "--porcelain", "--", "src", "tests") else commit


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def rows_of(page: Path) -> dict[str, str]:
    """The lines of the page's table, by the control's name."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines if re.match(r"\| .* \| `tests/", line)}


def put_on_page(page: Path, controls: Sequence[Control], seen: dict[str, str]) -> None:
    """Write the page: what was seen just now, and the rows before for the other controls that there still are."""
    # Parts run side by side, and each would write its own rows over the other's.
    with page.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = rows_of(page) | seen
        lines = [rows[control.name] for control in controls if control.name in rows]
        page.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    page.with_suffix(".lock").unlink(missing_ok=True)


def try_without(control: Control) -> tuple[bool, str]:
    """Whether a test noticed, and what to say of it."""
    if fault := control.fault():
        return False, f"**does not fit**: {fault}"
    try:
        failing = failing_tests(control)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return False, f"**not run**: {str(error)[-1500:]}"
    return bool(failing), f"`{failing[0]}`" if failing else "**nothing**"


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 if a removal went unnoticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="of the controls' names")
    parser.add_argument("--part", default="1/1", help="one part of several, as 2/5")
    parser.add_argument("--write", action="store_true", help=f"put what was seen on {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    controls = read_controls()
    chosen = chosen_of(controls, options.words, options.part)
    seen: dict[str, str] = {}
    tree = seen_in()
    print("| Control taken away | Threat | Fails then | Seen in |\n|---|---|---|---|")
    for control in chosen:
        noticed, verdict = try_without(control)
        row = f"| {control.name} | {control.threat} | {verdict} | {tree} |"
        print(row, flush=True)
        if noticed:
            seen[control.name] = row
        if noticed and options.write:  # at once: who stops a run of half an hour keeps what it saw
            put_on_page(PAGE, controls, {control.name: row})
    print(f"\n{len(chosen)} controls, {len(chosen) - len(seen)} whose removal nothing noticed")
    return 1 if len(seen) < len(chosen) or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
