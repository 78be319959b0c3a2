"""Decoders whose code is not in transformers: their tensors by name and shape, written down from their modelling files.

No oracle can build them here. Each table says what `state_dict()` of the published class holds for a tiny
config; `{}` stands for each layer.
"""

import pytest

from verify import architectures
from verify.breakdown import expect, measure
from verify.config import Config
from verify.diff import diff
from verify.errors import ConfigError
from verify.evidence.packing import unpack
from verify.formula import Formula
from verify.roles import Cause, Kind
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shapes = dict[str, tuple[int, ...]]

_SIZES: Values = {"vocab_size": 97, "hidden_size": 24, "intermediate_size": 37, "num_hidden_layers": 3,
                  "num_attention_heads": 4}  # fmt: skip
_LLAMA_MLP: Shapes = {
    "model.layers.{}.mlp.gate_proj.weight": (37, 24),
    "model.layers.{}.mlp.up_proj.weight": (37, 24),
    "model.layers.{}.mlp.down_proj.weight": (24, 37),
    "model.layers.{}.input_layernorm.weight": (24,),
    "model.layers.{}.post_attention_layernorm.weight": (24,),
    "model.norm.weight": (24,),
    "model.embed_tokens.weight": (97, 24),
    "lm_head.weight": (97, 24),
}
_BIASES: Shapes = {f"model.layers.{{}}.self_attn.{part}_proj.bias": (24,) for part in "qkvo"}

BAICHUAN: Values = {"model_type": "baichuan", "architectures": ["BaiChuanForCausalLM"], **_SIZES}
BAICHUAN_SHAPES: Shapes = {
    **_LLAMA_MLP,
    "model.layers.{}.self_attn.W_pack.weight": (72, 24),
    "model.layers.{}.self_attn.o_proj.weight": (24, 24),
}

INTERNLM: Values = {"model_type": "internlm", "architectures": ["InternLMForCausalLM"], **_SIZES}
INTERNLM_SHAPES: Shapes = {
    **_LLAMA_MLP,
    **{f"model.layers.{{}}.self_attn.{part}_proj.weight": (24, 24) for part in "qkvo"},
}

INTERNLM2: Values = {
    "model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"], **_SIZES, "num_key_value_heads": 2,
    "bias": False,
}  # fmt: skip
INTERNLM2_SHAPES: Shapes = {
    "model.tok_embeddings.weight": (97, 24),
    "model.layers.{}.attention.wqkv.weight": (48, 24),
    "model.layers.{}.attention.wo.weight": (24, 24),
    "model.layers.{}.feed_forward.w1.weight": (37, 24),
    "model.layers.{}.feed_forward.w3.weight": (37, 24),
    "model.layers.{}.feed_forward.w2.weight": (24, 37),
    "model.layers.{}.attention_norm.weight": (24,),
    "model.layers.{}.ffn_norm.weight": (24,),
    "model.norm.weight": (24,),
}

