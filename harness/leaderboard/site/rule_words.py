"""A rule's page in words: its row of the catalogue and the sections of its docstring as paragraphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.rule_pages import needs_in_words, page_of

if TYPE_CHECKING:
    from harness.ruleset import Rule


def rule_words(rule: Rule) -> dict[str, Any]:
    """The context of the template: title, facts, and each section as paragraphs of text."""
    page = page_of(rule)
    facts = (
        ("A breach means", rule.severity),
        ("In force since", rule.since.isoformat()),
        ("Decided by", needs_in_words(rule)),
        ("Checked by golf-check", "yes" if rule.is_implemented else "no"),
        ("Ruled by", "; ".join(rule.authority)),
    )
    return {
        "id": rule.id,
        "title": f"{page.title[:1].upper()}{page.title[1:]}",
        "facts": [{"name": name, "value": value} for name, value in facts if value],
        "sections": [
            {"name": name, "paragraphs": _paragraphs(text), "is_example": name == "Example"}
            for name, text in page.sections.items()
        ],
    }


def _paragraphs(text: str) -> list[str]:
    """Text between empty lines, each on one line: the page breaks lines itself."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
