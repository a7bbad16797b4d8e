"""Network namespaces with two cables each: one to the database, one to everything else. Linux, root and ``ip`` only.

The switches stand in a namespace too, because a browser that runs beside these tests breaks off what it loads
whenever an interface of its own namespace comes or goes (``ERR_NETWORK_CHANGED``). What the switches lead to listens
on this machine's loopback; ``passage`` carries bytes between sockets of two namespaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.chaos.nursery import enter_network

DATABASE, WORLD = "db", "out"
HOME = "127.0.0.1"
_NETS = {DATABASE: "10.77.0", WORLD: "10.77.1"}


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


def ip(*arguments: str, inside: int) -> None:
    command = ["nsenter", f"--net=/proc/{inside}/ns/net", "ip", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Room:
    """A namespace; ``pid`` is the process that keeps it, ``hall`` the one that keeps the switches."""

    name: str
    pid: int
    hall: int

    def cable(self, switch: str) -> str:
        """The hall's end of the cable: what is plugged into the switch."""
        return f"{self.name}{switch}"

    def cut(self, switch: str) -> None:
        """From now on packets vanish, both ways and without a word; connections stay open."""
        ip("link", "set", self.cable(switch), "down", inside=self.hall)

    def mend(self, switch: str) -> None:
        ip("link", "set", self.cable(switch), "up", inside=self.hall)


@dataclass(frozen=True)
class Lab:
    """Two switches in a hall, and rooms behind them.

    Attributes:
        hall: The process that keeps the hall's namespace.
        rooms: By number.
    """

    hall: int
    rooms: tuple[Room, ...]

    def address(self, switch: str) -> str:
        """The hall's address on a switch."""
        return f"{_NETS[switch]}.1"

    @contextlib.asynccontextmanager
    async def door(self, switch: str, port: int) -> AsyncIterator[None]:
        """What listens on this machine's loopback is reached at the hall's address on a switch, same port."""
        async with passage(self.hall, (self.address(switch), port), None, (HOME, port)):
            yield

    @contextlib.asynccontextmanager
    async def everywhere(self, switch: str, port: int) -> AsyncIterator[None]:
        """As ``door``, and under its loopback address in each room, too; still over the room's cable."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.door(switch, port))
            for room in self.rooms:
                way = passage(room.pid, (HOME, port), room.pid, (self.address(switch), port))
                await stack.enter_async_context(way)
            yield


def _socket_in(namespace: int | None) -> socket.socket:
    """A TCP socket that belongs to a process's network namespace, or to ours.

    A socket stays in the namespace of the thread that made it; the thread is a new one and ends at once.
    """

    def make() -> socket.socket:
        if namespace is not None:
            enter_network(namespace)
        return socket.socket()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()


@contextlib.asynccontextmanager
async def passage(
    listen_in: int | None, at: tuple[str, int], connect_in: int | None, to: tuple[str, int]
) -> AsyncIterator[None]:
    """Carry connections to ``at`` in one namespace on to ``to`` in another, until the block ends."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = _socket_in(connect_in)
        onward.setblocking(False)
        with contextlib.closing(writer):
            await asyncio.get_running_loop().sock_connect(onward, to)
            back, forth = await asyncio.open_connection(sock=onward)
            with contextlib.closing(forth), contextlib.suppress(ConnectionError):
                await asyncio.gather(carry(reader, forth), carry(back, writer))

    open_ways: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.ensure_future(handle(reader, writer))
        open_ways.add(way)
        way.add_done_callback(open_ways.discard)

    listener = _socket_in(listen_in)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(at)
    server = await asyncio.start_server(accept, sock=listener)
    try:
        yield
    finally:
        server.close()
        for way in tuple(open_ways):
            way.cancel()
        await asyncio.gather(*open_ways, return_exceptions=True)
        await server.wait_closed()


@contextlib.contextmanager
def _namespace() -> Iterator[int]:
    """A process in a namespace of its own; it ends with its input, and so with us."""
    command = ["unshare", "-n", "sh", "-c", "echo; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        ip("link", "set", "lo", "up", inside=keeper.pid)
        yield keeper.pid


@contextlib.contextmanager
def open_lab(rooms: int) -> Iterator[Lab]:
    """A hall with its switches, and rooms, for the length of a ``with`` block; they go when their keepers end."""
    with contextlib.ExitStack() as stack:
        hall = stack.enter_context(_namespace())
        for switch, net in _NETS.items():
            ip("link", "add", switch, "type", "bridge", inside=hall)
            ip("addr", "add", f"{net}.1/24", "dev", switch, inside=hall)
            ip("link", "set", switch, "up", inside=hall)
        made = []
        for number in range(rooms):
            room = Room(f"room{number}", stack.enter_context(_namespace()), hall)
            for switch, net in _NETS.items():
                peer = ("peer", "name", switch, "netns", str(room.pid))
                ip("link", "add", room.cable(switch), "type", "veth", *peer, inside=hall)
                ip("link", "set", room.cable(switch), "master", switch, "up", inside=hall)
                ip("addr", "add", f"{net}.{10 + number}/24", "dev", switch, inside=room.pid)
                ip("link", "set", switch, "up", inside=room.pid)
            made.append(room)
        yield Lab(hall, tuple(made))
