"""What stands in the place of a file that Git LFS did not download."""

from pathlib import Path

from ..errors import ClearfieldError

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: always the first line.
_START = b"version https://git-lfs.github.com/spec/"
_LONGEST = 1024


def check_pointer(path: str) -> None:
    """Raise where a file is a pointer of Git LFS, which is small and text.

    Raises
    ------
    ClearfieldError
        It names what downloads the file.
    """
    here = Path(path)
    if not here.is_file() or here.stat().st_size > _LONGEST:
        return
    with here.open("rb") as file:
        start = file.read(len(_START))
    if start == _START:
        raise ClearfieldError(
            f"{here.name} is a pointer of Git LFS, not the file itself; run `git lfs pull` in its "
            "folder, which downloads it"
        )
