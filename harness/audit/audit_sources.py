"""Walks and scans the sources of one submission. Runs inside the guarded process; in and out is JSON.

Nothing that one profile or one scan does can cost the others: a fault of our own interpreter becomes an
`Unresolved` event of that profile and a problem, running out of memory, depth or time an `Unresolved` with
the reason.
"""

from __future__ import annotations

import dataclasses
import gc
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from harness.audit.event_json import audit_json
from harness.audit.events import ProfileAudit, Spot, Unresolved
from harness.audit.interpreter.shared_walks import shared_audit
from harness.audit.interpreter.walk import NODES
from harness.audit.program import Program
from harness.audit.run_profile import RunProfile, claim_index
from harness.audit.scans import scan_sources
from harness.audit.token_flow.follow import follow_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.audit.events import Event

# Submissions have 1 to 8 run profiles that differ; the claim comes first, so that it is never left out.
PROFILES_AT_MOST = 12
# Counted, not timed: an audit is the same on a slow machine. The guarded process has a limit on time as well.
NODES_AT_MOST = 1_000_000
# Of all scripts in pull requests 99 % have fewer than 50,000; beyond this every pass takes minutes.
SYNTAX_NODES_AT_MOST = 300_000
EVENTS_AT_MOST = 60_000
# The interpreter calls itself for every nested node and every inlined call.
_STACK_BYTES = 256 * 2**20
_RECURSION_LIMIT = 12_000
_TRACEBACK_CHARACTERS = 4_000
_NODES_WORTH_COLLECTING = 100_000

Reached = tuple[tuple[str, tuple[int, ...]], ...]


