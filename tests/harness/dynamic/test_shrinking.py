from __future__ import annotations

import fnmatch

import pytest

from harness.audit.run_profile import ProfileKind, RunProfile, Setting
from harness.dynamic.claimed_settings import claimed_settings, claimed_words
from harness.dynamic.knob_reading import read_knobs
from harness.dynamic.script_knobs import Knob, KnobKind, ScriptKnobs
from harness.dynamic.shrinking import DataSettings, ShrinkChoice, shrink
from harness.dynamic.tiny_vocabulary import Alphabet, VocabularyKey
from harness.dynamic.vocabulary_choice import choose_vocabulary

DATA = DataSettings(root="/data", dataset="/data/datasets/set", tokenizer="/data/tokenizers/t.model")
HYPER = """
import os
D = 10
class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 2_048))
    ttt_epochs = int(os.environ.get("TTT_EPOCHS", D))
    schedule = os.environ.get("SEQ_SCHEDULE", "0.1:1024,0.9:2048")
    iterations = 20000
def evaluate(model, batch_seqs=32, dim=512):
    pass
"""


def knobs_of(text: str) -> ScriptKnobs:
    found = read_knobs({"paths": ["train_gpt.py"]}, [text.encode()])
    return ScriptKnobs(
        knobs=tuple(
            Knob(**{"target": None} | one | {"kind": KnobKind(one["kind"])}) for one in found["knobs"]
        ),
        texts=tuple(found["texts"]),
        problems=tuple(found["problems"]),
        least=found["least"],
    )


def profile(environment=None, attributes=None) -> RunProfile:
    def settings(values):
        return {
            name: Setting(value=value, source="train.log:1", file="train.log", line=1)
            for name, value in (values or {}).items()
        }

    return RunProfile(
        name="log",
        kind=ProfileKind.LOG,
        environment=settings(environment),
        attributes=settings(attributes),
    )


def small(text: str, claimed=None, choice=None):
    return shrink(knobs_of(text), claimed or {}, DATA, VocabularyKey(), choice=choice)


def test_the_pattern_of_validation_shards_leaves_the_byte_counts_beside_them_out():
    pattern = small('import os\nfiles = os.environ.get("VAL_FILES", "x")').environment["VAL_FILES"]
    names = ["fineweb_val_000000.bin", "fineweb_val_bytes_000000.bin"]
    assert fnmatch.filter(names, pattern.rpartition("/")[2]) == names[:1]


BY_RANKS = """
import os
default = "1" if world_size > 1 else "0"
use_cache = bool(int(os.environ.get("NGRAM_CACHE", default)))
"""


def test_a_switch_that_is_on_by_default_on_eight_ranks_is_on_here():
    assert small(BY_RANKS).environment["NGRAM_CACHE"] == "1"


def test_the_claimed_run_s_own_value_of_such_a_switch_stays():
    assert small(BY_RANKS, {"NGRAM_CACHE": "0"}).environment["NGRAM_CACHE"] == "0"


def test_a_default_that_something_else_decides_stays_the_script_s():
    assert "NGRAM_CACHE" not in small(BY_RANKS.replace("world_size", "tokens")).environment


def test_every_length_of_a_schedule_divides_a_batch():
    longest = HYPER.replace("2_048", "2_560")
    schedule = small(longest, {"SEQ_SCHEDULE": "0.1:1024,0.4:1664,0.9:2560"}).environment["SEQ_SCHEDULE"]
    assert schedule == "0.1:128,0.4:128,0.9:256"


def test_environment_names_get_small_values_and_our_data():
    settings = small(HYPER).environment
    assert settings["DATA_PATH"] == "/data/datasets/set"
    assert settings["TRAIN_SEQ_LEN"] == "256"
    assert settings["TTT_EPOCHS"] == "3"


