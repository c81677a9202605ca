from __future__ import annotations

import datetime
import functools
import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.errors import SetupError, SubmissionError
from harness.git import claimed_submission
from harness.git import objects as git_objects
from harness.git.pull_request import Clone, NotARecordsSubmission, open_clone
from harness.submission import FileKind
from tests.harness.git.clone_builder import TRACK, CloneBuilder, package

OLD = f"{TRACK}/2026-03-18_Old"
OWN = f"{TRACK}/2026-04-02_Own"


@pytest.fixture
def builder(tmp_path: Path) -> CloneBuilder:
    built = CloneBuilder(tmp_path / "clone")
    built.commit({"README.md": "challenge\n", "train_gpt.py": "pass\n", **package(OLD, "old")}, "first")
    return built


def opened(builder: CloneBuilder) -> Clone:
    return open_clone(builder.path)


def test_an_added_folder_is_the_submission(builder: CloneBuilder) -> None:
    sha = builder.pull_request(7, package(OWN))
    found = opened(builder).pull_request(7)
    assert (found.origin.entry, found.origin.commit, found.origin.pr) == (OWN, sha, 7)
    assert found.changes is not None
    assert found.changes.why_this_folder == "the only folder"


def test_entries_are_sorted_and_sized(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    entries = opened(builder).pull_request(7).tree.entries()
    assert [entry.path for entry in entries] == ["README.md", "submission.json", "train.log", "train_gpt.py"]
    assert entries[0].size_bytes == len("# own\n")


def test_reading_a_file_stops_at_the_limit(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    tree = opened(builder).pull_request(7).tree
    assert tree.read("train_gpt.py", 5) == b"# own"
    assert tree.read("submission.json", 100) == b'{"name": "own"}\n'


def test_the_commit_date_keeps_its_offset(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    date = opened(builder).pull_request(7).origin.commit_date
    assert date is not None
    assert date.utcoffset() == datetime.timedelta(hours=2)


@pytest.mark.parametrize("path", ["../README.md", "/etc/passwd", "nothing.txt", "../../README.md", ""])
def test_reading_outside_the_folder_is_refused(builder: CloneBuilder, path: str) -> None:
    builder.pull_request(7, package(OWN))
    tree = opened(builder).pull_request(7).tree
    with pytest.raises(SetupError, match="has no file"):
        tree.read(path, 100)


def test_a_copy_of_a_record_on_main_is_not_the_submission(builder: CloneBuilder) -> None:
    copy = f"{TRACK}/2026-04-30_Copied"
    builder.pull_request(7, package(copy, "old") | package(OWN))
    changes = opened(builder).pull_request(7).changes
    assert changes is not None
    assert [(other.path, other.why) for other in changes.other_folders] == [(copy, f"copy of {OLD}")]


def test_a_record_merged_after_the_branch_left_main_is_recognised_as_a_copy(builder: CloneBuilder) -> None:
    base = builder.git("rev-parse", "HEAD")
    later = f"{TRACK}/2026-04-30_Later"
    builder.commit(package(later, "later"), "Later record (#5)")
    builder.pull_request(7, package(later, "later") | package(OWN), onto=base)
    found = opened(builder).pull_request(7)
    assert found.origin.entry == OWN
    assert found.changes is not None
    assert found.changes.other_folders[0].why == f"copy of {later}"


def test_an_edited_record_is_the_submission_when_no_folder_is_added(builder: CloneBuilder) -> None:
    builder.pull_request(7, {f"{OLD}/README.md": "# better\n"})
    found = opened(builder).pull_request(7)
    assert found.origin.entry == OLD
    assert found.changes is not None
    assert found.changes.why_this_folder == "edits an existing record; adds no folder"


def test_an_edited_record_beside_an_added_folder_is_another_folder(builder: CloneBuilder) -> None:
    builder.pull_request(7, {f"{OLD}/README.md": "# better\n"} | package(OWN))
    found = opened(builder).pull_request(7)
    assert found.origin.entry == OWN
    assert found.changes is not None
    assert found.changes.other_folders[0].why == "edits an existing record"


def test_a_script_put_deep_into_an_existing_record_is_an_edit_of_it(builder: CloneBuilder) -> None:
    builder.pull_request(7, {f"{OLD}/variant/train_gpt.py": "pass\n"})
    assert opened(builder).pull_request(7).origin.entry == OLD


def test_edits_of_several_records_claim_nothing(builder: CloneBuilder) -> None:
    other = f"{TRACK}/2026-03-19_Other"
    builder.commit(package(other, "other"))
    builder.pull_request(7, {f"{OLD}/README.md": "a\n", f"{other}/README.md": "b\n"})
    with pytest.raises(NotARecordsSubmission, match="2 existing record folders are edited"):
        opened(builder).pull_request(7)


def test_files_outside_records_are_listed_with_their_added_lines(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN) | {"train_gpt.py": "pass\nmore\nlines\n"})
    changes = opened(builder).pull_request(7).changes
    assert changes is not None
    assert [(each.path, each.status, each.added_lines) for each in changes.outside_records] == [
        ("train_gpt.py", "modified", 2)
    ]


def test_a_binary_file_has_no_count_of_lines(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN) | {f"{OWN}/model.ptz": "a\0b\n"})
    changes = opened(builder).pull_request(7).changes
    assert changes is not None
    counts = {each.path: each.added_lines for each in changes.changes}
    assert counts[f"{OWN}/model.ptz"] is None
    assert counts[f"{OWN}/train_gpt.py"] == 2


def test_a_deleted_file_is_a_change(builder: CloneBuilder) -> None:
    (builder.path / "README.md").unlink()
    builder.pull_request(7, package(OWN))
    changes = opened(builder).pull_request(7).changes
    assert changes is not None
    assert [(each.path, each.status) for each in changes.outside_records] == [("README.md", "deleted")]


def test_changes_of_root_files_only_are_no_records_submission(builder: CloneBuilder) -> None:
    builder.pull_request(7, {"train_gpt.py": "print(1)\n"})
    with pytest.raises(NotARecordsSubmission, match=r"pull request #7 .*1 path: train_gpt\.py") as caught:
        opened(builder).pull_request(7)
    assert [entry.path for entry in caught.value.submission.tree.entries()] == ["train_gpt.py"]


def test_an_empty_entry_means_the_changed_files(builder: CloneBuilder) -> None:
    builder.pull_request(7, {"train_gpt.py": "print(1)\n"})
    tree = opened(builder).pull_request(7, entry="").tree
    assert tree.read("train_gpt.py", 100) == b"print(1)\n"


def test_a_folder_can_be_forced(builder: CloneBuilder) -> None:
    second = f"{TRACK}/2026-04-01_Second"
    builder.pull_request(7, package(OWN) | package(second, "second"))
    found = opened(builder).pull_request(7, entry=second)
    assert found.origin.entry == second
    assert found.changes is not None
    assert found.changes.why_this_folder == "named by the caller"


def test_a_forced_folder_that_is_not_there_is_an_error(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    with pytest.raises(SubmissionError, match="has no folder 'records/none'"):
        opened(builder).pull_request(7, entry="records/none")


def test_a_complete_package_outside_records_is_found(builder: CloneBuilder) -> None:
    builder.pull_request(7, package("my_submission") | {"records/notes/run.log": "step 1\n"})
    found = opened(builder).pull_request(7)
    assert found.origin.entry == "my_submission"
    assert found.changes is not None
    assert found.changes.why_this_folder.endswith("it lies outside records/")


def test_a_symlink_is_named_with_its_target_and_not_read(builder: CloneBuilder) -> None:
    builder.write(package(OWN))
    (builder.path / OWN / "data.bin").symlink_to("/etc/passwd")
    builder.pull_request(7, {})
    tree = opened(builder).pull_request(7).tree
    entry = next(entry for entry in tree.entries() if entry.path == "data.bin")
    assert (entry.kind, entry.target) == (FileKind.SYMLINK, "/etc/passwd")
    with pytest.raises(SetupError, match="is a symlink"):
        tree.read("data.bin", 100)


def test_a_submodule_is_named_and_not_read(builder: CloneBuilder) -> None:
    sha = builder.git("rev-parse", "HEAD")
    builder.git("checkout", "--quiet", "-B", "work7")
    builder.write(package(OWN))
    builder.git("add", "--all")
    builder.git("update-index", "--add", "--cacheinfo", f"160000,{sha},{OWN}/vendored")
    builder.git("commit", "--quiet", "--message", "submodule")
    builder.point(7, builder.git("rev-parse", "HEAD"))
    entries = opened(builder).pull_request(7).tree.entries()
    assert {entry.path: entry.kind for entry in entries}["vendored"] is FileKind.SUBMODULE


def test_odd_names_survive(builder: CloneBuilder) -> None:
    folder = f'{TRACK}/2026-04-02_it\'s "odd" é=1'
    builder.pull_request(7, package(folder))
    assert opened(builder).pull_request(7).origin.entry == folder


def test_a_name_that_is_not_utf8_is_made_printable(builder: CloneBuilder) -> None:
    builder.write(package(OWN))
    Path(os.fsdecode(os.fsencode(builder.path / OWN) + b"/caf\xe9.txt")).write_bytes(b"x")
    builder.pull_request(7, {})
    tree = opened(builder).pull_request(7).tree
    assert "caf\\xe9.txt" in [entry.path for entry in tree.entries()]
    assert tree.read("caf\\xe9.txt", 10) == b"x"


def test_a_merged_pull_request_is_compared_with_the_main_before_it(builder: CloneBuilder) -> None:
    before = builder.git("rev-parse", "HEAD")
    builder.pull_request(7, package(OWN))
    message = "Merge pull request #7 from someone/branch\n\nRecord: own work"
    builder.git("merge", "--quiet", "--no-ff", "--message", message, "work7")
    builder.commit({"README.md": "later\n"})
    found = opened(builder).pull_request(7)
    assert (found.origin.entry, found.origin.base) == (OWN, before)
    assert (found.origin.title, found.origin.author) == ("Record: own work", "someone")


def test_a_squash_merged_pull_request_keeps_its_folder(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN) | {f"{TRACK}/2026-04-09_Notes/README.md": "x\n"})
    builder.commit(package(OWN), "Record: own work (#7)")
    assert opened(builder).pull_request(7).origin.entry == OWN


def test_main_merged_into_the_branch_is_no_change_of_it(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    builder.commit(package(f"{TRACK}/2026-04-03_Foreign", "foreign"))
    builder.git("checkout", "--quiet", "work7")
    builder.git("merge", "--quiet", "--no-edit", "main")
    builder.point(7, builder.git("rev-parse", "HEAD"))
    changes = opened(builder).pull_request(7).changes
    assert changes is not None
    assert {Path(each.path).parent.name for each in changes.changes} == {"2026-04-02_Own"}


def test_a_folder_of_an_earlier_pull_request_is_not_the_claim(builder: CloneBuilder) -> None:
    earlier = f"{TRACK}/2026-04-05_Earlier"
    builder.pull_request(6, package(earlier, "earlier"))
    builder.pull_request(7, package(OWN), onto="work6")
    found = opened(builder).pull_request(7)
    assert found.origin.entry == OWN
    assert found.changes is not None
    assert found.changes.other_folders[0].why == "already in pull request #6"


def test_a_branch_without_shared_history_counts_from_nothing_and_says_so(builder: CloneBuilder) -> None:
    builder.git("checkout", "--quiet", "--orphan", "apart")
    builder.git("rm", "-r", "--quiet", "--force", ".")
    builder.point(7, builder.commit(package(OWN)))
    found = opened(builder).pull_request(7)
    assert found.origin.base is None
    assert found.changes is not None
    assert "shares no history with main" in found.changes.why_this_folder


def test_a_missing_pull_request_names_the_fetch(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    with pytest.raises(SetupError, match=r"#8 .*git fetch origin refs/pull/8/head:refs/pull/8/head"):
        opened(builder).pull_request(8)


def test_a_clone_without_pull_refs_names_the_fetch(builder: CloneBuilder) -> None:
    with pytest.raises(SetupError, match=r"git fetch origin 'refs/pull/\*/head:refs/pull/\*/head'"):
        opened(builder).pull_requests()


@pytest.mark.parametrize(
    "ref", ["refs/remotes/origin/pull/7", "refs/remotes/origin/pull/7/head", "refs/remotes/upstream/pr/7"]
)
def test_pull_requests_under_remotes_are_found(builder: CloneBuilder, ref: str) -> None:
    sha = builder.pull_request(9, package(OWN))
    builder.git("update-ref", "-d", "refs/pull/9/head")
    builder.git("update-ref", ref, sha)
    clone = opened(builder)
    assert clone.pull_requests() == (7,)
    assert clone.pull_request(7).origin.ref == ref


def test_a_commit_can_be_judged_by_its_id(builder: CloneBuilder) -> None:
    sha = builder.pull_request(7, package(OWN))
    found = opened(builder).at(sha[:12])
    assert (found.origin.entry, found.origin.commit, found.origin.pr) == (OWN, sha, 7)


@pytest.mark.parametrize("rev", ["nothing", "--all", "", "HEAD:README.md", "0" * 40])
def test_a_revision_that_names_no_commit_is_an_error(builder: CloneBuilder, rev: str) -> None:
    with pytest.raises(SetupError, match="has no commit"):
        opened(builder).at(rev)


def test_the_records_of_main_name_the_pull_request_that_brought_them(builder: CloneBuilder) -> None:
    builder.commit(package(OWN), "Record: own work (#7)")
    records = opened(builder).records()
    assert [(each.origin.entry, each.origin.pr, each.origin.title) for each in records] == [
        (OLD, None, None),
        (OWN, 7, "Record: own work"),
    ]


def test_main_may_be_called_master(builder: CloneBuilder) -> None:
    builder.git("branch", "--move", "main", "master")
    assert [each.origin.entry for each in opened(builder).records()] == [OLD]


def test_a_remote_main_is_what_a_local_commit_is_compared_with(builder: CloneBuilder) -> None:
    builder.git("update-ref", "refs/remotes/origin/main", "HEAD")
    builder.commit(package(OWN))
    assert opened(builder).at("HEAD").origin.entry == OWN


def test_a_bare_git_directory_without_configuration_is_enough(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    (builder.path / ".git" / "config").unlink()
    bare = builder.path.parent / "bare"
    (builder.path / ".git").rename(bare)
    assert open_clone(bare).pull_request(7).tree.read("README.md", 100) == b"# own\n"


def test_a_linked_worktree_is_a_clone(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    linked = builder.path.parent / "linked"
    builder.git("worktree", "add", "--quiet", "--detach", str(linked))
    assert open_clone(linked).pull_request(7).origin.entry == OWN


def test_a_folder_without_git_is_no_clone(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is not a git clone"):
        open_clone(tmp_path)


def test_a_clone_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is not a folder"):
        open_clone(tmp_path / "none")


def test_a_shallow_clone_that_ends_too_early_asks_for_more(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    builder.commit({"README.md": "later\n"})
    shallow = builder.path.parent / "shallow"
    builder.git("clone", "--quiet", "--depth=1", "--bare", f"file://{builder.path}", str(shallow))
    fetch = ["fetch", "--quiet", "--depth=1", "origin", "refs/pull/7/head:refs/pull/7/head"]
    subprocess.run(["git", "-C", str(shallow), *fetch], check=True)
    with pytest.raises(SetupError, match="git fetch --unshallow"):
        open_clone(shallow).pull_request(7)


def object_file(builder: CloneBuilder, rev: str) -> Path:
    sha = builder.git("rev-parse", rev)
    return builder.path / ".git" / "objects" / sha[:2] / sha[2:]


def test_an_absent_file_is_missing_and_nothing_else_suffers(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    object_file(builder, f"refs/pull/7/head:{OWN}/train.log").unlink()
    tree = opened(builder).pull_request(7).tree
    kinds = {entry.path: entry.kind for entry in tree.entries()}
    assert kinds["train.log"] is FileKind.MISSING
    assert tree.read("README.md", 100) == b"# own\n"


def test_reading_an_absent_file_names_the_object(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    lost = object_file(builder, f"refs/pull/7/head:{OWN}/train.log")
    lost.unlink()
    tree = opened(builder).pull_request(7).tree
    with pytest.raises(SetupError, match=f"{lost.parent.name}{lost.name}"):
        tree.read("train.log", 100)


def test_a_damaged_file_does_not_end_the_reading(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    damaged = object_file(builder, f"refs/pull/7/head:{OWN}/train.log")
    damaged.chmod(0o644)
    damaged.write_bytes(b"not zlib")
    tree = opened(builder).pull_request(7).tree
    with pytest.raises(SetupError, match="git fsck"):
        tree.read("train.log", 100)
    assert tree.read("README.md", 100) == b"# own\n"


@pytest.mark.parametrize("rev", ["refs/pull/7/head", "refs/pull/7/head^{tree}", f"refs/pull/7/head:{OWN}"])
def test_a_lost_commit_or_folder_is_an_error_that_names_it(builder: CloneBuilder, rev: str) -> None:
    builder.pull_request(7, package(OWN))
    lost = object_file(builder, rev)
    lost.unlink()
    clone = opened(builder)
    with pytest.raises(SetupError, match=f"{lost.parent.name}{lost.name}.*git fsck"):
        clone.pull_request(7)


def nested(builder: CloneBuilder, levels: int, width: int, leaf: str) -> str:
    """A commit whose records/ holds `levels` of folders, each naming the one below `width` times."""
    tree = functools.reduce(
        lambda below, _: builder.git(
            "mktree", stdin="".join(f"040000 tree {below}\td{number}\n" for number in range(width))
        ),
        range(levels),
        builder.git("mktree", stdin=leaf),
    )
    root = builder.git("mktree", stdin=f"040000 tree {tree}\trecords\n")
    return builder.git("commit-tree", root, "-p", "main", "-m", "nested")


def test_a_few_objects_that_unfold_to_billions_of_folders_are_refused(
    builder: CloneBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_objects, "FOLDERS_AT_MOST", 1000)
    builder.point(7, nested(builder, levels=10, width=10, leaf=""))
    with pytest.raises(SubmissionError, match="more than 1,000 folders"):
        opened(builder).pull_request(7)


def test_a_few_objects_that_unfold_to_billions_of_files_are_refused(
    builder: CloneBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimed_submission, "CHANGES_AT_MOST", 1000)
    blob = builder.git("rev-parse", "main:README.md")
    builder.point(7, nested(builder, levels=10, width=10, leaf=f"100644 blob {blob}\tf.py\n"))
    with pytest.raises(SubmissionError, match="more than 1,000 paths"):
        opened(builder).pull_request(7)


def test_a_folder_too_deep_to_enter_is_named(builder: CloneBuilder) -> None:
    blob = builder.git("rev-parse", "main:README.md")
    builder.point(7, nested(builder, levels=90, width=1, leaf=f"100644 blob {blob}\ttrain.py\n"))
    entries = opened(builder).pull_request(7).tree.entries()
    assert [entry.kind for entry in entries] == [FileKind.OTHER]


def test_a_partial_clone_fetches_nothing(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    builder.git("config", "uploadpack.allowFilter", "true")
    partial = builder.path.parent / "partial"
    builder.git("clone", "--quiet", "--filter=blob:none", "--mirror", f"file://{builder.path}", str(partial))
    entries = open_clone(partial).pull_request(7).tree.entries()
    assert {entry.kind for entry in entries} == {FileKind.MISSING}


def test_without_git_the_clone_is_an_error_that_says_so(
    builder: CloneBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(builder.path))
    with pytest.raises(SetupError, match="git is not installed"):
        opened(builder)


def test_nothing_is_written_to_the_clone(builder: CloneBuilder) -> None:
    builder.pull_request(7, package(OWN))
    before = {path: path.stat().st_mtime_ns for path in builder.path.rglob("*")}
    opened(builder).pull_request(7).tree.entries()
    assert {path: path.stat().st_mtime_ns for path in builder.path.rglob("*")} == before


def test_git_variables_of_the_caller_do_not_lead_elsewhere(
    builder: CloneBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    builder.pull_request(7, package(OWN))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    assert opened(builder).pull_request(7).origin.entry == OWN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a clone away")
def test_a_clone_of_another_user_is_refused_with_the_command_that_mends_it(
    builder: CloneBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    os.chown(builder.path, 65534, 65534)
    os.chown(builder.path / ".git", 65534, 65534)
    with pytest.raises(SetupError, match=r"git config --global --add safe\.directory"):
        opened(builder)


needs_clone = pytest.mark.skipif("GOLF_CLONE" not in os.environ, reason="GOLF_CLONE names no clone")
needs_corpus = pytest.mark.skipif("GOLF_SHARED" not in os.environ, reason="GOLF_SHARED names no corpus")


@pytest.mark.clone
@pytest.mark.shared
@needs_clone
@needs_corpus
def test_every_labelled_folder_is_chosen() -> None:
    text = (Path(os.environ["GOLF_SHARED"]) / "corpus" / "dev_labels.json").read_text(encoding="utf-8")
    labels = {label["id"]: label for label in json.loads(text)}
    clone = open_clone(Path(os.environ["GOLF_CLONE"]))
    chosen = {name: _chosen(clone, label["ruling_sha"], label["pr"]) for name, label in labels.items()}
    assert chosen == {name: label["record_dir"] for name, label in labels.items()}


@pytest.mark.clone
@needs_clone
def test_every_pull_request_of_the_clone_resolves_or_says_why_not() -> None:
    clone = open_clone(Path(os.environ["GOLF_CLONE"]))
    found = [_chosen(clone, f"refs/pull/{number}/head", number) for number in clone.pull_requests()]
    assert sum(folder is not None for folder in found) >= 0.88 * len(found)


def _chosen(clone: Clone, rev: str, number: int) -> str | None:
    try:
        return clone.at(rev, pr=number).origin.entry
    except NotARecordsSubmission:
        return None
