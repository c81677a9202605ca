"""Work is moved to where a clock may not run yet: imports, start-up files of Python, compilation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

EARLY = "open('early', 'w').write('ran')\nimport time\ntime.sleep(1.5)\n"


def test_imports_are_training_time(victim: Victim) -> None:
    attacked = victim.run("import warm_up\n" + HONEST, files={"warm_up.py": EARLY})
    assert attacked.record.phases[0].boundary.startswith("start of the process")
    assert attacked.record.phases[0].seconds >= 1.5


def test_start_up_files_in_the_folder_and_in_its_home_are_not_run(victim: Victim) -> None:
    user_site = f".home/.local/lib/python3.{sys.version_info.minor}/site-packages"
    names = ("sitecustomize.py", "usercustomize.py", "start.pth", f"{user_site}/start.pth")
    start = "import os; open(os.path.expanduser('~/../early'), 'w').write('ran')\n"
    attacked = victim.run(HONEST, files=dict.fromkeys((*names, f"{user_site}/usercustomize.py"), start))
    assert not (attacked.attempt / "work" / "early").exists()
    assert attacked.record.phases[0].name == "train"


def test_a_start_up_file_that_a_child_would_run_is_inside_the_clock(victim: Victim) -> None:
    child = "import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', 'pass'], "
    script = child + "env={**os.environ, 'PYTHONPATH': os.getcwd()})\n" + HONEST
    attacked = victim.run(script, files={"sitecustomize.py": EARLY})
    assert (attacked.attempt / "work" / "early").exists()
    assert attacked.record.phases[0].seconds >= 1.5
