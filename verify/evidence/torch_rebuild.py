"""What a PyTorch checkpoint may name: storages, dtypes and the functions that rebuild tensors, as records.

A pickle calls functions by name. Here a name leads to a function of this file or to nothing; they look at shapes and
build records, and touch no data. The rules are those of torch 2.13: `_get_allowed_globals` in
torch/_weights_only_unpickler.py says what may be named, the `_rebuild_*` functions in torch/_utils.py what they take.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import FunctionType

from verify.tensor import DTYPES, Dtype

# torch computes in int64; and nothing in a checkpoint has more axes than the 64 that NumPy knows.
_LARGEST = 2**63 - 1
_AXES = 64

_SHOWN = 80  # characters of a name in a message

_Arguments = tuple[object, ...]


class RefusedError(ValueError):
    """Something in a pickle that no state dict needs."""


class Dict(list[object]):
    """A dict of the pickle: its keys and values in turn, in the order in which they were set."""

    __slots__ = ()


class OrderedDict(Dict):
    """A `collections.OrderedDict` of the pickle."""

    __slots__ = ()


class TensorType(Enum):
    """Classes of tensors that are named, to say what to rebuild one as."""

    TENSOR = "torch.Tensor"


@dataclass(frozen=True, slots=True)
class StorageType:
    """A class of storages.

    Attributes:
        dtype: The type of their elements; bytes where a storage has none.
    """

    dtype: Dtype


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage that the pickle refers to.

    Attributes:
        key: The name of its record in `data/`.
        dtype: The type of its elements.
        elements: How many it has.
    """

    key: str
    dtype: Dtype
    elements: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.elements * self.dtype.bits // 8


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: a view of a storage.

    Attributes:
        storage: What it looks at; None for a tensor on the meta device, which has no data.
        dtype: The type of its elements.
        shape: Its axes.
        begin: Where its first element begins in the storage, in bytes.
        end: Where its last element ends, in bytes.
    """

    storage: Storage | None
    dtype: Dtype
    shape: tuple[int, ...]
    begin: int = 0
    end: int = 0


# What a tensor without data looks at.
_UNBOUNDED = Storage("", DTYPES["U8"], _LARGEST)

#: The dtypes of PyTorch by name; `float4_e2m1fn_x2` has two elements in one of PyTorch's, see `_unpaired`. Those
#: of `torch.quantize_per_tensor` are not among them: their scales are in the pickle, not in tensors.
TORCH_DTYPES = {
    name: DTYPES.get(ours) or Dtype(ours, bits)
    for name, ours, bits in (
        ("float64", "F64", 64),
        ("float32", "F32", 32),
        ("float16", "F16", 16),
        ("bfloat16", "BF16", 16),
        ("float8_e4m3fn", "F8_E4M3", 8),
        ("float8_e4m3fnuz", "F8_E4M3FNUZ", 8),
        ("float8_e5m2", "F8_E5M2", 8),
        ("float8_e5m2fnuz", "F8_E5M2FNUZ", 8),
        ("float8_e8m0fnu", "F8_E8M0", 8),
        ("float4_e2m1fn_x2", "F4", 4),
        ("complex128", "C128", 128),
        ("complex64", "C64", 64),
        ("complex32", "C32", 32),
        ("int64", "I64", 64),
        ("int32", "I32", 32),
        ("int16", "I16", 16),
        ("int8", "I8", 8),
        ("uint64", "U64", 64),
        ("uint32", "U32", 32),
        ("uint16", "U16", 16),
        ("uint8", "U8", 8),
        ("bool", "BOOL", 8),
        ("bits16", "BITS16", 16),
        ("bits8", "BITS8", 8),
        ("bits4x2", "BITS4X2", 8),
        ("bits2x4", "BITS2X4", 8),
        ("bits1x8", "BITS1X8", 8),
    )
}

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}

# What may be set on a tensor besides its data: transformers/modeling_utils.py, and
# `_MODEL_PARALLEL_ATTRIBUTE_DEFAULTS` in Megatron-LM's core/tensor_parallel/layers.py. Others could be PyTorch's own
# (`data`, `grad`), and change what the tensor is.
_ATTRIBUTES = frozenset({"_is_hf_initialized", "tensor_model_parallel", "partition_dim", "partition_stride"})


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _axes(value: object) -> tuple[int, ...]:
    if type(value) is tuple and len(value) <= _AXES and all(map(_is_size, value)):
        return value
    raise RefusedError(f"a shape or strides that are no tuple of at most {_AXES} whole numbers below 2^63")


def _check_flags(dtype: Dtype, requires_grad: object, hooks: object, metadata: object = None) -> None:
    """Refuse what PyTorch refuses: gradients of integers, conjugates of reals; and whatever hooks there are."""
    real = not dtype.name.startswith("C")
    if type(requires_grad) is not bool or (requires_grad and real and not dtype.name.startswith(("F", "BF"))):
        raise RefusedError(f"a tensor of {dtype} whose requires_grad is no flag that it may have")
    if not isinstance(hooks, OrderedDict) or hooks:
        raise RefusedError("a tensor with hooks")
    flags = {"neg"} if real else {"neg", "conj"}
    if metadata is None:
        return
    if not isinstance(metadata, Dict) or any(
        key not in flags or type(value) is not bool for key, value in items(metadata)
    ):
        raise RefusedError(f"a tensor of {dtype} with other flags than {' and '.join(sorted(flags))}")


def _check_attributes(state: object) -> None:
    if not isinstance(state, Dict):
        raise RefusedError("attributes of a tensor that are no dict")
    for name in state[::2]:
        if name not in _ATTRIBUTES:
            raise RefusedError(f"a tensor with an attribute {str(name)[:_SHOWN]!r}")


def _view(storage: Storage, offset: object, shape: object, strides: object, dtype: Dtype) -> View:
    axes, steps = _axes(shape), _axes(strides)
    if len(axes) != len(steps) or type(offset) is not int or not _is_size(offset):
        raise RefusedError("a tensor without an offset, or with another number of strides than of axes")
    width = max(dtype.bits // 8, 1)  # PyTorch's float4 is a byte of two
    if math.prod(axis or 1 for axis in axes) * width > _LARGEST:
        raise RefusedError("a shape of 2^63 bytes or more")
    begin = end = offset * width
    if all(axes):
        end += (sum((axis - 1) * step for axis, step in zip(axes, steps, strict=True)) + 1) * width
        if end > storage.size:
            raise RefusedError(f"a tensor that ends at byte {end} of storage {storage.key}, which has {storage.size}")
    return View(storage, dtype, _unpaired(axes, dtype), begin, end)


def _unpaired(axes: tuple[int, ...], dtype: Dtype) -> tuple[int, ...]:
    """The shape in elements: two of float4 are one of PyTorch's, in the last axis, as safetensors counts them."""
    if dtype.name != "F4":
        return axes
    if not axes:
        raise RefusedError("a float4 without an axis")
    return (*axes[:-1], 2 * axes[-1])


