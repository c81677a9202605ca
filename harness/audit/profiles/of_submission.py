"""All run profiles of a submission, in order of provenance, with what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.audit.profiles.launches import Launch, launches_of_script
from harness.audit.profiles.log_settings import (
    LOG_BYTES,
    LogFacts,
    facts_of,
    input_names,
    lines_of_run,
    read_log_lines,
)
from harness.audit.profiles.readme_commands import readme_launches
from harness.audit.profiles.same_settings import differing, merge_equal, same_value, without_identity
from harness.audit.run_profile import ProfileKind, RunProfile, Setting
from harness.errors import SetupError, SubmissionError
from harness.evidence.seed_evidence import collect_evidence

if TYPE_CHECKING:
    from harness.evidence.seed_evidence import Evidence, SeedEvidence
    from harness.file_tree import FileTree
    from harness.logs.text import LogLine
    from harness.logs.training_log import Run
    from harness.submission import Submission

MOST_PROFILES = 12
MOST_SCRIPTS = 30
MOST_RUNS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedProfiles:
    """The profiles, and what could not be taken in: commands over the limit, unreadable logs."""

    profiles: tuple[RunProfile, ...]
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Collection:
    submission: Submission
    files: FileTree | None
    problems: list[str] = field(default_factory=list)
    read: dict[str, tuple[LogLine, ...]] = field(default_factory=dict)

    def log_lines(self, path: str) -> tuple[LogLine, ...]:
        """The lines of a log, read once; none without the files."""
        if self.files is None:
            return ()
        if path not in self.read:
            try:
                self.read[path] = read_log_lines(path, self.files.read(path, LOG_BYTES))
            except (SetupError, SubmissionError, OSError) as error:
                self.problems.append(f"{path} could not be read for its lines: {error}")
                self.read[path] = ()
        return self.read[path]


def profiles_of(
    submission: Submission, files: FileTree | None = None, evidence: Evidence | None = None
) -> CollectedProfiles:
    """The defaults, then what logs, shell scripts and README commands say; equal settings only once.

    Without `evidence` it is collected here, with the newest limits.
    """
    collection = _Collection(submission, files)
    defaults = RunProfile(name="defaults", kind=ProfileKind.DEFAULTS)
    entry = submission.code.entry
    if entry is None:
        return CollectedProfiles(profiles=(replace(defaults, is_claim=True),))
    if evidence is None:
        evidence = _evidence(submission)
    scripts = _shell_scripts(collection)
    shells = [
        (ProfileKind.SHELL, launch)
        for path, text in scripts.items()
        for launch in launches_of_script(path, text, entry.path, scripts)
    ]
    readme = submission.readme
    commands: list[tuple[ProfileKind, Launch]] = []
    if readme is not None:
        commands = [
            (ProfileKind.COMMAND, launch)
            for launch in readme_launches(readme.path, readme.text, entry.path, scripts)
        ]
    documented = [_profile_of(kind, launch) for kind, launch in (*shells, *commands)]
    launches = [launch for _, launch in (*shells, *commands)]
    logs = _log_profiles(collection, evidence, launches)
    distinct = merge_equal([*logs, *documented])
    profiles = merge_equal([defaults, *distinct]) if not logs else [defaults, *distinct]
    profiles = _mark_claim(profiles)
    if len(profiles) > MOST_PROFILES:
        left_out = profiles[MOST_PROFILES:]
        names = ", ".join(one.name for one in left_out[:6])
        collection.problems.append(
            f"{len(profiles)} different configurations are documented; {len(left_out)} were not audited "
            f"({names}{', ...' if len(left_out) > 6 else ''})"
        )
    return CollectedProfiles(
        profiles=_with_unique_names(profiles[:MOST_PROFILES]), problems=tuple(collection.problems)
    )


def _evidence(submission: Submission) -> Evidence:
    from harness.ruleset import load_ruleset

    ruleset = load_ruleset()
    return collect_evidence(submission, ruleset.limits(ruleset.newest))


def _shell_scripts(collection: _Collection) -> dict[str, str]:
    found = {path: text.text for path, text in collection.submission.texts.items() if path.endswith(".sh")}
    if len(found) > MOST_SCRIPTS:
        collection.problems.append(
            f"{len(found)} shell scripts; only the first {MOST_SCRIPTS} were read for run commands"
        )
    return dict(sorted(found.items())[:MOST_SCRIPTS])


def _profile_of(kind: ProfileKind, launch: Launch) -> RunProfile:
    return RunProfile(
        name=launch.source,
        kind=kind,
        environment=launch.environment,
        argv=launch.argv,
        world_size=launch.world_size,
        unknown=launch.unknown,
    )


def _log_profiles(collection: _Collection, evidence: Evidence, launches: list[Launch]) -> list[RunProfile]:
    """One profile per counted run, and per run that trained what a counted run evaluates."""
    scripts = [collection.submission.code.entry, *collection.submission.code.closure]
    inputs = input_names(script.text for script in scripts if script is not None and script.text)
    entry = collection.submission.code.entry
    runs_of = {log.path: log.runs for log in collection.submission.logs}
    profiles: list[RunProfile] = []
    seen: set[tuple[str, int]] = set()
    for seed, run in _counted_runs(evidence):
        if (run.file, run.first_line) in seen or entry is None:
            continue
        seen.add((run.file, run.first_line))
        others = [one for one in runs_of.get(run.file, ()) if one.duplicate_of is None]
        lines = lines_of_run(collection.log_lines(run.file), run, others)
        facts = facts_of(run, lines, entry.path, inputs)
        launch = facts.launch or fitting_launch(launches, facts, run)
        environment = _environment(launch, facts, run)
        several = len(others) > 1
        world_size = run.world_size.value if run.world_size is not None else None
        profiles.append(
            RunProfile(
                name=f"{run.file}:{run.first_line}" if several else run.file,
                kind=ProfileKind.LOG,
                environment=environment,
                attributes=facts.attributes,
                argv=launch.argv if launch else (),
                world_size=world_size or (launch.world_size if launch else 8),
                is_claim=seed.counted is not None,
                log_lines=facts.lines,
                log_file=run.file,
                claimed_values=_claimed_values(seed, run),
                unknown=tuple(name for name in launch.unknown if name not in environment) if launch else (),
            )
        )
    return profiles


def _environment(launch: Launch | None, facts: LogFacts, run: Run) -> dict[str, Setting]:
    """The command's environment under what the log prints, with the log's own seed."""
    environment = dict(launch.environment) if launch is not None else {}
    if run.seed is not None and ("SEED" in environment or (launch is not None and "SEED" in launch.unknown)):
        line = run.seed.line or run.first_line
        environment["SEED"] = Setting(
            value=str(run.seed.value), source=f"{run.file}:{line}", file=run.file, line=line
        )
    return {**environment, **facts.environment}


def _counted_runs(evidence: Evidence) -> list[tuple[SeedEvidence, Run]]:
    pairs = [(seed, seed.run) for seed in evidence.seeds if seed.run is not None]
    pairs += [(seed, seed.training_run) for seed in evidence.seeds if seed.training_run is not None]
    return sorted(pairs, key=lambda pair: pair[0].counted is None)[:MOST_RUNS]


def _claimed_values(seed: SeedEvidence, run: Run) -> tuple[float, ...]:
    if seed.counted is None or seed.run is not run:
        return ()
    return (seed.counted.val_bpb.value,)


def fitting_launch(launches: list[Launch], facts: LogFacts, run: Run) -> Launch | None:
    """The documented command that may have made this log; of several, what they agree on.

    A command that names the log file as its output is the one. Else commands that contradict what the log
    prints are out, unless there is only one (the log's values go over its own anyway).
    """
    name = run.file.rpartition("/")[2]
    naming = [launch for launch in launches if name in launch.written_to]
    candidates = naming or launches
    groups: dict[object, Launch] = {}
    for launch in candidates:
        groups.setdefault(without_identity(launch.environment, launch.argv, 0), launch)
    distinct = list(groups.values())
    if len(distinct) > 1:
        printed = {**facts.attributes, **facts.environment}
        distinct = [one for one in distinct if not differing(one.environment, printed)]
    return _common(distinct) if distinct else None


def _common(launches: list[Launch]) -> Launch:
    """What several commands agree on: those settings hold whichever of them was run."""
    first, *others = launches
    for other in others:
        shared = {
            name: setting
            for name, setting in first.environment.items()
            if name in other.environment and same_value(setting.value, other.environment[name].value)
        }
        touched = set(first.environment) | set(other.environment) | set(first.unknown) | set(other.unknown)
        first = replace(
            first,
            environment=shared,
            argv=first.argv if first.argv == other.argv else (),
            unknown=tuple(sorted(touched - set(shared))),
        )
    return first


def _mark_claim(profiles: list[RunProfile]) -> list[RunProfile]:
    """Without a counted log the claim is the only documented command, else the defaults."""
    if any(one.is_claim for one in profiles):
        return profiles
    documented = [one for one in profiles if one.kind in {ProfileKind.SHELL, ProfileKind.COMMAND}]
    claim = documented[0] if len(documented) == 1 else profiles[0]
    return [replace(one, is_claim=one is claim) for one in profiles]


def _with_unique_names(profiles: list[RunProfile]) -> tuple[RunProfile, ...]:
    counts: dict[str, int] = {}
    named = []
    for one in profiles:
        counts[one.name] = counts.get(one.name, 0) + 1
        again = counts[one.name]
        named.append(one if again == 1 else replace(one, name=f"{one.name} ({again})"))
    return tuple(named)
