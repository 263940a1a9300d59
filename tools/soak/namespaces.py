"""A network of namespaces on one bridge: every place has an interface and address of its own.

For a process that is root in a network namespace of its own (``unshare --net``), so that
nothing outside sees any of it and all of it is gone with the process. Needs iproute2,
util-linux, veth and bridge.

A cut gives the sender a wrong link-layer address for the target: its packets leave and
reach nobody, without an error, in one direction only. That needs no packet filter, which
few machines have. A slow place sends through a token bucket (tbf).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from tools.soak.network import CLIENT, Address

_PROGRAMS = ("ip", "tc", "unshare", "nsenter")
_SUBNET = "10.77.0"
_WRONG = "02:00:00:00:de:ad"
_PORT_FIRST = 7400


def are_allowed() -> bool:
    """Whether this machine lets us: asked by making one, which is gone at once."""
    if os.geteuid() != 0 or not all(map(shutil.which, _PROGRAMS)):
        return False
    probe = (
        "ip link set lo up && ip link add name br0 type bridge && "
        "ip link add one type veth peer name two && tc qdisc add dev one root tbf "
        "rate 1mbit burst 32k latency 400ms"
    )
    asked = subprocess.run(
        ["unshare", "--net", "sh", "-c", probe], capture_output=True, check=False
    )
    return asked.returncode == 0


def inside(argv: Sequence[str]) -> list[str]:
    """The command that runs ``argv`` in a namespace where ``Namespaces`` can be made."""
    return ["unshare", "--net", "--", *argv]


class Namespaces:
    """See ``Network``."""

    kind = "network namespaces"

    def __init__(self) -> None:
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._hosts = {CLIENT: f"{_SUBNET}.1"}
        self._ports: dict[str, int] = {}
        self._wrong: set[tuple[str, str]] = set()
        self._slow: set[str] = set()
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "name", "br0", "type", "bridge")
        _run("ip", "addr", "add", f"{_SUBNET}.1/24", "dev", "br0")
        _run("ip", "link", "set", "br0", "up")

    def listen(self, place: str) -> Address:
        self._make(place)
        port = self._ports.get(place, _PORT_FIRST)
        self._ports[place] = port + 1
        return Address(self._hosts[place], port)

    def within(self, place: str, argv: Sequence[str]) -> list[str]:
        self._make(place)
        if place == CLIENT:
            return list(argv)
        return ["nsenter", f"--net=/proc/{self._holders[place].pid}/ns/net", "--", *argv]

    def reach(self, source: str, target: str, listener: Address) -> Address:  # noqa: ARG002
        return listener

    def cut(self, source: str, target: str) -> None:
        self._wrong.add((source, target))
        self._at(
            source,
            *("ip", "neigh", "replace", self._hosts[target], "lladdr", _WRONG),
            *("dev", self._device(source), "nud", "permanent"),
        )

    def slow(self, place: str, bytes_per_second: int) -> None:
        self._slow.add(place)
        self._at(
            place,
            *("tc", "qdisc", "replace", "dev", self._device(place), "root", "tbf"),
            *("rate", f"{bytes_per_second * 8}bit", "burst", "4kb", "latency", "2s"),
        )

    def stopped(self) -> int:
        """Packets that a bucket delayed or dropped; a cut cannot be counted."""
        told = 0
        for place in self._slow:
            text = self._at(place, "tc", "-s", "qdisc", "show", "dev", self._device(place))
            told += sum(map(int, re.findall(r"(?:overlimits|dropped) (\d+)", text)))
        return told

    def heal(self) -> None:
        for source, target in self._wrong:
            self._at(
                source,
                *("ip", "neigh", "del", self._hosts[target], "dev", self._device(source)),
            )
        for place in self._slow:
            self._at(place, "tc", "qdisc", "del", "dev", self._device(place), "root")
        self._wrong.clear()
        self._slow.clear()

    def close(self) -> None:
        for holder in self._holders.values():
            holder.kill()
            holder.wait()

    def _make(self, place: str) -> None:
        if place in self._hosts:
            return
        number = len(self._hosts) + 1
        host = f"{_SUBNET}.{number}"
        holder = subprocess.Popen(
            ["unshare", "--net", "--", *dying_with_us(["sh", "-c", "echo; exec sleep infinity"])],
            stdout=subprocess.PIPE,
        )
        self._holders[place] = holder
        assert holder.stdout is not None
        holder.stdout.readline()  # it stands in its namespace
        self._hosts[place] = host
        _run(
            *("ip", "link", "add", f"ve{number}", "type", "veth"),
            *("peer", "name", "eth0", "netns", str(holder.pid)),
        )
        _run("ip", "link", "set", f"ve{number}", "master", "br0", "up")
        for words in (
            ("ip", "link", "set", "lo", "up"),
            ("ip", "addr", "add", f"{host}/24", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
        ):
            self._at(place, *words)

    def _device(self, place: str) -> str:
        return "br0" if place == CLIENT else "eth0"

    def _at(self, place: str, *words: str) -> str:
        return _run(*self.within(place, words))


def dying_with_us(argv: Sequence[str]) -> list[str]:
    """The command that the kernel kills when we end, however we end; where that is possible."""
    if shutil.which("setpriv") is None:
        return list(argv)
    return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
