"""Starts real ranks of scenarios in `ddp_worker` and collects what they report."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("ddp_worker.py")


def launch(scenarios: str, world_size: int, limit_seconds: float = 90) -> list[dict[str, Any]]:
    """What each rank reported of "one+another". Fails when a rank hangs, or ends with another code
    than it should.

    A rank's report says by `exit_code` how it is going to end, 0 if it does not say.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        outputs = [open(f"{folder}/output{rank}", "w+") for rank in range(world_size)]  # noqa: SIM115
        ranks = [
            subprocess.Popen(
                [sys.executable, WORKER, scenarios, str(rank), str(world_size), folder],
                env=environment,
                stdout=outputs[rank],
                stderr=subprocess.STDOUT,
            )
            for rank in range(world_size)
        ]
        deadline = time.monotonic() + limit_seconds
        try:
            for process in ranks:
                process.wait(max(0.0, deadline - time.monotonic()))
            hung = None
        except subprocess.TimeoutExpired as error:
            hung = error
        finally:
            for process in ranks:
                process.kill()
                process.wait()
        said = ""
        for rank, output in enumerate(outputs):
            output.seek(0)
            said += f"--- rank {rank}: exit code {ranks[rank].returncode}\n{output.read()}\n"
            output.close()
        assert hung is None, f"{scenarios}: still running after {limit_seconds} s\n{said}"
        reports = []
        for rank in range(world_size):
            path = Path(folder, f"report{rank}")
            assert path.exists(), f"{scenarios}: rank {rank} did not report\n{said}"
            reports.append(json.loads(path.read_text()))
        codes = [report.get("exit_code", 0) for report in reports]
        assert [process.returncode for process in ranks] == codes, said
        return reports
