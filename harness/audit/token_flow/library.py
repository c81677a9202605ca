"""What functions and methods of torch, numpy and the standard library do with tokens, by their name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow import indexing, mixing
from harness.audit.token_flow.flow import (
    BITS,
    COUNTS,
    DISTRIBUTION,
    ENTROPY,
    LENGTH,
    LOG_TWO,
    NOTHING,
    PER_TOKEN,
    PLOGP,
    RANGE,
    SEARCHED,
    SELECTION,
    SPREAD,
    SUM,
    Bound,
    Cell,
    ClassOf,
    Flow,
    Function,
    Instance,
    Token,
    joined,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker

    Known = Callable[[Walker, list[Flow], dict[str, Flow]], Flow]


def method(walker: Walker, receiver: Flow, name: str, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """`receiver.name(...)` of something that is no object of the script."""
    if name in _ON_CONTAINERS:
        return _ON_CONTAINERS[name](walker, receiver, args)
    return _by_name(walker, name, [receiver, *args], kwargs)


def function(walker: Walker, path: str, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """`module.name(...)`."""
    parts = path.split(".")
    name = parts[-1]
    if name == "at" and len(parts) > 1 and len(args) >= 2:
        indexing.update(walker, args[0], args[1], f"{parts[-2]}.at")
        return NOTHING
    return _by_name(walker, name, args, kwargs)


def unknown(walker: Walker, callee: Flow, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """A call of something we do not know: a network, a compiled function."""
    given = mixed_of([callee, *args, *kwargs.values()])
    return Flow(number=walker.symbols.fresh(), loops=given.loops, scores=given.scores, lookups=frozenset())


def _by_name(walker: Walker, name: str, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    known = _KNOWN.get(name)
    if known is not None:
        return known(walker, args, kwargs)
    given = [*args, *kwargs.values()]
    if name in _READS:
        return Flow(number=walker.symbols.fresh())
    if name in _SAME and args:
        return replace(args[0], text=None)
    if name in _ELEMENTWISE and args:
        return _elementwise(walker, name, args)
    if name in _SUMS and args:
        return _sum(walker, args, kwargs)
    if name in _NEW_ARRAYS:
        dims = _dimensions(name, args)
        return Flow(objects=(walker.new_cell(dims=max(dims, 1)),), number=walker.symbols.fresh())
    first = args[0] if args else NOTHING
    callables = tuple(
        each for each in first.objects if isinstance(each, Function | Instance | Bound | ClassOf)
    )
    if name in _WRAPPERS and callables:
        return first
    result = mixed_of(given)
    numbers = [each.number for each in given]
    number = (
        walker.symbols.of("call", name, *numbers) if None not in numbers and given else walker.symbols.fresh()
    )
    return replace(result, number=number, objects=(), kinds=frozenset({SUM} & _kinds(given)))


def _dimensions(name: str, args: list[Flow]) -> int:
    if args and args[0].items is not None:
        return len(args[0].items)
    return 1 if name.startswith("full") or name.endswith("_like") else sum(a.number is not None for a in args)


def _kinds(flows: list[Flow]) -> frozenset[str]:
    return frozenset().union(*(flow.kinds for flow in flows))


def _elementwise(walker: Walker, name: str, args: list[Flow]) -> Flow:
    value = args[0]
    if name == "log" and value.number == Linear((), 2) and len(args) == 1:
        return Flow(kinds=frozenset({LOG_TWO}))
    number = walker.symbols.of("call", name, value.number) if value.number is not None else None
    kinds = value.kinds - {ENTROPY, SELECTION, PLOGP}
    if name == "log2":
        kinds |= {BITS}
    tables = tuple(each for each in value.objects if isinstance(each, Cell) and each.site in walker.counted)
    result = indexing.whole(walker, value)
    return replace(result, number=number, text=None, items=None, objects=tables, kinds=frozenset(kinds))


def _sum(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    value = args[0]
    held = indexing.content(walker, value)
    whole = mixed_of((value, held))
    kinds = (value.kinds | held.kinds) - {SELECTION}
    tables = tuple(each for each in value.objects if isinstance(each, Cell) and each.site in walker.counted)
    if PLOGP in kinds:
        return replace(whole, kinds=frozenset({ENTROPY}), number=None)
    if DISTRIBUTION in kinds:
        return replace(whole, kinds=kinds - {DISTRIBUTION}, number=None)
    if len(args) > 1 or "dim" in kwargs or "axis" in kwargs:
        whole = replace(whole, about=frozenset(), keys=frozenset()) if whole.scores else whole
        return replace(whole, kinds=kinds | ({SUM} if whole.scores else set()), number=None, objects=tables)
    gone = replace(whole, tokens=frozenset(), about=frozenset(), keys=frozenset())
    return replace(
        gone if whole.scores or whole.tokens else whole,
        kinds=kinds | ({SUM} if whole.scores else set()),
        number=walker.symbols.of("sum", value.number) if value.number is not None else None,
    )


def _cross_entropy(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    logits = args[0] if args else kwargs.get("input", NOTHING)
    target = args[1] if len(args) > 1 else kwargs.get("target", NOTHING)
    reduction = kwargs.get("reduction")
    is_sum = reduction is None or reduction.text != "none"
    return mixing.scored(walker, target, logits, is_sum=is_sum)


def _softmax(_walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    value = args[0] if args else NOTHING
    return replace(
        value,
        number=None,
        tokens=frozenset(),
        kinds=frozenset({DISTRIBUTION}) | (value.kinds & {SUM}),
        objects=(),
        items=None,
    )


def _gather(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    source = args[0]
    index = indexing.whole(walker, kwargs.get("index", args[-1]))
    if not index.tokens:
        return replace(
            mixed_of((source, replace(index, tokens=frozenset()))), kinds=source.kinds - {DISTRIBUTION}
        )
    return indexing.lookup(walker, source, index, (index,))


def _where(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    if len(args) < 3:
        seen = mixed_of(args)
        return replace(seen, number=ZERO, tokens=frozenset(), kinds=frozenset({SELECTION}))
    return mixing.either(walker, *(indexing.whole(walker, each) for each in args[:3]))


def _selection(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    return _where(walker, args[:1], kwargs)


def _stack(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    parts = _parts(walker, args[0]) if args else []
    whole = joined(parts)
    experts = [part for part in parts if part.scores or part.lookups or ENTROPY in part.kinds]
    has_score = any(part.scores and SUM not in part.kinds for part in experts)
    if has_score and len(experts) > 1:
        entropy = any(ENTROPY in part.kinds for part in experts)
        looked = frozenset().union(*(part.lookups for part in experts))
        if entropy or any(looked - part.lookups for part in experts):
            return mixing.mixed(walker, parts, [], entropy=entropy)
    return replace(whole, number=whole.number, items=None)


def _parts(walker: Walker, value: Flow) -> list[Flow]:
    if value.items is not None:
        return [indexing.whole(walker, each) for each in value.items]
    return [
        indexing.whole(walker, part)
        for cell in value.objects
        if isinstance(cell, Cell)
        for part in cell.parts.values()
    ]


def _concatenate(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    parts = _parts(walker, args[0]) if args else []
    whole = joined(parts)
    return replace(
        whole, number=whole.number if whole.number is not None else walker.symbols.fresh(), items=None
    )


def _log_add(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    if len(args) < 2:
        return joined(args)
    import ast

    both = mixing.joined_terms(walker, ast.Pass(), args[0], args[1])
    return both if both is not None else mixed_of(args[:2])


def _extreme(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    values = [indexing.whole(walker, each) for each in args if each.text is None]
    if len(values) >= 2 and "dim" not in kwargs:
        return mixing.lower(walker, values)
    value = args[0] if args else NOTHING
    held = indexing.content(walker, value)
    number = walker.symbols.of("extreme", value.number) if value.number is not None else None
    return replace(mixed_of((value, held)), number=number, kinds=value.kinds - {DISTRIBUTION, SELECTION})


def _arange(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    start = args[0].number if len(args) > 1 else ZERO
    labels = mixed_of(args)
    return replace(labels, number=start if start is not None else walker.symbols.fresh(), kinds=frozenset())


def _range(_walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    zero, one = Flow(number=ZERO), Flow(number=Linear((), 1))
    start = args[0] if len(args) > 1 else zero
    stop = args[1] if len(args) > 1 else (args[0] if args else zero)
    step = args[2] if len(args) > 2 else one
    return Flow(items=(start, stop, step), kinds=frozenset({RANGE}))


def _zip(_walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    return Flow(items=tuple(args), kinds=frozenset({"zip"}))


def _enumerate(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    if not args:
        return NOTHING
    inner = args[0]
    number = walker.symbols.of("length", inner.number, *(id(each) for each in inner.objects))
    counter = Flow(
        items=(Flow(number=ZERO), Flow(number=number), Flow(number=Linear((), 1))), kinds=frozenset({RANGE})
    )
    return Flow(items=(counter, inner), kinds=frozenset({"zip"}))


def _length(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    value = args[0] if args else NOTHING
    key = (value.number, *(each.id if isinstance(each, Cell) else id(each) for each in value.objects))
    kinds = frozenset({LENGTH} if PER_TOKEN in value.kinds else ())
    result = replace(mixed_of((value,)), number=walker.symbols.of("length", *key), kinds=kinds)
    return replace(result, about=frozenset(), scores=frozenset(), tokens=frozenset())


def _window(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    """A slice made one value: a key of its last token."""
    if not args:
        return Flow(objects=(walker.new_cell(),))
    value = indexing.whole(walker, args[0])
    one = Linear((), 1)
    tokens = frozenset(
        Token(token.root, last)
        if token.last is not None and (last := token.last.plus(one, -1)) is not None
        else token
        for token in value.tokens
    )
    return replace(value, tokens=tokens, objects=())


def _mapping(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    cell = walker.new_cell(is_mapping=True)
    if (args and any(isinstance(each, Function | ClassOf) or each for each in args[0].objects)) or (
        args and args[0].text is not None and args[0].text.startswith("module:")
    ):
        cell.factory = args[0]
    if args and args[0].tokens:  # Counter(tokens)
        indexing.update(walker, Flow(objects=(cell,)), args[0], "Counter")
    return Flow(objects=(cell,))


def _list(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    return replace(args[0], text=None) if args else Flow(objects=(walker.new_cell(),))


def _bincount(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    return replace(mixed_of(args), number=walker.symbols.fresh(), kinds=frozenset({COUNTS}))


def _search(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    """Where sorted keys have a key. What lies there counts for another key when the key itself is missing."""
    values = [indexing.whole(walker, each) for each in args[:2]]
    for value in values:
        if value.tokens and SELECTION not in value.kinds:
            walker.recorder.searched(walker.here, value.tokens)
    return replace(mixed_of(values), number=walker.symbols.fresh(), kinds=frozenset({SEARCHED}))


def _scatter_add(walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    index = indexing.whole(walker, kwargs.get("index", args[2] if len(args) > 2 else NOTHING))
    if args and index.tokens:
        indexing.update(walker, args[0], index, "scatter_add_")
    elif args and any(isinstance(each, Cell) for each in args[0].objects):
        walker.recorder.unclear(walker.here, "under which tokens the table counts", frozenset())
    return args[0] if args else NOTHING


def _copy(walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    value = args[0] if args else NOTHING
    cells = [each for each in value.objects if isinstance(each, Cell)]
    if not cells or any(cell.site in walker.counted for cell in cells):
        return value
    made = walker.new_cell(is_mapping=cells[0].is_mapping, dims=cells[0].dims)
    for cell in cells:
        made.parts.update(cell.parts)
    return replace(value, objects=(made,))


def _repeat(_walker: Walker, args: list[Flow], _kwargs: dict[str, Flow]) -> Flow:
    return replace(args[0], text=None) if args else NOTHING


def _partial(_walker: Walker, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    made = [
        Function(f.node, f.scope, f.file, ((*f.bound[0], *args[1:]), {**f.bound[1], **kwargs}))
        for f in (args[0].objects if args else ())
        if isinstance(f, Function)
    ]
    return Flow(objects=tuple(made)) if made else (args[0] if args else NOTHING)


def _get(walker: Walker, receiver: Flow, args: list[Flow]) -> Flow:
    key = indexing.whole(walker, args[0]) if args else NOTHING
    if any(isinstance(each, Cell) for each in receiver.objects):
        if key.tokens:
            found = indexing.lookup(walker, receiver, key, (key,))
            if len(args) > 1 and args[1].objects:
                indexing.update(walker, receiver, key, "setdefault")
                found = replace(found, objects=(*found.objects, *args[1].objects))
            return found
        return mixed_of((indexing.content(walker, receiver), replace(receiver, objects=())))
    return replace(mixed_of((receiver, *args)), number=walker.symbols.fresh())


def _add_in_place(walker: Walker, receiver: Flow, args: list[Flow]) -> Flow:
    result = _by_name(walker, "add", [receiver, *args], {})
    if args and args[0].scores:
        bare = replace(result, tokens=frozenset(), about=frozenset(), keys=frozenset())
        indexing.keep_sum(walker, receiver, bare.with_kinds(SUM))
    return result


def _append(walker: Walker, receiver: Flow, args: list[Flow]) -> Flow:
    for cell in receiver.objects:
        if isinstance(cell, Cell) and args:
            walker.put(cell, walker.here, args[-1])
            cell.is_list = True
    return NOTHING


def _extend(walker: Walker, receiver: Flow, args: list[Flow]) -> Flow:
    return _append(walker, receiver, [indexing.element(walker, args[0], 0)] if args else [])


def _values(walker: Walker, receiver: Flow, _args: list[Flow]) -> Flow:
    if receiver.lookups:
        walker.recorder.read_whole |= {each.id for each in receiver.objects if isinstance(each, Cell)}
    return replace(receiver, number=None)


def _items(walker: Walker, receiver: Flow, _args: list[Flow]) -> Flow:
    held = indexing.content(walker, receiver)
    if receiver.lookups:
        walker.recorder.read_whole |= {each.id for each in receiver.objects if isinstance(each, Cell)}
    value = replace(held, lookups=held.lookups | receiver.lookups, keys=held.keys | receiver.keys)
    pair = Flow(items=(Flow(number=walker.symbols.fresh()), value))
    cell = walker.new_cell()
    cell.parts["pair"] = pair
    cell.is_list = True
    return Flow(objects=(cell,))


def _join(walker: Walker, receiver: Flow, args: list[Flow]) -> Flow:
    if not args:
        return receiver
    inner = args[0]
    held = indexing.content(walker, inner)
    whole = mixed_of((replace(inner, objects=()), held))
    # Bytes of tokens one after the other: positions in them are their own.
    root = walker.symbols.of("bytes", *sorted(token.root for token in whole.tokens))
    if whole.tokens and root.symbol is not None:
        whole = replace(whole, tokens=frozenset({Token(root.symbol, ZERO)}))
    return whole


_ON_CONTAINERS = {
    "add_": _add_in_place,
    "get": _get,
    "setdefault": _get,
    "append": _append,
    "appendleft": _append,
    "add": _append,
    "extend": _extend,
    "values": _values,
    "items": _items,
    "join": _join,
}

_KNOWN: dict[str, Known] = {
    "cross_entropy": _cross_entropy,
    "nll_loss": _cross_entropy,
    "log_softmax": _softmax,
    "softmax": _softmax,
    "gather": _gather,
    "take_along_axis": _gather,
    "take_along_dim": _gather,
    "index_select": _gather,
    "where": _where,
    "nonzero": _selection,
    "flatnonzero": _selection,
    "argwhere": _selection,
    "stack": _stack,
    "column_stack": _stack,
    "cat": _concatenate,
    "concatenate": _concatenate,
    "concat": _concatenate,
    "hstack": _concatenate,
    "logaddexp": _log_add,
    "min": _extreme,
    "max": _extreme,
    "minimum": _extreme,
    "maximum": _extreme,
    "amin": _extreme,
    "amax": _extreme,
    "arange": _arange,
    "range": _range,
    "zip": _zip,
    "enumerate": _enumerate,
    "len": _length,
    "numel": _length,
    "tuple": _window,
    "tobytes": _window,
    "bytes": _window,
    "hash": _window,
    "dict": _mapping,
    "defaultdict": _mapping,
    "Counter": _mapping,
    "OrderedDict": _mapping,
    "list": _list,
    "set": _list,
    "deque": _list,
    "bincount": _bincount,
    "searchsorted": _search,
    "bisect": _search,
    "bisect_left": _search,
    "bisect_right": _search,
    "bucketize": _search,
    "digitize": _search,
    "scatter_add_": _scatter_add,
    "scatter_add": _scatter_add,
    "index_add_": _scatter_add,
    "index_put_": _scatter_add,
    "scatter_": _scatter_add,
    "copy": _copy,
    "clone": _copy,
    "repeat": _repeat,
    "repeat_interleave": _repeat,
    "partial": _partial,
}

_SAME = frozenset(
    [
        "cpu",
        "numpy",
        "astype",
        "to",
        "long",
        "int",
        "float",
        "double",
        "half",
        "bfloat16",
        "bool",
        "reshape",
        "view",
        "flatten",
        "contiguous",
        "detach",
        "item",
        "tolist",
        "squeeze",
        "unsqueeze",
        "ravel",
        "expand",
        "permute",
        "transpose",
        "type",
        "cuda",
        "pin_memory",
        "asarray",
        "array",
        "tensor",
        "from_numpy",
        "as_tensor",
        "ascontiguousarray",
        "str",
        "sorted",
        "reversed",
        "iter",
        "next",
        "requires_grad_",
        "nan_to_num",
        "uint64",
        "int64",
        "uint32",
        "int32",
        "uint16",
        "uint8",
        "float64",
        "float32",
        "intp",
        "logsumexp",
        "any",
        "all",
        "fill_",
        "flip",
    ]
)
_ELEMENTWISE = frozenset(
    [
        "exp",
        "log",
        "log1p",
        "expm1",
        "sqrt",
        "sigmoid",
        "abs",
        "round",
        "tanh",
        "log2",
        "log10",
        "clamp",
        "clip",
        "clamp_",
        "clamp_min",
        "clamp_max",
        "neg",
        "exp_",
        "log_",
        "square",
        "pow",
    ]
)
_SUMS = frozenset(["sum", "mean", "cumsum", "average", "nansum", "fsum"])
_NEW_ARRAYS = frozenset(
    [
        "zeros",
        "ones",
        "empty",
        "full",
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "new_zeros",
        "new_full",
        "new_empty",
    ]
)
_READS = frozenset(["fromfile", "frombuffer", "memmap", "load", "read", "read_bytes", "loads"])
_WRAPPERS = frozenset(
    ["compile", "jit", "njit", "no_grad", "inference_mode", "DistributedDataParallel", "DDP", "wraps"]
)

__all__ = ["SPREAD", "function", "method", "unknown"]
