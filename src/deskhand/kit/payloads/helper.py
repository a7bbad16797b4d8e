"""A process of its own that holds one event to one schema, ends by itself, and may be killed.

The validator keeps the interpreter's lock while it works, so in our own process a thread would not keep the event loop
free. Started by ``holding``; reads one JSON document, writes one.
"""

from __future__ import annotations

import json
import resource
import sys

from deskhand.kit.payloads.faults import faults_of, fits
from deskhand.kit.payloads.rules import compiled

CPU_SECONDS = 2
MEMORY_BYTES = 2 * 1024**3
OUT_OF_MEMORY = 3


def main() -> None:
    """Answer the list of faults as pairs of pointer and sentence."""
    # The kernel ends the process, not a timer of ours: the validator does not give the interpreter back while it works.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # No core file: it would hold the event, a customer's words, on disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    task = json.load(sys.stdin.buffer)
    schema = compiled(task["schema"])
    try:
        faults = [] if fits(task["payload"], schema) else faults_of(task["payload"], schema)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    json.dump([[fault.pointer, fault.detail] for fault in faults], sys.stdout)


if __name__ == "__main__":
    main()
