"""Network namespaces with two cables each: one to the database, one to everything else. Linux, root and ``ip`` only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

DATABASE, WORLD = "db", "out"


def why_not() -> str | None:
    """The reason why no namespaces can be had here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "unshare", "nsenter") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: iproute2, util-linux)"
    probe = subprocess.run(
        ["unshare", "-n", "ip", "link", "add", "dhtest0", "type", "veth"], check=False, capture_output=True
    )
    return None if probe.returncode == 0 else f"this machine allows no namespaces: {probe.stderr.decode().strip()}"


def ip(*arguments: str, inside: int | None = None) -> None:
    enter = ["nsenter", f"--net=/proc/{inside}/ns/net"] if inside is not None else []
    subprocess.run([*enter, "ip", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Room:
    """A namespace; ``pid`` is the process that keeps it."""

    name: str
    pid: int

    def cable(self, switch: str) -> str:
        """Our end of the cable: what is plugged into the switch."""
        return f"{self.name}{switch}"

    def cut(self, switch: str) -> None:
        """From now on packets vanish, both ways and without a word; connections stay open."""
        ip("link", "set", self.cable(switch), "down")

    def mend(self, switch: str) -> None:
        ip("link", "set", self.cable(switch), "up")


@dataclass(frozen=True)
class Lab:
    """Two switches on this machine, and rooms behind them.

    Attributes:
        addresses: This machine's address on each switch.
        nets: Their networks.
        rooms: By number.
    """

    addresses: dict[str, str]
    nets: dict[str, str]
    rooms: tuple[Room, ...]


@contextlib.contextmanager
def _namespace() -> Iterator[int]:
    """A process in a namespace of its own; it ends with its input, and so with us."""
    command = ["unshare", "-n", "sh", "-c", "echo; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        yield keeper.pid


@contextlib.contextmanager
def open_lab(rooms: int) -> Iterator[Lab]:
    """Switches and rooms for the length of a ``with`` block. Addresses and names come from our process number."""
    mine = os.getpid()
    prefix = f"10.{100 + mine // 256 % 100}.{mine % 256}"
    bases = {DATABASE: 0, WORLD: 128}
    with contextlib.ExitStack() as stack:
        for switch, base in bases.items():
            bridge = f"dh{mine}{switch}"
            ip("link", "add", bridge, "type", "bridge")
            stack.callback(ip, "link", "del", bridge)
            ip("addr", "add", f"{prefix}.{base + 1}/25", "dev", bridge)
            ip("link", "set", bridge, "up")
        made = []
        for number in range(rooms):
            room = Room(f"dh{mine}{number}", stack.enter_context(_namespace()))
            ip("link", "set", "lo", "up", inside=room.pid)
            for switch, base in bases.items():
                ip("link", "add", room.cable(switch), "type", "veth", "peer", "name", switch, "netns", str(room.pid))
                ip("link", "set", room.cable(switch), "master", f"dh{mine}{switch}", "up")
                ip("addr", "add", f"{prefix}.{base + 10 + number}/25", "dev", switch, inside=room.pid)
                ip("link", "set", switch, "up", inside=room.pid)
            made.append(room)
        yield Lab(
            addresses={switch: f"{prefix}.{base + 1}" for switch, base in bases.items()},
            nets={switch: f"{prefix}.{base}/25" for switch, base in bases.items()},
            rooms=tuple(made),
        )
