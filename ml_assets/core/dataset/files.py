"""Finds the files that a source names, and brings remote ones onto this machine.

A path, a glob, or a URL of one of the protocols below. A file on this machine is read where it is;
a remote one is copied into a temporary directory and lives until the next is asked for. Each is
hashed before anything reads its content.

S3 finds keys, region and endpoint where the AWS tools do (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ``~/.aws``, ...); ``FSSPEC_S3_ANON=true`` reads public buckets without keys.
"""

import errno
import hashlib
import logging
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from glob import has_magic
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.parse import unquote

import aiohttp
import fsspec
from botocore.exceptions import BotoCoreError

from ml_assets.core.errors import SourceError
from ml_assets.core.spec import SourceSpec

LOCAL = ("file",)
"""Protocols of files on this machine, beside plain paths."""
REMOTE = ("http", "https", "s3", "s3a")
"""Protocols of files elsewhere."""
BUILT_IN = ("simulated", "sklearn")
"""What looks like a protocol of files and names data that comes with the project."""
CONNECT_SECONDS = 5
"""How long a server may take to accept a connection."""
READ_SECONDS = 10
"""How long a server may pause while it answers."""
RETRIES = 2
"""How often S3 is asked; by default it would be ten times."""

_CHUNK = 1 << 20
_USER = re.compile(r"(?<=://)[^/?#]*@")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredFile:
    """A file of a source, on this machine.

    Attributes:
        uri: Its address as messages show it: see `shown_uri`.
        stem: Its name without directory and suffix.
        path: Where its content is.
        sha256: Digest of its content, hex.
        lines: Number of lines, if it is text.
    """

    uri: str
    stem: str
    path: Path
    sha256: str
    lines: int


@dataclass(frozen=True)
class _Address:
    """A file that was found: its full address, and the file system that knows ``location``."""

    uri: str
    location: str
    system: fsspec.AbstractFileSystem


def stored_files(source: SourceSpec) -> Generator[StoredFile]:
    """Yields the files of a source in the order of their names.

    Raises:
        SourceError: There is no such file, it can't be read, or its sha256 is another one.
    """
    found, shown = _find(source.uri), shown_uri(source.uri)
    if not found:
        raise SourceError(f"no file matches {shown}; check the directory and the pattern")
    if source.sha256 and len(found) > 1:
        raise SourceError(
            f"sha256 is given for one file, but {shown} names {len(found)}; "
            "name one file or leave sha256 away"
        )
    with TemporaryDirectory(prefix="ml-assets-") as directory:
        copy = Path(directory) / "copy"
        for address in found:
            stored = _store(address, copy) if isinstance(address, _Address) else _hash(address)
            _check_digest(stored, source.sha256)
            yield stored


def _check_digest(stored: StoredFile, expected: str) -> None:
    if expected and stored.sha256 != expected:
        raise SourceError(
            f"{stored.uri}: wrong sha256: expected {expected}, got {stored.sha256}; the file is "
            "damaged or another one: get it again, or correct sha256 if this is the right file"
        )


def _find(uri: str) -> Sequence[Path | _Address]:
    protocol = protocol_of(uri)
    if protocol in REMOTE and "::" not in uri:
        return _find_remote(uri)
    if protocol and protocol not in LOCAL:
        allowed = ", ".join(f"{one}://" for one in (*LOCAL, *REMOTE, *BUILT_IN))
        problem = "'::'" if protocol in REMOTE else f"{protocol}://"
        raise SourceError(f"{problem} can't be used in a source; name a path, a glob, or {allowed}")
    # The part before the path is a host's name, and that host is this machine.
    return _find_local(unquote(re.sub(r"^file://[^/]*", "", uri)) if protocol else uri)


def protocol_of(uri: str) -> str:
    """What stands before ``://``; "" for a path."""
    match = re.match(r"([a-z][\w.+:-]*)://", uri, re.IGNORECASE)
    return match[1] if match else ""


