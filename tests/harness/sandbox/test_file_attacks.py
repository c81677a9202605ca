"""Reading and writing what is not the run's own, and results that are traps for their reader."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.sandbox.request import EndKind, Protection, Sandbox, SandboxLimits
from harness.sandbox.sealed_files import UnsafeResultError, read_sealed
from tests.harness.sandbox.sandboxes import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTE = SandboxLimits(wall_seconds=60.0)
SECRET = "the answer is in here"


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A host file everyone could read."""
    file = tmp_path / "secret.txt"
    file.write_text(SECRET, encoding="ascii")
    file.chmod(0o666)
    before = file.stat()
    yield file
    assert file.read_text(encoding="ascii") == SECRET
    assert (file.stat().st_mode, file.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


READER = """
import os, sys
path = sys.argv[1]
os.symlink(path, "way")
roots = [f"/proc/{pid}/root{path}" for pid in (1, os.getppid(), "self")]
for name in (path, "way", *roots):
    try:
        print("read", open(name).read())
    except OSError as error:
        print("refused", error.errno)
"""


def test_host_file_cannot_be_read_by_any_name(sandbox: Sandbox, out: Path, secret: Path) -> None:
    ran = run_program(sandbox, READER, out=out, arguments=(str(secret),), limits=MINUTE)
    assert ran.outcome.exit_code == 0, ran.output
    assert SECRET not in ran.output
    assert ran.has(Protection.HIDDEN_HOST_FILES)


WRITER = """
import os, sys
folder, secret = sys.argv[1:]
places = [place + "/planted" for place in (folder, "/usr", "/etc", "", "/var", "/dev")]
for path in (*places, secret):
    try:
        with open(path, "a") as file:
            file.write("x")
        print("wrote", path)
    except OSError as error:
        print("refused", error.errno)
for action in (os.remove, lambda path: os.rename(path, "stolen"), lambda path: os.link(path, "stolen"),
               lambda path: os.truncate(path, 0)):
    try:
        action(secret)
        print("changed")
    except OSError as error:
        print("refused", error.errno)
for action in (lambda path: os.chmod(path, 0o600), lambda path: os.utime(path, (0, 0))):
    try:
        action(secret)
    except OSError as error:
        print("refused", error.errno)
"""


def test_nothing_outside_can_be_written(sandbox: Sandbox, out: Path, secret: Path) -> None:
    ran = run_program(sandbox, WRITER, out=out, arguments=(str(secret.parent), str(secret)), limits=MINUTE)
    assert ran.outcome.exit_code == 0, ran.output
    assert "wrote" not in ran.output
    assert "changed" not in ran.output
    assert not (secret.parent / "planted").exists()
    assert ran.has(Protection.READ_ONLY_SYSTEM)


MOUNTS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.mount(b'tmpfs', os.getcwd().encode(), b'tmpfs', 0, None), libc.umount2(b'/proc', 2))
"""


def test_mounts_are_refused(sandbox: Sandbox, out: Path) -> None:
    assert run_program(sandbox, MOUNTS, out=out, limits=MINUTE).output == "-1 -1\n"


LEFT_OVER = """
import os, tempfile
places = {'/tmp', '/dev/shm', '/var/tmp', os.path.expanduser('~'), tempfile.gettempdir()}
for place in places:
    path = place + '/golf-test-left-over'
    if os.path.exists(path):
        print('found', path)
    try:
        open(path, 'w').close()
    except OSError:
        pass
"""


def test_nothing_is_left_for_the_next_run(sandbox: Sandbox) -> None:
    """Caches of compilers and shared memory would make the second seed faster than the first."""
    run_program(sandbox, LEFT_OVER, limits=MINUTE)
    ran = run_program(sandbox, LEFT_OVER, limits=MINUTE)
    assert ran.outcome.exit_code == 0
    assert "found" not in ran.output


def test_temporary_files_of_the_host_are_invisible(sandbox: Sandbox, secret: Path) -> None:
    program = "import os\ntry:\n    print(os.listdir('/tmp'))\nexcept OSError:\n    print('closed')"
    ran = run_program(sandbox, program, limits=MINUTE)
    assert "pytest" not in ran.output
    assert ran.has(Protection.PRIVATE_TMP)


def leave(sandbox: Sandbox, out: Path, program: str, *arguments: str) -> None:
    ran = run_program(sandbox, program, out=out, arguments=arguments, limits=MINUTE)
    assert ran.outcome.kind is EndKind.EXITED
    assert ran.outcome.exit_code == 0, ran.output


def test_link_left_in_the_output_is_not_followed(any_sandbox: Sandbox, out: Path, secret: Path) -> None:
    leave(any_sandbox, out, "import os, sys\nos.symlink(sys.argv[1], 'artifact.bin')", str(secret))
    with pytest.raises(UnsafeResultError, match="link or a special file"):
        read_sealed(out, "artifact.bin", 1_000)


def test_fifo_left_in_the_output_does_not_hang_the_reader(any_sandbox: Sandbox, out: Path) -> None:
    leave(any_sandbox, out, "import os\nos.mkfifo('artifact.bin')")
    with pytest.raises(UnsafeResultError, match="not a regular file"):
        read_sealed(out, "artifact.bin", 1_000)


EXECUTE_ID = """
import os
if os.access("id", os.X_OK):
    os.execv("./id", ["id", "-u"])
print(os.getuid())
"""


def test_setuid_program_left_in_the_output_gains_nothing_later(sandbox: Sandbox, out: Path) -> None:
    leave(sandbox, out, "import os, shutil\nshutil.copy('/usr/bin/id', 'id')\nos.chmod('id', 0o6755)")
    ran = run_program(sandbox, EXECUTE_ID, out=out, limits=MINUTE)
    expected = run_program(sandbox, "import os\nprint(os.getuid())", limits=MINUTE)
    assert ran.output == expected.output


def test_result_written_inside_is_read_outside(any_sandbox: Sandbox, out: Path) -> None:
    leave(any_sandbox, out, "open('artifact.bin', 'wb').write(b'weights')")
    assert read_sealed(out, "artifact.bin", 1_000) == b"weights"


@pytest.mark.skipif(os.getuid() != 0, reason="only root hands folders over")
def test_folder_handed_over_keeps_links_owners(sandbox: Sandbox, out: Path, secret: Path) -> None:
    (out / "link").symlink_to(secret)
    owner = secret.stat().st_uid
    leave(sandbox, out, "pass")
    assert secret.stat().st_uid == owner


def test_kernel_settings_cannot_be_written(sandbox: Sandbox) -> None:
    """A root without rights could still write these: their check asks for the number of the user only."""
    program = (
        "try:\n    open('/proc/sys/kernel/core_pattern', 'r+')\n    print('possible')\n"
        "except OSError as error:\n    print('refused', error.errno)"
    )
    assert run_program(sandbox, program, limits=MINUTE).output.startswith("refused")
