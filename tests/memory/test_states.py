"""What stays in memory through a step equals what torch and transformers allocate."""

import math
from typing import TYPE_CHECKING

import pytest
import torch
from memory.truth import BUILT, model
from transformers.optimization import Adafactor

from verify import architectures
from verify.config import Config
from verify.formula import Formula
from verify.memory import states
from verify.memory.base import Category, Mode, Predicted, Setting
from verify.names import NameTable, slot
from verify.symbols import Size

if TYPE_CHECKING:
    from collections.abc import Callable

#: Families whose experts stand in one tensor, whose heads are tied, whose positions are not trained, and others.
NAMES = (
    "llama", "gpt2", "gemma2", "bert", "mixtral", "deepseek_v3", "llama4_text", "gpt_oss", "qwen3_next", "mamba",
    "whisper", "pegasus", "ernie4_5_moe", "qwen3_vl_moe",
)  # fmt: skip


def parts(name: str) -> tuple[Formula, NameTable, Config]:
    config = Config(BUILT[name])
    family = architectures.find(str(BUILT[name]["model_type"]))
    return family.formula(config), family.NAMES, config


def predicted(name: str, setting: Setting) -> dict[Category, Predicted]:
    return {row.category: row for row in states.predict(*parts(name), setting)}


def stepped(name: str, optimizer: str, dtype: torch.dtype) -> tuple[int, int, int]:
    """Bytes of weights, gradients and optimizer state after a step with gradients of zero."""
    made = model(BUILT[name], dtype=dtype)
    trained = [each for each in made.parameters() if each.requires_grad]
    for each in trained:
        each.grad = torch.zeros_like(each)
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(trained),
        "sgd": lambda: torch.optim.SGD(trained),
        "adafactor": lambda: Adafactor(trained, lr=1e-3, scale_parameter=False, relative_step=False),
    }
    stepping = kinds[optimizer]()
    stepping.step()
    kept = [value for state in stepping.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    weights = sum(each.nbytes for each in made.parameters())
    return weights, sum(each.grad.nbytes for each in trained), sum(each.nbytes for each in kept)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_are_grouped_as_the_implementation_holds_them(name: str) -> None:
    built = [each.shape for each in model(BUILT[name], device="meta").parameters()]
    formula, names, _ = parts(name)
    found = tuple(states.held(formula, names))
    assert sum(each.count.value for each in found) == len(built)
    assert sum((each.elements * each.count).value for each in found) == sum(map(math.prod, built))


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "sgd"])
@pytest.mark.parametrize("name", NAMES)
def test_weights_gradients_and_optimizer_state_are_those_of_a_step(name: str, optimizer: str) -> None:
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        rows = predicted(name, Setting(optimizer=optimizer, precision=precision))
        found = tuple(rows[each].size.value for each in (Category.PARAMETERS, Category.GRADIENTS, Category.OPTIMIZER))
        assert found == stepped(name, optimizer, dtype)
        assert all(row.source for row in rows.values())


def test_mixed_precision_keeps_float32_and_computes_in_bfloat16() -> None:
    full, mixed = predicted("llama", Setting()), predicted("llama", Setting(precision="mixed"))
    for category in (Category.PARAMETERS, Category.GRADIENTS, Category.OPTIMIZER):
        assert full[category].size == mixed[category].size
    assert full[Category.LOGITS].size.value == 2 * mixed[Category.LOGITS].size.value


def test_inference_has_neither_gradients_nor_optimizer() -> None:
    rows = predicted("llama", Setting(2, 3, Mode.INFERENCE, "float16"))
    assert set(rows) == {Category.PARAMETERS, Category.INPUTS, Category.LOGITS}
    assert rows[Category.INPUTS].size.value == 8 * 2 * 3
    assert rows[Category.LOGITS].size.value == 2 * 3 * 97 * 2


def test_training_has_labels_beside_its_tokens() -> None:
    assert predicted("llama", Setting(2, 3))[Category.INPUTS].size.value == 2 * 8 * 2 * 3


def test_a_model_without_an_output_layer_has_no_logits() -> None:
    config = Config({**BUILT["llama"], "architectures": ["LlamaModel"]})
    formula = architectures.find("llama").formula(config)
    assert states.logits(formula, Setting()) is None


def test_a_tied_head_is_counted_once_and_gives_logits() -> None:
    formula, _, _ = parts("gpt2")
    assert states.is_tied(formula)
    assert predicted("gpt2", Setting(1, 1))[Category.LOGITS].size.value == 97 * 4


def test_eight_bit_moments_have_a_scale_for_each_256() -> None:
    tensors = (
        (states.Held((Size.of(100), Size.of(100)), Size.of(1), slot("mlp.up")), 4),  # 10,000: 40 blocks
        (states.Held((Size.of(64),), Size.of(3), slot("norm.input")), 4),  # too small, so float32
    )
    size, _, _ = states._adamw8bit(tensors)
    assert size.value == 10_000 * 2 + 40 * 2 * 4 + 3 * 64 * 8 + 2 * 256 * 4
    small, _, _ = states._adamw8bit(tensors[1:])
    assert small.value == 3 * 64 * 8  # the tables stand in the state of what is quantised
