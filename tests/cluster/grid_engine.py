"""A real Grid Engine on this machine: qmaster and execd on one host, with a root of their own.

No systemd, nothing under /etc: `python tests/cluster/grid_engine.py FOLDER` starts it, says what
to export, and stops it when its standard input closes. It is left as the packages install it: one
queue, one parallel environment, the resources that every Grid Engine knows.
"""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stand import call, end, free_ports, parent_of, pids_in, pids_with, wait_for

BINARIES = Path("/usr/lib/gridengine")
DEFAULTS = Path("/usr/share/gridengine")
PROGRAMS = (BINARIES / "sge_qmaster", BINARIES / "sge_execd", "qsub")

BOOTSTRAP = """\
admin_user {user}
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/spooldb
binary_path {binaries}
qmaster_spool_dir {folder}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
HOST = """\
hostname {host}
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""
PARALLEL = """\
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
LIMITS = ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
QUEUE = """\
qname main.q
hostlist {host}
seq_no 0
load_thresholds NONE
suspend_thresholds NONE
nsuspend 1
suspend_interval 00:05:00
priority 0
min_cpu_interval 00:05:00
processors UNDEFINED
qtype BATCH INTERACTIVE
ckpt_list NONE
pe_list smp
rerun TRUE
slots {slots}
tmpdir {folder}/tmp
shell /bin/sh
prolog NONE
epilog NONE
shell_start_mode unix_behavior
starter_method NONE
suspend_method NONE
resume_method NONE
terminate_method NONE
notify 00:00:60
owner_list NONE
user_lists NONE
xuser_lists NONE
subordinate_list NONE
complex_values NONE
projects NONE
xprojects NONE
calendar NONE
initial_state default
""" + "".join(f"s_{limit} INFINITY\nh_{limit} INFINITY\n" for limit in LIMITS)


class GridEngine:
    """A running Grid Engine: the environment to submit from, and what tests ask and do."""

    name, nodes = "sge", 1

    def __init__(self, folder: Path, slots: int = 8):
        self.folder, self.slots = folder, slots
        self.a_node = ("--cores", str(slots))  # what a user writes at the top of the profile
        self.host = socket.gethostname()
        self.root = folder / "root"
        port = free_ports(2)
        self.environment = os.environ | {
            "SGE_ROOT": str(self.root),
            "SGE_CELL": "default",
            "SGE_CLUSTER_NAME": "stand",
            "SGE_ARCH": "lx-amd64",
            "SGE_QMASTER_PORT": str(port),
            "SGE_EXECD_PORT": str(port + 1),
            "SGE_EXECD_PIDFILE": str(folder / "pid/execd"),
        }

    def start(self) -> None:
        common = self.root / "default/common"
        for name in ("spooldb", "qmaster/job_scripts", "execd", "pid", "tmp"):
            (self.folder / name).mkdir(parents=True)
        common.mkdir(parents=True)
        for name in ("bin", "utilbin", "lib"):
            (self.root / name).mkdir()
            (self.root / name / "lx-amd64").symlink_to(BINARIES)
        (self.root / "util").symlink_to(DEFAULTS / "util")
        (common / "act_qmaster").write_text(f"{self.host}\n")
        # 127.0.0.1 resolves back to localhost, which has to mean the host.
        (common / "host_aliases").write_text(f"{self.host} localhost\n")
        values = {"folder": self.folder, "host": self.host, "slots": self.slots}
        values |= {"binaries": BINARIES, "user": Path("/proc/self").owner()}
        (common / "bootstrap").write_text(BOOTSTRAP.format(**values))
        spool = BINARIES / "spooldefaults"
        database = ("berkeleydb", "libspoolb", str(self.folder / "spooldb"), "init")
        self._call(str(BINARIES / "spoolinit"), *database)
        self._call(str(spool), "configuration", self._file("global", self._global()))
        for kind, folder in (("complexes", "centry"), ("usersets", "usersets")):
            self._call(str(spool), kind, str(DEFAULTS / "util/resources" / folder))
        self._call(str(spool), "managers", values["user"])
        self._call(str(BINARIES / "sge_qmaster"), seconds=60)
        wait_for("the qmaster", lambda: self._answers("qconf", "-sh") is not None)
        self._call("qconf", "-as", self.host)
        self._answers("qconf", "-ah", self.host)
        self._answers("qconf", "-Ae", self._file("host", HOST.format(**values)))
        self._call("qconf", "-Ap", self._file("parallel", PARALLEL))
        self._call("qconf", "-Aq", self._file("queue", QUEUE.format(**values)))
        self._call("qconf", "-Msconf", self._file("scheduler", self._scheduler()))
        self._call(str(BINARIES / "sge_execd"))
        wait_for("a queue that takes jobs", self._takes_jobs)

    def stop(self) -> None:
        with suppress(Exception):
            self._call("qdel", "-f", "-u", "*", seconds=5)
        end(pids_with({"SGE_ROOT": str(self.root), "SGE_CLUSTER_NAME": "stand"}), 5)
        end(pids_in([self.folder / "pid/execd", self.folder / "qmaster/qmaster.pid"]))

    def fail_node(self, node: str) -> None:
        """Let the node fall silent at once with all that runs on it."""
        jobs = [pid for pid in pids_with({"SGE_ROOT": str(self.root)}) if _is_job(pid)]
        # What watches a job first, or it would still report the job's death.
        watchers = {parent_of(pid) for pid in jobs} - set(jobs)
        for pid in [*pids_in([self.folder / "pid/execd"]), *watchers, *jobs]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start_node(self, node: str) -> None:
        self._call(str(BINARIES / "sge_execd"))

    def await_requeue(self, job: str) -> None:
        """Nothing to wait for: the node comes back and its job starts again."""

    def running(self) -> dict[str, str]:
        """Give the node of each running job, by the job's number."""
        rows = [row.split() for row in self._call("qstat", "-s", "r").splitlines()[2:]]
        return {row[0]: row[7].partition("@")[2] for row in rows if row[4] == "r"}

    def cancel(self, job: str) -> None:
        self._call("qdel", job)

    def finished(self) -> list[dict[str, str]]:
        """Give what the accounting says of each job that ended: jobnumber, failed, ..."""
        records = (self._answers("qacct", "-j", "*") or "").split("=" * 62)
        return [
            {row.split()[0]: row.partition(" ")[2].strip() for row in text.splitlines() if row}
            for text in records[1:]
        ]

    def _global(self) -> str:
        changed = {
            "execd_spool_dir": str(self.folder / "execd"),
            "min_uid": "0",
            "min_gid": "0",
            "load_report_time": "00:00:01",
            "max_unheard": "00:00:10",
            "reschedule_unknown": "00:00:05",
            "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
            "joblog=false sharelog=00:00:00",
        }
        return _changed((DEFAULTS / "default-configuration").read_text(), changed)

    def _scheduler(self) -> str:
        changed = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        return _changed(self._call("qconf", "-ssconf"), changed)

    def _takes_jobs(self) -> bool:
        rows = [row.split() for row in (self._answers("qstat", "-f") or "").splitlines()]
        rows = [row for row in rows if row and row[0].startswith("main.q@")]
        return bool(rows) and len(rows[0]) == 5 and rows[0][3] != "-NA-"  # a sixth: its trouble

    def _file(self, name: str, text: str) -> str:
        file = self.folder / f"{name}.conf"
        file.write_text(text)
        return str(file)

    def _answers(self, *command: str) -> str | None:
        with suppress(RuntimeError):
            return self._call(*command)
        return None

    def _call(self, *command: str, seconds: float = 30) -> str:
        return call(*command, environment=self.environment, seconds=seconds)


def _is_job(pid: int) -> bool:
    with suppress(OSError):
        return b"\0JOB_ID=" in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _changed(text: str, values: dict[str, str]) -> str:
    lines = [line for line in text.splitlines() if line.split(" ")[0] not in values]
    return "\n".join([*lines, *(f"{name} {value}" for name, value in values.items()), ""])


@contextmanager
def grid_engine(folder: Path) -> Iterator[GridEngine]:
    """Start Grid Engine in an empty folder and stop it in the end, whatever happened."""
    stand = GridEngine(folder)
    try:
        stand.start()
        yield stand
    finally:
        stand.stop()


if __name__ == "__main__":
    with grid_engine(Path(sys.argv[1]).resolve()) as stand:
        for name, value in stand.environment.items():
            if name.startswith("SGE_"):
                print(f"export {name}={value}")
        sys.stdout.flush()
        sys.stdin.read()
