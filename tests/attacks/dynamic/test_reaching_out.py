"""A run writes outside, leaves links, pipes and processes behind, or makes its folder hard to remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.dynamic.run_causes import CauseKind
from harness.probe_outcome import Outcome
from tests.programs.dynamic.audited_script import ending_with, starting_with

if TYPE_CHECKING:
    from tests.attacks.dynamic.audited_runs import AuditedMachine

TRIES = """
import pathlib
wrote = []
for place in ({places}):
    try:
        pathlib.Path(os.path.expanduser(place)).write_text("mine")
        wrote.append(place)
    except OSError:
        pass
print("wrote", wrote)
"""
OUTSIDE = TRIES.format(
    places="'/MARK', '/var/tmp/MARK', '/etc/MARK', '/usr/MARK', '/golf/MARK', '/golf/package/MARK', "
    "'/golf/plan/plan.json', DATA + '/fineweb_val_000000.bin', DATA + '/MARK', '../../../data/MARK', "
    "'SECRET_AT', "
    "'/proc/sys/kernel/hostname', sys.prefix + '/MARK', sys.executable"
)
INSIDE = TRIES.format(places="'/tmp/MARK', '/dev/shm/MARK', 'MARK', '../../../MARK'")
DAEMONS = """
import signal, subprocess
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "MARK"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        os.closerange(0, 4096)
        while True: time.sleep(600)
    os._exit(0)
"""
LEFT = """
os.symlink("/etc/passwd", "passwd.bin"); os.symlink("/", "root"); os.symlink("SECRET_AT", "secret.pt")
os.mkfifo("weights.bin"); os.symlink("weights.bin", "itself.bin"); os.link("final_model.pt", "twice.pt")
import socket; socket.socket(socket.AF_UNIX).bind("socket.bin")
"""
DEEP = """
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
open("bottom.bin", "w").write("x")
"""
CLOSED = "os.makedirs('a/b/c'); open('a/b/c/x.bin', 'w').close(); os.chmod('a/b', 0); os.chmod('a', 0o100)"
A_LINK_FOR_ITS_FOLDER = "os.chdir('..'); os.rename('submission', 'gone'); os.symlink('/etc', 'submission')"
STRANGE_NAMES = r"for name in (b'\xff\xfe.bin', 'a\nb.bin', 'x' * 255): open(name, 'w').close()"
LIMITS = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))"
OUTPUT = r"print(chr(27) + ']0;x'); sys.stdout.buffer.write(b'\xff\xfe\x00' + bytes(500_000) + b'\n')"
LATE = """
import atexit, threading
atexit.register(lambda: print("final_exact val_bpb:1.05000000", flush=True))
def late():
    time.sleep(0.2)
    os.write(1, b"final_exact val_bpb:1.05000000\\n")
threading.Thread(target=late, daemon=True).start()
"""


def test_nothing_outside_can_be_written(audited: AuditedMachine) -> None:
    assert "wrote []" in audited.run(starting_with(OUTSIDE)).run.log_lines


def test_what_is_written_to_shared_folders_is_gone(audited: AuditedMachine) -> None:
    seen = audited.run(starting_with(INSIDE))
    (line,) = [line for line in seen.run.log_lines if line.startswith("wrote")]
    assert audited.mark in line  # where it may write depends on the sandbox
    assert set(seen.run.artifacts) == {"final_model.pt", audited.mark}


def test_daemons_die_with_the_run_and_are_told(audited: AuditedMachine) -> None:
    seen = audited.run(starting_with(DAEMONS))
    assert seen.run.outcome.survivors_killed >= 1
    (outside,) = [one for one in seen.audit.results if one.condition == "no-network-at-eval"]
    assert outside.outcome is Outcome.NO_POWER
    assert "another program was started" in outside.sentence


def test_only_regular_files_are_taken_for_artifacts(audited: AuditedMachine) -> None:
    assert set(audited.run(ending_with(LEFT)).run.artifacts) == {"final_model.pt", "twice.pt"}


def test_a_folder_deeper_than_paths_reach_is_a_matter_of_disk_and_removed(audited: AuditedMachine) -> None:
    seen = audited.run(ending_with(DEEP))
    assert (seen.cause.kind, seen.passed) == (CauseKind.DISK, [])
    assert "cannot be counted" in seen.cause.message


def test_what_a_run_leaves_is_removed_and_changes_nothing_of_what_was_seen(audited: AuditedMachine) -> None:
    seen = audited.run(ending_with(f"{OUTPUT}\n{STRANGE_NAMES}\n{CLOSED}\n{LIMITS}"))
    assert seen.run.cause is None
    assert seen.base.why_not == ""


def test_a_run_without_its_folder_has_no_artifacts(audited: AuditedMachine) -> None:
    assert audited.run(ending_with(A_LINK_FOR_ITS_FOLDER)).run.artifacts == {}


def test_what_is_printed_at_the_exit_and_by_threads_after_it_is_no_score(audited: AuditedMachine) -> None:
    seen = audited.run(ending_with(LATE))
    assert seen.passed == []
    assert "1.05000000" in seen.why_open()
