"""The embedded model as a server of its own process, OpenAI-compatible, on 127.0.0.1.

A process of its own, because a crash of native code must not take a worker along, and because one
loaded model serves all workers of a machine. ``python -m deskhand.llm.embedded.server`` is the child;
``EmbeddedModelServer`` starts it, waits for it, and starts it again if it dies.

Needs the extra ``deskhand[embedded]`` (xllamacpp, the llama.cpp server with prebuilt kernels).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from deskhand.errors import ConfigurationError
from deskhand.kit.kept import KeptProcess, Start
from deskhand.llm.embedded.models import (
    AUTO,
    EMBEDDED_MODELS,
    EmbeddedEndpoint,
    EmbeddedModel,
    choose_model,
    smaller_than,
)
from deskhand.llm.embedded.speed import NOTE_SECONDS, measured
from deskhand.llm.errors import ModelUnavailableError

HOST = "127.0.0.1"
FULL_CONTEXT = 8192
SMALL_CONTEXT = 4096
STOP_SECONDS = 10.0
_AMPLE_MEMORY = 4_000_000_000


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to run one model.

    Attributes:
        path: The GGUF file.
        name: What the model is called in answers and notes.
        state_file: Where the child writes its address and key (mode 0600).
        context: Tokens of prompt and answer together.
        threads: CPU threads; 0 takes every core that is idle at the start.
        nice: Added to the child's niceness.
        smaller: What to run instead where this machine is too slow for the first; None runs the first however slow.
        note_seconds: What a note may take before the machine counts as too slow.
    """

    path: Path
    name: str
    state_file: Path
    context: int = FULL_CONTEXT
    threads: int = 0
    nice: int = 0
    smaller: tuple[Path, str] | None = None
    note_seconds: float = NOTE_SECONDS


def memory_available() -> int:
    """Bytes this process may still use: the machine's free memory, or what its container leaves."""
    free = _meminfo_available()
    with contextlib.suppress(OSError, ValueError):
        cgroup = Path("/sys/fs/cgroup")
        limit = int(cgroup.joinpath("memory.max").read_text(encoding="ascii"))
        used = int(cgroup.joinpath("memory.current").read_text(encoding="ascii"))
        # In a container the kernel ends what goes over the group's limit, however much memory the machine has.
        free = min(free, max(0, limit - used))
    return free


def _meminfo_available() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def options_for(
    choice: str, *, models_dir: Path, state_file: Path, model_path: Path | None = None, nice: int = 0
) -> ServerOptions:
    """Which file to run, and how much context it gets.

    Args:
        choice: ``auto`` or the name of an embedded model.
        models_dir: Where ``deskhand models pull`` keeps files.
        state_file: Where the child writes its address and key.
        model_path: A GGUF file given by the operator; wins over ``choice``.
        nice: Added to the child's niceness.

    Raises:
        ConfigurationError: The model is unknown or its file is not there; says how to get it.
    """
    free = memory_available()
    context = FULL_CONTEXT if free >= _AMPLE_MEMORY else SMALL_CONTEXT
    if model_path is not None:
        if not model_path.is_file():
            raise ConfigurationError(f"DESKHAND_MODEL_PATH names '{model_path}', and there is no such file.")
        # A file of ours under its own name is still that model, so that agents which name it go on.
        known = next((model.name for model in EMBEDDED_MODELS.values() if model.filename == model_path.name), None)
        return ServerOptions(model_path, known or model_path.stem, state_file, context, nice=nice)
    model = _chosen(choice, models_dir, free)
    path = models_dir / model.filename
    if not path.is_file():
        raise ConfigurationError(f"The embedded model is not here yet. Run `deskhand models pull {model.name}`.")
    other = smaller_than(model) if choice == AUTO else None
    smaller = None if other is None else (models_dir / other.filename, other.name)
    return ServerOptions(path, model.name, state_file, context, nice=nice, smaller=smaller)


def _chosen(choice: str, models_dir: Path, free: int) -> EmbeddedModel:
    if choice == AUTO:
        present = frozenset(m.name for m in EMBEDDED_MODELS.values() if (models_dir / m.filename).is_file())
        return choose_model(memory_available=free, present=present)
    model = EMBEDDED_MODELS.get(choice)
    if model is None:
        raise ConfigurationError(
            f"There is no embedded model '{choice}'. There are: {', '.join(EMBEDDED_MODELS)} and auto."
        )
    return model


def read_endpoint(state_file: Path) -> EmbeddedEndpoint:
    """Where the embedded server listens, for any process of the same user.

    Raises:
        ModelUnavailableError: It is not running, or not ready yet.
    """
    try:
        state = json.loads(state_file.read_text(encoding="utf-8"))
        # A server that was killed leaves its file behind; signal 0 only asks whether its process is there.
        os.kill(int(state["pid"]), 0)
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailableError(
            "The embedded model is not running or still loading. `deskhand doctor` says what is missing."
        ) from error
    return EmbeddedEndpoint(state["base_url"], state["api_key"], state["model"], state.get("note_seconds"))


def faster_than(endpoint: EmbeddedEndpoint) -> EmbeddedModel | None:
    """The model that this machine would do better with than with the one that runs, where that is known to be slow."""
    if endpoint.note_seconds is None or endpoint.note_seconds <= NOTE_SECONDS:
        return None
    return smaller_than(EMBEDDED_MODELS[endpoint.model])


