"""Jobs through a fork server are what they would be alone: results, logs, status, and their end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
SERVER = [sys.executable, "-m", "clearfield.jobs.serve_jobs"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a server on Linux only")

JOB = """
from clearfield.jobs.job import run_job

def job(word: str, number: int) -> None:
    import os, sys, time
    from clearfield.errors import ClearfieldError
    if word == "wrong":
        raise ClearfieldError("the word is wrong; give another")
    if word == "bug":
        raise ValueError("no such thing")
    if word == "die":
        os.kill(os.getpid(), 9)
    if word == "sleep":
        print("began", os.getpid(), flush=True)
        time.sleep(60)
    known = "numpy" in sys.modules and "matplotlib" in sys.modules
    print(word, number, os.getcwd(), os.environ["WHO"], sys.stdin.read(), os.getppid(), known)

if __name__ == "__main__":
    run_job(job)
"""


class Server:
    """A server, and jobs that ask it."""

    def __init__(self, folder: Path):
        self.socket = folder / "server/socket"
        self.socket.parent.mkdir()
        self.job, self.folder = folder / "job.py", folder
        self.job.write_text(JOB)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as start_server does
        self.process = subprocess.Popen(
            [*SERVER, self.socket], cwd=SCRIPTS, stdin=subprocess.PIPE
        )  # fmt: skip
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        wait_for(self.socket.exists)

    def start(self, word: str, *, alone: bool = False, **options) -> subprocess.Popen:
        address = "" if alone else f"{sys.prefix}:{self.socket}"
        environment = {"CLEARFIELD_FORKSERVER": address, "PYTHONPATH": str(SCRIPTS), "WHO": "me"}
        return subprocess.Popen(
            [sys.executable, self.job, "--word", word, "--number", "7"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env=os.environ | environment, **options,
        )  # fmt: skip

    def run(self, word: str, **options) -> tuple[int, str, str]:
        job = self.start(word, **options)
        out, err = job.communicate("input", timeout=60)
        return job.returncode, out, err

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)


def wait_for(condition, seconds: float = 30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return found


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("run"))
    yield server
    server.end()


@pytest.fixture
def own_server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.end()


def test_a_fork_has_the_folder_environment_arguments_and_streams_of_who_asked(server):
    status, out, err = server.run("hello")
    parent = server.process.pid
    assert (status, err) == (0, "")
    assert out == f"hello 7 {server.folder} me input {parent} True\n"


def test_failures_read_as_if_the_job_had_run_alone(server):
    forked, alone = server.run("wrong"), server.run("wrong", alone=True)
    assert forked == alone == (1, "", "error: the word is wrong; give another\n")
    status, _, err = server.run("bug")
    assert status == 1
    assert err.endswith("ValueError: no such thing\n")


def test_a_killed_fork_is_a_killed_job(server):
    assert server.run("die")[0] == 128 + signal.SIGKILL
    assert server.run("hello")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_kills_the_command_kills_its_job(server, number):
    job = server.start("sleep")
    fork = int(job.stdout.readline().split()[1])
    assert is_alive(fork) and fork != job.pid
    job.send_signal(number)
    wait_for(lambda: not is_alive(fork))
    job.communicate()


def test_ctrl_c_reaches_the_job_which_says_so(tmp_path):
    # A terminal sends it to all processes of a run; the server goes on.
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_forkserver as t, os, signal\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # may be ignored, as by nohup
        "os.setsid(); server = t.Server(Path(sys.argv[2])); job = server.start('sleep')\n"
        "job.stdout.readline(); signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "os.killpg(0, signal.SIGINT); err = job.communicate()[1]\n"
        "print(job.returncode, err.strip(), server.run('hello')[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, Path(__file__).parent, tmp_path],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "1 error: interrupted; run the same command again 0\n"


def test_without_a_server_that_answers_a_job_runs_alone(own_server):
    own_server.process.kill()
    own_server.process.wait()
    status, out, _ = own_server.run("hello")
    assert status == 0
    assert out.endswith(f" {os.getpid()} False\n")


def test_the_environment_of_another_python_is_left_to_it(server):
    environment = {"CLEARFIELD_FORKSERVER": f"/other:{server.socket}"}
    done = subprocess.run(
        [sys.executable, server.job, "--word", "hello", "--number", "7"], text=True, input="",
        env=os.environ | environment | {"PYTHONPATH": str(SCRIPTS), "WHO": "me"},
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith(f" {os.getpid()} False\n")


def test_many_jobs_at_once(server):
    jobs = [server.start(f"w{number}") for number in range(40)]
    for number, job in enumerate(jobs):
        assert job.communicate("input")[0].startswith(f"w{number} 7 ")
        assert job.returncode == 0


def test_the_server_ends_after_its_jobs_when_the_run_has_ended(own_server):
    job = own_server.start("sleep")
    fork = int(job.stdout.readline().split()[1])
    own_server.process.stdin.close()
    wait_for(lambda: not own_server.socket.parent.exists())
    assert is_alive(fork) and own_server.process.poll() is None
    os.kill(fork, signal.SIGKILL)
    job.communicate(timeout=30)
    assert job.returncode == 128 + signal.SIGKILL
    assert own_server.process.wait(30) == 0


def test_a_request_that_is_cut_short_does_no_harm(server):
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.socket))
        client.sendall(b"\xff")
    assert server.run("hello")[0] == 0


def test_where_no_socket_can_be_made_jobs_do_without(tmp_path, capfd):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    server = [*SERVER, folder / "socket"]
    done = subprocess.run(server, cwd=SCRIPTS, stdin=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0
    assert not folder.exists()
    assert capfd.readouterr().err == ""
