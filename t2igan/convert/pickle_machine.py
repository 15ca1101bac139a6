"""A pickle interpreter that can build plain values, and nothing else. Not Python's: it imports, calls and sets nothing foreign.

`pickletools` splits the bytes into instructions; this file says what each does to a stack. Instructions that are not here
(extension codes, INST, OBJ, ...) are refused by name. Nothing is recursive, so deep nesting cannot overflow anything.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from t2igan.convert.mapped_file import MappedFile
from t2igan.convert.pickle_globals import ADVICE, MAKERS, Makers, check_key, make, resolve
from t2igan.convert.pickled import PickledArray, PickledDtype, Record
from t2igan.errors import CheckpointError

LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


class Machine:
    """One pickle being read.

    Args:
        stream: where it begins; afterwards, right behind its end.
        persistent: what torch's persistent ids stand for; None = they are refused.
        makers: admitted names that something is made of.
    """

    def __init__(
        self,
        stream: MappedFile,
        *,
        persistent: Callable[[Any], Any] | None = None,
        makers: Makers = MAKERS,
    ) -> None:
        self._stream = stream
        self._persistent = persistent
        self._makers = makers
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Read one pickle and return its value.

        Raises:
            CheckpointError: if it is damaged, mentions a name that is not admitted, or uses an unknown instruction.
        """
        try:
            for instruction, argument, _ in pickletools.genops(self._stream):  # pyright: ignore[reportArgumentType]
                if instruction.name == "STOP":
                    return self._stack.pop()
                self._step(instruction.name, argument)
        except DAMAGE as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(
                f"no pickle, or a damaged one ({reason}). Copy or download it again."
            ) from error
        raise AssertionError("genops ends with STOP or raises")

    def _step(self, name: str, argument: Any) -> None:
        if name in LITERALS:
            self._stack.append(argument)
        elif name in CONSTANTS:
            self._stack.append(CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise CheckpointError(f"it uses the instruction {name}, which no snapshot needs. {ADVICE}")

    def _above_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _tuple_of(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise IndexError("too few values")
        self._stack[-count:] = [items]

    def _get(self, key: int) -> None:
        if key not in self._memo:
            raise ValueError(f"it recalls value {key}, which it never stored")
        self._stack.append(self._memo[key])

    def _put(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _global(self, words: str) -> None:
        module, _, name = words.partition(" ")
        self._stack.append(resolve(module, name, self._makers))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a name that is no text")
        self._stack.append(resolve(module, name, self._makers))

    def _call(self, _: Any) -> None:
        args = self._stack.pop()
        self._stack[-1] = make(self._stack[-1], args, self._makers)

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        _fill(self._stack[-1], state)

    def _persistent_id(self, _: Any) -> None:
        if self._persistent is None:
            raise CheckpointError(f"it refers to objects outside itself (a persistent id). {ADVICE}")
        self._stack.append(self._persistent(self._stack.pop()))

    def _extend(self, items: list[Any]) -> None:
        """Add to the list, set or record on top of the stack."""
        target = self._stack[-1]
        if isinstance(target, set):
            target.update(map(check_key, items))
        elif isinstance(target, (list, Record)):
            (target.items if isinstance(target, Record) else target).extend(items)
        else:
            raise TypeError(f"items for a {type(target).__name__}")

    def _assign(self, items: list[Any]) -> None:
        """Add keys and values, in turn, to the dict or record on top of the stack."""
        target = self._stack[-1]
        if isinstance(target, Record):
            target.items.extend(items)
        elif isinstance(target, dict):
            target.update(_pairs(items))
        else:
            raise TypeError(f"keys for a {type(target).__name__}")


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return {check_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _fill(target: Any, state: Any) -> None:
    """What Python does with `__setstate__` or `__dict__`, for our own classes only."""
    match target, state:
        case Record(), _:
            target.state = state
        case dict(), _:  # attributes of an OrderedDict, such as a state dict's versions
            pass
        case PickledDtype(), (int(), str(order), *_):
            target.order = order
        case PickledArray(), (
            int(),
            tuple(shape),
            PickledDtype() as dtype,
            is_fortran,
            (bytes() | memoryview()) as data,
        ):
            target.shape, target.dtype, target.is_fortran, target.data = shape, dtype, bool(is_fortran), data
        case _:
            raise TypeError(f"a state for a {type(target).__name__}")


_ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "MARK": Machine._mark,
    "POP": Machine._pop,
    "POP_MARK": lambda m, _: m._above_mark().clear(),
    "DUP": Machine._duplicate,
    "LIST": lambda m, _: m._stack.append(m._above_mark()),
    "TUPLE": lambda m, _: m._stack.append(tuple(m._above_mark())),
    "TUPLE1": lambda m, _: m._tuple_of(1),
    "TUPLE2": lambda m, _: m._tuple_of(2),
    "TUPLE3": lambda m, _: m._tuple_of(3),
    "DICT": lambda m, _: m._stack.append(_pairs(m._above_mark())),
    "FROZENSET": lambda m, _: m._stack.append(frozenset(map(check_key, m._above_mark()))),
    "APPEND": lambda m, _: m._extend([m._stack.pop()]),
    "APPENDS": lambda m, _: m._extend(m._above_mark()),
    "ADDITEMS": lambda m, _: m._extend(m._above_mark()),
    "SETITEM": lambda m, _: m._assign([m._stack.pop(-2), m._stack.pop()]),
    "SETITEMS": lambda m, _: m._assign(m._above_mark()),
    "GET": Machine._get,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "PUT": Machine._put,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": Machine._memoize,
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._call,
    "NEWOBJ": Machine._call,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent_id,
}
