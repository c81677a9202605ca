"""The page of each rule: what `--explain`, `--list-rules` and docs/rules show, made from the rule itself.

A module's docstring is parsed, never imported, so that explaining a rule costs what reading one file costs.
`python -m harness.rule_pages --write docs/rules` writes the pages, `--check` says which are out of date.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.ruleset import RULES_DIR, load_ruleset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.ruleset import Rule, Ruleset

HEADINGS = (
    "What it checks",
    "Why it matters",
    "What is allowed instead",
    "How it is detected",
    "What it cannot see",
    "Rulings",
    "Example",
)
DEFAULT_DOCS = Path(__file__).resolve().parent.parent / "docs" / "rules"

_DECIDED_BY = {
    "package": "the files of the submission",
    "logs": "the training logs",
    "statistics": "the scores of its seeds",
    "history": "the pull request's git history",
    "static": "an audit of the code",
    "dynamic": "a run of the submission",
    "human": "a person",
}
_BREACH_MEANS = {
    "reject": "rejection",
    "needs-human": "a question for a reviewer",
    "warn": "a warning",
    "info": "a remark",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePage:
    """One rule in words: its catalogue row and, where a module checks it, the sections of its docstring."""

    rule: Rule
    title: str
    sections: dict[str, str]


def parse_docstring(docstring: str, rule_id: str) -> tuple[str, dict[str, str]]:
    """Title and sections of a rule module's docstring.

    Raises `ValueError` naming what is missing: the first line must be "<rule-id>: <title>.", and every
    heading must stand alone on a line, in order, with text below it.
    """
    lines = textwrap.dedent(docstring.partition("\n")[2]).splitlines()
    first = docstring.partition("\n")[0].strip()
    if not first.startswith(f"{rule_id}: "):
        raise ValueError(f"the docstring starts with {first[:60]!r}, not with {rule_id + ': '!r}")
    found = [(line, number) for number, line in enumerate(lines) if line.rstrip() in HEADINGS]
    names = tuple(line.rstrip() for line, _ in found)
    if names != HEADINGS:
        raise ValueError(
            f"the headings are {', '.join(names) or 'missing'}; they must be {', '.join(HEADINGS)}"
        )
    ends = [number for _, number in found[1:]] + [len(lines)]
    sections = {
        name: textwrap.dedent("\n".join(lines[start + 1 : end])).strip("\n")
        for name, (_, start), end in zip(names, found, ends, strict=True)
    }
    empty = [name for name, text in sections.items() if not text.strip()]
    if empty:
        raise ValueError(f"nothing stands under {', '.join(empty)}")
    return first.removeprefix(f"{rule_id}: ").strip().removesuffix("."), sections


def module_path(rule: Rule) -> Path:
    """The file that checks the rule, whether or not it exists."""
    return RULES_DIR / f"{rule.id.replace('-', '_')}.py"


def needs_in_words(rule: Rule) -> str:
    """What decides the rule, in words."""
    return " and ".join(_DECIDED_BY.get(need, need) for need in rule.needs) or "nothing that exists yet"


def page_of(rule: Rule) -> RulePage:
    """The page of a rule. Raises `ValueError` when its module's docstring lacks a heading."""
    if not rule.is_implemented:
        return RulePage(
            rule=rule,
            title=rule.title,
            sections={
                "What it checks": f"{rule.title}.",
                "What it cannot see": "golf-check does not check this rule: every report lists it as "
                f"NOT-CHECKED. To decide it takes {needs_in_words(rule)}."
                + (f" {rule.no_check[0].upper()}{rule.no_check[1:]}." if rule.no_check else ""),
                "Rulings": "; ".join(rule.authority) or "none known",
            },
        )
    docstring = ast.get_docstring(ast.parse(module_path(rule).read_text(encoding="utf-8")), clean=False)
    title, sections = parse_docstring(docstring or "", rule.id)
    return RulePage(rule=rule, title=title, sections=sections)


def find_rule(rule_id: str, ruleset: Ruleset) -> Rule:
    """A rule by id. Raises `UsageError` with the nearest ids when there is none of that name."""
    wanted = rule_id.strip().lower().replace("_", "-")
    if wanted in ruleset.rules:
        return ruleset.rules[wanted]
    near = difflib.get_close_matches(wanted, ruleset.rules, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"there is no rule {rule_id!r}; {hint}--list-rules shows all {len(ruleset.rules)}")


def _facts(rule: Rule) -> dict[str, str]:
    changes = [
        f"{_BREACH_MEANS[change.severity]} from {change.since}"
        + (f" on {', '.join(sorted(t.value for t in change.tracks))}" if len(change.tracks) < 3 else "")
        + (
            f" in profile {', '.join(sorted(p.value for p in change.profiles))}"
            if len(change.profiles) < 3
            else ""
        )
        for change in rule.changes
    ]
    facts = {
        "a breach means": "; ".join([_BREACH_MEANS[rule.severity], *changes]),
        "tracks": ", ".join(sorted(track.value for track in rule.tracks)),
        "in force since": rule.since.isoformat(),
        "decided by": needs_in_words(rule),
        "checked here": "yes" if rule.is_implemented else "no",
        "ruled by": "; ".join(rule.authority),
    }
    if rule.essential:
        facts["essential"] = "yes: nothing is accepted while it is unchecked"
    if rule.disputes:
        facts["disputed"] = ", ".join(rule.disputes)
    return facts


