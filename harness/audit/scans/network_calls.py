"""Calls that fetch something from a network, and the commands a script starts that do.

A call counts when the entry script can reach its function. `guarded` says that it stands under a test whether
a file exists (or in the handler of a failed read): it runs only where something is missing. `order` says
whether it comes before or after the training loop, where that is known.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from harness.audit.scans.call_order import CallOrder, call_order
from harness.audit.scans.scanned_program import (
    FACTS_AT_MOST,
    ProgramIndex,
    constant_text,
    full_name,
)
from harness.audit.scans.scope_nodes import FunctionNode, Scope, called_name

_FETCHES = re.compile(
    r"(urllib\.request\.(urlopen|urlretrieve)|urllib\.urlopen|requests\.(get|post|put|head|request|Session)"
    r"|httpx\.\w+|aiohttp\.ClientSession|http\.client\.HTTPS?Connection|socket\.(create_connection|socket)"
    r"|ftplib\.FTP|huggingface_hub\.(\w+\.)?(snapshot_download|hf_hub_download|hf_hub_url|login|upload_file"
    r"|upload_folder|HfApi|create_repo)|datasets\.load_dataset|transformers\.\w+\.from_pretrained"
    r"|torch\.hub\.(load|load_state_dict_from_url|download_url_to_file)|wandb\.(init|login|log)|gdown\.download"
    r"|boto3\.(client|resource)|tiktoken\.(get_encoding|encoding_for_model)|nltk\.download)"
)
_STARTS = re.compile(
    r"(subprocess\.(run|call|check_call|check_output|Popen|getoutput)|os\.(system|popen|exec\w+))"
)
_COMMAND = re.compile(
    r"(?<![\w./-])(wget|curl|git\s+clone|git\s+pull|git\s+fetch|huggingface-cli|hf\s+download|aria2c|rsync|scp|ssh"
    r"|gsutil|aws\s+s3|pip3?\s+install|apt(-get)?\s+install|conda\s+install|uv\s+pip)(?![\w-])"
)
_EXISTS = frozenset({"exists", "is_file", "isfile", "is_dir", "isdir", "find_spec", "glob", "access"})
_REPORTING = ("wandb.",)


def scan_network_calls(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` fetch, command or report, each with the `call`, whether `guarded`, and its `order`."""
    facts: list[dict[str, Any]] = []
    order: CallOrder | None = None
    for path, scope in index.reached:
        aliases = index.aliases(path)
        guards: set[int] | None = None
        for node in index.own.of(scope, ast.Call, is_main=path == index.entry):
            if len(facts) >= FACTS_AT_MOST:
                return facts
            found = _network(node, aliases)
            if found is None:
                continue
            order = order or call_order(index)
            guards = _guarded_calls(scope, index) if guards is None else guards
            kind, call = found
            facts.append(
                {
                    "file": path,
                    "line": node.lineno,
                    "kind": kind,
                    "call": call[:120],
                    "guarded": id(node) in guards,
                    "order": order.place_of(node),
                }
            )
    return facts


def _network(node: ast.Call, aliases: dict[str, str]) -> tuple[str, str] | None:
    name = full_name(node.func, aliases)
    if name.partition(".")[0] == "self":
        return None
    if _FETCHES.fullmatch(name):
        return ("report" if name.startswith(_REPORTING) else "fetch"), name
    if _STARTS.fullmatch(name):
        words = re.sub(r"\s+", " ", constant_text(node, 4_000).replace(" -m ", " "))
        command = _COMMAND.search(words)
        if command is not None:
            return "command", command.group(0)
    return None


def _guarded_calls(scope: Scope, index: ProgramIndex) -> set[int]:
    """Calls in a branch that a test for a file decides, or in the handler of an error."""
    found: set[int] = set()
    after_exit = False
    for node in index.own.of(scope, ast.If, ast.ExceptHandler):
        branches: list[ast.AST] = []
        if isinstance(node, ast.ExceptHandler):
            branches = list(node.body)
        elif _tests_existence(node.test, index):
            branches = [*node.body, *node.orelse]
            after_exit = after_exit or _leaves(node.body)
        for branch in branches:
            found.update(id(one) for one in index.order.below(branch) if isinstance(one, ast.Call))
    if after_exit and isinstance(scope, FunctionNode):  # "if it is there: return", then the download
        found.update(id(one) for one in index.own.of(scope, ast.Call))
    return found


def _leaves(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Return | ast.Continue)


def _tests_existence(test: ast.expr, index: ProgramIndex) -> bool:
    return any(isinstance(one, ast.Call) and called_name(one) in _EXISTS for one in index.order.below(test))
