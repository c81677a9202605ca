from __future__ import annotations

from harness.runs.script_phases import script_phases
from harness.watching.event_pipe import WatchedEvent
from harness.watching.file_watch import FileEvent


def file(at: float, kind: str, folder: str, path: str) -> FileEvent:
    return FileEvent(at=at, kind=kind, folder=folder, path=path)


def event(at: float, kind: str, what: str = "", count: int = 1, rank: int | None = None) -> WatchedEvent:
    return WatchedEvent(at=at, kind=kind, what=what, count=count, pid=1, rank=rank)


START = event(0.1, "start")
USUAL = [
    file(1.0, "opened", "validation", "val_0.bin"),
    file(2.0, "opened", "train", "train_0.bin"),
    file(50.0, "written", "out", "final_model.pt"),
    file(60.0, "written", "out", "final_model.ptz"),
    file(61.0, "opened", "out", "final_model.ptz"),
    file(62.0, "written", "out", "logs/run.txt"),
]


def kinds(found) -> list[str]:
    return [notice.kind for notice in found.notices]


def test_the_artifact_that_is_read_back_ends_training() -> None:
    found = script_phases(USUAL, [START], end=100.0)
    assert (found.artifact, found.train_seconds, found.eval_seconds) == ("final_model.ptz", 60.0, 40.0)


def test_without_a_read_back_the_last_file_written_that_is_no_log_ends_training() -> None:
    files = [each for each in USUAL if each.at != 61.0]
    assert script_phases(files, [START], end=100.0).artifact_whole == 60.0


def test_an_artifact_written_again_and_read_again_ends_training_later() -> None:
    files = [
        *USUAL,
        file(70.0, "written", "out", "final_model.ptz"),
        file(71.0, "opened", "out", "final_model.ptz"),
    ]
    assert script_phases(files, [START], end=100.0).train_seconds == 70.0


def test_an_artifact_written_once_more_after_it_was_read_is_training_until_then() -> None:
    files = [*USUAL, file(70.0, "written", "out", "final_model.ptz")]
    assert script_phases(files, [START], end=100.0).train_seconds == 70.0


def test_an_artifact_is_read_back_only_once_it_was_whole() -> None:
    assert script_phases(USUAL, [START], end=100.0).is_read_back
    never = [each for each in USUAL if each.at != 61.0]
    assert not script_phases(never, [START], end=100.0).is_read_back
    rewritten = [*USUAL, file(70.0, "written", "out", "final_model.ptz")]
    assert not script_phases(rewritten, [START], end=100.0).is_read_back
    assert script_phases(never, [START], end=100.0, is_incomplete=True).is_read_back  # nobody can know


def test_an_artifact_that_was_deleted_is_none() -> None:
    files = [file(5.0, "written", "out", "a.ptz"), file(6.0, "deleted", "out", "a.ptz")]
    found = script_phases(files, [START], end=9.0)
    assert (found.artifact, found.train_seconds, found.eval_seconds) == (None, None, None)


def test_steps_after_the_artifact_are_adaptation() -> None:
    steps = [event(10.0, "step", "Muon", 3), event(40.0, "step", "Muon", 2), event(80.0, "step", "SGD", 7)]
    found = script_phases(USUAL, [START, *steps], end=100.0)
    assert (found.first_step, found.last_training_step) == (10.0, 40.0)
    assert (found.steps_before, found.steps_after) == (5, 7)


def test_steps_of_other_ranks_are_the_same_steps() -> None:
    steps = [event(10.0, "step", "Muon", 3, rank) for rank in range(8)]
    assert script_phases(USUAL, [START, *steps], end=100.0).steps_before == 3


def test_training_data_opened_in_evaluation_is_told() -> None:
    found = script_phases([*USUAL, file(75.0, "opened", "train", "train_9.bin")], [START], end=100.0)
    [notice] = [each for each in found.notices if each.kind == "train-data-in-evaluation"]
    assert notice.at == 75.0
    assert "train_9.bin" in notice.message


def test_training_data_opened_before_the_artifact_is_not_told() -> None:
    assert "train-data-in-evaluation" not in kinds(script_phases(USUAL, [START], end=100.0))


