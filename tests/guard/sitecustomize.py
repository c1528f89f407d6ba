"""Loaded by every Python process that finds this folder on PYTHONPATH: notes what leaves the machine, and what is
written outside the folders where it may be.

Each connection and each look-up of a name beyond loopback, and each file that is opened for writing or made outside
RTVIZ_GUARD_FOLDERS, is a line in the file RTVIZ_GUARD_LOG. What native code does by itself is not seen here.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Any

_LOG = os.environ["RTVIZ_GUARD_LOG"]
_FOLDERS = tuple(map(os.path.realpath, os.environ["RTVIZ_GUARD_FOLDERS"].split(os.pathsep)))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _is_here(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name in ("localhost", "ip6-localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return False  # a name that has to be looked up
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def _may_be_written(path: object) -> bool:
    if not isinstance(path, str | bytes):
        return True  # a descriptor
    place = os.path.realpath(os.fsdecode(path))
    return place.startswith((*_FOLDERS, "/dev/", "/proc/")) or "__pycache__" in place


def _note(event: str, what: object) -> None:
    line = f"{os.path.basename(sys.argv[0] if hasattr(sys, 'argv') else '')}: {event} {what!r}\n"
    descriptor = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def _watch(event: str, given: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = given[-1]
        if isinstance(address, tuple) and not _is_here(address[0]):
            _note(event, address)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        if not _is_here(given[0]):
            _note(event, given[0])
    elif event == "open":
        if given[2] and given[2] & _WRITES and given[0] != _LOG and not _may_be_written(given[0]):
            _note(event, given[0])
    elif event == "os.mkdir" and not os.path.isdir(given[0]) and not _may_be_written(given[0]):
        _note(event, given[0])


sys.addaudithook(_watch)
