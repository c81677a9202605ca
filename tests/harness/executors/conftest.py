"""Executors that this machine can try: Ray and submitit where they are installed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from harness.executors.choose import make_executor
from harness.executors.executor import RunOptions
from tests.harness.executors.seed_jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.executors.executor import Executor

# name for the test: name of the executor, its package, its own options
KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "local": ("local", "json", {}),
    "local-gpu-sets": ("local", "json", {"gpu_sets": "0;1;2"}),
    "ray": ("ray", "ray", {}),
    "slurm-local": ("slurm", "submitit", {"cluster": "local"}),
}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Three nodes on this machine; nodes may be added and removed, three are left."""
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray.cluster_utils import Cluster

    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_ADDRESS")}
    os.environ["PYTHONPATH"] = str(ROOT)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(3):
            cluster.add_node(num_cpus=1, resources={"golf_node": 1})
        cluster.wait_for_nodes()
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        cluster.shutdown()


class Make(Protocol):
    """Makes the executor of the test, with changed options."""

    def __call__(self, **changed: Any) -> Executor: ...


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    _, package, _ = KINDS[request.param]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return str(request.param)


@pytest.fixture
def executor(kind: str, jobs: Jobs) -> Make:
    """Makes the executor of the kind, writing to the folder of `jobs`."""

    def make(**changed: Any) -> Executor:
        name, _, own = KINDS[kind]
        return make_executor(name, RunOptions(**{"out": jobs.out, "sandbox": "none", "own": own, **changed}))

    return make
