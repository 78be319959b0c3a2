"""What a model loaded by bitsandbytes in 4 bits shows, and what is there.

`Linear4bit` packs two weights into each byte of a U8 tensor of one column (`bitsandbytes/functional.py`,
`quantize_4bit`), so `numel()` of it is half the number of weights, and every share counted from `named_parameters()`
is distorted. transformers puts it in the place of each `nn.Linear` and `Conv1D` but the output layer, what is tied and
what the class keeps in float32 (`integrations/bitsandbytes.py`, `replace_with_bnb_linear`; `quantizers/base.py`,
`get_modules_to_not_convert`). Experts that stand in one tensor of three axes are neither, and stay as they are.

Beside the packed weights there are, for each matrix of `n` of them in `b = ceil(n / 64)` blocks: the 16 values of the
type, 64 bytes; and either a float32 scale for each block, `4 b`, or with double quantisation a byte for each block,
a float32 for each 256 of those bytes, their mean and a table of 256 values, `b + 4 ceil(b / 256) + 4 + 1024`
(`bitsandbytes/functional.py`, `QuantState`; Dettmers et al. 2023, arXiv:2305.14314, section 3).

Which modules there are says the implementation alone, so torch and transformers are needed; nothing is loaded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from verify import architectures
from verify.breakdown import measure
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.memory import stage
from verify.memory.base import Mode, Setting
from verify.roles import Role
from verify.tensor import DTYPES, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from verify.names import NameTable

#: Weights of 4 bits in a byte; weights of a block, and bytes of a block of their scales.
_PER_BYTE, _BLOCK, _SCALES = 2, 64, 256
#: Bytes of a float32; of the table of 16 values, and of that of 256 for the scales.
_SINGLE, _TABLE, _NESTED_TABLE = 4, 16 * 4, 256 * 4

#: Why the shares of a model loaded so mislead.
WHY = (
    "bitsandbytes keeps two weights of 4 bits in each byte of a U8 tensor, so numel() of a packed matrix is half its "
    "parameters, and what is not packed takes a larger share there than it has"
)


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters of one role.

    Attributes:
        role: What they are.
        parameters: How many there are.
        shown: Elements of them in `named_parameters()`.
    """

    role: Role
    parameters: int
    shown: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """The bytes of all parameters of a model loaded in 4 bits.

    Attributes:
        scheme: How the scales of the blocks are kept.
        packed: The packed weights.
        scales: The scales of their blocks, with what it takes to read them.
        tables: The values that 4 bits, or the 8 bits of a scale, stand for.
        rest: The parameters that are not packed.
    """

    scheme: str
    packed: int
    scales: int
    tables: int
    rest: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.packed + self.scales + self.tables + self.rest


@dataclass(frozen=True, slots=True)
class PackedView:
    """Parameters as a 4-bit model shows them, and as they are.

    Attributes:
        how: The implementation that says which modules are packed.
        parts: Parameters by role, in the order of `Role`.
        loose: Parameters that are not packed.
        matrices: The packed matrices: name and number of weights.
        memory: The bytes without and with double quantisation.
        dtype: What the parameters that are not packed are held in.
    """

    how: str
    parts: tuple[Part, ...]
    loose: int
    matrices: tuple[tuple[str, int], ...]
    memory: tuple[Loaded, ...]
    dtype: str

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(part.parameters for part in self.parts)

    @property
    def shown(self) -> int:
        """All elements of `named_parameters()`."""
        return sum(part.shown for part in self.parts)

    def share(self, count: int) -> Fraction:
        """Of all parameters."""
        return Fraction(count, max(self.parameters, 1))

    def share_shown(self, count: int) -> Fraction:
        """Of all elements of `named_parameters()`."""
        return Fraction(count, max(self.shown, 1))


def packed_view(config: Mapping[str, object], dtype: str = "bfloat16") -> PackedView:
    """Count the parameters of the model of a config twice: as bitsandbytes shows them, and as they are.

    Args:
        config: The parsed config.json.
        dtype: What is not packed is held in: `float32`, `bfloat16` or `float16`.

    Raises:
        VerifyError: A package is missing, or transformers or `verify` does not know the model.
    """
    setting = Setting(mode=Mode.INFERENCE, dtype=dtype)
    table = architectures.find(str(config.get("model_type"))).NAMES
    with meta.implementation(config) as found, stage.placed("fake"):
        model = stage.build(found, setting, fake=True)
        converted = frozenset(_converted(model))
        parameters = tuple((name, tuple(each.shape), each.nbytes) for name, each in model.named_parameters())
    tensors = [Tensor(name, DTYPES["F32"], shape) for name, shape, _ in parameters]
    matrices = tuple((each.name, each.elements) for each in tensors if each.name in converted)
    rest = sum(size for name, _, size in parameters if name not in converted)
    return PackedView(
        how=f"{found.model_class.__name__} of transformers {found.transformers}",
        parts=tuple(_parts(tensors, table, converted)),
        loose=sum(each.elements for each in tensors if each.name not in converted),
        matrices=matrices,
        memory=tuple(_memory([count for _, count in matrices], rest, double=double) for double in (False, True)),
        dtype=dtype,
    )


def _parts(tensors: Iterable[Tensor], table: NameTable, converted: frozenset[str]) -> Iterator[Part]:
    """The tensors by role; a tensor whose name no table knows is `other`."""
    there: Counter[Role] = Counter()
    shown: Counter[Role] = Counter()
    for tensor in tensors:
        per = _PER_BYTE if tensor.name in converted else 1
        seen = 0  # of a tensor that holds several roles, the byte that two of them share goes to the first
        roles = measure(unpack([tensor], ""), table).by_role() or {Role.OTHER: tensor.elements}
        for role, elements in roles.items():
            there[role] += elements
            shown[role] += -(-(seen + elements) // per) + (-seen // per)
            seen += elements
    yield from (Part(role, there[role], shown[role]) for role in Role if there[role])


def _memory(matrices: Iterable[int], rest: int, *, double: bool) -> Loaded:
    """The bytes of packed matrices and of `rest` bytes beside them; see the head of this file."""
    packed = scales = tables = 0
    for weights in matrices:
        blocks = -(-weights // _BLOCK)
        packed += -(-weights // _PER_BYTE)
        scales += blocks + _SINGLE * (-(-blocks // _SCALES) + 1) if double else _SINGLE * blocks
        tables += _TABLE + _NESTED_TABLE if double else _TABLE
    return Loaded("nf4, double quantisation" if double else "nf4", packed, scales, tables, rest)


def _converted(model: Any) -> Iterator[str]:
    """The names of the weights that transformers hands to bitsandbytes."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert
    from transformers.quantizers.quantizers_utils import should_convert_module

    kept = [*get_keys_to_not_convert(model), *(model._keep_in_fp32_modules or ())]  # noqa: SLF001 - as its quantizer does
    for name, module in model.named_modules():
        if (isinstance(module, Conv1D) or type(module) is nn.Linear) and should_convert_module(name, kept):
            yield f"{name}.weight"
