"""Edits of `NGRAM`: what is counted when, and how counts are mixed with the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.dynamic.mutant import C1, C2, LEGAL, Mutant
from tests.programs.edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIVEN = "    given = mixed[np.arange(targets.size), targets]\n"
_MIXED = (
    "    mixed = (1.0 - share) * probabilities + share * held / np.maximum(times, 1.0)[:, None]\n" + _GIVEN
)
_REMEMBERED = "    remember(contexts, targets)\n"
_HELD = "    held, times = seen_before(contexts)\n"


def ngram_mutants() -> Iterator[Mutant]:
    """All of them."""

    def made(name: str, breaks: str, *edits: tuple[str, str]) -> Mutant:
        return Mutant(name=name, base="ngram", breaks=breaks, edits=tuple(Edit(*each) for each in edits))

    keyed = "keyed[(buckets_of(contexts) * 31 + targets) % args.ngram_buckets]"
    at_target = "probabilities[np.arange(targets.size), targets]"
    yield made(
        "the target is part of the key",
        C2,
        ("counts = np.zeros((args.ngram_buckets, args.vocab_size))\n",
         "counts = np.zeros((args.ngram_buckets, args.vocab_size))\nkeyed = np.zeros(args.ngram_buckets)\n"),
        (_MIXED,
         (f"    hits = np.minimum({keyed} / np.maximum(times, 1.0), 1.0)\n"
         f"    given = (1.0 - share[:, 0]) * {at_target} + share[:, 0] * hits\n")),
        (_REMEMBERED,
         _REMEMBERED + "    keys = (buckets_of(contexts) * 31 + targets) % args.ngram_buckets\n"
         "    np.add.at(keyed, keys, 1.0)\n"),
    )  # fmt: skip
    yield made(
        "counted before it is looked up",
        C1,
        (f"torch.from_numpy(targets))\n{_REMEMBERED}", "torch.from_numpy(targets))\n"),
        (_HELD, _REMEMBERED + _HELD),
    )
    first = """\
tokens = val.numpy()
places = np.arange(1, total + 1)
remember(np.stack([tokens[np.maximum(places - 2, 0)], tokens[places - 1]], axis=1), tokens[places])
for start, new in windows:
"""
    yield made(
        "the whole stream is counted first",
        C1,
        ("for start, new in windows:\n", first),
        (f"torch.from_numpy(targets))\n{_REMEMBERED}", "torch.from_numpy(targets))\n"),
    )
    yield made(
        "tokens of the whole stream are counted first",
        C1,
        (
            "for start, new in windows:\n",
            "prior = np.bincount(val.numpy(), minlength=args.vocab_size) + 0.1\nfor start, new in windows:\n",
        ),
        (_GIVEN, "    mixed = 0.9 * mixed + 0.1 * prior / prior.sum()\n" + _GIVEN),
    )
    yield made(
        "mixed only where the count knows the target",
        C2,
        (
            _MIXED,
            "    share = share * (held[np.arange(targets.size), targets] > 0)[:, None]\n" + _MIXED,
        ),
    )
    yield made(
        "mixed only where the count knows the context",
        LEGAL,
        (_MIXED, "    share = share * (times > 2)[:, None]\n" + _MIXED),
    )
    yield made(
        "mixed by the network's confidence",
        LEGAL,
        (_MIXED, "    share = share * (1.0 - probabilities.max(axis=1, keepdims=True))\n" + _MIXED),
    )
    yield made(
        "counts are added without a share taken away",
        C2,
        ("(1.0 - share) * probabilities +", "probabilities +"),
    )
    yield made(
        "higher probability of network and counts",
        C2,
        (_MIXED,
         "    mixed = np.maximum(probabilities, 0.5 * held / np.maximum(times, 1.0)[:, None])\n" + _GIVEN),
    )  # fmt: skip
    yield made(
        "higher probability, divided by the sum",
        LEGAL,
        (_MIXED,
         "    mixed = np.maximum(probabilities, 0.5 * held / np.maximum(times, 1.0)[:, None])\n"
         "    mixed = mixed / mixed.sum(axis=1, keepdims=True)\n" + _GIVEN),
    )  # fmt: skip
    yield made(
        "counts are halved from time to time",
        LEGAL,
        (
            f"torch.from_numpy(targets))\n{_REMEMBERED}",
            f"torch.from_numpy(targets))\n{_REMEMBERED}    counts *= 0.9\n",
        ),
    )
