"""folder-name: the folder is named YYYY-MM-DD_description.

What it checks
    The last part of the submission's path.
Why it matters
    The date orders the records, and a name with spaces breaks commands.
What is allowed instead
    A date, an underscore, then letters, digits, '_', '-', '+', '=' or '.'.
How it is detected
    A pattern on the folder's name.
What it cannot see
    Whether the date is true.
Rulings
    e64813770, 2026-04-29 (A2): a folder was renamed to this form.
Example
    the folder is named 'my submission'; name it YYYY-MM-DD_description
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.case import not_checked, noted, passed
from harness.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "folder-name"


def check(case: Case) -> Iterator[Finding]:
    """One finding on the name."""
    origin = case.submission.origin
    name = PurePosixPath(origin.entry or origin.path).name
    if not name:
        yield not_checked(RULE, "the submission has no folder of its own")
        return
    if re.fullmatch(case.limits.text("package.folder_name_pattern"), name):
        yield passed(RULE, f"named {name}")
        return
    yield noted(RULE, f"the folder is named {name!r}; name it YYYY-MM-DD_description", Place(file="."))
