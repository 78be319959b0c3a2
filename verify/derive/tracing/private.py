"""Every private or unstable API of torch and transformers that the trace rests on, in one place.

Checked with torch 2.13.0 and transformers 5.23.0:

* `torch.fx.experimental.symbolic_shapes.ShapeEnv`: `evaluate_expr` and `create_symintnode`, the attribute
  `node.expr` and `node.hint` of a `torch.SymInt`.
* `torch.utils._sympy.functions`: the sympy functions that shapes are made of.
* `torch._dispatch.python.enable_python_dispatcher`: operators without a C++ path for symbolic shapes.
* `torch.nn.modules.module.register_module_parameter_registration_hook`, and the one for buffers.

Beside these, `tracing.shims` answers `torch.norm_except_dim` itself, and `tracing.reads` watches
`transformers.PreTrainedConfig.__getattribute__`; `building.per_layer` reads the settings of single layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
import torch
from torch._dispatch.python import enable_python_dispatcher
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.nn.modules.module import (
    register_module_buffer_registration_hook as on_buffer,
)
from torch.nn.modules.module import (
    register_module_parameter_registration_hook as on_parameter,
)
from torch.utils._sympy import functions
from torch.utils._sympy.functions import FloorDiv, PythonMod
from torch.utils._sympy.value_ranges import ValueRanges

if TYPE_CHECKING:
    from collections.abc import Mapping

SymInt = torch.SymInt

__all__ = [
    "FloorDiv", "PythonMod", "Shapes", "SymInt", "enable_python_dispatcher", "functions", "on_buffer", "on_parameter",
]  # fmt: skip


class Shapes(ShapeEnv):
    """The environment of symbolic shapes, which decides by the traced values and never specialises.

    What is decided inside torch (strides, broadcasting) says nothing about sizes of parameters.
    """

    def __init__(self) -> None:
        super().__init__(specialize_zero_one=False, duck_shape=False)
        self._known: set[Any] = set()

    def evaluate_expr(self, orig_expr: Any, hint: Any = None, *_: Any, **__: Any) -> Any:
        """The value by the hints of the symbols; no guard is kept."""
        if hint is None:
            hint = orig_expr.xreplace(self.backed_var_to_val)
        return sympy.sympify(hint)

    def size(self, expr: Any, value: int, symbols: Mapping[Any, int]) -> Any:
        """The `torch.SymInt` of an expression.

        Args:
            expr: The expression.
            value: Its value where it is traced.
            symbols: The value of each symbol in it.
        """
        for name in expr.free_symbols - self._known:
            self._known.add(name)
            self.backed_var_to_val[name] = sympy.Integer(symbols.get(name, 2))
            self.var_to_range[name] = ValueRanges(0, sympy.oo)
            self.var_to_sources[name] = []
        return self.create_symintnode(expr, hint=value)
