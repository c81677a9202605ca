"""Numbers in a source that a tiny run never comes to: `if val.numel() > 1_000_000`, `if calls > 5_000`.

What a script does beyond them is not seen, so no run clears it. Followed are comparisons of a whole number
with a number that is written down: of one that is a size of the data, at any time, and of one that only grows
in equal steps while validation tokens are scored. A branch that only prints does not count.
"""

from __future__ import annotations

import ast
import builtins
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult)
_LARGEST_POWER = 64
_MOST_LOOKS = 20_000  # at one place; a counter has shown itself by then
_TELLING = ("print", "log", "write_line", "flush")


@dataclass(slots=True)
class _Place:
    """A comparison. `highest` is the largest number that stood there, None before any."""

    name: str
    limit: float
    looks: int = 0
    highest: int | None = None
    step: int = 0
    is_counter: bool = False
    has_fallen: bool = False
    is_size: bool = False


class Thresholds:
    """The comparisons of one run. `sizes` are those of the data; `is_scoring` says when scores are made."""

    def __init__(self, sizes: frozenset[int], is_scoring: Callable[[], bool]) -> None:
        self._sizes = sizes
        self._is_scoring = is_scoring
        self._places: list[_Place] = []
        self._hook = f"_{secrets.token_hex(6)}c"

    def start(self) -> Callable[[], None]:
        """Make the hook reachable for every module; the answer ends it."""
        setattr(builtins, self._hook, self._compared)

        def end() -> None:
            if hasattr(builtins, self._hook):
                delattr(builtins, self._hook)

        return end

    def hooked(self, tree: ast.Module, filename: str) -> ast.Module:
        """`tree` with a hook around each number that is compared with a written one."""
        file = filename.rsplit("/", 1)[-1]
        result: ast.Module = _Hooks(self._hook, file, self._places, _constants(tree)).visit(tree)
        return ast.fix_missing_locations(result)

    def unseen(self) -> Iterator[str]:
        """`calls > 5000 at train_gpt.py:61 (at most 32 here)`, for each limit that was not come to."""
        for place in self._places:
            highest = place.highest
            if highest is None or highest >= place.limit:
                continue
            if place.is_size or (place.is_counter and not place.has_fallen):
                yield f"{place.name} (at most {highest:,} here)"

    def _compared(self, index: int, value: Any) -> Any:
        if type(value) is int:
            place = self._places[index]
            if place.looks < _MOST_LOOKS:
                place.looks += 1
                if value in self._sizes:
                    place.is_size = True
                if place.is_size or self._is_scoring():
                    self._look(place, value)
        return value

    @staticmethod
    def _look(place: _Place, value: int) -> None:
        before = place.highest
        if before is None:
            place.highest = value
        elif value > before:
            # Three numbers at equal distances are counted; three sizes of anything seldom are.
            place.is_counter = place.is_counter or value - before == place.step
            place.step, place.highest = value - before, value
        elif value < before:
            place.has_fallen = True


class _Hooks(ast.NodeTransformer):
    def __init__(
        self, hook: str, filename: str, places: list[_Place], constants: Mapping[str, float]
    ) -> None:
        self._hook = hook
        self._filename = filename
        self._places = places
        self._constants = constants

    def visit_If(self, node: ast.If) -> ast.AST:
        if all(map(_only_tells, (*node.body, *node.orelse))):
            return node
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if not all(isinstance(op, _ORDERED) for op in node.ops):
            return node
        name = f"{ast.unparse(node)[:60]} at {self._filename}:{node.lineno}"
        operands = [node.left, *node.comparators]
        limits = [_written(each, self._constants) for each in operands]
        for at, limit in enumerate(limits):
            if limit is None:
                for beside in (*limits[max(at - 1, 0) : at], *limits[at + 1 : at + 2]):
                    if beside is not None:
                        operands[at] = self._around(operands[at], name, beside)
        node.left, node.comparators = operands[0], operands[1:]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if any("jit" in ast.unparse(each) or "autotune" in ast.unparse(each) for each in node.decorator_list):
            return node  # kernels are compiled from their text
        return self.generic_visit(node)

    def _around(self, value: ast.expr, name: str, limit: float) -> ast.expr:
        self._places.append(_Place(name=name, limit=limit))
        hook = ast.Name(self._hook, ast.Load())
        call = ast.Call(hook, [ast.Constant(len(self._places) - 1), value], [])
        return ast.copy_location(call, value)


def _constants(tree: ast.Module) -> dict[str, float]:
    """Names that are set once, at the top of the module, to a number that is written down."""
    times = Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    found: dict[str, float] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], _written(statement.value, found)
            if isinstance(target, ast.Name) and times[target.id] == 1 and value is not None:
                found[target.id] = value
    return found


def _written(node: ast.expr, constants: Mapping[str, float]) -> float | None:
    """The value of a written number, of a calculation with such, or of a constant of the module."""
    if isinstance(node, ast.Constant):
        value = node.value
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"int", "float"}:
        return _written(node.args[0], constants) if len(node.args) == 1 else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _written(node.left, constants), _written(node.right, constants)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Pow):
        return left**right if 0 <= right <= _LARGEST_POWER and 0 <= left <= _LARGEST_POWER else None
    if isinstance(node.op, ast.LShift):
        shifts = isinstance(left, int) and isinstance(right, int) and 0 <= right <= _LARGEST_POWER
        return int(left) << int(right) if shifts else None
    if not isinstance(node.op, _ARITHMETIC):
        return None
    if isinstance(node.op, ast.Mult):
        return left * right
    return left + right if isinstance(node.op, ast.Add) else left - right


def _only_tells(statement: ast.stmt) -> bool:
    """Whether it only prints or logs."""
    if isinstance(statement, ast.If):
        return all(map(_only_tells, (*statement.body, *statement.orelse)))
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return isinstance(statement, ast.Pass)
    func = statement.value.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    return any(word in name.lower() for word in _TELLING)
