"""Two hosts on one machine: network namespaces joined by a cable of limited rate, if wanted with a delay.

They are made by `Network` and end with it, whatever happens. Needs Linux, root, `ip`, `tc` and `unshare`; for
a delay also `/dev/net/tun`, since not every kernel has netem.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from measure import UnavailableError

ADDRESSES = ("10.213.77.1", "10.213.77.2")
MTU = 9000
LIFE_SECONDS = 300.0
"""Of the relay, should nobody end it."""


class Network:
    """A context in which two hosts exist; `mpiexec` starts a rank on each."""

    def __init__(self, megabits_per_second: float, delay_seconds: float = 0.0) -> None:
        self.rate, self.delay = megabits_per_second, delay_seconds
        self.hosts = [f"cvlt{os.getpid()}{end}" for end in "ab"]
        self.devices = [f"cv{os.getpid()}{end}" for end in "ab"]
        self.relay: subprocess.Popen[str] | None = None
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Network:
        reason = missing(self.delay > 0)
        if reason:
            raise UnavailableError(reason)
        try:
            self._make()
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            said = getattr(error, "stderr", None) or error
            raise UnavailableError(f"no network namespaces: {' '.join(str(said).split())}") from error
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def mpiexec(self, mpiexec: str, program: list[str]) -> list[str]:
        """The command that runs a rank of the program on each host; Open MPI's, over TCP."""
        assert self.folder is not None
        ranks = [
            *(mpiexec, "-n", "2", "--bind-to", "none", "--host", ",".join(f"{a}:1" for a in ADDRESSES)),
            *("--prtemca", "plm_ssh_agent", str(Path(self.folder.name) / "agent")),
            *("--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "mpi_yield_when_idle", "1"),
            *program,
        ]
        return on_host(self.hosts[0], f"exec {shlex.join(ranks)}")

    def _make(self) -> None:
        (one, two), (a, b) = self.hosts, self.devices
        for host in self.hosts:
            ip("netns", "add", host)
        if self.delay:
            self._start_relay()
            for host, device in zip(self.hosts, self.devices, strict=True):
                ip("link", "set", device, "netns", host)
        else:
            ip("link", "add", a, "netns", one, "type", "veth", "peer", "name", b, "netns", two)
        for host, device, address in zip(self.hosts, self.devices, ADDRESSES, strict=True):
            ip("-n", host, "address", "add", f"{address}/24", "dev", device)
            ip("-n", host, "link", "set", device, "mtu", str(MTU), "up")
            ip("-n", host, "link", "set", "lo", "up")
            limit = ("rate", f"{self.rate:g}mbit", "burst", "256kb", "latency", "200ms")
            run("tc", "-n", host, "qdisc", "add", "dev", device, "root", "tbf", *limit)
        self.folder = tempfile.TemporaryDirectory()
        agent = Path(self.folder.name) / "agent"  # called like ssh, with a host and a command
        *words, command = on_host(two, "$*")
        agent.write_text(f'#!/bin/sh\nshift\nexec {" ".join(words)} "{command}"\n')
        agent.chmod(0o700)

    def _start_relay(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("relay.py")), *self.devices]
        self.relay = subprocess.Popen(
            [*command, str(self.delay), str(LIFE_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.relay.stdout is not None
        if self.relay.stdout.readline().strip() != "ready":
            _, said = self.relay.communicate()
            raise OSError(f"no TAP devices: {said.strip().splitlines()[-1:]}")

    def _remove(self) -> None:
        if self.relay is not None:
            self.relay.kill()
            self.relay.communicate()
        for host in self.hosts:  # and with it its end of the cable
            subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)
        if self.folder is not None:
            self.folder.cleanup()


def missing(relay: bool = False) -> str | None:
    """Why there can be no such network here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    for tool in ("ip", "tc", "unshare"):
        if shutil.which(tool) is None:
            return f"network namespaces need the command {tool}"
    if relay and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "a delay needs /dev/net/tun"
    return None


def on_host(host: str, command: str) -> list[str]:
    """A shell's command on a host, which has a name of its own."""
    return ["ip", "netns", "exec", host, "unshare", "--uts", "sh", "-c", f"hostname {host}; {command}"]


def ip(*words: str) -> None:
    run("ip", *words)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
