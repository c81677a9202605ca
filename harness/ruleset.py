"""Rules as dated data: which rule is in force when, on which track, how hard it bites, and its limits.

Everything is read from the TOML files of one folder (`rules/` by default, `--rules-dir` for another
challenge): `catalogue/*.toml` hold the rules, `limits.toml` the numbers, `rulings.toml` the precedents.
A rule's check is the module of the same name in the `rules` package; a rule without one is NOT-CHECKED.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from harness.case import Profile
from harness.errors import SetupError
from harness.finding import RuleVerdict
from harness.submission import Track

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.case import Case
    from harness.finding import Finding

RULES_DIR = Path(__file__).resolve().parent.parent / "rules"

# The worst verdict a finding may carry under a severity: FAIL needs a rule whose breach rejects.
_CEILING = {
    "reject": RuleVerdict.FAIL,
    "needs-human": RuleVerdict.NEEDS_HUMAN,
    "warn": RuleVerdict.WARN,
    "info": RuleVerdict.INFO,
}


class RuleModule(Protocol):
    """What a module of the `rules` package offers."""

    __doc__: str | None

    def check(self, case: Case) -> Iterator[Finding]:
        """Yield findings; nothing at all means NOT-CHECKED."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityChange:
    """From `since` on, for these profiles and tracks, a breach of the rule means `severity`."""

    since: datetime.date
    severity: str
    profiles: frozenset[Profile]
    tracks: frozenset[Track]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the catalogue.

    `needs` names what decides it: package, logs, statistics, history (decidable here), static, dynamic,
    human (decided elsewhere). `retro` is yes, open or no: whether it binds submissions older than `since`.
    `no_check` says of a rule without a module which rules judge its matter, or why none can.
    """

    id: str
    section: str
    title: str
    tracks: frozenset[Track]
    since: datetime.date
    severity: str
    needs: tuple[str, ...]
    authority: tuple[str, ...]
    retro: str = "open"
    essential: bool = False
    disputes: tuple[str, ...] = ()
    changes: tuple[SeverityChange, ...] = ()
    no_check: str = ""

    @property
    def module_name(self) -> str:
        """The module that checks it, whether or not it exists."""
        return f"rules.{self.id.replace('-', '_')}"

    @property
    def needs_record(self) -> bool:
        """True when the rule compares with the standing record, which takes seconds to find in a clone."""
        return "statistics" in self.needs

    @property
    def needs_audit(self) -> bool:
        """True when its check may look at the static audit of the code, which costs seconds."""
        return "static" in self.needs and self.is_implemented

    @property
    def is_implemented(self) -> bool:
        """True when a module for it is shipped; imports nothing."""
        return (RULES_DIR / f"{self.id.replace('-', '_')}.py").is_file()

    def load(self) -> RuleModule:
        """Import the module that checks the rule."""
        return cast("RuleModule", importlib.import_module(self.module_name))

    def severity_for(self, profile: Profile, as_of: datetime.date, track: Track) -> str:
        """What a proven breach means; the last matching dated change wins."""
        severity = self.severity
        for change in self.changes:
            if change.since <= as_of and profile in change.profiles and track in change.tracks:
                severity = change.severity
        return severity

    def ceiling(self, profile: Profile, as_of: datetime.date, track: Track) -> RuleVerdict:
        """The worst verdict its findings may carry under this profile, date and track."""
        return _CEILING[self.severity_for(profile, as_of, track)]

    def in_force(self, as_of: datetime.date, judged_on: datetime.date) -> bool:
        """True when the rule binds a submission opened on `as_of` and judged on `judged_on`.

        Staff rulings bind every pull request open on their date (catalogue section 0), so a rule that is
        not forward-only binds an older submission judged after it was made.
        """
        return self.since <= as_of or (self.retro != "no" and self.since <= judged_on)


class Limits:
    """The numbers in force on one date, by dotted name ("artifact.cap_bytes")."""

    def __init__(self, tables: Mapping[str, Any], as_of: datetime.date) -> None:
        """`tables` is the parsed limits.toml; a list of dated values becomes the newest not after `as_of`."""
        self._tables = tables
        self._as_of = as_of

    @property
    def as_of(self) -> datetime.date:
        """The date whose numbers these are."""
        return self._as_of

    def get(self, name: str) -> Any:
        """The value of a dotted name; `SetupError` when the rules lack it."""
        node: Any = self._tables
        for part in name.split("."):
            if not isinstance(node, dict) or part not in node:
                raise SetupError(
                    f"limits.toml has no {name!r}, which a rule needs; add it, or --ignore the rule"
                )
            node = node[part]
        if isinstance(node, list) and node and isinstance(node[0], dict) and "since" in node[0]:
            dated = [row for row in node if row["since"] <= self._as_of] or node[:1]
            return dated[-1]["value"]
        return node

    def number(self, name: str) -> float:
        """A limit as a float; raises `SetupError` when it is no number."""
        return float(self._typed(name, (int, float), "a number"))

    def integer(self, name: str) -> int:
        """A limit as an int; raises `SetupError` when it is no number."""
        return int(self._typed(name, (int, float), "a number"))

    def text(self, name: str) -> str:
        """A limit as text."""
        return str(self.get(name))

    def table(self, name: str) -> dict[str, Any]:
        """A table of limits; raises `SetupError` when it is something else."""
        return cast("dict[str, Any]", self._typed(name, (dict,), "a table"))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """An array of tables (fingerprints, tracks); raises `SetupError` when it is something else."""
        return cast("list[dict[str, Any]]", self._typed(name, (list,), "an array of tables"))

    def _typed(self, name: str, kinds: tuple[type, ...], wanted: str) -> Any:
        value = self.get(name)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise SetupError(f"limits.toml: {name} is {str(value)[:40]!r}; it must be {wanted}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """All rules and limits of one challenge."""

    rules: Mapping[str, Rule]
    tables: Mapping[str, Any]

    def limits(self, as_of: datetime.date) -> Limits:
        """The numbers in force on a date."""
        return Limits(self.tables, as_of)

    @property
    def package(self) -> Mapping[str, Any]:
        """Where submissions lie and what they consist of; `SetupError` when absent."""
        package = self.tables.get("package")
        wanted = ("core_files", "track_folders")
        if not isinstance(package, dict) or any(name not in package for name in wanted):
            raise SetupError(
                f"limits.toml lacks a table [package] with {' and '.join(wanted)}, without which no "
                "submission can be found; copy it from the shipped rules"
            )
        return package

    @property
    def newest(self) -> datetime.date:
        """The date of the newest change: what `--as-of` defaults to, and the name of the rule set."""
        dates = [rule.since for rule in self.rules.values()]
        dates += [change.since for rule in self.rules.values() for change in rule.changes]
        return max(dates)

    @property
    def essential(self) -> frozenset[str]:
        """Rules without whose check a submission cannot be accepted."""
        return frozenset(rule.id for rule in self.rules.values() if rule.essential)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(
            f"cannot read {path}: {error.strerror}; name a rules folder with --rules-dir"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} is not valid TOML: {error}") from error


def _all_or(names: list[str] | None, kind: type[Profile] | type[Track]) -> frozenset[Any]:
    return frozenset(kind(name) for name in names) if names else frozenset(kind)


def _since(value: object) -> datetime.date:
    if type(value) is not datetime.date:
        raise TypeError(f"since is {str(value)[:40]!r}, not a date such as 2026-03-18")
    return value


def _severity(value: str) -> str:
    if value not in _CEILING:
        raise ValueError(f"severity is {str(value)[:40]!r}, not one of {', '.join(_CEILING)}")
    return value


def _rule(rule_id: str, section: str, row: dict[str, Any]) -> Rule:
    changes = tuple(
        SeverityChange(
            since=_since(change.get("since", row["since"])),
            severity=_severity(change["severity"]),
            profiles=_all_or(change.get("profiles"), Profile),
            tracks=_all_or(change.get("tracks"), Track),
        )
        for change in row.get("change", [])
    )
    return Rule(
        id=rule_id,
        section=section,
        title=row["title"],
        tracks=_all_or(row.get("tracks"), Track),
        since=_since(row["since"]),
        severity=_severity(row["severity"]),
        needs=tuple(row["needs"]),
        authority=tuple(row["authority"]),
        retro=row.get("retro", "open"),
        essential=row.get("essential", False),
        disputes=tuple(row.get("disputes", ())),
        changes=changes,
        no_check=row.get("no_check", ""),
    )


@lru_cache(maxsize=4)
def load_ruleset(directory: Path = RULES_DIR) -> Ruleset:
    """Read a rules folder. Raises `SetupError` when a file is missing, malformed, or an id stands twice."""
    rules: dict[str, Rule] = {}
    for path in sorted((directory / "catalogue").glob("*.toml")):
        for rule_id, row in _read_toml(path).items():
            if rule_id in rules:
                raise SetupError(f"{path}: rule {rule_id!r} is already in {rules[rule_id].section}.toml")
            try:
                rules[rule_id] = _rule(rule_id, path.stem, row)
            except (KeyError, ValueError, TypeError) as error:
                raise SetupError(f"{path}: rule {rule_id!r}: bad or missing field {error}") from error
    if not rules:
        raise SetupError(f"no rules under {directory}/catalogue/*.toml; name a rules folder with --rules-dir")
    return Ruleset(rules=rules, tables=_read_toml(directory / "limits.toml"))