def audit_sources(argument: dict[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    """The audit of one program under its run profiles.

    `argument` holds `entry` (a path), `paths` (of the blobs, UTF-8 texts) and `runs` (`RunProfile.as_json`,
    the claim first). The result holds `audits` (one for each run), `scans`, and `problems` as keyword
    arguments of `AuditProblem`.
    """
    sources = {
        path: blob.decode("utf-8", "replace") for path, blob in zip(argument["paths"], blobs, strict=True)
    }
    runs = [RunProfile.from_json(run) for run in argument["runs"]]
    return on_deep_stack(lambda: audit_all(argument["entry"], sources, runs))


def audit_all(
    entry: str,
    sources: Mapping[str, str],
    runs: Sequence[RunProfile],
    walk: Callable[..., ProfileAudit] = shared_audit,
    scan: Callable[..., dict[str, Any]] = scan_sources,
    follow: Callable[..., tuple[tuple[Event, ...], bool]] = follow_tokens,
) -> dict[str, Any]:
    """What `audit_sources` returns; the last three are the interpreter, the scans and the token pass."""
    program = Program(entry=entry, sources=sources)
    problems: list[dict[str, Any]] = []
    if program.is_larger_than(SYNTAX_NODES_AT_MOST):
        why = f"more than {SYNTAX_NODES_AT_MOST:,} syntax nodes: too large to be audited"
        problems.append({"kind": "limit", "message": why})
        return {
            "audits": [audit_json(_unresolved(run.name, entry, "budget", why)) for run in runs],
            "scans": {},
            "problems": problems,
        }
    left_nodes = NODES_AT_MOST
    audits: list[dict[str, Any]] = []
    followed: dict[Reached, tuple[tuple[Event, ...], bool]] = {}  # most profiles reach the same lines
    claim = claim_index(runs) if runs else 0
    for index, run in enumerate(runs):
        nodes = min(NODES, left_nodes)
        if index >= PROFILES_AT_MOST or nodes <= 0:
            why = f"{len(runs)} run profiles; {index} of them used up what an audit may take"
            audit = _unresolved(run.name, entry, "budget", why)
        else:
            audit = _walked(program, run, problems, walk, node_budget=nodes)
        # Rules read single tokens in the claimed run only, and following them costs more than the walk.
        if index == claim:
            followed[audit.reached] = _followed(program, audit, problems, follow)
        events, is_whole = followed.get(audit.reached, ((), False))
        audit = dataclasses.replace(audit, token_events=events, tokens_followed=is_whole)
        left_nodes -= audit.nodes
        audits.append(audit_json(_capped(audit, entry)))
        if audit.nodes > _NODES_WORTH_COLLECTING:
            gc.collect()  # looking through the syntax trees for cycles costs as much as a short walk
    return {"audits": audits, "scans": _scanned(program, scan, problems), "problems": problems}


def _walked(
    program: Program,
    run: RunProfile,
    problems: list[dict[str, Any]],
    walk: Callable[..., ProfileAudit],
    **budget: int,
) -> ProfileAudit:
    try:
        return walk(program, run, **budget)
    except MemoryError:
        return _unresolved(run.name, program.entry, "budget", "walking it takes too much memory")
    except RecursionError:
        return _unresolved(run.name, program.entry, "recursion", "nested deeper than the audit follows")
    except Exception as error:  # noqa: BLE001,RUF100 - our own bug must not cost the other profiles
        said = f"{type(error).__name__}: {error}"[:300]
        problems.append(
            {
                "kind": "auditor-error",
                "message": f"the static audit itself failed ({said})\n{_traceback()}",
                "profile": run.name,
            }
        )
        return _unresolved(run.name, program.entry, "auditor-error", said)


def _followed(
    program: Program,
    audit: ProfileAudit,
    problems: list[dict[str, Any]],
    follow: Callable[..., tuple[tuple[Event, ...], bool]],
) -> tuple[tuple[Event, ...], bool]:
    """The events of the token pass over the lines that the interpreter walked, and whether they are all."""
    if not audit.reached:
        return (), False  # nothing was walked: what the pass would see may be dead code
    reached = {file: frozenset(lines) for file, lines in audit.reached}
    try:
        events, finished = follow(program, reached)
    except (MemoryError, RecursionError) as error:
        problems.append({"kind": "limit", "message": f"following tokens ran out of {_resource(error)}"})
        return (), False
    except Exception as error:  # noqa: BLE001,RUF100 - our own bug must not cost the other events
        said = f"following tokens failed ({type(error).__name__}: {error})"[:300]
        problem = {"kind": "auditor-error", "message": f"{said}\n{_traceback()}", "profile": audit.profile}
        problems.append(problem)
        return (), False
    return events[:EVENTS_AT_MOST], finished and len(events) <= EVENTS_AT_MOST


def _scanned(
    program: Program, scan: Callable[..., dict[str, Any]], problems: list[dict[str, Any]]
) -> dict[str, Any]:
    try:
        facts = scan(program)
        for name, why in facts.get("not_scanned", {}).items():
            is_limit = why.startswith(("MemoryError", "RecursionError"))
            kind = "limit" if is_limit else "scan-error"
            problems.append({"kind": kind, "message": f"the scan {name} of the code failed ({why})"})
        return facts
    except (MemoryError, RecursionError) as error:
        problems.append({"kind": "limit", "message": f"the scans ran out of {_resource(error)}"})
    except Exception as error:  # noqa: BLE001,RUF100 - our own bug must not cost the audit
        said = f"the scans of the code failed ({type(error).__name__}: {error})"[:300]
        problems.append({"kind": "scan-error", "message": f"{said}\n{_traceback()}"})
    return {}


def _resource(error: BaseException) -> str:
    return "memory" if isinstance(error, MemoryError) else "depth"


def _traceback() -> str:
    return traceback.format_exc(limit=-12)[-_TRACEBACK_CHARACTERS:]


def _unresolved(profile: str, entry: str, reason: str, detail: str) -> ProfileAudit:
    event = Unresolved(id=1, at=Spot(file=entry, line=0), reason=reason, detail=detail, on_path=True)
    return ProfileAudit(profile=profile, events=(event,), finished=False)


def _capped(audit: ProfileAudit, entry: str) -> ProfileAudit:
    """The audit with as many events as we store; cut, it is unfinished and unresolved."""
    if len(audit.events) <= EVENTS_AT_MOST:
        return audit
    kept = audit.events[:EVENTS_AT_MOST]
    cut = Unresolved(
        id=max(event.id for event in kept) + 1,
        at=Spot(file=entry, line=0),
        reason="budget",
        detail=f"{len(audit.events):,} events; {EVENTS_AT_MOST:,} are kept",
        on_path=True,
    )
    return dataclasses.replace(audit, events=(*kept, cut), finished=False)


def on_deep_stack(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work` in a thread whose stack holds `_RECURSION_LIMIT` calls; raises what it raises."""
    result: list[dict[str, Any]] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            raised.append(error)

    before_size, before_limit = threading.stack_size(_STACK_BYTES), sys.getrecursionlimit()
    sys.setrecursionlimit(_RECURSION_LIMIT)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before_size)
        sys.setrecursionlimit(before_limit)
    if raised:
        raise raised[0]
    return result[0]