def _tensor(args: _Arguments) -> View:
    """`_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None)`."""
    match args:
        case Storage() as storage, offset, size, stride, requires_grad, hooks, *metadata if len(metadata) <= 1:
            _check_flags(storage.dtype, requires_grad, hooks, *metadata)
            return _view(storage, offset, size, stride, storage.dtype)
    raise RefusedError("a tensor without a storage, or with other arguments than _rebuild_tensor_v2 takes")


def _tensor_of_dtype(args: _Arguments) -> View:
    """`_rebuild_tensor_v3(…, backward_hooks, dtype, metadata=None)`, otherwise as above."""
    match args:
        case Storage() as storage, offset, size, stride, requires_grad, hooks, Dtype() as dtype, *metadata if (
            len(metadata) <= 1
        ):
            _check_flags(dtype, requires_grad, hooks, *metadata)
            if requires_grad:  # it fails to set the data of a leaf (torch/_utils.py, `_rebuild_tensor_v3`)
                raise RefusedError(f"a tensor of {dtype} that requires a gradient, which PyTorch saves and cannot load")
            return _view(storage, offset, size, stride, dtype)
    raise RefusedError("a tensor without a storage, or with other arguments than _rebuild_tensor_v3 takes")


def _parameter(args: _Arguments) -> View:
    """`_rebuild_parameter(data, requires_grad, backward_hooks)`."""
    match args:
        case View() as view, requires_grad, hooks:
            _check_flags(view.dtype, requires_grad, hooks)
            return view
    raise RefusedError("a parameter without a tensor, or with other arguments than _rebuild_parameter takes")


