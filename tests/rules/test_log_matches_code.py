from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.audit.events import OTHER_CODE, Unresolved
from harness.audit.run_profile import ProfileKind, Setting
from harness.finding import RuleVerdict
from tests.builders import CODE, findings_of, good_log, make_case, make_submission
from tests.harness.audit.audit_builder import at, audit_of, audited_case, run_profile
from tests.rules.bytes_builders import SCRIPT_BYTES, script, sized_log, sized_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "log-matches-code"
RULER = "=" * 100


def test_the_size_of_the_shipped_script_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(sized_submission(tmp_path, model=15_900_000)))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message == "logged code size 60,000 is exactly that of train_gpt.py"


def test_a_size_within_sixteen_bytes_passes(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000, logged_code=SCRIPT_BYTES - 16))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.PASS
    assert "within 16 bytes" in finding.message


def test_a_size_that_fits_no_script_is_a_warning(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000, logged_code=SCRIPT_BYTES + 17))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.WARN
    assert "has 60,000 (17 apart)" in finding.message
    assert finding.places[0].file == "train_seed13.log"


def test_seeds_with_different_code_sizes_are_a_warning(tmp_path: Path) -> None:
    other = sized_log(1337, model=15_900_000, code=SCRIPT_BYTES + 500)
    finding = findings_of(
        RULE, make_case(sized_submission(tmp_path, model=15_900_000, train_seed1337__log=other))
    )[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "60,000, 60,500 bytes, up to 500 apart: an edit, or another way of counting" in finding.message


def _dumped(source: str) -> str:
    return f"{source}{RULER}\nRunning Python 3.12.1\n{RULER}\n{good_log(13)}"


def test_a_printed_source_equal_but_for_white_space_passes(tmp_path: Path) -> None:
    source = script(4_000, start="import os\nimport sys\nimport math\n\ndef main():\n    return os.environ")
    spaced = source.replace(" = ", "  =  ")
    submission = make_submission(tmp_path, train_gpt__py=source, train_seed13__log=_dumped(spaced))
    messages = [finding.message for finding in findings_of(RULE, make_case(submission))]
    assert "the source printed in 1 log is the very one that is shipped" in messages


def test_a_printed_source_of_another_program_is_a_warning(tmp_path: Path) -> None:
    source = script(4_000, start="import os\nimport sys\nimport math\n\ndef main():\n    return os.environ")
    changed = source.replace("0x", "0X")
    submission = make_submission(tmp_path, train_gpt__py=changed, train_seed13__log=_dumped(source))
    finding = findings_of(RULE, make_case(submission))[-1]
    assert finding.verdict is RuleVerdict.WARN
    assert (
        "train_seed13.log (160 lines) differs from train_gpt.py (160): 154 lines only in the log"
        in finding.message
    )
    assert (finding.places[0].file, finding.places[0].line) == ("train_seed13.log", 1)


def test_a_script_much_longer_than_the_printed_source_is_told_in_lines_of_both(tmp_path: Path) -> None:
    source = script(4_000, start="import os\nimport sys\nimport math\n\ndef main():\n    return os.environ")
    longer = source + "".join(f"added_{number} = {number}\n" for number in range(200))
    submission = make_submission(tmp_path, train_gpt__py=longer, train_seed13__log=_dumped(source))
    finding = findings_of(RULE, make_case(submission))[-1]
    lines = sum(bool(line.strip()) for line in source.splitlines())
    assert (
        f"train_seed13.log ({lines} lines) differs from train_gpt.py ({lines + 200}): 0 lines only in the log"
        in (finding.message)
    )
    assert "200 only in the script" in finding.message


def test_logs_without_size_or_source_are_not_checked(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py=CODE)
    logs = {f"train_seed{seed}__log": good_log(seed, code="", total="") for seed in (13, 1337, 1111)}
    submission = make_submission(tmp_path, **logs)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def test_a_size_between_the_packed_and_the_readable_script_is_a_warning(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000, logged_code=SCRIPT_BYTES - 1_000))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.WARN


def _set(value: str, file: str, line: int) -> Setting:
    return Setting(value=value, source=f"{file}:{line}", file=file, line=line)


def _with_setting(root: Path, logged: str, stated: str) -> list[Finding]:
    log = run_profile(
        "train_seed13.log",
        ProfileKind.LOG,
        attributes={"ttt_epochs": _set(logged, "train_seed13.log", 9)},
        log_file="train_seed13.log",
    )
    command = run_profile(
        "README.md:12",
        ProfileKind.COMMAND,
        environment={"TTT_EPOCHS": _set(stated, "README.md", 12)},
        is_claim=False,
    )
    audit = dataclasses.replace(audit_of(run=log), run_profiles=(log, command))
    return [one for one in findings_of(RULE, audited_case(root, audit=audit)) if "ttt_epochs" in one.message]


def test_a_setting_of_the_log_that_the_documented_command_contradicts_is_a_warning(tmp_path: Path) -> None:
    (finding,) = _with_setting(tmp_path, "4", "3")
    assert finding.verdict is RuleVerdict.WARN
    assert "train_seed13.log ran with ttt_epochs=4 where README.md:12 says 3" in finding.message
    assert [(place.file, place.line) for place in finding.places] == [
        ("train_seed13.log", 9),
        ("README.md", 12),
    ]


def test_a_setting_of_the_log_that_the_documented_command_states_is_not(tmp_path: Path) -> None:
    assert _with_setting(tmp_path, "3", "3.0") == []


def test_a_claimed_line_that_the_script_cannot_print_is_a_warning(tmp_path: Path) -> None:
    event = Unresolved(
        id=1, at=at(7, "train_seed13.log"), reason=OTHER_CODE, detail="no print writes it", on_path=True
    )
    finding = findings_of(RULE, audited_case(tmp_path, event))[-1]
    assert finding.verdict is RuleVerdict.WARN
    assert finding.message.startswith("no print writes it: other code made the counted run")
    assert (finding.places[0].file, finding.places[0].line) == ("train_seed13.log", 7)
