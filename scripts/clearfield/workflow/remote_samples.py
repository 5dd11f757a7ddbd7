"""Samples that lie on a server: which addresses are taken, and what their servers say of them.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from ..errors import ClearfieldError
from ..formats.remote import SCHEMES, Remote, file_name, is_remote, is_store, look_up

_AT_ONCE = 16
_OF_SEVERAL_FILES = (".oif", ".companion.ome")
STORE = Remote(2**30, "")
"""What a store is taken for before its job: chunks of many sizes, which nobody has counted."""


def is_address(path: str) -> bool:
    """Tell any address, also one that cannot be read."""
    return re.match(r"[A-Za-z][\w+.-]+:/", path) is not None


def what_is_wrong(url: str, suffixes: tuple[str, ...]) -> str:
    """Say what is wrong with an address, without its server; empty where nothing is.

    Examples
    --------
    >>> what_is_wrong("https://host/a.ome.tif", (".tif",))
    ''
    >>> what_is_wrong("gs://bucket/a.tif", (".tif",))
    'is an address that is not read here; give one of https:// or s3://, or copy it to this disk'
    """
    if not is_remote(url):
        return (
            "is an address that is not read here; give one of https:// or s3://, or copy it to "
            "this disk"
        )
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and (parts.port or True)
    except ValueError:
        known = False
    if not known:
        return f"is no address; it has to look like {SCHEMES[0]}HOST/FOLDER/NAME.tif"
    if "@" in parts.netloc:
        return (
            "holds a login, which would stand in logs and results; put it into ~/.netrc and take "
            "it out of the address"
        )
    if re.search(r"[{}]", url):
        return "has { or } in its address, which Snakemake would expand; rename the file"
    if "*" in url:
        return "is a pattern, and a server is not searched; name each file in a sample sheet"
    name = file_name(url).lower()
    if not name.endswith(suffixes):
        return (
            "is a folder, or no image that is read here, by the end of its address; name each "
            "file or OME-Zarr image in a sample sheet"
        )
    if name.endswith(_OF_SEVERAL_FILES):
        return "has its planes in further files; copy all of them to this disk"
    return ""


class RemoteFiles:
    """What servers say of the files of a run, each asked once."""

    def __init__(self) -> None:
        self._known: dict[str, Remote] = {}

    def of(self, url: str) -> Remote:
        """Give size and version of a file or store; ask its server where that is not known yet.

        Raises
        ------
        ClearfieldError
            One sentence that names the address.
        """
        if url not in self._known:
            self._known[url] = look_up(url)
        return self._known[url]

    def ask(self, urls: Iterable[str]) -> list[str]:
        """Ask of many at once; give what is wrong with each that cannot be had."""

        def problem(url: str) -> str:
            try:
                self.of(url)
            except ClearfieldError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [found for found in pool.map(problem, dict.fromkeys(urls)) if found]


def size_of(url: str, told: Remote) -> int:
    """Give the bytes that a job of it has to expect."""
    return STORE.size if is_store(url) else told.size
