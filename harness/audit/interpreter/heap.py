"""Objects of the script that change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ast

    from harness.audit.events import Spot
    from harness.audit.interpreter.values import Value

CONTENT = "<content>"  # slot of a tensor: what it holds
LEARNED = "<learned>"  # slot of whatever learns: the updates inside it
GRAD = "<grad>"  # slot of the root of a network: what the last backward passes read
SUMMARY = "<all>"  # slot of a container: any element not listed
PARTS_BY_NAME = "parts by name"  # which mappings were made as `ModuleDict()`
KEYS = "<keys>"  # slot of a mapping: any key not listed


class Obj:
    """A heap object. All that can change is in `slots`, and is written through `Heap.put` only."""

    __slots__ = ("id", "slots")

    def __init__(self, ident: int) -> None:
        self.id = ident
        self.slots: dict[Any, Value] = {}


class Scope(Obj):
    """Names of a module, function or class body; `outer` is where free names are looked up."""

    __slots__ = ("file", "globals_", "is_class", "names", "outer")

    def __init__(self, ident: int, file: str, outer: Scope | None, is_class: bool = False) -> None:
        super().__init__(ident)
        self.file = file
        self.outer = outer
        self.is_class = is_class
        self.globals_: set[str] = set()  # declared global
        self.names: set[str] = set()  # declared nonlocal


class Function(Obj):
    """A function or lambda of the script with the scope it closes over."""

    __slots__ = (
        "defaults",
        "is_generator",
        "is_manager",
        "is_property",
        "is_static",
        "name",
        "no_grad",
        "node",
        "owner",
        "scope",
        "setter",
        "with_grad",
    )

    def __init__(
        self, ident: int, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, name: str, scope: Scope
    ) -> None:
        super().__init__(ident)
        self.node = node
        self.name = name
        self.scope = scope
        self.defaults: dict[str, Value] = {}
        self.owner: Class | None = None
        self.is_generator = False
        self.is_manager = False  # a generator made a context manager: it yields once, to the with block
        self.is_property = False
        self.setter: Value | None = None  # of a property: what writing it calls
        self.is_static = ""  # "static" or "class"
        self.no_grad = False
        self.with_grad = False


class Bound(Obj):
    """A function with some arguments given: a method of an object, a partial."""

    __slots__ = ("args", "callee", "kwargs")

    def __init__(
        self, ident: int, callee: Value, args: tuple[Value, ...], kwargs: dict[str, Value] | None = None
    ) -> None:
        super().__init__(ident)
        self.callee = callee
        self.args = args
        self.kwargs = kwargs or {}


class Manager(Obj):
    """A call of a function with `@contextmanager`, walked when a with block enters it."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, ident: int, function: Function, args: list[Value], kwargs: dict[str, Value]) -> None:
        super().__init__(ident)
        self.function = function
        self.args = args
        self.kwargs = kwargs


class Generating(Obj):
    """A call of a generator function whose body is walked where its values are asked for."""

    __slots__ = ("args", "function", "kwargs", "node")

    def __init__(
        self, ident: int, function: Function, args: list[Value], kwargs: dict[str, Value], node: ast.AST
    ) -> None:
        super().__init__(ident)
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.node = node


class Method(Obj):
    """A method of the language or a library, not yet called: `receiver.name`."""

    __slots__ = ("name", "receiver")

    def __init__(self, ident: int, receiver: Value, name: str) -> None:
        super().__init__(ident)
        self.receiver = receiver
        self.name = name


class Extern(Obj):
    """Something imported from outside the folder, by its dotted name."""

    __slots__ = ("path",)

    def __init__(self, ident: int, path: str) -> None:
        super().__init__(ident)
        self.path = path


class Class(Obj):
    """A class of the script."""

    __slots__ = ("bases", "fields", "is_module", "is_optimizer", "metaclass", "name", "scope")

    def __init__(self, ident: int, name: str, bases: tuple[Value, ...], scope: Scope) -> None:
        super().__init__(ident)
        self.name = name
        self.bases = bases
        self.scope = scope
        self.fields: list[str] = []  # annotated fields of a dataclass, in order
        self.is_module = False
        self.is_optimizer = False
        self.metaclass: Class | None = None


