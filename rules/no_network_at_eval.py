"""no-network-at-eval: evaluation makes no download and no network call.

What it checks
    Calls the entry script can reach that fetch something, and the commands it starts that do.
Why it matters
    What is fetched while scoring is not in the 16,000,000 bytes.
What is allowed instead
    Fetch data and tokenizer before the run, or only when they are missing.
How it is detected
    Names of the standard library and of known packages, and programs named in started commands. A call
    under a test whether a file exists, or before training, is a remark; one after the training loop that
    nothing guards asks a person.
What it cannot see
    Native code and text that is executed: then it is not checked. Functions are reached by name.
Rulings
    README: evaluation may not access the network.
Example
    train_gpt.py:880 calls urllib.request.urlopen after training, whatever is there already
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_checked, noted, passed
from harness.evidence.code_facts import fact_place, scan_facts, unseen_code
from harness.finding import Place, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "no-network-at-eval"


def check(case: Case) -> Iterator[Finding]:
    """One finding: the worst call, else what was read."""
    calls = scan_facts(case, "network_calls")
    if calls is None or case.audit is None:
        yield not_checked(RULE, why_no_audit(case) or "unresolved: the code was not scanned for calls")
        return
    loose = [one for one in calls if one["kind"] != "report" and not one["guarded"]]
    late = [one for one in loose if one["order"] in {"after-training", "unknown"}]
    if late:
        first = late[0]
        when = "after training" if first["order"] == "after-training" else "at a time the audit cannot tell"
        yield needs_human(
            RULE,
            f"{first['file']}:{first['line']} calls {first['call']} {when}, whatever is there already",
            fact_place(case, first, "network call", Role.PRIMARY),
            *(fact_place(case, one, "another") for one in late[1:4]),
            ask="Does the scored run make this call?",
        )
        return
    hidden = unseen_code(case)
    if hidden is not None:
        yield not_checked(RULE, f"unresolved: {hidden}")
    elif calls:
        yield noted(
            RULE,
            f"{calls[0]['file']}:{calls[0]['line']} calls {calls[0]['call']}: only before training, to "
            "report, or where something is missing",
            fact_place(case, calls[0], "network call", Role.PRIMARY),
        )
    elif not case.audit.scans.get("scanned"):
        yield not_checked(RULE, "unresolved: no script could be read")
    else:
        read = case.audit.scans["scanned"]
        yield passed(RULE, f"no network call can be reached in {', '.join(read[:4])}", Place(file=read[0]))
