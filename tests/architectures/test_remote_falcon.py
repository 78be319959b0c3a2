"""Falcon before transformers had it: every tensor by hand from modelling_RW.py of the Falcon repositories."""

import pytest

from verify import architectures
from verify.breakdown import expect, measure
from verify.config import Config
from verify.evidence.packing import unpack
from verify.explain import explain
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shapes = dict[str, tuple[int, ...]]

TINY: Values = {"vocab_size": 97, "hidden_size": 24, "n_layer": 2, "n_head": 4, "bias": False, "alibi": False}


def _norm(name: str) -> Shapes:
    return {f"{name}.weight": (24,), f"{name}.bias": (24,)}


#: What every block has: the inner width is four times the hidden size.
PLAIN: Shapes = {
    "self_attention.dense.weight": (24, 24),
    "mlp.dense_h_to_4h.weight": (96, 24),
    "mlp.dense_4h_to_h.weight": (24, 96),
}
BIASES: Shapes = {
    "self_attention.query_key_value.bias": (72,),
    "self_attention.dense.bias": (24,),
    "mlp.dense_h_to_4h.bias": (96,),
    "mlp.dense_4h_to_h.bias": (24,),
}
QKV = "self_attention.query_key_value.weight"

#: Four heads of six axes: queries and one key and value head, two of them, or four.
BLOCKS: dict[str, tuple[Values, Shapes]] = {
    "7B": (
        {"model_type": "RefinedWebModel", "multi_query": True, "parallel_attn": True},
        {**PLAIN, QKV: (36, 24), **_norm("input_layernorm")},
    ),
    "40B": (
        {"model_type": "RefinedWeb", "n_head_kv": 2, "parallel_attn": True},
        {**PLAIN, QKV: (48, 24), **_norm("ln_attn"), **_norm("ln_mlp")},
    ),
    "RW-1B": (
        {"model_type": "RefinedWebModel", "multi_query": False, "parallel_attn": False, "alibi": True, "bias": True},
        {**PLAIN, **BIASES, QKV: (72, 24), **_norm("input_layernorm"), **_norm("post_attention_layernorm")},
    ),
    "only what must be said": (
        {"model_type": "RefinedWebModel"},
        {**PLAIN, QKV: (72, 24), **_norm("input_layernorm"), **_norm("post_attention_layernorm")},
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_every_tensor_is_the_one_that_the_code_makes(name: str) -> None:
    changes, block = BLOCKS[name]
    config = Config({**TINY, **changes, "architectures": ["RWForCausalLM"]})
    family = architectures.find(str(changes["model_type"]))
    formula = family.formula(config)
    assert config.unread() == ()
    shapes = {
        "transformer.word_embeddings.weight": (97, 24),
        **{f"transformer.h.{layer}.{part}": shape for layer in (0, 1) for part, shape in block.items()},
        **{f"transformer.{part}": shape for part, shape in _norm("ln_f").items()},
    }
    tensors = [Tensor(tensor, DTYPES["BF16"], shape) for tensor, shape in shapes.items()]
    assert explain(expect(formula.terms), formula.extras, measure(unpack(tensors, ""), family.NAMES)) == ()
