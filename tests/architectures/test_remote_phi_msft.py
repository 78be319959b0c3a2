"""Phi in Microsoft's own code, which transformers does not have: every tensor by hand from that code.

The tables were derived from `Embedding`, `ParallelBlock`, `MHA`, `MLP` and `CausalLMHead` of
modeling_mixformer_sequential.py, which modeling_phi.py arranges under other names.
"""

import pytest

from verify import architectures
from verify.breakdown import expect, measure
from verify.config import Config
from verify.errors import ConfigError
from verify.evidence.packing import unpack
from verify.explain import Finding, explain
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shapes = dict[str, tuple[int, ...]]

TINY: Values = {"vocab_size": 97, "n_embd": 24, "n_inner": 37, "n_layer": 2, "n_head": 4, "n_head_kv": 2}
PHI: Values = {**TINY, "model_type": "phi-msft", "architectures": ["PhiForCausalLM"]}
MIXFORMER: Values = {
    **TINY, "model_type": "mixformer-sequential", "architectures": ["MixFormerSequentialForCausalLM"]
}  # fmt: skip

#: 97 tokens fill up to 128; 24 / 4 = 6 axes per head, 4 heads of queries and 2 of keys and of values.
BLOCK: Shapes = {
    "ln.weight": (24,), "ln.bias": (24,),
    "mixer.Wqkv.weight": (48, 24), "mixer.Wqkv.bias": (48,),
    "mixer.out_proj.weight": (24, 24), "mixer.out_proj.bias": (24,),
    "mlp.fc1.weight": (37, 24), "mlp.fc1.bias": (37,),
    "mlp.fc2.weight": (24, 37), "mlp.fc2.bias": (24,),
}  # fmt: skip
HEAD: Shapes = {"ln.weight": (24,), "ln.bias": (24,), "linear.weight": (128, 24), "linear.bias": (128,)}

FILES: dict[str, tuple[Values, Shapes]] = {
    "phi-msft": (
        PHI,
        {
            "transformer.embd.wte.weight": (128, 24),
            **{f"transformer.h.{layer}.{name}": shape for layer in (0, 1) for name, shape in BLOCK.items()},
            **{f"lm_head.{name}": shape for name, shape in HEAD.items()},
        },
    ),
    "mixformer-sequential": (
        MIXFORMER,
        {
            "layers.0.wte.weight": (128, 24),
            **{f"layers.{layer}.{name}": shape for layer in (1, 2) for name, shape in BLOCK.items()},
            **{f"layers.3.{name}": shape for name, shape in HEAD.items()},
        },
    ),
}


def findings(values: Values, shapes: Shapes) -> tuple[Finding, ...]:
    config = Config(values)
    family = architectures.find(str(values["model_type"]))
    formula = family.formula(config)
    assert config.unread() == ()
    tensors = [Tensor(name, DTYPES["F16"], shape) for name, shape in shapes.items()]
    return explain(expect(formula.terms), formula.extras, measure(unpack(tensors, ""), family.NAMES))


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_is_the_one_that_the_code_makes(name: str) -> None:
    assert findings(*FILES[name]) == ()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_tensor_is_found(name: str) -> None:
    values, shapes = FILES[name]
    for missing in shapes:
        found = findings(values, {key: shape for key, shape in shapes.items() if key != missing})
        assert [finding.explained for finding in found] == [False]


@pytest.mark.parametrize("model_type", FILES)
def test_phi_2_has_the_parameters_that_its_index_says(model_type: str) -> None:
    """`total_size` 11,118,735,360 of the F32 file with the names of MixFormer, divided by four bytes."""
    values: Values = {"vocab_size": 51200, "n_embd": 2560, "n_layer": 32, "n_head": 32, "model_type": model_type}
    formula = architectures.find(model_type).formula(Config(values))
    assert formula.count() == 2_779_683_840
    assert formula.total().value == formula.count()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_head_kv": 3}, "n_head_kv 3 does not divide n_head 4"),
        ({"n_head": 5, "n_head_kv": None}, "hidden_size 24 is not divisible by num_attention_heads 5"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is true"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(changes: Values, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        findings({**PHI, **changes}, {})
