"""A script searches the repository it came from: its history, other submissions, later commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST, SECRET

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

SEARCHES = """
import pathlib
here = pathlib.Path.cwd()
places = [here, *here.parents, pathlib.Path(os.environ["SECRET_AT"]).parent]
for place in places:
    for name in (".git", ".git/HEAD", "other_submission", "other_submission/train_gpt.py"):
        try:
            path = place / name
            if path.exists():
                print("FOUND", path, path.read_text() if path.is_file() else list(path.iterdir()))
        except OSError:
            pass
"""


def test_history_and_other_submissions_are_not_there(victim: Victim) -> None:
    history = victim.submission.parent / ".git"
    history.mkdir()
    (history / "HEAD").write_text(SECRET)
    files = {".git/HEAD": SECRET, ".git/refs/heads/answer": SECRET}
    attacked = victim.run(HONEST + SEARCHES, files=files)
    assert "FOUND" not in attacked.log
    assert SECRET not in attacked.log
    assert not (attacked.attempt / "work" / ".git").exists()
