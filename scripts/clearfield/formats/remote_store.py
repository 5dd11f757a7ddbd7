"""Zarr stores on a server: chunks as zarr asks for them, no fill values for those that are lost."""

import asyncio
from os import PathLike, fspath
from types import ModuleType

from ..errors import ClearfieldError
from .remote import (
    METADATA,
    TRIES,
    MissingError,
    RefusedError,
    explain,
    filesystem,
    is_remote,
    may_pass,
    scheme_of,
    try_again,
)
from .thirdparty import import_reader

_ALL_METADATA = {*METADATA, ".zmetadata"}


def open_store(path: str | PathLike):
    """Give what zarr opens: the path itself of a folder here, a `RemoteStore` of an address."""
    if not is_remote(fspath(path)):
        return fspath(path)
    return _store_class(import_reader("zarr", "zarr", path))(fspath(path).rstrip("/"))


def read_bytes(path: str | PathLike, name: str) -> bytes | None:
    """Read a small file of a store on a server; None where it is not there."""
    url = f"{fspath(path).rstrip('/')}/{name}"
    try:
        return try_again(url, lambda: filesystem(scheme_of(url)).cat_file(url))
    except (MissingError, RefusedError):
        return None


def is_nested(array, nested) -> bool:
    """Tell of an array on a server whether its chunks lie in folders although it does not say so.

    Parameters
    ----------
    array, nested : zarr.Array
        The same, with the names that its metadata give the chunks and with nested ones.
    """
    keys = [one.metadata.encode_chunk_key((0,) * one.ndim) for one in (array, nested)]
    return keys[0] != keys[1] and not _has(array, keys[0]) and _has(array, keys[1])


def _has(array, key: str) -> bool:
    url = f"{array.store.url}/{array.path}/{key}"
    try:
        try_again(url, lambda: filesystem(scheme_of(url)).info(url))
    except (MissingError, RefusedError):
        return False
    return True


def _store_class(package: ModuleType):
    storage = import_reader("zarr.storage", "zarr", "")

    class RemoteStore(storage.WrapperStore):
        """A store on a server that raises one sentence where it cannot give what it has.

        zarr takes a chunk that is not in a store for one that was never written, whose pixels are
        the fill value. A server may also say "not there" of one that it has lost. So a missing
        chunk is looked for in the server's list of the folder; where there is no list, the store
        is refused.
        """

        def __init__(self, url: str, store=None) -> None:
            self.url = url
            self.listings: dict[str, asyncio.Future] = {}
            super().__init__(store or storage.FsspecStore(
                filesystem(scheme_of(url), asynchronous=True), read_only=True,
                path=url.removeprefix("s3://"),
            ))  # fmt: skip

        def _with_store(self, store) -> "RemoteStore":
            return type(self)(self.url, store)

        async def get(self, key, prototype, byte_range=None):
            is_metadata = key.rpartition("/")[2] in _ALL_METADATA
            for number in range(1, TRIES + 1):
                try:
                    value = await self._store.get(key, prototype, byte_range)
                    break
                except Exception as error:
                    if number == TRIES or not may_pass(error):
                        told = explain(f"{self.url}/{key}", error)
                        # Some servers say so of what is not there; zarr asks for files of each
                        # version.
                        if is_metadata and isinstance(told, RefusedError):
                            return None
                        raise told from error
                await asyncio.sleep(number / 2)
            if value is None and not is_metadata:
                await self._check_absent(key)
            wanted = getattr(byte_range, "suffix", None)
            if hasattr(byte_range, "end"):
                wanted = byte_range.end - byte_range.start
            if value is not None and wanted is not None and len(value) > wanted:
                raise ClearfieldError(
                    f"{self.url}: its server gives whole files where parts of them (shards) are "
                    "asked for; copy the store to this disk"
                )
            return value

        async def get_partial_values(self, prototype, key_ranges):
            return await asyncio.gather(
                *(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)
            )

        async def _check_absent(self, key: str) -> None:
            """Raise unless the server's lists show that a chunk was never written."""
            folder, _, name = key.rpartition("/")
            names = await self._list(folder)
            if names is not None and name not in names:
                return
            if names is not None:
                raise ClearfieldError(
                    f"{self.url}/{key}: its server lists this chunk and answers that it is not "
                    "there; copy the store again from its source"
                )
            if folder and not folder.endswith(".zarr"):
                # The folder itself may never have been written.
                above, _, own = folder.rpartition("/")
                listed = await self._list(above)
                if listed is not None and own not in listed:
                    return
            raise ClearfieldError(
                f"{self.url}/{key}: its server says that this chunk is not there, and gives no "
                "list of what is, so that a chunk which is lost cannot be told from one which was "
                "never written; copy the store to this disk, or give an s3:// address that may be "
                "listed"
            )

        async def _list(self, folder: str) -> set[str] | None:
            """Give the names in a folder, asked for once; None where the server does not say."""
            if folder not in self.listings:
                self.listings[folder] = asyncio.ensure_future(self._ask(folder))
            return await self.listings[folder]

        async def _ask(self, folder: str) -> set[str] | None:
            where = f"{self._store.path}/{folder}".rstrip("/")
            try:
                found = await self._store.fs._ls(f"{where}/", detail=False)
            except Exception:  # whatever it is, there is no list
                return None
            names = {one.rstrip("/").rpartition("/")[2] for one in found if where in one}
            return names or None

    return RemoteStore
