"""Take the security controls away one by one, and see which attack each of them held off.

Each control of ``tests/attacks/controls.toml`` is a change of one source file. It is made in a copy of ``src``, the
named tests run against the copy, and they must fail: a control whose removal nobody notices is not tested. Prints a
table and exits with 1 if any removal leaves all tests green.

    python tools/remove_controls.py                 # all of them, some ten minutes
    python tools/remove_controls.py cookie redirect # those with such a word in their name
"""

from __future__ import annotations

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
SECONDS = 300


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
    # An error of a fixture is a program that does not run, and no attack that got through.
    if done.returncode not in (0, 1) or re.search(r"^ERROR ", done.stdout, re.MULTILINE):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}")
    return re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if a removal went unnoticed."""
    chosen = [control for control in read_controls() if not words or any(word in control.name for word in words)]
    unnoticed = 0
    print("| Control taken away | Threat | Fails then |\n|---|---|---|")
    for control in chosen:
        try:
            failing = [] if control.fault() else failing_tests(control)
            verdict = control.fault() or (f"`{failing[0]}`" if failing else "**nothing**")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            failing, verdict = [], f"**not run**: {str(error)[:300]}"
        unnoticed += not failing
        print(f"| {control.name} | {control.threat} | {verdict} |", flush=True)
    print(f"\n{len(chosen)} controls, {unnoticed} whose removal nothing noticed")
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
