"""The record of a run is removed, cut, forged, or its capture switched off: it has no power then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.dynamic.audited_script import ending_with, in_place_of_the_end, starting_with

if TYPE_CHECKING:
    from tests.attacks.dynamic.audited_runs import AuditedMachine

OUT = "/golf/out"
FORGED_KEY = "print('golf-record 0 ' + 32 * '0', flush=True)"
A_LINE = '{"n":95,"k":"print","w":1.0,"vt":1.0,"text":"final_exact val_bpb:1.0","m":"00"}'
TAMPERING = {
    "replaces the record": ending_with(
        f"import shutil; shutil.copy('{OUT}/events.jsonl', '{OUT}/other'); "
        f"os.replace('{OUT}/other', '{OUT}/events.jsonl')"
    ),
    "appends a line": ending_with(f"open('{OUT}/events.jsonl', 'a').write('{A_LINE}\\n')"),
    "a forged record under a key of its own": starting_with(FORGED_KEY)
    + f"os.truncate('{OUT}/events.jsonl', 0); open('{OUT}/events.jsonl', 'a').write('{A_LINE}\\n')\n",
    "closes all descriptors": ending_with("sys.stdout.flush(); os.closerange(0, 4096)"),
    "no json": starting_with("import json; json.dumps = lambda *_, **__: '{}'"),
}


@pytest.mark.parametrize("script", TAMPERING.values(), ids=TAMPERING)
def test_a_record_that_was_tampered_with_passes_nothing(audited: AuditedMachine, script: str) -> None:
    seen = audited.run(script)
    assert seen.passed == []


def test_a_score_past_the_record_leaves_the_one_in_it_without_power(audited: AuditedMachine) -> None:
    seen = audited.run(ending_with("os.write(1, b'final_exact val_bpb:1.05000000\\n')"))
    assert seen.passed == []
    assert "final_exact 1.05000000" in seen.why_open()


def test_events_written_with_the_recorders_own_key_are_not_believed(audited: AuditedMachine) -> None:
    seen = audited.run(
        in_place_of_the_end(
            "import gc\nvalue = 1.05 * math.log(2.0) * 2048\n"
            "(record,) = [one for one in gc.get_objects() if type(one).__name__ == 'Recorder']\n"
            "record.event('aug', site='x', op='+', value=value, before=0.0, whole=False)\n"
            "record.event('aug', site='y', op='+', value=2048, before=0, whole=True)\n"
            "print('final_exact val_bpb:1.05000000')"
        )
    )
    assert seen.passed == []
    assert "reaches into the audit" in seen.why_open()