def _parameter_with_state(args: _Arguments) -> View:
    """`_rebuild_parameter_with_state(data, requires_grad, backward_hooks, state)`."""
    *rest, state = args or (None,)
    _check_attributes(state)
    return _parameter(tuple(rest))


def _typed(args: _Arguments) -> View:
    """`_rebuild_from_type_v2(func, new_type, args, state)`: a tensor with attributes."""
    match args:
        case rebuild, TensorType.TENSOR, tuple(inner), state if rebuild is _tensor or rebuild is _tensor_of_dtype:
            _check_attributes(state)
            return _tensor(inner) if rebuild is _tensor else _tensor_of_dtype(inner)
    raise RefusedError("a tensor of a class that is not PyTorch's own")


def _meta(args: _Arguments) -> View:
    """`_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)`."""
    match args:
        case Dtype() as dtype, size, stride, requires_grad:
            _check_flags(dtype, requires_grad, OrderedDict())
            view = _view(_UNBOUNDED, 0, size, stride, dtype)
            return View(None, dtype, view.shape)
    raise RefusedError("a meta tensor with other arguments than _rebuild_meta_tensor_no_storage takes")


def _size(args: _Arguments) -> tuple[int, ...]:
    """`torch.Size(axes)`."""
    return _axes(args[0] if len(args) == 1 else None)


def _ordered_dict(args: _Arguments) -> OrderedDict:
    """`collections.OrderedDict()`, which is filled afterwards."""
    if args:
        raise RefusedError("an OrderedDict made of something")
    return OrderedDict()


_REBUILDS: dict[str, Callable[[_Arguments], object]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._tensor._rebuild_from_type_v2": _typed,
}

#: Everything that a pickle may name.
GLOBALS: dict[str, object] = {
    **_REBUILDS,
    **{f"torch.{name}": dtype for name, dtype in TORCH_DTYPES.items()},
    **{f"torch.{name}": StorageType(TORCH_DTYPES[dtype]) for name, dtype in _STORAGES.items()},
    **{f"torch.cuda.{name}": StorageType(TORCH_DTYPES[dtype]) for name, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": StorageType(DTYPES["U8"]),
    "torch.Tensor": TensorType.TENSOR,
}

# What is harmless, and why it is refused nevertheless.
_KNOWN = {
    "torch._utils._rebuild_qtensor": "a tensor of torch.quantize_per_tensor, whose scale is in no tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor, which stores other elements than its shape says",
    "torch._utils._rebuild_nested_tensor": "a nested tensor, which has no shape",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a class that is not PyTorch's own",
}


def find(name: str) -> object:
    """What a name of a pickle stands for.

    Args:
        name: The module, a dot, the name in it.

    Raises:
        RefusedError: It is none that rebuilds tensors.
    """
    found = GLOBALS.get(name)
    if found is None:
        raise RefusedError(_KNOWN.get(name) or f"{name[:_SHOWN]!r}, which rebuilds no tensor")
    return found


def call(function: object, args: object) -> object:
    """What a function of `GLOBALS` yields.

    Raises:
        RefusedError: It is none, or does not take these arguments.
    """
    # Values of a pickle are never functions; those on its stack come from the table above.
    if not isinstance(function, FunctionType) or type(args) is not tuple:
        raise RefusedError("a call of something that is no function, or without arguments")
    return function(args)


def storage(identity: object) -> Storage:
    """The storage of a persistent id: `("storage", type, key, location, elements)`.

    Raises:
        RefusedError: It is no such tuple.
    """
    match identity:
        case "storage", StorageType(dtype=dtype), str(key), str(), int(elements) if type(identity) is tuple:
            if _is_size(elements) and key.isascii() and key.isalnum():
                return Storage(key, dtype, elements)
    raise RefusedError("a persistent id that is no storage")


def items(of: Dict) -> Iterator[tuple[object, object]]:
    """The keys and values of a dict of the pickle."""
    return zip(of[::2], of[1::2], strict=True)
