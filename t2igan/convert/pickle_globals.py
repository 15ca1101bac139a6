"""The closed list of names that a foreign pickle may mention, and what stands in for each. No module is ever imported by it.

Three kinds: names that our own functions answer (tensors, arrays, containers); names of classes and functions of networks,
whose objects become inert `Record`s; and everything else, which is refused as soon as it is mentioned.

Snapshots are written with dill, as the discriminator's backbone is hooked by closures. So dill's names for functions, code
and cells are among the inert ones: their arguments are kept as they are, and no function or code is ever made from them. dill
fills a cell with `getattr(dill._dill, "_setattr", setattr)(cell, "cell_contents", value)`: this is recognised, and does
nothing. `getattr(CLASS, NAME)` of an inert class, which is how some Pythons write members of an enum, is a record as well.
Every other `getattr` or `setattr` is refused, and so are dill's loaders of modules, attributes and types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from t2igan.convert.pickled import DTYPES, Global, PickledArray, PickledDtype, PickledTensor, Record, Storage
from t2igan.errors import CheckpointError

Makers = Mapping[Global, Callable[..., Any]]
PERSISTENCE = Global("torch_utils.persistence", "_reconstruct_persistent_obj")
GETATTR, SETATTR = Global("builtins", "getattr"), Global("builtins", "setattr")
CELL_SETTER = Global("dill._dill", "_setattr")
MAX_DIMENSIONS = 16  # of a tensor
STORAGES = {Global("torch", name): dtype for name, dtype in DTYPES.items()}
# Packages whose objects official snapshots hold; with what lies below them.
INERT_PACKAGES = (
    "torch.nn.modules",
    "networks",
    "training",
    "open_clip",
    "timm",
    "torchvision.transforms",
)
INERT_NAMES = {
    "torch": {"device", *(str(dtype).removeprefix("torch.") for dtype in DTYPES.values())},
    "torch._C._nn": {"gelu"},
    "torch.nn.functional": {"gelu", "interpolate", "relu", "silu", "softplus"},
    "functools": {"partial"},
    "numpy": {"ndarray"},
    "dill": {"_dill"},
    "dill._dill": {"_create_cell", "_create_code", "_create_function"},
}  # fmt: skip
ADVICE = "Nothing was run. If you trust the file, open it where it was made, and save its state_dict() as safetensors."


def resolve(module: str, name: str, makers: Makers) -> Global:
    """Admit a name or refuse it.

    Raises:
        CheckpointError: naming what was refused.
    """
    found = Global(module.replace("__builtin__", "builtins"), name)  # old protocols write Python 2's names
    if found in makers or found in STORAGES or _is_inert(found):
        return found
    raise _refusal(found)


def make(called: object, args: object, makers: Makers) -> Any:
    """What a pickle gets for calling `called(*args)`: a value of ours, or an inert record.

    Raises:
        CheckpointError: if `called` is no admitted name.
        TypeError, ValueError: if the arguments cannot be right.
    """
    if not isinstance(called, Global) or not isinstance(args, tuple):
        raise CheckpointError(f"it calls something that is no name. {ADVICE}")
    if called in makers:
        return makers[called](*args)
    return Record(str(called), args)


def _refusal(found: Global) -> CheckpointError:
    return CheckpointError(f"it mentions {found}, which is no part of a network's weights. {ADVICE}")


def _is_inert(found: Global) -> bool:
    if not found.name.isidentifier():  # a.b would be looked up step by step
        return False
    below = any(found.module == p or found.module.startswith(f"{p}.") for p in INERT_PACKAGES)
    return below or found.name in INERT_NAMES.get(found.module, ())


def _persistent(meta: dict[str, Any]) -> Record:
    """An object of the official persistence wrapper; the source code that `meta` carries is ignored."""
    return Record(_text(meta["class_name"]), state=meta["state"])


def _text(value: object) -> str:
    """A value that is text already: `str` of tuples within tuples could be of any length."""
    if not isinstance(value, str):
        raise TypeError(f"a name that is a {type(value).__name__}")
    return value


def _tensor(
    storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> PickledTensor:
    """`*_`: whether it requires grad, hooks, and newer metadata."""
    numbers = [offset, *size, *stride]
    if not isinstance(storage, Storage) or not len(size) == len(stride) <= MAX_DIMENSIONS:
        raise TypeError("a tensor without its storage or shape")
    if any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
        raise ValueError("a tensor whose sizes are no numbers")
    return PickledTensor(storage, offset, tuple(size), tuple(stride))


def _parameter(data: PickledTensor, *_: Any) -> PickledTensor:
    return data


def _set(items: list[Any] | tuple[Any, ...] = ()) -> set[Any]:
    return set(map(check_key, _sequence(items)))


def _sequence(items: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    """Items that a pickle listed one by one; others, such as a file's bytes, could be very many."""
    if not isinstance(items, (list, tuple)):
        raise TypeError(f"items in a {type(items).__name__}")
    return tuple(items)


