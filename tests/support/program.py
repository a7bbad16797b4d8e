"""The program ``deskhand`` in a process of its own, without paying for its start each time.

Importing a command takes seconds of CPU, forking takes milliseconds: one process imports them all, and each call is a
fork of it that gets its own environment, folder and outputs. What a start itself does (``serve``, ``up``) is tried with
real starts in its own tests.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

_TURN = threading.Lock()
OUT, ERR = "out", "err"
ROOT = Path(__file__).resolve().parents[2]


def deskhand(*arguments: str, environment: Mapping[str, str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``deskhand`` with these arguments to its end.

    Args:
        arguments: As typed.
        environment: All of it; nothing is taken over from the test's own.
        directory: Where it runs.
    """
    with _TURN, tempfile.TemporaryDirectory(prefix="deskhand-program-") as outputs:
        request = {"arguments": arguments, "environment": dict(environment), "in": str(directory), "outputs": outputs}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        texts = [Path(outputs, name).read_text() for name in (OUT, ERR)]
    return subprocess.CompletedProcess(arguments, code, *texts)


@functools.cache
def _server() -> subprocess.Popen[str]:
    # Ends by itself when this process, and with it the pipe, is gone. From the checkout, since the test that calls it
    # first may stand in a folder of its own.
    own = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    command = [sys.executable, "-m", "tests.support.program"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own, cwd=ROOT)


def _be_the_program(request: dict[str, object]) -> int:
    """In the child: a process as a shell would have started it."""
    outputs = Path(str(request["outputs"]))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, OUT), (2, ERR)):
        os.dup2(os.open(outputs / name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(dict(request["environment"]))  # type: ignore[call-overload]  # as the caller made it
    os.chdir(str(request["in"]))
    sys.argv = ["deskhand", *map(str, request["arguments"])]  # type: ignore[call-overload]
    try:
        import_module("deskhand.cli").entry()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _main() -> None:
    cli = import_module("deskhand.cli")
    for module in sorted({module for module, _ in cli.COMMANDS.values()}):
        import_module(f"deskhand.cli.{module}")
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = _be_the_program(json.loads(line))
            except BaseException:
                sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
                raise
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