def explain(rule_id: str, rules_dir: Path = RULES_DIR) -> str:
    """The page of one rule as text for a terminal. Raises `UsageError` for an unknown id."""
    rule = find_rule(rule_id, load_ruleset(rules_dir))
    page = page_of(rule)
    lines = [f"{rule.id}: {page.title}", ""]
    facts = _facts(rule)
    width = max(map(len, facts))
    for name, value in facts.items():
        wrapped = textwrap.wrap(value, 78 - width - 4) or [""]
        lines.append(f"  {name:<{width}}  {wrapped[0]}")
        lines += [" " * (width + 4) + more for more in wrapped[1:]]
    for heading, text in page.sections.items():
        lines += ["", heading, textwrap.indent(text, "    ")]
    return "\n".join(lines)


def list_rules(rules_dir: Path = RULES_DIR) -> str:
    """All rules in catalogue order: id, what a breach means, since when, whether checked here, title."""
    rules = list(load_ruleset(rules_dir).rules.values())
    width = max(len(rule.id) for rule in rules)
    lines = []
    for rule in rules:
        mark = "checked" if rule.is_implemented else "-"
        star = "*" if rule.essential else " "
        lines.append(
            f"{rule.id:<{width}}{star} {rule.severity:<11} {rule.since}  {mark:<7}  {rule.title}".rstrip()
        )
    checked = sum(rule.is_implemented for rule in rules)
    head = f"{'rule':<{width}}  {'breach':<11} {'since':<10}  {'here':<7}  title"
    foot = (
        f"\n{len(rules)} rules, {checked} checked by golf-check. "
        "* essential: nothing is accepted while it is unchecked.\n"
        "golf-check --explain RULE shows one in full."
    )
    return "\n".join([head, *lines, foot])


def _markdown_prose(text: str) -> str:
    """Docstring text as Markdown: paragraphs and lists keep their shape, nothing turns into markup."""
    escaped = []
    for line in text.splitlines():
        parts = re.split(r"(`[^`]*`)", line)
        parts[::2] = [re.sub(r"([\\*_<>|\[\]~$])", r"\\\1", part) for part in parts[::2]]
        shown = "".join(parts)
        escaped.append(re.sub(r"^(\s*)([#+]|\d+[.)])(?=\s)", r"\1\\\2", shown) if shown else "")
    return "\n".join(escaped)


def markdown_page(page: RulePage) -> str:
    """docs/rules/<id>.md."""
    rule = page.rule
    lines = [f"# {rule.id}", "", _markdown_prose(page.title) + ".", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_markdown_prose(value)} |" for name, value in _facts(rule).items()]
    for heading, text in page.sections.items():
        body = ["```text", text, "```"] if heading == "Example" else [_markdown_prose(text)]
        lines += ["", f"## {heading}", "", *body]
    lines += [
        "",
        "This page is made from the rule itself by `python -m harness.rule_pages`; edit that instead.",
    ]
    return "\n".join(lines) + "\n"


def markdown_index(ruleset: Ruleset) -> str:
    """docs/rules/index.md: every rule, by section of the catalogue."""
    rules = ruleset.rules.values()
    checked = sum(rule.is_implemented for rule in rules)
    lines = [
        "# Rules",
        "",
        f"{len(ruleset.rules)} rules as of {ruleset.newest}; golf-check decides {checked} of them from",
        "package, logs, statistics and history. The others are listed in every report as NOT-CHECKED.",
        "An essential rule that is not checked keeps a submission from being accepted.",
    ]
    for section in dict.fromkeys(rule.section for rule in rules):
        lines += ["", f"## {section.replace('_', ' ').capitalize()}", ""]
        lines += ["| rule | what it says | a breach means | checked here |", "|---|---|---|---|"]
        for rule in (rule for rule in rules if rule.section == section):
            name = f"[{rule.id}]({rule.id}.md)" + (" (essential)" if rule.essential else "")
            here = "yes" if rule.is_implemented else "no"
            lines.append(
                f"| {name} | {_markdown_prose(rule.title)} | {_BREACH_MEANS[rule.severity]} | {here} |"
            )
    return "\n".join(lines) + "\n"


def docs_pages(ruleset: Ruleset) -> Mapping[str, str]:
    """Every file of docs/rules by name."""
    pages = {f"{rule.id}.md": markdown_page(page_of(rule)) for rule in ruleset.rules.values()}
    return {"index.md": markdown_index(ruleset), **pages}


def outdated(directory: Path, ruleset: Ruleset) -> list[str]:
    """Names of pages that differ from the generated ones, are missing, or belong to no rule."""
    pages = docs_pages(ruleset)
    on_disk = {path.name: path for path in directory.glob("*.md")}
    changed = [
        name
        for name, text in pages.items()
        if name not in on_disk or on_disk[name].read_text(encoding="utf-8") != text
    ]
    return sorted([*changed, *(set(on_disk) - set(pages))])


def write_pages(directory: Path, ruleset: Ruleset) -> int:
    """Write every page and remove pages of rules that are gone; returns how many files changed."""
    directory.mkdir(parents=True, exist_ok=True)
    stale = outdated(directory, ruleset)
    pages = docs_pages(ruleset)
    for name in stale:
        path = directory / name
        if name in pages:
            path.write_text(pages[name], encoding="utf-8")
        else:
            path.unlink()
    return len(stale)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check docs/rules; 1 when a page is out of date."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m harness.rule_pages", description=main.__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", metavar="DIR", nargs="?", const=DEFAULT_DOCS, type=Path)
    action.add_argument("--check", metavar="DIR", nargs="?", const=DEFAULT_DOCS, type=Path)
    chosen = parser.parse_args(arguments)
    ruleset = load_ruleset()
    if chosen.write is not None:
        changed = write_pages(chosen.write, ruleset)
        print(f"{changed} of {len(ruleset.rules) + 1} pages changed in {chosen.write}")
        return 0
    stale = outdated(chosen.check, ruleset)
    for name in stale:
        print(
            f"{chosen.check / name} is out of date; run python -m harness.rule_pages --write {chosen.check}"
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
