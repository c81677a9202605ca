"""Opens a local git clone for reading, and asks git about refs and revisions in a closed environment."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from git import Git, Repo

# Command-line configuration beats the clone's own: no hook, no monitor program, no transport.
_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "protocol.allow=never",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
)

_LEADING_ELSEWHERE = (
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
    "GIT_CEILING_DIRECTORIES",
)


def _environment(repo: Repo) -> dict[str, str]:
    """What git sees: this clone whatever the caller's GIT_* say, no user configuration, no prompt."""
    return {
        "GIT_DIR": str(repo.git_dir),
        "GIT_COMMON_DIR": str(repo.common_dir),
        "GIT_OBJECT_DIRECTORY": str(Path(repo.common_dir) / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NAMESPACE": "",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_TRACE": "0",
        "GIT_PAGER": "cat",
    }


@dataclass(frozen=True, slots=True)
class CloneAccess:
    """One open clone: its refs, its shallow boundary, and revisions resolved to commits."""

    path: Path
    repo: Repo
    refs: dict[str, str]
    shallow: frozenset[str]

    def commit_named(self, rev: str) -> str:
        """The full id of the commit a revision names. Raises `SetupError` when it names none."""
        from git.exc import GitCommandError

        try:
            found: str = self.repo.git.rev_parse(
                "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
            )
        except (GitCommandError, ValueError) as error:
            raise SetupError(
                f"{self.path} has no commit {rev!r}. Check the spelling, or fetch it: `git fetch origin "
                f"{rev}` in the clone."
            ) from error
        return found.strip()

    def has(self, rev: str) -> bool:
        """Whether a revision names a commit of this clone."""
        try:
            self.commit_named(rev)
        except SetupError:
            return False
        return True

    def close(self) -> None:
        """End the git processes that wait for questions; the next question starts them again."""
        self.repo.git.clear_cache()


def open_access(path: Path) -> CloneAccess:
    """Open the clone at `path`: a working tree, a bare clone, a linked worktree, or a mere git directory.

    Raises `SetupError` when there is none, git is missing, or git refuses it (foreign owner, damage).
    """
    if not path.is_dir():
        raise SetupError(f"{path} is not a folder; give the folder of a git clone.")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git, importing GitPython would raise
    from git import Repo
    from git.cmd import Git
    from git.exc import GitCommandError, GitCommandNotFound, InvalidGitRepositoryError, NoSuchPathError

    try:
        with _without_callers_repository():
            _ask_git_whether_it_trusts(Git(str(path)))
            repo = Repo(path)
        repo.git.update_environment(**_environment(repo))
        repo.git.set_persistent_git_options(c=list(_SETTINGS))
        listed = repo.git.for_each_ref("--format=%(objectname) %(refname)")
    except GitCommandNotFound as error:
        raise SetupError(
            "git is not installed or not on the PATH; install it (`apt install git`)."
        ) from error
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise SetupError(f"{path} is not a git clone: no .git in it, and it is no bare clone.") from error
    except GitCommandError as error:
        raise _refusal(path, str(error.stderr)) from error
    refs = dict(reversed(line.split(" ", 1)) for line in listed.splitlines() if " " in line)
    return CloneAccess(path=path, repo=repo, refs=refs, shallow=_shallow(Path(repo.common_dir)))


def _ask_git_whether_it_trusts(git: Git) -> None:
    """Git refuses a clone owned by somebody else, unless the user's configuration says otherwise.

    Only this question runs with the user's configuration: later ones name the git directory, which git
    takes for trust.
    """
    git.set_persistent_git_options(c=[*_SETTINGS, "safe.bareRepository=all"])
    git.rev_parse("--git-dir")


@contextmanager
def _without_callers_repository() -> Iterator[None]:
    """Hide variables that would lead git to another repository (a caller that is itself a git hook)."""
    hidden = {name: os.environ.pop(name) for name in _LEADING_ELSEWHERE if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _refusal(path: Path, said: str) -> SetupError:
    said = said.strip().removeprefix("stderr: ").strip("'\n ")
    if "dubious ownership" in said:
        return SetupError(
            f"git refuses {path}: it belongs to another user. If you trust it, run `git config --global "
            f"--add safe.directory {path.resolve()}`."
        )
    if "not a git repository" in said:
        return SetupError(f"{path} is not a git clone: no .git in it, and it is no bare clone.")
    return SetupError(f"git cannot read {path}: {said}. `git fsck` lists damage; a fresh clone mends it.")


def _shallow(common_dir: Path) -> frozenset[str]:
    try:
        return frozenset((common_dir / "shallow").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return frozenset()
