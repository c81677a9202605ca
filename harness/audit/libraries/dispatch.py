"""The registry as the interpreter sees it: asks the handlers, then falls back to provenance alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.audit.interpreter.choosing import picked
from harness.audit.interpreter.heap import (
    PARTS_BY_NAME,
    Extern,
    Instance,
    Mapping,
    Sequence,
)
from harness.audit.interpreter.values import (
    ANYTHING,
    FALSE,
    TRUE,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries import (
    builtin_functions,
    byte_arrays,
    callbacks,
    containers,
    counted_cells,
    environment,
    files,
    iterators,
    known_libraries,
    learning,
    loss_shifts,
    losses,
    mlx_learning,
    narrowing,
    object_functions,
    optimizers,
    outside_code,
    printing,
    random_draws,
    saved_state,
    tensor_positions,
    text_methods,
    threads_and_queues,
    token_files,
    torch_modules,
    torch_tensors,
    weight_writes,
    whole_stream,
)
from harness.audit.libraries.registry import HANDLERS, handlers_of

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

# Importing these registers what they know.
REGISTERED = (
    builtin_functions,
    byte_arrays,
    callbacks,
    containers,
    counted_cells,
    environment,
    files,
    iterators,
    learning,
    loss_shifts,
    losses,
    mlx_learning,
    narrowing,
    object_functions,
    optimizers,
    outside_code,
    printing,
    random_draws,
    saved_state,
    tensor_positions,
    text_methods,
    threads_and_queues,
    token_files,
    torch_modules,
    torch_tensors,
    weight_writes,
    whole_stream,
)
_CONSTANTS: dict[str, Any] = {
    "math.pi": math.pi,
    "math.e": math.e,
    "math.inf": math.inf,
    "torch.inf": math.inf,
    "numpy.inf": math.inf,
    "numpy.pi": math.pi,
    "os.sep": "/",
}


class Registry:
    """What the interpreter asks of the libraries."""

    is_foreign = staticmethod(known_libraries.is_foreign)
    run_hooks = staticmethod(callbacks.run_hooks)
    is_parameter = staticmethod(learning.is_parameter)
    write_in_place = staticmethod(weight_writes.write_in_place)
    write_tensor_attribute = staticmethod(weight_writes.write_tensor_attribute)
    accumulated = staticmethod(losses.accumulated)
    formatted = staticmethod(text_methods.percent)
    new_optimizer = staticmethod(optimizers.new_optimizer)
    library_forward = staticmethod(torch_modules.library_forward)
    field_default = staticmethod(containers.field_default)
    subclass_made = staticmethod(torch_modules.subclass_made)

    def call(
        self, machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
    ) -> Value:
        """A call of a library function."""
        if "key" in kwargs:
            callbacks.offered(machine, args[:1], {"key": kwargs["key"]}, node)
        if "file" in kwargs:
            callbacks.offered(machine, [], {"file": kwargs["file"]}, node)
        for handler in handlers_of(path):
            result = handler(machine, path, args, kwargs, node)
            if result is not None:
                return result
        outside = outside_code.called(machine, path, args, kwargs, node)
        if outside is not None:
            return outside
        made = callbacks.offered(machine, args, kwargs, node)
        return machine.new(
            computed_from(machine.deep_source(one) for one in (*args, *kwargs.values(), *made))
        )

    def method(
        self,
        machine: Machine,
        receiver: Value,
        name: str,
        args: list[Value],
        kwargs: dict[str, Value],
        node: ast.AST,
    ) -> Value:
        """A method of a value that is not of a class of the script."""
        if isinstance(receiver.ref, Extern):
            return self.call(machine, f"{receiver.ref.path}.{name}", args, kwargs, node)
        if "key" in kwargs:
            callbacks.offered(machine, [receiver], {"key": kwargs["key"]}, node)
        for handler in (*HANDLERS.methods.get(name, ()), *HANDLERS.methods.get("*", ())):
            result: Value | None = handler(machine, receiver, name, args, kwargs, node)
            if result is not None:
                return result
        callbacks.method_offered(machine, receiver, name, args, kwargs, node)
        if isinstance(receiver.ref, Instance) and receiver.ref.is_module:
            return machine.new(computed_from(machine.deep_source(one) for one in (*args, *kwargs.values())))
        sources = [machine.deep_source(one) for one in (*args, *kwargs.values())]
        return machine.new(computed_from([machine.deep_source(receiver), *sources]))

    def attribute(self, machine: Machine, value: Value, name: str, node: ast.AST) -> Value | None:
        """An attribute; None makes it a method to be called."""
        for handler in HANDLERS.attributes.get(name, ()):
            found = handler(machine, value, name, node)
            if found is not None:
                return found
        return None

    def gives_meaning(self, path: str) -> bool:
        """Whether this very library function means more than a layer or a computation."""
        return bool(HANDLERS.calls.get(path) or HANDLERS.calls.get(f"*.{path.rpartition('.')[2]}"))

    def extern_attribute(self, machine: Machine, ref: Extern, name: str) -> Value:
        """A member of a library."""
        if name in ref.slots:
            return ref.slots[name]
        path = f"{ref.path}.{name}"
        if path in _CONSTANTS:
            return Value(_CONSTANTS[path])
        return machine.extern(path)

    def subscript(self, machine: Machine, owner: Value, key: Value, node: ast.AST) -> Value | None:
        """An element of a library object."""
        for handler in HANDLERS.subscripts:
            found = handler(machine, owner, key, node)
            if found is not None:
                return found
        return None

    def subscripted(self, machine: Machine, owner: Value, key: Value, result: Value, node: ast.AST) -> Value:
        """An indexed array after all observers."""
        for handler in HANDLERS.subscripted:
            result = handler(machine, owner, key, result, node)
        return result

    def taken(self, machine: Machine, found: Value) -> Value:
        """An element of a list or dictionary after all observers."""
        if not found.source.labels:
            return found
        for handler in HANDLERS.taken:
            found = handler(machine, found)
        return found

    def store_element(
        self, machine: Machine, owner: Value, key: Value, value: Value, node: ast.AST, is_update: bool
    ) -> bool:
        """Whether a library wrote the element."""
        return any(handler(machine, owner, key, value, node, is_update) for handler in HANDLERS.stores)

    def augmented_element(
        self, machine: Machine, owner: Value, key: Value, now: Value, operand: Value, node: ast.AugAssign
    ) -> bool:
        """Whether a library did `owner[key] += operand`."""
        return any(handler(machine, owner, key, now, operand, node) for handler in HANDLERS.augmented)

    def computed(
        self, machine: Machine, op: object, left: Value, right: Value, result: Value, node: ast.AST
    ) -> Value:
        """The result of arithmetic after all observers."""
        result = weight_writes.functional_update(machine, left, right, result, node)
        for handler in HANDLERS.computed:
            result = handler(machine, op, left, right, result, node)
        return result

    def compared(
        self, machine: Machine, op: object, left: Value, right: Value, result: Value, node: ast.AST
    ) -> Value:
        """The result of a comparison after all observers."""
        for handler in HANDLERS.compared:
            result = handler(machine, op, left, right, result, node)
        return result

    def forwarded(
        self,
        machine: Machine,
        receiver: Value,
        ref: Instance,
        args: list[Value],
        result: Value,
        node: ast.AST,
    ) -> None:
        """A network ran."""
        for handler in HANDLERS.forwarded:
            handler(machine, receiver, ref, args, result, node)

    def iterated(
        self, machine: Machine, value: Value, index: dict[int, tuple[int | None, int | None]]
    ) -> Value | None:
        """An element of a library object."""
        for handler in HANDLERS.iterated:
            found = handler(machine, value, index)
            if found is not None:
                return found
        return None

    def through(self, machine: Machine, value: Value, source: Source) -> Value:
        """An attribute of an object that was chosen by loops."""
        return picked(machine, value, source, {})

    def new_mapping(self, machine: Machine, default: Value | None = None) -> Value:
        """A new dictionary."""
        return Value(ref=Mapping(machine.heap.new_id(), default))

    def contains(self, machine: Machine, container: Value, item: Value, node: ast.AST) -> Value:
        """`item in container`."""
        ref = container.ref
        known = environment.contains(machine, container, item)
        if known is not None:
            return known
        if isinstance(container.const, str | tuple | bytes) and item.const is not UNKNOWN:
            try:
                return TRUE if item.const in container.const else FALSE
            except TypeError:
                return ANYTHING
        if isinstance(ref, Sequence) and ref.size is not None:
            consts = [one.const for one in (item, *ref.elements)]
            if all(const is not UNKNOWN for const in consts):
                return TRUE if item.const in consts[1:] else FALSE
        if isinstance(ref, Mapping) and item.const is not UNKNOWN:
            if ("key", item.const) in ref.slots:
                return TRUE
            if "<all>" not in ref.slots and not machine.loops:
                return FALSE
        if isinstance(ref, Mapping) and not ref.slots and ref.id in machine.facts.get(PARTS_BY_NAME, ()):
            return FALSE
        return Value(source=computed_from((machine.deep_source(container), machine.deep_source(item))))
