"""Files on a server, by https:// and s3:// addresses: what they are, and how they come here.

fsspec speaks to the servers; logins and proxies are where its libraries look for them (~/.netrc,
~/.aws, the environment). No numpy here: Snakemake's own process asks what a file's version is.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import ClearfieldError
from ..results.whole_files import replacing

SCHEMES = ("https://", "http://", "s3://")
METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
"""The files that say what a Zarr store holds, the newest version's first."""

REPEAT = "run the same command again"
TRIES = 3  # of what a server may do better the next time
_SECONDS = 20  # until a server has to answer
_SILENT_SECONDS = 60  # that it may take between two parts of an answer
_BUSY = (408, 429, 500, 502, 503, 504)  # what may go better the next time
_LOGIN = {
    "s3": "put your access key into ~/.aws/credentials or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY (and AWS_ENDPOINT_URL, if the server is not Amazon's), or set "
    "FSSPEC_S3_ANON=true if the data are public",
    "http": "put your login into ~/.netrc, or copy it to this disk",
}
_BROKEN_OFF = (
    "ClientPayloadError", "ConnectionResetError", "FSTimeoutError", "IncompleteRead",
    "IncompleteReadError", "ReadTimeoutError", "ResponseStreamingError", "ServerDisconnectedError",
    "ServerTimeoutError", "SocketTimeoutError", "TimeoutError",
)  # fmt: skip


@dataclass(frozen=True)
class Remote:
    """What a server says of a file.

    Attributes
    ----------
    size : int
        In bytes; 0 where it is not told, or of a Zarr store.
    version : str
        Its ETag, else its size and time: what tells that it is another one.
    """

    size: int
    version: str


def is_remote(path: str) -> bool:
    """Tell an address from a path.

    Examples
    --------
    >>> is_remote("s3://bucket/a.tif"), is_remote("raw/a.tif")
    (True, False)
    """
    return path.startswith(SCHEMES)


def is_store(url: str) -> bool:
    """Tell a Zarr store, which is read where it lies, from a file, which is copied first."""
    return file_name(url).lower().endswith(".zarr")


def file_name(url: str) -> str:
    """Give the last part of an address, as the name of a file.

    Examples
    --------
    >>> file_name("https://host/a%20b.ome.tif?download=1"), file_name("s3://bucket/x.zarr/")
    ('a b.ome.tif', 'x.zarr')
    """
    from urllib.parse import unquote, urlsplit  # here: every job imports this module

    path = url if url.startswith("s3://") else unquote(urlsplit(url).path)
    return re.sub(r"[\x00-\x1f{}]", "_", path.rstrip("/").rpartition("/")[2])


@cache
def filesystem(scheme: str, *, asynchronous: bool = False):
    """Give fsspec's file system for "s3" or "http"; both wait for a server, but not for ever."""
    from .thirdparty import import_reader

    package = import_reader("fsspec", "fsspec", f"{scheme}://")
    if scheme == "s3":
        import_reader("s3fs", "s3fs", "s3://")
        settings = {
            "config_kwargs": {"connect_timeout": _SECONDS, "read_timeout": _SILENT_SECONDS},
            "use_listings_cache": False,
        }
    else:
        aiohttp = import_reader("aiohttp", "aiohttp", "https://")
        patience = aiohttp.ClientTimeout(
            total=None, sock_connect=_SECONDS, sock_read=_SILENT_SECONDS
        )
        settings = {"client_kwargs": {"trust_env": True, "timeout": patience}}
    return package.filesystem(scheme, asynchronous=asynchronous, **settings)


def scheme_of(url: str) -> str:
    """Name fsspec's file system for an address."""
    return "s3" if url.startswith("s3://") else "http"


def look_up(url: str) -> Remote:
    """Ask the server of a file or a Zarr store what it is, without its pixels.

    Of a store, its metadata at the top decide: thousands of chunks cannot be asked one by one.

    Raises
    ------
    ClearfieldError
        It is not there, its server does not answer, wants a login, or tells neither ETag nor time.
    """
    if not is_store(url):
        return _describe(url, _ask(url))
    found, refusal = [], None
    for name in METADATA:
        try:
            found.append(_describe(url, _ask(f"{url.rstrip('/')}/{name}")))
            if name == METADATA[0]:  # which is all, from version 3 on
                break
        except RefusedError as error:  # of what is not there some servers say that it is forbidden
            refusal = refusal or error
        except MissingError:
            continue
    if not found:
        raise refusal or MissingError(
            f"{url} holds no zarr metadata ({', '.join(METADATA)}) that its server would give; "
            "mend the path"
        )
    return Remote(0, " ".join(one.version for one in found))


