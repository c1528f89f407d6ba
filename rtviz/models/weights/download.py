"""One file from one address: goes on where it was cut off, is checked, and gets its name only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any

from rtviz._version import __version__
from rtviz.models.weights.watching import Watch, WayFailed

_CHUNK_BYTES = 256 * 1024
_SOCKET_SECONDS = 30.0  # who watches gives up before; this ends the thread
_ATTEMPTS = 3  # of a transfer that breaks off, as long as each brings something


def download(url: str, target: Path, watch: Watch, *, sha256: str | None = None) -> Path:
    """Fetch a file, unless somebody else just did.

    What was cut off stays beside the target under a name that ends in `.part`, and the next call goes on from there, if
    the server still has the same file.

    Args:
        sha256: the file's hash, or how it begins. Without one, it must have the size that the server says.

    Raises:
        WayFailed: the server cannot be reached, has no such file, sends another one or breaks off, or the file cannot
            be written.
        Stopped: nobody waits for it any more.
    """
    with writing(target.parent), alone(target, watch):
        if target.is_file():
            return target
        for attempt in range(_ATTEMPTS):
            before = _size(_part_of(target))
            try:
                part = _transfer(url, target, watch, sha256)
            except _BrokeOff as broken:
                if attempt == _ATTEMPTS - 1 or _size(_part_of(target)) <= before:
                    raise WayFailed(f"{broken}; the next try goes on from there") from None
                continue
            if sha256 is None or has_hash(part, sha256):
                part.replace(target)
                return target
            part.unlink()
            if before:
                continue  # what lay here from an earlier time was not the beginning of this file
            raise WayFailed(f"what came from {url} is another file than the one expected (by its sha256)")
        raise WayFailed(f"what came from {url} was never whole")


def adopt(beginning: Path, target: Path, sha256: str) -> None:
    """Let `download` go on from what another program fetched of a file whose hash is known."""
    beginning.replace(_part_for(target, _tag(None, sha256)))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make a folder, and say in a few words why nothing can be written there.

    Raises:
        WayFailed: it cannot be made, or written, or is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise WayFailed(cannot_write(folder, error)) from None


def cannot_write(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {folder} is full"
    return f"{folder} cannot be written ({error.strerror or error})"


def need_room(folder: Path, size: int) -> None:
    """See that so many bytes can be written, rather than find out after minutes of download.

    Raises:
        WayFailed: they cannot.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise WayFailed(f"the disk of {folder} has {free / 1e6:.0f} MB free, and {size / 1e6:.0f} MB are needed")


@contextmanager
def alone(target: Path, watch: Watch) -> Iterator[None]:
    """One process at a time fetches a file; the others wait for it."""
    import filelock

    lock = filelock.FileLock(_beside(target, ".lock"))
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except filelock.Timeout:
            watch.tell(0, None)
    try:
        yield
    finally:
        lock.release()


def has_hash(path: Path, sha256: str) -> bool:
    """Whether a file has this sha256, or one that begins so."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(sha256)


class _BrokeOff(Exception):
    """A transfer ended before its end."""


def _transfer(url: str, target: Path, watch: Watch, sha256: str | None) -> Path:
    """Fetch what is missing; the whole file, under its preliminary name."""
    part = _part_of(target)
    start = _size(part)
    with _answer(url, start) as answer:
        tag = _tag(answer.headers, sha256)
        length = answer.headers.get("Content-Length")
        going_on = answer.status == 206 and part is not None and part == _part_for(target, tag)
        if answer.status == 206 and not going_on:  # the server has another file by now
            assert part is not None
            part.unlink()
            return _transfer(url, target, watch, sha256)
        if part is not None and not going_on:
            part.unlink()
        start = start if going_on else 0
        total = start + int(length) if length is not None else None
        _refuse_a_web_page(url, answer.headers)
        part = _part_for(target, tag)
        done = start
        if total is not None:
            need_room(target.parent, total - start)
        watch.tell(done, total)
        with open(part, "ab") as file:
            for chunk in _chunks(answer):
                file.write(chunk)
                done += len(chunk)
                watch.tell(done, total)
    if total is not None and done != total:
        raise _BrokeOff(f"the connection broke after {done / 1e6:.1f} of {total / 1e6:.1f} MB")
    return part


def _chunks(answer: Any) -> Iterator[bytes]:
    try:
        while chunk := answer.read(_CHUNK_BYTES):
            yield chunk
    except (OSError, HTTPException):
        return  # what is missing is seen by the size


def _answer(url: str, start: int) -> Any:
    """The server's answer; from byte `start` on, if it can do that."""
    headers = {"User-Agent": f"rtviz/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        # Behind a proxy, as the environment or the system says.
        return urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_SOCKET_SECONDS, context=_trust()
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:  # there is nothing after what is here: it is whole, or of another file
                return _answer(url, 0)
            raise WayFailed(f"{_host(url)} answers {error.code} {error.reason}".rstrip()) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, OSError):
            reason = reason.strerror or reason
        raise WayFailed(f"{_host(url)} cannot be reached ({str(reason) or type(error).__name__})") from None


def _trust() -> ssl.SSLContext:
    """The system's certificates, and those that an office names for Python's other libraries."""
    context = ssl.create_default_context()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            with suppress(OSError):
                context.load_verify_locations(path)
    return context


def _refuse_a_web_page(url: str, headers: Message) -> None:
    if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise WayFailed(f"a web page came instead of the file; a proxy or a login page stands before {_host(url)}")


def _host(url: str) -> str:
    return url.split("://")[-1].split("/")[0]


def _tag(headers: Message | None, sha256: str | None) -> str:
    """What tells one state of a file from another: its hash, else what its server calls it."""
    text = sha256 or (headers and (headers.get("ETag") or headers.get("Last-Modified"))) or ""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _part_for(target: Path, tag: str) -> Path:
    return _beside(target, f".{tag}.part")


def _part_of(target: Path) -> Path | None:
    """What an earlier transfer left."""
    pattern = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{12}\.part")
    parts = [path for path in target.parent.iterdir() if pattern.fullmatch(path.name)]
    return max(parts, key=_size, default=None)


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(f".{target.name}{ending}")


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None else 0
