"""A cluster of three nodes on this machine, one of which is taken away while it runs a seed."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError, UsageError
from harness.executors.choose import make_executor
from harness.executors.executor import RunOptions
from tests.harness.executors.seed_jobs import is_alive

if TYPE_CHECKING:
    from tests.harness.executors.seed_jobs import Jobs

pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")


def node_of(process: int, cluster: Any) -> Any:
    """The node whose daemon started `process`."""
    daemons = {
        info.process.pid: node
        for node in cluster.worker_nodes
        for info in node.all_processes.get("raylet", [])
    }
    while process > 1 and process not in daemons:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return daemons.get(process)


def test_a_seed_of_a_node_that_goes_is_run_on_another(ray_cluster: Any, jobs: Jobs) -> None:
    import ray

    seeds = (13, 1337, 1111)
    for seed in seeds:
        jobs.hold(seed)
    gone: list[int] = []

    def remove() -> None:
        try:
            workers = {seed: jobs.worker_of(seed) for seed in seeds}
            nodes = {seed: node_of(workers[seed], ray_cluster) for seed in seeds}
            assert len(set(map(id, nodes.values()))) == 3, "a node runs two seeds"
            driver = ray._private.worker.global_worker.node.raylet_socket_name
            seed, node = next(pair for pair in nodes.items() if pair[1].raylet_socket_name != driver)
            ray_cluster.remove_node(node, allow_graceful=False)
            gone.append(seed)
            deadline = time.monotonic() + 60  # a node's workers outlive its daemon for a moment
            while is_alive(workers[seed]) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            for seed in seeds:
                jobs.let_go(seed)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        outcomes = {each.job.seed: each for each in executor(jobs).submit(jobs.jobs(*seeds))}
    finally:
        remover.join()
        ray_cluster.add_node(num_cpus=1, resources={"golf_node": 1})
    assert [outcomes[seed].fault for seed in seeds] == ["", "", ""]
    for seed in seeds:
        assert [record.reason for record in jobs.attempts(seed)] == (["lost", ""] if seed in gone else [""])
    assert len(gone) == 1


def test_what_a_signal_does_stays_ours(ray_cluster: Any, jobs: Jobs) -> None:
    del ray_cluster
    before = signal.getsignal(signal.SIGTERM)
    running = executor(jobs).submit(jobs.jobs(13))
    (outcome,) = running
    assert outcome.fault == ""
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_cluster_without_such_nodes_is_a_fault_of_the_set_up(ray_cluster: Any, jobs: Jobs) -> None:
    del ray_cluster
    with pytest.raises(SetupError, match="no node of the Ray cluster offers 'h100x8'"):
        list(executor(jobs, resource="h100x8").submit(jobs.jobs(13)))
    with pytest.raises(UsageError, match="unknown option 'partition'"):
        executor(jobs, partition="h100")


def executor(jobs: Jobs, **own: str) -> Any:
    return make_executor("ray", RunOptions(out=jobs.out, sandbox="none", own=own))
