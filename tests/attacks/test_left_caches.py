"""The first seed leaves compiled kernels or weights where the second one finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

LEAVES = """
import os, pathlib, tempfile
home = pathlib.Path(os.path.expanduser("~"))
places = ["/tmp", "/var/tmp", "/dev/shm", tempfile.gettempdir(), home, home / ".cache", home / ".triton", ".",
          data, os.path.dirname(os.getcwd()), "/golf", "/golf/pipe", "/run", "/usr/local/lib"]
mark = os.environ["ATTACK_MARK"]
paths = {(pathlib.Path(place) / f"cache-{mark}").resolve() for place in places}
for path in paths:
    try:
        if path.exists():
            print("FOUND", path)
    except OSError:
        pass
for path in paths:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("weights of seed one")
        print("left", path)
    except OSError:
        pass
"""


def test_the_second_seed_finds_nothing_of_the_first(victim: Victim) -> None:
    first, second = (victim.run(HONEST + LEAVES) for _ in range(2))
    assert "left" in first.log
    assert "FOUND" not in first.log + second.log
    assert {"private-tmp", "read-only-system"} <= set(second.record.protections)
    assert [attacked.record.status for attacked in (first, second)] == ["finished"] * 2
