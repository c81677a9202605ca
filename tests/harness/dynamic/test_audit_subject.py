from __future__ import annotations

import pytest

from harness.dynamic.audit_run import DATA, SUBMISSION
from harness.dynamic.audit_subject import read_subject, write_tree
from harness.errors import SubmissionError
from harness.folder_tree import FolderTree
from harness.submission import FileEntry, FileKind
from harness.submission_reader import read_submission


class OneFile:
    """A tree with one file of any name."""

    def __init__(self, path):
        self.path = path

    def entries(self):
        return (FileEntry(path=self.path, kind=FileKind.FILE, size_bytes=1),)

    def read(self, path, limit_bytes):
        return b"x"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "mine"
    made.mkdir()
    (made / "README.md").write_text("```bash\nTTT_EPOCHS=5 torchrun train_gpt.py\n```\n")
    (made / "train_gpt.py").write_text(
        "import os\n"
        'a = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp4096")\n'
        'b = int(os.environ.get("TTT_EPOCHS", "1"))\n'
        'c = int(os.environ.get("MODEL_DIM", 512))\n'
    )
    return made


def subject_of(folder):
    files = FolderTree(folder)
    return read_subject(folder, read_submission(files), files)


def test_the_readmes_command_is_the_claim_and_the_script_says_the_vocabulary(folder):
    subject = subject_of(folder)
    assert subject.claimed == {"TTT_EPOCHS": "5"}
    assert subject.vocabulary.key.size == 4096


def test_a_plan_names_places_inside_of_the_sandbox(folder):
    subject = subject_of(folder)
    plan = subject.plan(subject.shrunk())
    assert plan.script == f"{SUBMISSION}/train_gpt.py"
    assert plan.environment["DATA_PATH"] == f"{DATA}/datasets/fineweb10B_sp4096"
    assert plan.environment["MODEL_DIM"] == "64"
    assert plan.val_files == (f"{DATA}/datasets/fineweb10B_sp4096/fineweb_val_000000.bin",)


def test_a_folder_without_a_script_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to run")
    with pytest.raises(SubmissionError, match="no script"):
        subject_of(tmp_path)


def test_a_tree_is_written_as_it_is(folder, tmp_path):
    assert write_tree(FolderTree(folder), tmp_path / "copy") > 100
    assert (tmp_path / "copy" / "train_gpt.py").read_bytes() == (folder / "train_gpt.py").read_bytes()


@pytest.mark.parametrize("path", ["../out.py", "/etc/cron.d/x", "a/../../b"])
def test_a_name_that_leads_elsewhere_is_refused(path, tmp_path):
    with pytest.raises(SubmissionError):
        write_tree(OneFile(path), tmp_path / "copy")
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "copy"])