def test_training_data_opened_after_the_limit_is_told_without_an_artifact() -> None:
    files = [file(601.0, "opened", "train", "train_0.bin")]
    assert "train-data-late" in kinds(script_phases(files, [START], end=700.0, train_limit=600.0))
    assert "train-data-late" not in kinds(script_phases(files, [START], end=700.0, train_limit=602.0))


def test_validation_data_opened_in_training_is_told() -> None:
    assert "validation-in-training" in kinds(script_phases(USUAL, [START], end=100.0))
    later = [file(70.0, "opened", "validation", "val_0.bin") if each.at == 1.0 else each for each in USUAL]
    assert "validation-in-training" not in kinds(script_phases(later, [START], end=100.0))


def test_data_that_was_written_to_is_told() -> None:
    found = script_phases([*USUAL, file(5.0, "written", "validation", "val_0.bin")], [START], end=100.0)
    assert "data-changed" in kinds(found)


def test_a_connection_outside_is_told_and_the_ranks_meeting_is_not() -> None:
    meets = event(1.0, "socket", "socket.connect ('127.0.0.1', 29500)")
    assert "socket" not in kinds(script_phases(USUAL, [START, meets], end=100.0))
    leaves = event(1.0, "socket", "socket.getaddrinfo 'example.org'")
    assert "socket" in kinds(script_phases(USUAL, [START, leaves], end=100.0))


def test_a_script_that_told_nothing_and_events_lost_are_said() -> None:
    assert "not-watched" in kinds(script_phases(USUAL, [], end=100.0))
    assert "events-lost" in kinds(script_phases(USUAL, [START], end=100.0, is_incomplete=True))


def test_shards_that_a_script_writes_itself_are_no_artifact() -> None:
    files = [
        file(5.0, "written", "out", "data/fineweb_val_000000.bin"),
        file(6.0, "opened", "out", "data/fineweb_val_000000.bin"),
        *USUAL,
    ]
    assert script_phases(files, [START], end=100.0).artifact == "final_model.ptz"


def test_a_file_of_training_that_the_evaluation_opens_is_a_second_artifact() -> None:
    table = [file(55.0, "written", "out", "ngram_table.npz"), file(70.0, "opened", "out", "ngram_table.npz")]
    found = script_phases([*USUAL, *table], [START], end=100.0)
    [notice] = [each for each in found.notices if each.kind == "second-artifact"]
    assert notice.at == 70.0
    assert "ngram_table.npz" in notice.message
    early = script_phases([*USUAL, table[0]], [START], end=100.0)
    assert "second-artifact" not in kinds(early)


def test_a_log_that_is_appended_to_is_no_second_artifact_and_one_that_is_read_is() -> None:
    files = [file(50.0, "written", "out", "run.txt"), file(70.0, "opened", "out", "run.txt")]
    appended = [*USUAL, *files, file(70.1, "written", "out", "run.txt")]
    assert "second-artifact" not in kinds(script_phases(appended, [START], end=100.0))
    assert "second-artifact" in kinds(script_phases([*USUAL, *files], [START], end=100.0))


def test_caches_of_compilers_in_the_home_folder_are_no_second_artifact() -> None:
    def of(name: str) -> list[str]:
        files = [file(50.0, "written", "out", name), file(70.0, "opened", "out", name)]
        return kinds(script_phases([*USUAL, *files], [START], end=100.0))

    assert "second-artifact" not in of(".home/.triton/cache/kernel.cubin")
    assert "second-artifact" in of(".home/kernel.bin")
    assert "second-artifact" in of("kernel.cubin")


def test_scoring_begins_when_a_model_evaluates_after_the_artifact_was_whole() -> None:
    seen = [
        event(20.0, "evaluates", "GPT"),
        event(63.0, "evaluates", "GPT"),
        event(62.0, "evaluates", rank=1),
    ]
    assert script_phases(USUAL, [START, *seen], end=100.0).moments["first_scoring"] == 63.0
    assert script_phases([], [START, *seen], end=100.0).first_scoring is None