def test_a_default_kept_in_a_name_of_the_module_is_found():
    knob = next(one for one in knobs_of(HYPER).knobs if one.name == "TTT_EPOCHS")
    assert (knob.value, knob.target) == ("10", "ttt_epochs")


def test_lengths_inside_of_a_schedule_shrink():
    assert small(HYPER).environment["SEQ_SCHEDULE"] == "0.1:128,0.9:256"


def test_constants_of_a_settings_class_are_overridden_and_ordinary_parameters_are_not():
    literals = small(HYPER).literals
    assert literals == {"iterations": 6, "batch_seqs": 2}


def test_settings_of_the_claimed_run_go_over_defaults():
    assert small(HYPER, {"TTT_EPOCHS": "2", "OTHER": "x"}).environment.items() >= {
        ("TTT_EPOCHS", "2"),
        ("OTHER", "x"),
    }


def test_a_setting_that_is_to_be_kept_stays_as_claimed():
    choice = ShrinkChoice(kept=frozenset({"train_seq_len"}))
    assert "TRAIN_SEQ_LEN" not in small(HYPER, choice=choice).environment
    assert small(HYPER, {"TRAIN_SEQ_LEN": "1024"}, choice).environment["TRAIN_SEQ_LEN"] == "1024"


def test_without_the_claim_its_settings_are_gone():
    choice = ShrinkChoice(without_claim=True)
    assert "OTHER" not in small(HYPER, {"OTHER": "x"}, choice).environment


def test_options_of_the_command_line_are_given_small():
    text = 'p.add_argument("--seq-len", type=int, default=1024)\np.add_argument("--lr", default=0.1)\n'
    settings = shrink(
        knobs_of(text), {}, DATA, VocabularyKey(), argv=("--lr", "0.2", "--flag", "--out", "/home/me/x")
    )
    assert settings.argv[0] == "--flag"
    assert dict(zip(settings.argv[1::2], settings.argv[2::2], strict=True)) == {
        "--seq-len": "256",
        "--lr": "0.2",
    }


def test_a_script_that_does_not_parse_is_a_problem_and_no_crash():
    found = knobs_of("def (:\n")
    assert found.knobs == ()
    assert "train_gpt.py" in found.problems[0]


def test_a_printed_list_is_no_value_for_a_number():
    found, notes = claimed_settings(knobs_of(HYPER), profile({"TTT_EPOCHS": "3,4", "VOCAB_SIZE": "1024.0"}))
    assert found == {"VOCAB_SIZE": "1024"}
    assert "TTT_EPOCHS=3,4 (train.log:1) was left out" in notes


def test_words_are_values_for_what_the_script_does_not_make_a_number():
    knobs = knobs_of('import os\nA = os.environ.get("STORAGE", "0")\nB = os.environ.get("ON", "0") == "1"\n')
    found, _ = claimed_settings(knobs, profile({"STORAGE": "FP8", "ON": "True"}))
    assert found == {"STORAGE": "FP8", "ON": "1"}


def test_places_of_the_authors_machine_are_left_out():
    found, _ = claimed_settings(knobs_of(HYPER), profile({"CODE_DIR": "/home/me", "A": "<seed>"}))
    assert found == {}
    assert claimed_words(("--a", "/home/me", "--b", "1")) == ("--b", "1")


def test_a_number_beyond_all_sizes_is_left_to_the_script():
    huge = "*".join(["(1024 ** 64)"] * 200)
    for default in ("9 ** 60", '"1e999"', huge, f"1.5 * {huge}"):
        text = f'import os\nA = os.environ.get("TRAIN_SEQ_LEN", {default})\n'
        assert small(text).environment == {}


def test_a_printed_attribute_is_the_setting_that_keeps_it():
    found, _ = claimed_settings(knobs_of(HYPER), profile(attributes={"ttt_epochs": "4"}))
    assert found == {"TTT_EPOCHS": "4"}


