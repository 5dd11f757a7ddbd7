"""The log of a job: one sentence, also where the job has no chance to write it."""

import os
import stat
from contextlib import suppress

UNFINISHED = (
    "error: the job did not end by itself: it was killed, ran out of memory, or its raw file was "
    "cut short while it was read; run the same command again, with fewer --cores or more mem_mb\n"
)
"""What the log holds while a job runs, so that it stays there when the job is killed."""

OUT_OF_MEMORY = "the job ran out of memory"
MEND_AND_REPEAT = "mend that (free space, permissions, a missing file)"
"""How the sentences begin of what may end otherwise when it is tried again."""

INTERRUPTED = "error: interrupted; run the same command again\n"


def open_log() -> None:
    """Write `UNFINISHED` where standard output is an empty file; to a terminal, say nothing."""
    status = os.fstat(1)
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        os.write(1, UNFINISHED.encode())


def clear_log() -> None:
    """Take the sentence back; what was written behind it stays."""
    length = len(UNFINISHED.encode())
    status = os.fstat(1)
    if not stat.S_ISREG(status.st_mode) or status.st_size < length:
        return
    with suppress(OSError), open("/dev/fd/1", "rb") as log:  # noqa: PTH123  (before any import)
        start, rest = log.read(length), log.read()
        if start == UNFINISHED.encode():
            os.ftruncate(1, 0)
            os.lseek(1, 0, os.SEEK_SET)
            os.write(1, rest)
