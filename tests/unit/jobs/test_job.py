"""How a job ends: at once, which is right only while nothing is left to be done at the end."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[3] / "scripts"

NEEDLESS = {
    "PIL.Image": "closes the plugin of a codec, which a process that ends does too",
    "concurrent.futures.thread": "joins threads that have no more work",
    "logging": "flushes handlers, of which there are none that write to a file",
    "matplotlib._pylab_helpers": "closes windows, of which there are none",
    "numcodecs": "frees Blosc's threads and memory",
    "zarr.core.sync": "ends its loop and threads, which have only read",
}

WATCH = """
import atexit, sys, threading
asked = set()
def noted(register):
    def note(function, *arguments, **named):
        asked.add(sys._getframe(1).f_globals["__name__"])
        return register(function, *arguments, **named)
    return note
atexit.register = noted(atexit.register)
threading._register_atexit = noted(threading._register_atexit)
from clearfield.jobs.serve_jobs import import_what_jobs_need
import_what_jobs_need()
import imagecodecs, liffile, nd2, oiffile, zarr
print(*sorted(asked))
"""


def test_no_library_leaves_anything_to_the_end_of_a_process():
    done = subprocess.run(
        [sys.executable, "-c", WATCH], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= set(NEEDLESS), "see `clearfield.jobs.job.end_process`"


def test_what_a_job_printed_is_there_when_it_ends(tmp_path):
    """`os._exit` flushes nothing by itself."""
    (tmp_path / "say.py").write_text(
        "import atexit\nfrom clearfield.jobs.job import run_job\n"
        "def say(word: str) -> None:\n    atexit.register(print, 'at the end')\n    print(word)\n"
        "run_job(say)\n"
    )
    with (tmp_path / "log").open("w") as log:
        subprocess.run(
            [sys.executable, tmp_path / "say.py", "--word", "done"], stdout=log, check=True,
            env={"PYTHONPATH": str(SCRIPTS)},
        )  # fmt: skip
    assert (tmp_path / "log").read_text() == "done\n"
