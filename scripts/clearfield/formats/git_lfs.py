"""What stands in the place of a file that Git LFS or git-annex did not download."""

from pathlib import Path

from ..errors import ClearfieldError

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: always the first line.
_START = b"version https://git-lfs.github.com/spec/"
# https://git-annex.branchable.com/internals/pointer_file: of a file that is unlocked.
_ANNEX = b"/annex/objects/"
_LONGEST = 1024
GET_FROM_ANNEX = (
    "stands for a file of git-annex (DataLad) that is not here; run `git annex get` (or `datalad "
    "get`) with its name, which downloads it"
)


def check_pointer(path: str) -> None:
    """Raise where a file is a pointer of Git LFS or git-annex, which is small and text.

    Raises
    ------
    ClearfieldError
        It names what downloads the file.
    """
    here = Path(path)
    if here.is_symlink() and not here.exists() and in_annex(str(here.readlink())):
        raise ClearfieldError(f"{here.name} {GET_FROM_ANNEX}")
    if not here.is_file() or here.stat().st_size > _LONGEST:
        return
    with here.open("rb") as file:
        start = file.read(len(_START))
    if start == _START:
        raise ClearfieldError(
            f"{here.name} is a pointer of Git LFS, not the file itself; run `git lfs pull` in its "
            "folder, which downloads it"
        )
    if start.startswith(_ANNEX):
        raise ClearfieldError(f"{here.name} {GET_FROM_ANNEX}")


def in_annex(target: str) -> bool:
    """Tell whether a link leads to where git-annex keeps files."""
    return ".git/annex/objects/" in target.replace("\\", "/")