class EmbeddedModelServer:
    """Keeps the child running.

    Args:
        options: What to run; see ``options_for``.
        log_file: Where the child's own output goes; None drops it.
    """

    def __init__(self, options: ServerOptions, *, log_file: Path | None = None) -> None:
        self._options = options
        self._stopped = threading.Event()
        self._child = KeptProcess(
            "embedded-model", self._prepare, log_file=log_file or Path(os.devnull), stop_seconds=STOP_SECONDS
        )

    @property
    def model_name(self) -> str:
        return self._options.name

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def restarts(self) -> int:
        return self._child.restarts

    @property
    def base_url(self) -> str:
        return self.endpoint().base_url

    @property
    def api_key(self) -> str:
        return self.endpoint().api_key

    def endpoint(self) -> EmbeddedEndpoint:
        """The current address; it changes when the child is started again."""
        return read_endpoint(self._options.state_file)

    def start(self) -> None:
        """Start the child and keep it running; returns at once, see ``wait_ready``."""
        self._options.state_file.parent.mkdir(parents=True, exist_ok=True)
        self._stopped.clear()
        self._child.start()

    def wait_ready(self, timeout: float = 600.0) -> EmbeddedEndpoint:
        """Wait until the model answers.

        Args:
            timeout: Seconds; loading takes 1 to 5, and to measure it 3; from a cold disk or on a slow machine more.

        Raises:
            ModelUnavailableError: Not ready in time.
        """
        until = time.monotonic() + timeout
        while True:
            try:
                return self.endpoint()
            except ModelUnavailableError:
                if time.monotonic() >= until or self._stopped.wait(0.05):
                    raise

    def stop(self) -> None:
        """Stop the child and wait until it is gone."""
        # First, so that a thread which waits for the model gives up at once.
        self._stopped.set()
        self._child.stop()
        self._options.state_file.unlink(missing_ok=True)

    def _prepare(self) -> Start:
        # Gone before the child starts: nobody may call the old address while the new server loads.
        self._options.state_file.unlink(missing_ok=True)
        options = self._options
        command = [sys.executable, "-P", "-m", "deskhand.llm.embedded.server", str(options.path)]
        command += ["--name", options.name]
        command += ["--state-file", str(options.state_file), "--context", str(options.context)]
        command += ["--threads", str(options.threads), "--nice", str(options.nice)]
        if options.smaller is not None:
            command += ["--smaller", str(options.smaller[0]), "--smaller-name", options.smaller[1]]
            command += ["--enough", str(options.note_seconds)]
        return Start(command=command)


def _serve(arguments: argparse.Namespace) -> None:
    import xllamacpp  # noqa: PLC0415 - optional extra with native code, loaded only in this child process

    # Inference takes every core for seconds; API and worker beside it must still answer.
    os.nice(arguments.nice)
    threads = arguments.threads or len(os.sched_getaffinity(0))
    # A key of its own at each start: other users of the machine can reach 127.0.0.1, too.
    key = secrets.token_urlsafe(32)
    params = xllamacpp.CommonParams()
    params.model.path = str(arguments.model)
    params.n_ctx = arguments.context
    # One slot: two would share the context between them, and on a CPU each would take twice as long.
    params.n_parallel = 1
    params.use_jinja = True
    params.hostnames = [HOST]
    params.port = arguments.port
    params.api_keys = [key]
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    base_url = f"{server.listening_address}/v1"
    seconds = None
    if arguments.smaller is not None:
        seconds = measured(base_url, key, enough=arguments.enough).note_seconds
        if seconds > arguments.enough and arguments.smaller.is_file():
            _run_the_smaller(arguments)
    state = {
        "base_url": base_url,
        "api_key": key,
        "model": arguments.name,
        "pid": os.getpid(),
        "context": arguments.context,
        "note_seconds": None if seconds is None else round(seconds),
    }
    _write_private(arguments.state_file, json.dumps(state))
    sys.stdin.buffer.read()  # until the supervisor closes the pipe or dies
    os._exit(0)  # at once: some of llama.cpp's threads would wait for a request that never comes


def _run_the_smaller(arguments: argparse.Namespace) -> NoReturn:
    command = [sys.executable, "-P", "-m", "deskhand.llm.embedded.server", str(arguments.smaller)]
    command += ["--name", arguments.smaller_name, "--state-file", str(arguments.state_file)]
    command += ["--context", str(arguments.context), "--threads", str(arguments.threads), "--port", str(arguments.port)]
    # In this process, whose niceness stays: whoever keeps it keeps it, and llama.cpp's memory goes with the old image.
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and file names  # nosec B606


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    # Private from its first byte: a mode that is set afterwards leaves a moment in which others can read the key.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    # Whole or not at all: a worker may read the file at any moment.
    draft.replace(path)


def main() -> None:
    """The child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--state-file", type=Path, required=True)
    parser.add_argument("--context", type=int, default=FULL_CONTEXT)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--smaller", type=Path)
    parser.add_argument("--smaller-name", default="")
    parser.add_argument("--enough", type=float, default=NOTE_SECONDS)
    _serve(parser.parse_args())


if __name__ == "__main__":
    main()