def fetch(url: str, target: Path, version: str) -> int:
    """Copy a file here, whole or not at all; give its bytes.

    Parameters
    ----------
    url : str
    target : path
    version : str
        As `look_up` gave it when the run began.

    Raises
    ------
    ClearfieldError
        As of `look_up`; also where it is another one now, or less came than its server said.
    """
    told = look_up(url)
    with replacing(target) as temporary:
        try_again(url, lambda: filesystem(scheme_of(url)).get_file(url, str(temporary)))
        size = temporary.stat().st_size
        if told.size and size != told.size:
            raise ClearfieldError(
                f"{url} came in part, {size} of {told.size} bytes; {REPEAT}, or copy it here"
            )
        if {told.version, look_up(url).version} != {version}:
            raise ClearfieldError(
                f"{url} has changed since this run began; {REPEAT} once nothing writes to it"
            )
    return size


class RefusedError(ClearfieldError):
    """A server wants a login, or another one."""


class MissingError(ClearfieldError):
    """A server does not have it."""


def _ask(url: str) -> dict:
    return try_again(url, lambda: filesystem(scheme_of(url)).info(url))


def try_again(url: str, action):
    """Do what may fail for a moment, and say in one sentence why it failed in the end."""
    for number in range(1, TRIES + 1):
        with explained_remote(url):
            try:
                return action()
            except Exception as error:
                if number == TRIES or not may_pass(error):
                    raise
        time.sleep(number / 2)
    raise AssertionError


def _describe(url: str, told: dict) -> Remote:
    if told.get("type") == "directory":
        raise ClearfieldError(
            f"{url} is a folder on its server; name each file or OME-Zarr image in it in a sample "
            "sheet"
        )
    size = int(told.get("size") or 0)
    changed = told.get("LastModified") or told.get("Last-Modified")
    version = told.get("ETag") or (f"{size} {changed}" if changed else "")
    if not version:
        raise ClearfieldError(
            f"{url}: its server tells neither an ETag nor a time, so that no change of the file "
            "would be seen; copy it to this disk"
        )
    return Remote(size, str(version))


@contextmanager
def explained_remote(url: str) -> Iterator[None]:
    """Turn what fsspec and its libraries raise into one sentence that names address and cause."""
    try:
        yield
    except (ClearfieldError, MemoryError):
        raise
    except Exception as error:
        raise explain(url, error) from error


def explain(url: str, error: Exception) -> ClearfieldError:
    """Put an error of fsspec, aiohttp or botocore into words."""
    from urllib.parse import urlsplit

    kinds, status = _kinds(error), _status(error)
    host = urlsplit(url).hostname
    server = "its S3 server" if scheme_of(url) == "s3" else f"the server {host}"
    if status in (401, 403) or kinds & {"PermissionError", "NoCredentialsError"}:
        why = f"answers {status}" if status else "was not asked, because there is no login"
        return RefusedError(f"{url} was refused: its server {why}; {_LOGIN[scheme_of(url)]}")
    if status in (404, 410) or (not status and _kinds(error) == {"FileNotFoundError"}):
        return MissingError(f"{url} is not on its server ({status or 404}); mend the path")
    if kinds & {"ClientConnectorDNSError", "gaierror"}:
        return ClearfieldError(
            f"{url}: the name {host} does not resolve; mend the path, or {REPEAT} "
            "when the network is there"
        )
    if any("Certificate" in kind or kind == "SSLError" for kind in kinds):
        return ClearfieldError(
            f"{url}: the certificate of {host} is not valid; mend the path, or "
            "copy the file to this disk"
        )
    if kinds & {"ClientConnectorError", "ConnectionRefusedError", "EndpointConnectionError"}:
        return ClearfieldError(
            f"{url}: {server} cannot be reached; mend the path "
            f"(AWS_ENDPOINT_URL of s3://), or {REPEAT} when it is there"
        )
    if kinds & set(_BROKEN_OFF):
        return ClearfieldError(
            f"{url} broke off while it was read; {REPEAT}, or copy it to this disk"
        )
    cause = " ".join(str(error).split())[:200] or type(error).__name__
    if status in _BUSY:
        return ClearfieldError(f"{url}: its server fails ({status}); {REPEAT} later")
    return ClearfieldError(
        f"{url} cannot be read ({cause}); mend the path, or copy it to this disk"
    )


def may_pass(error: Exception) -> bool:
    """Tell what may go better the next time."""
    return _status(error) in _BUSY or bool(_kinds(error) & set(_BROKEN_OFF))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _kinds(error: Exception) -> set[str]:
    # By name: to import the libraries for their errors would cost each job more than a file does.
    return {kind.__name__ for one in _chain(error) for kind in type(one).__mro__} - {
        "object", "BaseException", "Exception", "OSError", "ClientError",
    }  # fmt: skip


def _status(error: Exception) -> int:
    """Give the number that an HTTP server answered with; 0 where it did not come to that."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if isinstance(status := getattr(one, "status", None), int):
            return status
    return 0