class Instance(Obj):
    """An object of a class of the script, or of a library class known by name."""

    __slots__ = ("cls", "is_module", "library", "owner")

    def __init__(self, ident: int, cls: Class | None, library: str = "") -> None:
        super().__init__(ident)
        self.cls = cls
        self.library = library
        self.is_module = cls.is_module if cls is not None else False
        self.owner: Obj | None = None  # the network it is a part of


class Super(Obj):
    """`super()`: a base class with the object bound to its methods."""

    __slots__ = ("base", "receiver")

    def __init__(self, ident: int, base: Class, receiver: Value) -> None:
        super().__init__(ident)
        self.base = base
        self.receiver = receiver


class Sequence(Obj):
    """A list, tuple, set or iterator: elements 0..size-1, or a summary of all when `size` is None."""

    __slots__ = ("kind",)

    def __init__(self, ident: int, kind: str) -> None:
        super().__init__(ident)
        self.kind = kind

    @property
    def size(self) -> int | None:
        """How many elements are listed one by one; None when only a summary is known."""
        return None if SUMMARY in self.slots else len(self.slots)

    @property
    def elements(self) -> list[Value]:
        """The elements, or the one summary."""
        if SUMMARY in self.slots:
            return [self.slots[SUMMARY]]
        return [self.slots[key] for key in sorted(self.slots)]


class Range(Obj):
    """`range(start, stop, step)`."""

    __slots__ = ("start", "step", "stop")

    def __init__(self, ident: int, start: Value, stop: Value, step: Value) -> None:
        super().__init__(ident)
        self.start = start
        self.stop = stop
        self.step = step


class Zipped(Obj):
    """Several iterables walked side by side: zip, enumerate."""

    __slots__ = ("parts",)

    def __init__(self, ident: int, parts: tuple[Value, ...]) -> None:
        super().__init__(ident)
        self.parts = parts


class Slice(Obj):
    """`start:stop:step` inside a subscript."""

    __slots__ = ("start", "step", "stop")

    def __init__(self, ident: int, start: Value | None, stop: Value | None, step: Value | None) -> None:
        super().__init__(ident)
        self.start = start
        self.stop = stop
        self.step = step


class Mapping(Obj):
    """A dictionary: known keys in slots, the rest under SUMMARY and KEYS."""

    __slots__ = ("default",)

    def __init__(self, ident: int, default: Value | None = None) -> None:
        super().__init__(ident)
        self.default = default


class Tensor(Obj):
    """A tensor or array that is changed in place; with `is_state` something that learns."""

    __slots__ = ("is_parameter", "is_state", "made", "owner")

    def __init__(self, ident: int, made: Spot | None = None) -> None:
        super().__init__(ident)
        self.is_state = False
        self.is_parameter = False
        self.made = made
        self.owner: Obj | None = None


class View(Obj):
    """A part of a tensor: writing it in place writes the tensor."""

    __slots__ = ("base",)

    def __init__(self, ident: int, base: Obj) -> None:
        super().__init__(ident)
        self.base = base


class Parameters(Obj):
    """Any parameter of a network, as `parameters()` hands them out."""

    __slots__ = ("network",)

    def __init__(self, ident: int, network: Obj) -> None:
        super().__init__(ident)
        self.network = network


class Text(Obj):
    """A string with unknown parts: `template` has {} for each."""

    __slots__ = ("at", "fields", "template")

    def __init__(self, ident: int, template: str, fields: tuple[Value, ...], at: Spot) -> None:
        super().__init__(ident)
        self.template = template
        self.fields = fields
        self.at = at


class Stored(Obj):
    """An open file or buffer; what it holds is in CONTENT, of files under their path on the disk."""

    __slots__ = ("mode", "path")

    def __init__(self, ident: int, path: str, mode: str) -> None:
        super().__init__(ident)
        self.path = path
        self.mode = mode


class Alternatives(Obj):
    """One of several objects; which is not known."""

    __slots__ = ("options",)

    def __init__(self, ident: int, options: tuple[Value, ...]) -> None:
        super().__init__(ident)
        self.options = options


CONTAINERS: Final = (Sequence, Mapping)
TENSORS: Final = (Tensor, View)
FUNCTIONS: Final = (Function, Bound)
