"""A real Slurm on this machine: slurmctld, munge and one slurmd for each of three node names.

No systemd, no cgroups, no database, nothing under /etc: `python tests/cluster/slurm.py FOLDER`
starts it, says what to export, and stops it when its standard input closes.
"""

import os
import pwd
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stand import call, end, free_ports, parent_of, pids_in, pids_with, wait_for

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
NODES = ("n1", "n2", "n3")
CORES, MEM_MB = 4, 8000  # of each
ADMIN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# CPUs and memory are claimed, not owned: how jobs are placed is tested, not how fast they are.
CONFIG = """\
ClusterName=stand
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/pid/slurmctld
SlurmdPidFile={folder}/pid/%n
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# Without cgroups memory is watched once a second, and what uses more than it asked for is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobcomp
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
SlurmctldTimeout=30
SlurmdTimeout=6
KillWait=2
UnkillableStepTimeout=20
CompleteWait=0
DefMemPerCPU=100
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs={cores} RealMemory={mb}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=5 State=UP
PartitionName=hour Nodes=ALL MaxTime=60 DefaultTime=5 State=UP
"""


class Slurm:
    """A running Slurm: the environment to submit from, and what tests ask and do."""

    name, nodes = "slurm", len(NODES)
    # What a user writes at the top of the profile.
    a_node = ("--cores", str(CORES), "--resources", f"mem_mb={MEM_MB}")

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = folder / "slurm.conf"
        self.environment = os.environ | {
            "SLURM_CONF": str(self.config),
            "PATH": f"{folder}/bin:{os.environ['PATH']}:{ADMIN_PATH}",
        }

    def start(self) -> None:
        for name in ("bin", "log", "munge", "pid", "state", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o755)
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        port = free_ports(1 + len(NODES))
        self.config.write_text(
            CONFIG.format(
                folder=self.folder,
                host=socket.gethostname().partition(".")[0],
                user=pwd.getpwuid(os.getuid()).pw_name,
                port=port,
                nodes=f"n[1-{len(NODES)}]",
                ports=f"[{port + 1}-{port + len(NODES)}]",
                cores=CORES,
                mb=MEM_MB,
            )
        )
        # Snakemake's job step drops SLURM_CONF before it calls srun; a cluster has it under /etc.
        step = self.folder / "bin/srun"
        real = shutil.which("srun", path=f"{os.environ['PATH']}:{ADMIN_PATH}")
        step.write_text(f'#!/bin/sh\nSLURM_CONF={self.config} exec {real} "$@"\n')
        step.chmod(0o755)
        self._call(
            "munged", f"--key-file={key}", f"--socket={self.folder}/munge/socket",
            f"--pid-file={self.folder}/pid/munged", f"--seed-file={self.folder}/munge/seed",
            f"--log-file={self.folder}/log/munged", "--num-threads=2",
        )  # fmt: skip
        self._call("slurmctld", "-c", "-f", str(self.config))
        for node in NODES:
            self.start_node(node)
        wait_for("three idle nodes", lambda: self._states().count("idle") == len(NODES))

    def stop(self) -> None:
        end(pids_with({"SLURM_CONF": str(self.config), "SLURM_CLUSTER_NAME": "stand"}), 5)
        end(pids_in(list((self.folder / "pid").iterdir())))

    def start_node(self, node: str) -> None:
        self._call("slurmd", "-N", node, "-f", str(self.config))

    def fail_node(self, node: str) -> None:
        """Let a node fall silent at once with all that runs on it, as when its power is cut."""
        jobs = pids_with({"SLURMD_NODENAME": node, "SLURM_CONF": str(self.config)})
        # What watches a job first, or it would still report the job's death.
        watchers = {parent_of(pid) for pid in jobs} - set(jobs)
        for pid in [*pids_in([self.folder / "pid" / node]), *watchers, *jobs]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def await_requeue(self, job: str) -> None:
        """Wait until a lost node's job is queued again, and spare it the two minutes it sits out.

        So long the credential of its first start may still be valid.
        """
        waiting = ("squeue", "-h", "-t", "PD", "-j", job)
        wait_for("the lost job in the queue", lambda: self._call(*waiting).strip(), 120)
        self._call("scontrol", "update", f"JobId={job}", "StartTime=now")

    def running(self) -> dict[str, str]:
        """Give the node of each running job, by the job's number."""
        rows = self._call("squeue", "-h", "-t", "R", "-o", "%i %N").splitlines()
        return dict(row.split() for row in rows)

    def cancel(self, job: str) -> None:
        self._call("scancel", job)

    def finished(self) -> list[dict[str, str]]:
        """Give what Slurm's accounting wrote of each job that ended: JobId, JobState, ..."""
        file = self.folder / "log/jobcomp"
        rows = file.read_text().splitlines() if file.is_file() else []
        return [dict(part.partition("=")[::2] for part in row.split()) for row in rows]

    def _states(self) -> list[str]:
        return self._call("sinfo", "-h", "-N", "-p", "main", "-o", "%T").split()

    def _call(self, *command: str) -> str:
        return call(*command, environment=self.environment)


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """Start Slurm in an empty folder and stop it in the end, whatever happened."""
    stand = Slurm(folder)
    try:
        stand.start()
        yield stand
    finally:
        stand.stop()


if __name__ == "__main__":
    with slurm(Path(sys.argv[1]).resolve()) as stand:
        for name in ("SLURM_CONF", "PATH"):
            print(f"export {name}={stand.environment[name]}")
        sys.stdout.flush()
        sys.stdin.read()
