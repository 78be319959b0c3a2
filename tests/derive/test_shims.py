"""Everything that a trace puts in place is taken away again, however the trace ends."""

import builtins
import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn.modules import module as hooks
from transformers import PreTrainedConfig, initialization

from verify.derive.building import classes, configurations
from verify.derive.tracing.ranges import ranged
from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.shims import building, recording, symbolic
from verify.derive.tracing.symbols import SymbolicInt, symbol
from verify.derive.tracing.trace import trace
from verify.errors import VerifyError

_NAMES = ("int", "float", "list", "tuple", "range", "len", "enumerate", "min", "max", "math", "np", "torch")


def _state() -> Iterator[tuple[Any, ...]]:
    """Whatever a trace touches, by identity."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith("transformers") and module is not None:
            yield from ((name, key, id(vars(module)[key])) for key in _NAMES if key in vars(module))
    for name in initialization.TORCH_MODULES_TO_PATCH:
        if name in sys.modules:
            yield from (
                (name, function, id(getattr(sys.modules[name], function, None)))
                for function in initialization.TORCH_INIT_FUNCTIONS
            )
    yield "config", id(PreTrainedConfig.__getattribute__)
    yield "hooks", len(hooks._global_parameter_registration_hooks), len(hooks._global_buffer_registration_hooks)
    yield "modules", len(hooks._global_module_registration_hooks)
    yield "modes", torch._C._len_torch_function_stack(), Recorder.current


class _BrokenError(Exception):
    pass


def test_an_exception_leaves_no_shim_behind() -> None:
    import transformers.models.llama.modeling_llama as llama

    def broken() -> None:
        recorder = Recorder()
        with symbolic(recorder), building(recorder):
            assert llama.int is not builtins.int  # type: ignore[attr-defined]
            assert llama.range is not builtins.range  # type: ignore[attr-defined]
            raise _BrokenError

    before = list(_state())
    with pytest.raises(_BrokenError):
        broken()
    assert not hasattr(llama, "int")
    assert not hasattr(llama, "range")
    assert list(_state()) == before


@pytest.mark.parametrize("change", [{}, {"num_attention_heads": 0}, {"hidden_act": "no such"}, {"hidden_size": "wide"}])
def test_a_trace_leaves_everything_as_it_was(change: dict[str, Any]) -> None:
    target = classes.find("llama")
    small = configurations.keywords(target.config_class, {"model_type": "llama", "num_hidden_layers": 2})
    trace(target, small)
    before = list(_state())
    try:
        trace(target, small | change)
    except VerifyError:
        assert change
    assert list(_state()) == before


def test_inside_types_are_still_what_they_are() -> None:
    import transformers.models.gpt2.modeling_gpt2 as gpt2

    with symbolic(Recorder()):
        shim: Any = gpt2.int  # type: ignore[attr-defined]
        assert isinstance(3, shim)
        assert isinstance(bool(1), shim)
        assert not isinstance(3.0, shim)
        assert issubclass(bool, shim)
        assert shim("12", 16) == 18
        assert shim(3.7) == 3
        assert shim == int  # noqa: E721 - `type(x) == int` is what a model may write
        assert (shim | None) == (int | None)
        assert list(gpt2.range(2, 8, 3)) == [2, 5]  # type: ignore[attr-defined]
        assert isinstance(range(3), gpt2.range)  # type: ignore[attr-defined]
        assert gpt2.max([3, 1], key=lambda at: -at) == 1  # type: ignore[attr-defined]
        assert gpt2.len("abc") == 3  # type: ignore[attr-defined]
        assert isinstance(torch.ones(1), gpt2.torch.Tensor)  # type: ignore[attr-defined]
        assert gpt2.torch.Tensor([1.0]).shape == (1,)  # type: ignore[attr-defined]
        assert gpt2.torch.nn is torch.nn  # type: ignore[attr-defined]
    assert gpt2.torch is torch  # type: ignore[attr-defined]
    assert gpt2.math is math if hasattr(gpt2, "math") else True
    assert np.prod([2, 3]) == 6
    assert transformers.models.gpt2.modeling_gpt2 is gpt2


def test_a_concrete_model_is_built_as_ever_after_a_trace() -> None:
    target = classes.find("llama")
    trace(target, configurations.keywords(target.config_class, {"model_type": "llama", "num_hidden_layers": 1}))
    config = target.config_class(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=9,
    )
    model = target.model_class(config)
    assert type(model.config.hidden_size) is int
    assert all(type(size) is int for parameter in model.parameters() for size in parameter.shape)
    assert model.model.embed_tokens.weight.std() > 0


def test_a_loop_from_a_size_on_is_counted_from_zero() -> None:
    recorder = Recorder()
    first, many = (SymbolicInt(value, symbol(name, value)) for name, value in (("first", 5), ("many", 2)))
    with recording(recorder):
        found = list(ranged(first, first + many))
    assert found == [5, 6]
    loops = {step.loop for step in recorder.passes.values()}
    assert [(str(loop.start), str(loop.stop)) for loop in loops] == [("0", "many")]
    assert [step.value for step in recorder.passes.values()] == [0, 1]


def test_the_layers_of_an_lstm_are_a_condition_because_their_names_have_no_index() -> None:
    recorder = Recorder()
    size, layers = (SymbolicInt(value, symbol(name, value)) for name, value in (("size", 6), ("layers", 2)))
    with symbolic(recorder), building(recorder):
        lstm = torch.nn.LSTM(size, size, layers)
    assert [name for name, _ in lstm.named_parameters() if name.startswith("weight_ih")] == [
        "weight_ih_l0",
        "weight_ih_l1",
    ]
    assert ("==", "layers", "2", True) in {
        (each.sign, str(each.left), str(each.right), each.outcome) for each in recorder.comparisons.values()
    }
    assert "range" not in vars(torch.nn.modules.rnn)
