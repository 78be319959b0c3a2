"""What each optimizer keeps: the formula, a step on fake tensors, steps on a real CPU, and plain arithmetic agree."""

from collections.abc import Iterable
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory.truth import BUILT, Values, feed, model

from verify import architectures
from verify.config import Config
from verify.evidence import meta
from verify.memory import optimizers, stage, states
from verify.memory.base import KNOWN, Category, Setting
from verify.memory.saved import size, walk

#: Families whose tensors are laid out differently; with states of 8 bits, each also with tensors too small for them.
SMALL = {name: BUILT[name] for name in ("llama", "gpt2", "mixtral", "gemma2", "bert", "deepseek_v3")}
WIDE = {f"{name}, wide": {**values, "vocab_size": 211} for name, values in SMALL.items()}
MODELS = {**SMALL, **WIDE}
CASES = [(name, each) for each in KNOWN["optimizer"] for name in (MODELS if each == "adamw8bit" else WIDE)]
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "mixed": torch.float32}


def expected(values: Values, setting: Setting) -> int:
    config = Config(values)
    family = architectures.find(str(values["model_type"]))
    rows = states.predict(family.formula(config), family.NAMES, config, setting)
    return next(row.size.value for row in rows if row.category is Category.OPTIMIZER)


def state(made: torch.optim.Optimizer) -> int:
    return size(tensor for each in made.state.values() for tensor in walk(each))


def on_fake(values: Values, setting: Setting) -> int:
    with meta.implementation(values) as found:
        make = optimizers.maker(setting.optimizer)
        with stage.placed("fake"):
            built = stage.build(found, setting, fake=True)
            return state(make([each for each in built.parameters() if each.requires_grad]))


def by_arithmetic(shapes: Iterable[tuple[int, ...]], optimizer: str, width: int) -> int:
    """Bytes over the shapes of all trained tensors, from what the authors of each optimizer write."""
    shapes = list(shapes)
    if optimizer == "adamw":  # two moments like the weights, and a step counter
        return sum(2 * width * prod(shape) + 4 for shape in shapes)
    if optimizer == "adafactor":  # float32 for each row and column, whatever the weights are, and for a size
        return sum(4 * (_factors(shape) + 1) for shape in shapes)
    if optimizer == "adamw8bit":  # two bytes and two scales for each 256, or float32; two tables of 256
        large = [prod(shape) for shape in shapes if prod(shape) >= 4096]
        small = sum(8 * prod(shape) for shape in shapes if prod(shape) < 4096)
        return small + sum(2 * each + 8 * ((each + 255) // 256) for each in large) + (2048 if large else 0)
    return 0


def _factors(shape: tuple[int, ...]) -> int:
    return prod(shape[:-1]) + prod((*shape[:-2], shape[-1])) if len(shape) > 1 else prod(shape)


@pytest.mark.parametrize(("name", "optimizer"), CASES)
def test_the_formula_is_the_state_after_a_step(name: str, optimizer: str) -> None:
    shapes = [tuple(each.shape) for each in model(MODELS[name], device="meta").parameters() if each.requires_grad]
    for precision, dtype in PRECISIONS.items():
        setting = Setting(1, 4, optimizer=optimizer, precision=precision)
        found = expected(MODELS[name], setting)
        assert found == by_arithmetic(shapes, optimizer, dtype.itemsize)
        assert found == on_fake(MODELS[name], setting)


@pytest.mark.parametrize("optimizer", KNOWN["optimizer"])
@pytest.mark.parametrize("name", ["llama, wide", "mixtral, wide", "bert"])
def test_a_second_step_on_a_real_cpu_adds_nothing(name: str, optimizer: str) -> None:
    values = MODELS[name]
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        made: Any = model(values, dtype=dtype)
        steps = optimizers.maker(optimizer)([each for each in made.parameters() if each.requires_grad])
        for _ in range(2):
            tokens = feed(made, 5)
            made(**tokens, labels=tokens["input_ids"]).loss.backward()
            steps.step()
        assert state(steps) == expected(values, Setting(2, 5, optimizer=optimizer, precision=precision))


@settings(max_examples=15, deadline=None)
@given(
    heads=st.tuples(st.integers(1, 3), st.integers(1, 9)), inner=st.integers(1, 400), vocab=st.integers(2, 600),
    run=st.tuples(st.sampled_from(KNOWN["optimizer"]), st.sampled_from(list(PRECISIONS))),
)  # fmt: skip
def test_sizes_of_any_kind_are_exact(heads: tuple[int, int], inner: int, vocab: int, run: tuple[str, str]) -> None:
    """Law: the formula is the state of a step, whatever does or does not fill a block."""
    values: Values = {
        "model_type": "llama", "hidden_size": 2 * prod(heads), "num_attention_heads": heads[0],
        "num_hidden_layers": 1, "intermediate_size": inner, "vocab_size": vocab, "tie_word_embeddings": vocab % 2 == 0,
    }  # fmt: skip
    setting = Setting(1, 4, optimizer=run[0], precision=run[1])
    assert expected(values, setting) == on_fake(values, setting)


def test_no_source_says_that_a_formula_was_not_run() -> None:
    config, family = Config(BUILT["llama"]), architectures.find("llama")
    for optimizer in KNOWN["optimizer"]:
        rows = states.predict(family.formula(config), family.NAMES, config, Setting(optimizer=optimizer))
        (row,) = (each for each in rows if each.category is Category.OPTIMIZER)
        assert row.source
        assert "not run" not in row.note