def _bytes(text: str = "", encoding: str = "latin1") -> bytes:
    """Bytes as old pickle protocols write them: as text."""
    if _text(encoding) not in ("latin1", "latin-1"):
        raise ValueError(f"bytes written as {encoding[:20]!r}")
    return text.encode("latin1")


def _filled(data: Any, dtype: PickledDtype, shape: tuple[int, ...], order: str) -> PickledArray:
    return PickledArray(dtype, shape, order == "F", data)


def _dtype(code: str, *_: Any) -> PickledDtype:
    return PickledDtype(code)


def _empty_array(*_: Any) -> PickledArray:
    return PickledArray()


def _scalar(dtype: PickledDtype, data: Any) -> PickledArray:
    return PickledArray(dtype, (), False, data)


def _empty_dict() -> dict[Any, Any]:
    return {}


def _type_of_types(name: str) -> Global:
    """What dill writes for of writing `types.MethodType` and its like: a name; calling one makes a record."""
    return Global("types", _text(name))


def _attribute(*args: Any) -> Global | Record:
    """The two uses of getattr in snapshots: dill's, see above, and Python 3.11's for members of an enum."""
    if args == (Global("dill", "_dill"), CELL_SETTER.name, SETATTR):
        return CELL_SETTER
    match args:
        case (Global() as named, str(member)) if _is_inert(named):
            return Record(f"{named}.{member}")  # which cannot be called, nor asked for attributes
    raise _refusal(GETATTR)


def _no_setattr(*_: Any) -> Any:
    raise _refusal(SETATTR)


def check_key(key: Any) -> Any:
    """Return a dict key or set member if hashing it is harmless: deeply nested tuples would overflow the C stack."""
    if key is None or isinstance(key, (str, bytes, int, float, Global, Record)):
        return key
    raise TypeError(f"a key of type {type(key).__name__}")


def _makers() -> Makers:
    numpy_makers = {
        "multiarray": {"_reconstruct": _empty_array, "scalar": _scalar},
        "numeric": {"_frombuffer": _filled},
    }
    return {
        PERSISTENCE: _persistent,
        Global("dnnlib.util", "EasyDict"): _empty_dict,
        Global("collections", "OrderedDict"): _empty_dict,
        Global("builtins", "set"): _set,
        Global("builtins", "frozenset"): lambda items=(): frozenset(_set(items)),
        Global("builtins", "bytes"): _bytes,
        Global("_codecs", "encode"): _bytes,
        Global("torch", "Size"): _sequence,
        Global("torch._utils", "_rebuild_tensor"): _tensor,
        Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
        Global("torch._utils", "_rebuild_parameter"): _parameter,
        Global("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        Global("dill._dill", "_load_type"): _type_of_types,
        GETATTR: _attribute,
        SETATTR: _no_setattr,
        Global("numpy", "dtype"): _dtype,
        **{
            Global(f"numpy.{core}.{module}", name): maker
            for core in ("core", "_core")
            for module, named in numpy_makers.items()
            for name, maker in named.items()
        },
    }


MAKERS = _makers()