MINICPM: Values = {
    "model_type": "minicpm", "architectures": ["MiniCPMForCausalLM"], **_SIZES, "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}  # fmt: skip
MINICPM_ATTENTION: Shapes = {
    "model.layers.{}.self_attn.q_proj.weight": (24, 24),
    "model.layers.{}.self_attn.k_proj.weight": (12, 24),
    "model.layers.{}.self_attn.v_proj.weight": (12, 24),
    "model.layers.{}.self_attn.o_proj.weight": (24, 24),
}
MINICPM_EXPERTS: Shapes = {
    **{name: shape for name, shape in _LLAMA_MLP.items() if ".mlp." not in name},
    "model.layers.{}.mlp.gate.weight": (2, 24),
    **{f"model.layers.{{}}.mlp.experts.{expert}.{part}.weight": shape for expert in range(2)
       for part, shape in {"w1": (37, 24), "w2": (24, 37), "w3": (37, 24)}.items()},
}  # fmt: skip

#: Its `intermediate_size` counts gate and up together.
QWEN: Values = {
    "model_type": "qwen", "architectures": ["QWenLMHeadModel"], **_SIZES, "intermediate_size": 74, "kv_channels": 6,
    "no_bias": True,
}  # fmt: skip
QWEN_SHAPES: Shapes = {
    "transformer.wte.weight": (97, 24),
    "transformer.h.{}.ln_1.weight": (24,),
    "transformer.h.{}.attn.c_attn.weight": (72, 24),
    "transformer.h.{}.attn.c_attn.bias": (72,),
    "transformer.h.{}.attn.c_proj.weight": (24, 24),
    "transformer.h.{}.ln_2.weight": (24,),
    "transformer.h.{}.mlp.w1.weight": (37, 24),
    "transformer.h.{}.mlp.w2.weight": (37, 24),
    "transformer.h.{}.mlp.c_proj.weight": (24, 37),
    "transformer.ln_f.weight": (24,),
    "lm_head.weight": (97, 24),
}
QWEN_BIASES: Shapes = {
    "transformer.h.{}.attn.c_proj.bias": (24,),
    "transformer.h.{}.mlp.w1.bias": (37,),
    "transformer.h.{}.mlp.w2.bias": (37,),
    "transformer.h.{}.mlp.c_proj.bias": (24,),
}

MIMO: Values = {
    "model_type": "mimo", "architectures": ["MiMoForCausalLM"], **_SIZES, "num_key_value_heads": 2, "head_dim": 10,
    "num_nextn_predict_layers": 2, "attention_bias": True,
}  # fmt: skip
MIMO_LAYER: Shapes = {
    "self_attn.q_proj.weight": (40, 24),
    "self_attn.q_proj.bias": (40,),
    "self_attn.k_proj.weight": (20, 24),
    "self_attn.k_proj.bias": (20,),
    "self_attn.v_proj.weight": (20, 24),
    "self_attn.v_proj.bias": (20,),
    "self_attn.o_proj.weight": (24, 40),
    "mlp.gate_proj.weight": (37, 24),
    "mlp.up_proj.weight": (37, 24),
    "mlp.down_proj.weight": (24, 37),
    "input_layernorm.weight": (24,),
    "post_attention_layernorm.weight": (24,),
}
MIMO_SHAPES: Shapes = {
    **{f"model.layers.{{}}.{name}": shape for name, shape in MIMO_LAYER.items()},
    "model.embed_tokens.weight": (97, 24),
    "model.norm.weight": (24,),
    "lm_head.weight": (97, 24),
}
MIMO_PREDICTOR: Shapes = {
    **MIMO_LAYER,
    "token_layernorm.weight": (24,),
    "hidden_layernorm.weight": (24,),
    "input_proj.weight": (24, 48),
    "final_layernorm.weight": (24,),
}

CHATGLM2: Values = {
    "model_type": "chatglm", "architectures": ["ChatGLMModel"], "padded_vocab_size": 97, "hidden_size": 24,
    "ffn_hidden_size": 37, "num_layers": 3, "num_attention_heads": 4, "kv_channels": 8, "add_qkv_bias": True,
    "multi_query_attention": True, "multi_query_group_num": 2,
}  # fmt: skip
CHATGLM2_SHAPES: Shapes = {
    "transformer.embedding.word_embeddings.weight": (97, 24),
    "transformer.rotary_pos_emb.inv_freq": (2,),
    "transformer.encoder.layers.{}.input_layernorm.weight": (24,),
    "transformer.encoder.layers.{}.self_attention.query_key_value.weight": (64, 24),
    "transformer.encoder.layers.{}.self_attention.query_key_value.bias": (64,),
    "transformer.encoder.layers.{}.self_attention.dense.weight": (24, 32),
    "transformer.encoder.layers.{}.post_attention_layernorm.weight": (24,),
    "transformer.encoder.layers.{}.mlp.dense_h_to_4h.weight": (74, 24),
    "transformer.encoder.layers.{}.mlp.dense_4h_to_h.weight": (24, 37),
    "transformer.encoder.final_layernorm.weight": (24,),
    "transformer.output_layer.weight": (97, 24),
}

CHATGLM1: Values = {
    "model_type": "chatglm", "architectures": ["ChatGLMForConditionalGeneration"], "vocab_size": 97, "hidden_size": 32,
    "inner_hidden_size": 37, "num_layers": 3, "num_attention_heads": 4, "position_encoding_2d": True,
    "tie_word_embeddings": False,
}  # fmt: skip
CHATGLM1_SHAPES: Shapes = {
    "transformer.word_embeddings.weight": (97, 32),
    "transformer.layers.{}.input_layernorm.weight": (32,),
    "transformer.layers.{}.input_layernorm.bias": (32,),
    "transformer.layers.{}.attention.rotary_emb.inv_freq": (2,),
    "transformer.layers.{}.attention.query_key_value.weight": (96, 32),
    "transformer.layers.{}.attention.query_key_value.bias": (96,),
    "transformer.layers.{}.attention.dense.weight": (32, 32),
    "transformer.layers.{}.attention.dense.bias": (32,),
    "transformer.layers.{}.post_attention_layernorm.weight": (32,),
    "transformer.layers.{}.post_attention_layernorm.bias": (32,),
    "transformer.layers.{}.mlp.dense_h_to_4h.weight": (37, 32),
    "transformer.layers.{}.mlp.dense_h_to_4h.bias": (37,),
    "transformer.layers.{}.mlp.dense_4h_to_h.weight": (32, 37),
    "transformer.layers.{}.mlp.dense_4h_to_h.bias": (32,),
    "transformer.final_layernorm.weight": (32,),
    "transformer.final_layernorm.bias": (32,),
    "lm_head.weight": (97, 32),
}

TABLES: dict[str, tuple[Values, Shapes]] = {
    "baichuan": (BAICHUAN, BAICHUAN_SHAPES),
    "internlm": (INTERNLM, INTERNLM_SHAPES | _BIASES),
    "internlm without biases": ({**INTERNLM, "bias": False}, INTERNLM_SHAPES),
    "internlm2": (INTERNLM2, {**INTERNLM2_SHAPES, "output.weight": (97, 24)}),
    "internlm2 with biases": (
        {**INTERNLM2, "bias": True},
        {
            **INTERNLM2_SHAPES,
            "output.weight": (97, 24),
            "model.layers.{}.attention.wqkv.bias": (48,),
            "model.layers.{}.attention.wo.bias": (24,),
        },
    ),
    "internlm2 for rewards": (
        {**INTERNLM2, "architectures": ["InternLM2ForRewardModel"]},
        {**INTERNLM2_SHAPES, "v_head.weight": (1, 24)},
    ),
    "internlm2 under the name of the first": (
        {**INTERNLM2, "model_type": "internlm"},
        {**INTERNLM2_SHAPES, "output.weight": (97, 24)},
    ),
    "minicpm": (MINICPM, {**_LLAMA_MLP, **MINICPM_ATTENTION}),
    "minicpm of experts": (
        {**MINICPM, "num_experts": 2, "num_experts_per_tok": 1},
        {**MINICPM_EXPERTS, **MINICPM_ATTENTION},
    ),
    "qwen": (QWEN, QWEN_SHAPES),
    "qwen with biases": ({**QWEN, "no_bias": False}, QWEN_SHAPES | QWEN_BIASES),
    "mimo": (MIMO, MIMO_SHAPES),
    "chatglm2": (CHATGLM2, CHATGLM2_SHAPES),
    "chatglm2 for classification": (
        {**CHATGLM2, "architectures": ["ChatGLMForSequenceClassification"], "num_labels": 5},
        {**CHATGLM2_SHAPES, "classifier_head.weight": (5, 24), "classifier_head.bias": (5,)},
    ),
    "chatglm2 with LayerNorms": (
        {**CHATGLM2, "rmsnorm": False, "post_layer_norm": False},
        {
            **{name: shape for name, shape in CHATGLM2_SHAPES.items() if "final_layernorm" not in name},
            "transformer.encoder.layers.{}.input_layernorm.bias": (24,),
            "transformer.encoder.layers.{}.post_attention_layernorm.bias": (24,),
        },
    ),
    "chatglm2 with a prefix": (
        {**CHATGLM2, "pre_seq_len": 7, "prefix_projection": True},
        {
            **CHATGLM2_SHAPES,
            "transformer.prefix_encoder.embedding.weight": (7, 96),
            "transformer.prefix_encoder.trans.0.weight": (24, 96),
            "transformer.prefix_encoder.trans.0.bias": (24,),
            "transformer.prefix_encoder.trans.2.weight": (96, 24),
            "transformer.prefix_encoder.trans.2.bias": (96,),
        },
    ),
    "chatglm": (CHATGLM1, CHATGLM1_SHAPES),
    "chatglm with a prefix": (
        {**CHATGLM1, "pre_seq_len": 7},
        {**CHATGLM1_SHAPES, "transformer.prefix_encoder.embedding.weight": (7, 192)},
    ),
}


def _formula(values: Values) -> Formula:
    return architectures.find(str(values["model_type"])).formula(Config(values))


def _tensors(shapes: Shapes, layers: int = 3) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name.replace("{}", str(layer)), DTYPES["F16"], shape)
        for name, shape in shapes.items()
        for layer in range(layers if "{}" in name else 1)
    )


