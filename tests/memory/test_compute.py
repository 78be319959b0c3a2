"""The operations by formula are those that torch counts, and those of the literature."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory.truth import BATCH, BUILT, Values, feed, model
from torch.utils.flop_counter import FlopCounterMode

from verify import architectures
from verify.config import Config
from verify.evidence import recorded
from verify.memory import compute
from verify.memory.base import Mode, Setting

SEQUENCE = 5

#: One of each way to multiply; recomputation ends in each of them differently.
NAMES = (
    "llama", "gpt2", "gemma2", "bert", "mixtral", "deepseek_v3", "llama4_text", "gpt_oss", "mimo_v2_flash",
    "falcon+40b", "phi3", "t5", "llava",
)  # fmt: skip


def predicted(values: Values, setting: Setting) -> compute.Compute:
    config = Config(values)
    return compute.predict(architectures.find(str(values["model_type"])).formula(config), config, setting)


def counted(values: Values, *, checkpointing: bool = False) -> tuple[int, int]:
    """Operations of a forward and a backward pass on the CPU."""
    made = model(values).train()
    if checkpointing:
        made.activation_checkpointing_enable()
    given_ = feed(made, SEQUENCE)
    with FlopCounterMode(display=False) as forward:
        result = made(**given_, use_cache=False) if made.config.model_type != "bert" else made(**given_)
    with FlopCounterMode(display=False) as backward:
        result.logits.float().sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


@pytest.mark.parametrize("name", NAMES)
def test_the_formula_is_what_the_counter_counts(name: str) -> None:
    work = predicted(BUILT[name], Setting(BATCH, SEQUENCE))
    assert work.complete
    assert (work.forward.value, work.backward.value) == counted(BUILT[name])


@pytest.mark.parametrize("name", ["llama", "gemma2", "bert", "mixtral", "deepseek_v3", "qwen2_moe"])
def test_checkpointing_computes_the_layers_again(name: str) -> None:
    work = predicted(BUILT[name], Setting(BATCH, SEQUENCE, checkpointing="full"))
    assert (work.forward.value, work.backward.value) == counted(BUILT[name], checkpointing=True)


@pytest.mark.parametrize("change", [{"resid_pdrop": 0.0}, {"resid_pdrop": 0.3}])
def test_a_dropout_at_the_end_of_a_layer_needs_its_last_product_again(change: Values) -> None:
    values = {**BUILT["gpt2"], **change}
    work = predicted(values, Setting(BATCH, SEQUENCE, checkpointing="full"))
    assert work.backward.value == counted(values, checkpointing=True)[1]


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_any_llama_is_counted_exactly(data: st.DataObject) -> None:
    """Law: whatever the sizes, formula and counter are equal."""
    groups, times, half = (data.draw(st.integers(1, 3)) for _ in range(3))
    values: Values = {
        **BUILT["llama"],
        "num_key_value_heads": groups,
        "num_attention_heads": groups * times,
        "head_dim": 2 * half,
        "hidden_size": groups * times * data.draw(st.integers(1, 7)),
        "intermediate_size": data.draw(st.integers(1, 20)),
        "num_hidden_layers": data.draw(st.integers(1, 3)),
        "tie_word_embeddings": data.draw(st.booleans()),
    }
    work = predicted(values, Setting(BATCH, SEQUENCE))
    assert (work.forward.value, work.backward.value) == counted(values)


def test_llama_2_7b_is_a_sum_that_can_be_written_down() -> None:
    batch, sequence, hidden, inner, layers, vocab = 2, 2048, 4096, 11008, 32, 32000
    work = predicted(dict(recorded.read("meta-llama/Llama-2-7b-hf").config), Setting(batch, sequence))
    matrices = layers * (4 * hidden**2 + 3 * hidden * inner) + vocab * hidden
    assert work.forward.value == 2 * batch * sequence * matrices + 4 * batch * sequence**2 * hidden * layers
    assert work.backward.value == 2 * work.forward.value


def test_a_mixture_is_counted_by_its_active_experts() -> None:
    """Mixtral: 2 of 8 experts, so that few of its 46.7 billion parameters multiply a token."""
    work = predicted(dict(recorded.read("mistralai/Mixtral-8x7B-v0.1").config), Setting(1, 1, Mode.INFERENCE))
    active = 12_879_925_248 - 32_000 * 4096 - 65 * 4096  # without embedding and norms
    assert work.forward.value == 2 * active + 4 * 4096 * 32
    assert work.backward.value == 0


@pytest.mark.parametrize(
    ("name", "missing"),
    [("mamba", "scan"), ("qwen3_next", "scan"), ("recurrent_gemma", "scan"), ("whisper", "convolutions"),
     ("deepseek_v32", "indexer")],
)  # fmt: skip
def test_what_has_no_formula_is_said(name: str, missing: str) -> None:
    work = predicted(BUILT[name], Setting())
    assert not work.complete
    assert any(missing in note for note in work.notes)


def test_linear_layers_of_an_incomplete_formula_hold() -> None:
    """The scan of a Mamba is extra: what is counted of its matrices is all of them."""
    made = model(BUILT["mamba"])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        made(**feed(made, SEQUENCE), use_cache=False)
    products = counter.get_flop_counts()["Global"][torch.ops.aten.mm]
    assert predicted(BUILT["mamba"], Setting(BATCH, SEQUENCE)).forward.value == products


def test_a_shared_layer_is_run_as_often_as_the_model_is_deep() -> None:
    once = {**BUILT["albert"], "num_hidden_layers": 1, "num_hidden_groups": 1}
    twice = {**once, "num_hidden_layers": 2}
    both = [predicted(values, Setting(BATCH, SEQUENCE)).forward.value for values in (once, twice)]
    assert both == [counted(values)[0] for values in (once, twice)]
