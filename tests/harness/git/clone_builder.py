"""Builds tiny git repositories with pull request refs, without any global configuration."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRACK = "records/track_10min_16mb"
SCRIPT = "print('train')\n"


def package(folder: str, words: str = "own", *, json: str | None = None) -> dict[str, str]:
    """The four files of a complete submission, told apart from another one by `words`."""
    return {
        f"{folder}/README.md": f"# {words}\n",
        f"{folder}/submission.json": json if json is not None else f'{{"name": "{words}"}}\n',
        f"{folder}/train_gpt.py": f"# {words}\n{SCRIPT}",
        f"{folder}/train.log": f"seed:1337 {words}\n",
    }


class CloneBuilder:
    """One repository; commits are made in its working tree, with dates that count up from 2026-04-01."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = 1_775_000_000
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, stdin: str = "") -> str:
        """Run git here, as nobody in particular, and return what it prints."""
        who = {
            f"GIT_{role}_{what}": f"tester@{role}.example"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        self._clock += 60
        when = {f"GIT_{role}_DATE": f"{self._clock} +0200" for role in ("AUTHOR", "COMMITTER")}
        plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=plain | who | when | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        """Put files into the working tree."""
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")

    def commit(self, files: Mapping[str, str], message: str = "work") -> str:
        """Write files, commit everything, and return the commit's id."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def pull_request(self, number: int, files: Mapping[str, str], *, onto: str = "main") -> str:
        """A branch off `onto` with one commit, left behind as refs/pull/N/head; main stays checked out."""
        self.git("checkout", "--quiet", "-B", f"work{number}", onto)
        sha = self.commit(files)
        self.point(number, sha)
        self.git("checkout", "--quiet", "main")
        return sha

    def point(self, number: int, sha: str) -> None:
        """Set refs/pull/N/head."""
        self.git("update-ref", f"refs/pull/{number}/head", sha)