@pytest.mark.parametrize("name", TABLES)
def test_a_formula_has_the_tensors_of_the_modelling_file(name: str) -> None:
    values, shapes = TABLES[name]
    config = Config(values)
    family = architectures.find(str(values["model_type"]))
    formula = family.formula(config)
    measured = measure(unpack(_tensors(shapes), ""), family.NAMES)
    assert measured.unclassified == ()
    assert diff(expect(formula.terms), measured.cells) == ()
    assert config.unread() == ()
    assert formula.total().value == formula.count() == measured.total()


def test_the_layers_of_mimo_that_predict_further_tokens_are_an_extra() -> None:
    family = architectures.find("mimo")
    shapes = {f"model.mtp_layers.{{}}.{name}": shape for name, shape in MIMO_PREDICTOR.items()}
    measured = measure(unpack(_tensors(shapes, layers=2), ""), family.NAMES)
    assert measured.unclassified == ()
    (extra,) = [extra for extra in _formula(MIMO).extras if extra.cause is Cause.MTP_LAYER]
    assert diff(expect(extra.terms), measured.cells) == ()


@pytest.mark.parametrize(
    ("values", "parameters", "buffers"),
    [
        # Qwen-72B: half the bytes of its safetensors index, and the Hub's number.
        (
            {**QWEN, "vocab_size": 152064, "hidden_size": 8192, "intermediate_size": 49152, "num_hidden_layers": 80,
             "num_attention_heads": 64, "kv_channels": 128},
            72_287_920_128,
            0,
        ),
        # InternLM2.5-7B-chat: the Hub's number.
        (
            {**INTERNLM2, "vocab_size": 92544, "hidden_size": 4096, "intermediate_size": 14336,
             "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8},
            7_737_708_544,
            0,
        ),
        # ChatGLM2-6B: half the 12,487,168,064 bytes of its index.
        (
            {**CHATGLM2, "padded_vocab_size": 65024, "hidden_size": 4096, "ffn_hidden_size": 13696, "num_layers": 28,
             "num_attention_heads": 32, "kv_channels": 128},
            6_243_584_000,
            32,
        ),
        # MiMo-7B: half the 15,666,819,072 bytes of its index, less one layer that predicts further tokens.
        (
            {**MIMO, "vocab_size": 151680, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 36,
             "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "num_nextn_predict_layers": 1},
            7_833_409_536 - 210_790_400,
            0,
        ),
    ],
    ids=["Qwen-72B", "internlm2_5-7b-chat", "chatglm2-6b", "MiMo-7B-Base"],
)  # fmt: skip
def test_a_published_model_has_its_recorded_size(values: Values, parameters: int, buffers: int) -> None:
    formula = _formula(values)
    assert (formula.count(), formula.count(Kind.BUFFER)) == (parameters, buffers)


def test_the_predictor_of_mimo_7b_has_the_rest_of_its_recorded_size() -> None:
    formula = _formula(
        {**MIMO, "vocab_size": 151680, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 36,
         "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "num_nextn_predict_layers": 1}
    )  # fmt: skip
    assert [extra.count for extra in formula.extras if extra.cause is Cause.MTP_LAYER] == [210_790_400]


def test_a_tied_output_layer_of_the_first_chatglm_may_be_stored() -> None:
    formula = _formula({**CHATGLM1, "tie_word_embeddings": True})
    assert [(extra.cause, extra.count) for extra in formula.extras] == [(Cause.TIED_HEAD_STORED, 97 * 32)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**BAICHUAN, "num_attention_heads": 5}, "hidden_size 24 is not divisible by num_attention_heads 5"),
        ({**INTERNLM2, "num_key_value_heads": 3}, "num_key_value_heads 3 does not divide num_attention_heads 4"),
        ({**QWEN, "kv_channels": 7}, "num_attention_heads 4 times kv_channels 7 is not hidden_size 24"),
        ({**MINICPM, "num_experts": 2, "num_experts_per_tok": 3}, "num_experts_per_tok 3 is more than num_experts 2"),
        ({**CHATGLM2, "multi_query_group_num": 3}, "multi_query_group_num 3 does not divide num_attention_heads 4"),
        ({**CHATGLM2, "quantization_bit": 4}, "quantization_bit is 4"),
        ({**CHATGLM2, "ffn_hidden_size": None}, "neither ffn_hidden_size nor inner_hidden_size"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(values: Values, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _formula(values)
    assert "\n" not in str(caught.value)
