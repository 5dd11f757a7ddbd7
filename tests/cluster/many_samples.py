"""Run many small samples through a scheduler, and say what it took.

`python tests/cluster/many_samples.py slurm 200 4`: 200 samples, up to 4 in one submission; `slurm`,
`slurm-grouped` or `sge`.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from cluster_run import STARTS, ClusterRun


def main(scheduler: str, samples: int, together: int) -> None:
    """Start the scheduler, make the samples, run the workflow, print the figures."""
    with tempfile.TemporaryDirectory(prefix="stand-") as folder:
        Path(folder).chmod(0o755)
        raw = Path(folder) / "raw"
        raw.mkdir()
        random = np.random.default_rng(1)
        for number in range(samples):
            planes = random.poisson(100, (4, 128, 128)).astype("u2")
            tifffile.imwrite(
                raw / f"s{number:04}.tif", planes, imagej=True, metadata={"axes": "ZYX"}
            )
        with STARTS[scheduler](Path(folder) / scheduler) as stand:
            stand.name = scheduler  # that of the profile
            run = ClusterRun(Path(folder) / "run", stand)
            run.config = {"samples": str(raw / "*.tif"), "subtract_background": SMALL}
            # As a user runs it, but for the accounting database that the stand does not have.
            run.options = {name: [] for name in STARTS}
            run.options["slurm"] = ["--slurm-status-command", "squeue"]
            del run.environment["PYTHONPATH"]
            began = time.monotonic()
            driver = run.start(*stand.a_node, "--group-components", f"sample={together}")
            peak = 0
            while driver.poll() is None:
                try:
                    status = Path(f"/proc/{driver.pid}/status").read_text()
                    times = Path(f"/proc/{driver.pid}/stat").read_text().rpartition(")")[2].split()
                    cpu = sum(map(int, times[11:15])) / 100
                    peak = max(peak, int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024)
                except (OSError, TypeError):
                    pass
                time.sleep(0.5)
            text = (run.folder / "run.log").read_text()
            print(text[-600:])
            print(
                f"{scheduler}: {samples} samples, up to {together} in a submission: "
                f"status {driver.returncode}, {time.monotonic() - began:.0f} s, "
                f"{run.submissions(text)} submissions, driver {cpu:.0f} s CPU and {peak:.0f} MB, "
                f"{len(list((run.folder / 'results/qc').glob('*.png')))} figures"
            )


SMALL = {"tophat": {"radius": 10}}

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
