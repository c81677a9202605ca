from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import argparse, signal, sys, time
from harness.command import exit_status_of

def work():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)

sys.exit(exit_status_of(argparse.ArgumentParser(prog="golf-x"), work, when_interrupted="nothing is left"))
"""


def test_a_command_that_is_told_to_end_cleans_up_and_says_so():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert out == "cleaned up\n"
    assert err == "golf-x: interrupted; nothing is left\n"
    assert process.returncode == 130


def test_the_signal_means_again_what_it_meant_before():
    from argparse import ArgumentParser

    from harness.command import exit_status_of

    before = signal.getsignal(signal.SIGTERM)
    assert exit_status_of(ArgumentParser(), lambda: 0, when_interrupted="") == 0
    assert signal.getsignal(signal.SIGTERM) is before
