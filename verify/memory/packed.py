"""What a model loaded by bitsandbytes in 4 bits shows, and what is there.

`Linear4bit` packs two weights into each byte of a U8 tensor of one column (`bitsandbytes/functional.py`,
`quantize_4bit`), so `numel()` of it is half the number of weights, and every share counted from `named_parameters()`
is distorted. transformers puts it in the place of each `nn.Linear` and `Conv1D` but the output layer and what is tied
(`integrations/bitsandbytes.py`, `replace_with_bnb_linear`; `quantizers/base.py`, `get_keys_to_not_convert`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify import architectures
from verify.breakdown import measure
from verify.evidence import meta
from verify.evidence.packing import Unpacked
from verify.memory import stage
from verify.memory.base import Setting
from verify.tensor import DTYPES, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from verify.roles import Role

#: Weights of 4 bits in a byte.
_PER_BYTE = 2


@dataclass(frozen=True, slots=True)
class PackedView:
    """Parameters by role, as a 4-bit model shows them and as they are.

    Attributes:
        shown: Elements of `named_parameters()` by role.
        there: Parameters by role.
        packed: Names of the packed tensors.
    """

    shown: dict[Role, int]
    there: dict[Role, int]
    packed: tuple[str, ...]


def packed_view(config: Mapping[str, object]) -> PackedView:
    """Count the parameters of the model of a config twice: as bitsandbytes shows them, and as they are.

    Args:
        config: The parsed config.json.

    Raises:
        VerifyError: A package is missing, or transformers or `verify` does not know the model.
    """
    table = architectures.find(str(config.get("model_type"))).NAMES
    with meta.implementation(config) as found, stage.placed("fake"):
        model = stage.build(found, Setting(), fake=True)
        converted = frozenset(_converted(model))
        parameters = tuple((name, tuple(each.shape)) for name, each in model.named_parameters())
    shown: Counter[Role] = Counter()
    there: Counter[Role] = Counter()
    for name, shape in parameters:
        tensor = Tensor(name, DTYPES["F32"], shape)
        for role, elements in measure(Unpacked(((tensor, tensor.bits),)), table).by_role().items():
            there[role] += elements
            shown[role] += -(-elements // _PER_BYTE) if name in converted else elements
    return PackedView(dict(shown), dict(there), tuple(name for name, _ in parameters if name in converted))


def _converted(model: Any) -> Iterator[str]:
    """The names of the weights that transformers hands to bitsandbytes."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert
    from transformers.quantizers.quantizers_utils import should_convert_module

    kept = get_keys_to_not_convert(model)
    for name, module in model.named_modules():
        if (isinstance(module, Conv1D) or type(module) is nn.Linear) and should_convert_module(name, kept):
            yield f"{name}.weight"
