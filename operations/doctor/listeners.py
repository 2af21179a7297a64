"""Who listens on this machine's TCP ports, from /proc; other users' processes only root can see."""

import errno
import pwd
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

LISTENS = "0A"
NOT_TO_BE_HAD = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})
PROC = Path("/proc")


@dataclass(frozen=True)
class Listener:
    """A socket that listens.

    Attributes:
        address: Its address.
        port: Its port.
        user: Whose it is.
        process: Name and number of the process, such as `python3 (pid 123)`; empty if only root may
            know.
    """

    address: str
    port: int
    user: str
    process: str

    @property
    def who(self) -> str:
        """How people are told who it is."""
        return self.process or f"a process of the user {self.user}"


def listeners(ports: Iterable[int]) -> list[Listener] | None:
    """Who listens on some ports; None where there is no /proc, as on a Mac."""
    if not (PROC / "net" / "tcp").exists():
        return None
    wanted = set(ports)
    found = [one for one in _sockets() if one[1] in wanted]
    owners = _owners({inode for *_, inode in found})
    return [
        Listener(address, port, _user(uid), owners.get(inode, ""))
        for address, port, uid, inode in found
    ]


def is_taken(address: str, port: int) -> bool:
    """Whether nobody else can listen there: found by trying."""
    at = address or "0.0.0.0"  # noqa: S104  for a moment, without listening
    try:
        with socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((at, port))
    except OSError as error:
        # Not, for instance, a port below 1024, which the engine may use, or no IPv6 here.
        return error.errno in NOT_TO_BE_HAD
    return False


def _sockets() -> Iterator[tuple[str, int, int, str]]:
    """Address, port, user and inode of each socket that listens."""
    for table in ("tcp", "tcp6"):
        path = PROC / "net" / table
        if not path.exists():
            continue
        for line in path.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS:
                address, _, port = fields[1].partition(":")
                yield _address(address), int(port, 16), int(fields[7]), fields[9]


def _address(written: str) -> str:
    """An address as the kernel prints it: words of four bytes, each in the machine's order."""
    packed = b"".join(bytes.fromhex(word)[::-1] for word in re.findall("." * 8, written))
    if len(packed) == 4:
        return str(IPv4Address(packed))
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _owners(inodes: set[str]) -> dict[str, str]:
    """The processes that hold sockets, by the sockets' inodes."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, str] = {}
    for process in PROC.glob("[0-9]*") if wanted else ():
        for link in _links(process / "fd"):
            if link in wanted:
                found.setdefault(wanted[link], f"{_name(process)} (pid {process.name})")
    return found


def _links(directory: Path) -> Iterator[str]:
    try:
        for one in directory.iterdir():
            yield str(one.readlink())
    except OSError:  # not ours, or gone
        return


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return "a process"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