def test_the_vocabulary_is_the_claimed_one_over_the_default():
    assert choose_vocabulary(knobs_of(HYPER), {}).key == VocabularyKey(size=1024)
    assert choose_vocabulary(knobs_of(HYPER), {"VOCAB_SIZE": "8192"}).key == VocabularyKey(size=8192)
    assert choose_vocabulary(knobs_of(""), {"DATA_PATH": "/x/fineweb10B_sp4096"}).key.size == 4096


CASES = """
import os
caseops_enabled = bool(int(os.environ.get("CASEOPS_ENABLED", "0")))
path = "fineweb10B_sp8192_lossless_caps_caseops_v1_reserved"
side = "fineweb_val_bytes_*.bin"
vocab_size = int(os.environ.get("VOCAB_SIZE", 8192))
"""


def test_case_marks_follow_their_switch():
    off = choose_vocabulary(knobs_of(CASES), {})
    on = choose_vocabulary(knobs_of(CASES), {"CASEOPS_ENABLED": "1"})
    assert off.key == VocabularyKey(size=8192)
    assert on.key == VocabularyKey(alphabet=Alphabet.CASE_PIECES, size=8192)
    assert on.names.has_byte_files
    assert on.names.datasets == ("fineweb10B_sp8192_lossless_caps_caseops_v1_reserved",)


def test_bytes_are_a_vocabulary():
    text = 'path = "./data/datasets/fineweb10B_byte260"\nVOCAB_SIZE = 260\n'
    assert choose_vocabulary(knobs_of(text), {}).key.alphabet is Alphabet.BYTES


def test_a_function_of_the_script_may_take_the_default_first():
    settings = small('class Model:\n    vocab_size: int = setting(4096, "VOCAB_SIZE")\n')
    assert settings.environment["VOCAB_SIZE"] == "1024"


def test_a_call_with_a_word_for_a_second_argument_reads_no_environment():
    knobs = knobs_of('check(value, "name")\nopen(path, "rb")\n')
    assert not list(knobs.of(KnobKind.ENVIRONMENT))


def test_what_a_function_could_take_is_no_vocabulary():
    limit = "def reader(vocab_size=1 << 16): ...\n"
    assert choose_vocabulary(knobs_of(limit), {}).key.size == 1024
    setting = 'vocab_size = int(os.environ.get("VOCAB_SIZE", 2048))\n'
    assert choose_vocabulary(knobs_of("def reader(vocab_size=4096): ...\n" + setting), {}).key.size == 2048


def test_a_batch_that_a_function_sets_is_made_small_and_other_constants_of_it_are_not():
    settings = small("def main():\n    ttt_batch = 16\n    decoys = 16\n")
    assert settings.local_literals == {"ttt_batch": 2}


def test_a_batch_that_changes_in_its_function_is_left_alone():
    assert small("def main():\n    ttt_batch = 16\n    ttt_batch *= 2\n").local_literals == {}


LIMIT = "INT8_KEEP_FLOAT_MAX_NUMEL = 65_536\nMODEL_DIM = int(os.environ.get('MODEL_DIM', 512))\n"


def test_a_limit_on_elements_shrinks_as_matrices_do():
    settings = small(LIMIT)
    assert settings.literals["INT8_KEEP_FLOAT_MAX_NUMEL"] == 1_024
    assert settings.element_scale == 1 / 64


def test_limits_on_elements_stay_where_the_ladder_asks_for_it():
    settings = small(LIMIT, choice=ShrinkChoice(keeps_limits=True))
    assert "INT8_KEEP_FLOAT_MAX_NUMEL" not in settings.literals
    assert settings.element_scale == 1.0


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("import harness.dynamic.child\n", ["import harness.dynamic.child at train_gpt.py:1"]),
        ("import harnessing\nnote = 'a harness for wires'\n", []),
    ],
)
def test_a_script_that_speaks_of_the_audit_is_known_before_it_runs(text, reached):
    assert read_knobs({"paths": ["train_gpt.py"]}, [text.encode()])["reached"] == reached
