"""How much of real train logs the grammar reads, over a clone of openai/parameter-golf.

    python benchmarks/log_coverage.py --repo DIR [--every N] [--list-missing]

DIR is a clone that holds refs/pull/*/head (`git fetch origin '+refs/pull/*/head:refs/pull/*/head'`). A pull
request counts with the files under records/ that main does not hold. Printed: per quantity the share of pull
requests with a readable log from which it was read, the share with all five that a verdict needs in one run,
the share of per-seed claims of submission.json found in a log of that seed, and the reading speed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.logs.reader import looks_like_log, read_log
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.logs.training_log import LogFile, Run

MAIN = 0  # stands for the main branch among pull request numbers
CLAIM_TOLERANCE_BPB = 1e-4  # limits.toml: a claim "is in the log" within this

QUANTITIES: dict[str, Callable[[Run], object]] = {
    "seed": lambda run: run.seed is not None or run.seed_from_name is not None,
    "seed printed": lambda run: run.seed,
    "world size": lambda run: run.world_size,
    "GPU name": lambda run: run.gpu_name,
    "torch": lambda run: run.torch_version,
    "wallclock cap": lambda run: run.wallclock_cap_seconds,
    "train shards": lambda run: run.train_shards,
    "val tokens": lambda run: run.val_tokens,
    "data path": lambda run: run.data_path,
    "model params": lambda run: run.model_params,
    "peak memory": lambda run: run.peak_memory_mib,
    "started at": lambda run: run.started_at,
    "run id": lambda run: run.run_id,
    "hyperparameters": lambda run: run.hyperparameters,
    "first losses": lambda run: run.first_losses,
    "step average": lambda run: run.step_avg_ms,
    "stop line": lambda run: run.stop,
    "train time": lambda run: run.stop or run.last_train_seconds,
    "final bpb": lambda run: run.final_passes,
    "evaluation time": lambda run: run.total_eval_seconds or any(p.seconds for p in run.final_passes),
    "total bytes": lambda run: any(s.what == "total" for s in run.sizes),
    "code bytes": lambda run: any(s.what == "code" for s in run.sizes),
    "model bytes": lambda run: any(s.what == "model" for s in run.sizes),
    "durations after the stop": lambda run: any(t.after_stop for t in run.timed),
    "counters": lambda run: run.counters,
}
NEEDED = ("seed", "final bpb", "train time", "evaluation time", "total bytes")


@dataclass(slots=True)
class PullRequest:
    """The logs and claims of one pull request."""

    number: int
    logs: list[LogFile] = field(default_factory=list)
    claims: list[tuple[str, int, float]] = field(default_factory=list)  # folder, seed, claimed bpb

    @property
    def runs(self) -> list[Run]:
        return [run for log in self.logs for run in log.runs]

    @property
    def readable(self) -> bool:
        return any(run.has_training or run.passes for run in self.runs)

    def missing(self, names: Iterable[str] = NEEDED) -> list[str]:
        """The quantities no run of the pull request has."""
        return [name for name in names if not any(QUANTITIES[name](run) for run in self.runs)]

    def complete_run(self) -> bool:
        """True when one run has all five quantities."""
        return any(all(QUANTITIES[name](run) for name in NEEDED) for run in self.runs)


class Clone:
    """Plain git access: lists refs and trees, streams blobs through one process."""

    def __init__(self, repo: str) -> None:
        self.repo = repo
        self.batch = subprocess.Popen(
            ["git", "-C", repo, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", self.repo, "-c", "core.quotepath=off", *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "replace")

    def heads(self) -> list[tuple[int, str]]:
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/pull").splitlines()
        pairs = (row.split() for row in refs)
        found = [(int(ref.split("/")[2]), sha) for ref, sha in pairs if ref.endswith("/head")]
        return sorted([(MAIN, self.git("rev-parse", "main").strip()), *found])

    def files(self, commit: str) -> list[tuple[str, str]]:
        """(path, blob) of regular files under records/."""
        lines = self.git("ls-tree", "-r", "--full-tree", commit, "records").splitlines()
        rows = (line.split("\t", 1) for line in lines)
        return [(path, meta.split()[2]) for meta, path in rows if meta.startswith("100")]

    def blob(self, sha: str) -> bytes | None:
        assert self.batch.stdin is not None
        assert self.batch.stdout is not None
        self.batch.stdin.write(sha.encode() + b"\n")
        self.batch.stdin.flush()
        header = self.batch.stdout.readline().split()
        if header[-1] == b"missing":
            return None
        data = self.batch.stdout.read(int(header[2]))
        self.batch.stdout.read(1)
        return data


def pull_requests(clone: Clone, every: int) -> Iterator[PullRequest]:
    """Every `every`-th pull request that brings logs of its own, and main."""
    heads = clone.heads()
    on_main = {blob for _, blob in clone.files(dict(heads)[MAIN])}
    parsed: dict[tuple[str, str], LogFile] = {}
    for number, commit in heads[::every]:
        pull = PullRequest(number=number)
        for path, blob in clone.files(commit):
            if number != MAIN and blob in on_main:
                continue
            if looks_like_log(path):
                if (path, blob) not in parsed:
                    data = clone.blob(blob)
                    if data is None:
                        continue
                    parsed[path, blob] = read_log(path, data, len(data))
                pull.logs.append(parsed[path, blob])
            elif re.search(r"/submission[^/]*\.json$", path):
                pull.claims += seed_claims(path, clone.blob(blob) or b"")
        if pull.logs:
            yield pull


def seed_claims(path: str, data: bytes) -> list[tuple[str, int, float]]:
    """(folder, seed, score) of every per-seed result, in the most common layouts."""
    try:
        document = json.loads(data.decode("utf-8-sig", "replace"))
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    claims: list[tuple[str, int, float]] = []
    for key in ("seed_results", "seeds", "per_seed", "results", "val_bpb_seeds", "val_bpb_per_seed"):
        value = document.get(key)
        if isinstance(value, dict):
            for name, result in value.items():
                digits = re.findall(r"\d+", str(name))
                score = _score(result)
                if digits and score is not None:
                    claims.append((path.rpartition("/")[0], int(digits[0]), score))
            if claims:
                break
    return claims


def _score(result: Any) -> float | None:
    if isinstance(result, dict):
        keys = ("val_bpb", "ttt_val_bpb", "bpb", "val_bpb_exact", "sliding_bpb", "post_ttt_bpb")
        result = next((result[key] for key in keys if isinstance(result.get(key), float)), None)
    return float(result) if isinstance(result, float) and 0.1 < result < 10 else None


def claim_found(pull: PullRequest, folder: str, seed: int, score: float) -> str:
    """The kind of pass in which a run of that seed printed the score, "absent", or "no log" without runs."""
    runs = [run for run in pull.runs if run.file.startswith(folder + "/") and _seed(run, seed)]
    if not runs:
        return "no log"
    for kind in (PassKind.FINAL, PassKind.DIAGNOSTIC, PassKind.IN_TRAINING, PassKind.PROGRESS):
        scores = [p.val_bpb.value for run in runs for p in run.passes if p.kind is kind]
        if any(abs(value - score) <= CLAIM_TOLERANCE_BPB for value in scores):
            return str(kind)
    return "absent"


def _seed(run: Run, seed: int) -> bool:
    return seed in {run.seed.value if run.seed else None, run.seed_from_name}


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repo", required=True, help="clone with refs/pull/*/head")
    parser.add_argument("--every", type=int, default=1, help="sample: read every N-th pull request")
    parser.add_argument("--list-missing", action="store_true", help="name pull requests that lack something")
    arguments = parser.parse_args()
    started = time.perf_counter()
    pulls = list(pull_requests(Clone(arguments.repo), arguments.every))
    report(pulls, time.perf_counter() - started, list_missing=arguments.list_missing)
    return 0


def report(pulls: list[PullRequest], seconds: float, *, list_missing: bool) -> None:
    """Tables on standard output."""
    readable = [pull for pull in pulls if pull.readable]
    size = sum(log.size_bytes for pull in pulls for log in pull.logs)
    print(f"{len(pulls):,} pull requests with candidate logs, {len(readable):,} with a readable one")
    print(f"{size:,} bytes in {seconds:.0f} s with git access")
    problems = Counter(problem.kind for pull in pulls for log in pull.logs for problem in log.problems)
    print("problems:", ", ".join(f"{kind} {count:,}" for kind, count in problems.most_common()))
    print(f"\n{'quantity':<26}{'pull requests':>14}{'share':>8}{'runs':>10}{'share':>8}")
    runs = [run for pull in readable for run in pull.runs if run.has_training or run.passes]
    for name, has in QUANTITIES.items():
        in_pulls = sum(not pull.missing([name]) for pull in readable)
        in_runs = sum(bool(has(run)) for run in runs)
        share, run_share = in_pulls / len(readable), in_runs / len(runs)
        print(f"{name:<26}{in_pulls:>14,}{share:>8.1%}{in_runs:>10,}{run_share:>8.1%}")
    complete = sum(pull.complete_run() for pull in readable)
    together = sum(not pull.missing() for pull in readable)
    print(f"\nall five in one run: {complete:,} of {len(readable):,} ({complete / len(readable):.1%})")
    print(f"all five over the runs of a pull request: {together:,} ({together / len(readable):.1%})")
    ten_minutes = [pull for pull in readable if any("track_10min" in log.path for log in pull.logs)]
    complete = sum(not pull.missing() for pull in ten_minutes)
    print(
        f"  of the 10-minute track: {complete:,} of {len(ten_minutes):,} ({complete / len(ten_minutes):.1%})"
    )
    folders: dict[str, list[Run]] = defaultdict(list)
    for run in next((pull.runs for pull in pulls if pull.number == MAIN), []):
        folders["/".join(run.file.split("/")[:3])].append(run)
    groups = list(folders.values())
    whole = sum(all(any(QUANTITIES[name](run) for run in group) for name in NEEDED) for group in groups)
    print(f"folders on main with all five: {whole} of {len(folders)}")
    claims = [(pull, *claim) for pull in readable for claim in pull.claims]
    outcomes = Counter(claim_found(*claim) for claim in claims)
    tested = len(claims) - outcomes["no log"]
    print(f"\nper-seed claims with a log of that seed: {tested:,} of {len(claims):,}")
    for kind, count in outcomes.most_common():
        share = f" ({count / tested:.1%})" if kind != "no log" and tested else ""
        print(f"  {kind}: {count:,}{share}")
    if list_missing:
        reasons = defaultdict(list)
        for pull in readable:
            if pull.missing():
                reasons[" + ".join(pull.missing())].append(pull.number)
        for reason, numbers in sorted(reasons.items(), key=lambda row: -len(row[1])):
            print(f"\nwithout {reason} ({len(numbers)}): {', '.join(f'#{number}' for number in numbers)}")


if __name__ == "__main__":
    sys.exit(main())