def _find_local(name: str) -> list[Path]:
    path = Path(name).expanduser()
    try:
        if path.is_file():
            return [path]
        if path.exists():
            raise SourceError(f"{path} is not a file; name files, for example {path}/*.csv")
        if not has_magic(str(path)):
            raise SourceError(f"no such file: {path}{_similar(path)}")
        found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        return sorted(one for one in found if one.is_file() and not one.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}") from error


def _similar(path: Path) -> str:
    """What to tell someone whose path does not exist."""
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    if close:
        return f"; did you mean {path.parent / close[0]}?"
    return "" if path.is_absolute() else f"; a relative path begins at {Path.cwd()}"


def _find_remote(uri: str) -> list[_Address]:
    with _reported(uri):
        system, location = fsspec.url_to_fs(uri, skip_instance_cache=True, **_options(uri))
        if hasattr(system, "retries"):
            system.retries = RETRIES
        if uri.startswith("http") or not has_magic(location):
            return [_Address(uri, location, system)]
        return [
            _Address(system.unstrip_protocol(one), one, system)
            for one in sorted(system.glob(location))
        ]


def _options(uri: str) -> dict[str, Any]:
    """Settings of the file system: time-outs instead of minutes of silence."""
    protocol = protocol_of(uri)
    if protocol in {"http", "https"}:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
        )
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}}
    if protocol in {"s3", "s3a"}:
        seconds = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
        return {"config_kwargs": {**seconds, "retries": {"max_attempts": 0}}}
    return {}


def _store(address: _Address, copy: Path) -> StoredFile:
    """Copies a remote file to the path ``copy``, in place of the one before it."""
    shown = shown_uri(address.uri)
    _LOG.info("fetching %s", shown)
    copy.unlink(missing_ok=True)
    with _reported(address.uri):
        address.system.get_file(address.location, str(copy))
    return replace(_hash(copy), uri=shown, stem=PurePosixPath(shown).stem)


def shown_uri(uri: str) -> str:
    """A URI as messages may show it.

    Remote ones go without user, password, query and fragment, which hold secrets. On S3 a ``#`` is
    part of the key, and a ``?`` that no ``=`` follows is part of a pattern. Paths and the built-in
    data, whose query says what they are, stay as they are.
    """
    protocol = protocol_of(uri)
    if protocol in {"", *LOCAL, *BUILT_IN}:
        return uri
    query = r"\?[^/]*=.*" if protocol in {"s3", "s3a"} else r"[?#].*"
    return re.sub(query, "", _USER.sub("", uri, count=1), flags=re.DOTALL)


def _hash(path: Path) -> StoredFile:
    digest, lines, last = hashlib.sha256(), 0, b"\n"
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                lines, last = lines + chunk.count(b"\n"), chunk[-1:]
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}") from error
    return StoredFile(str(path), path.stem, path, digest.hexdigest(), lines + (last != b"\n"))


@contextmanager
def _reported(uri: str) -> Iterator[None]:
    """Turns what the libraries of remote storage raise into one message."""
    shown = shown_uri(uri)
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"no such file: {shown} (not found on the server)") from error
    except PermissionError as error:
        raise SourceError(f"{shown}: access denied; check the credentials") from error
    except (ImportError, ValueError) as error:
        raise SourceError(f"{shown} can't be used as a source: {_reason(error, uri)}") from error
    except aiohttp.ClientResponseError as error:
        raise SourceError(f"{shown}: the server answered {error.status} {error.message}") from error
    except TimeoutError as error:
        raise SourceError(
            f"{shown} can't be reached: no answer in time; check address and network"
        ) from error
    except (OSError, aiohttp.ClientError, BotoCoreError) as error:
        if getattr(error, "errno", None) in _NO_ROOM:
            raise SourceError(
                f"no room for a copy of {shown} in {gettempdir()}; free some, or set TMPDIR"
            ) from error
        raise SourceError(
            f"{shown} can't be reached: {_reason(error, uri)}; check address and network"
        ) from error


def _reason(error: Exception, uri: str) -> str:
    """What a library says, in one line, without the secrets of the URI."""
    said = str(error).replace(uri, shown_uri(uri))
    user = _USER.search(uri)
    return " ".join((said.replace(user[0], "") if user else said).split()) or type(error).__name__
