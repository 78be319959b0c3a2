"""Files as they are on the Hub: names of older versions, stored buffers, copies, further heads and layers.

The sizes are those of the real checkpoints; the numbers of elements were recorded from their headers or
from the Hub's API, which counts every stored element.
"""

from collections import Counter
from collections.abc import Iterable

import pytest

from verify import architectures
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.evidence import meta
from verify.evidence.packing import scheme, unpack
from verify.explain import Finding, explain
from verify.roles import Cause, Kind
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shape = tuple[int, ...]

GPT2: Values = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_ctx": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
}
MINILM: Values = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "position_embedding_type": "absolute",
}
BERT: Values = {
    **MINILM,
    "architectures": ["BertForMaskedLM"],
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
}
QWEN3: Values = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "vocab_size": 151936,
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "tie_word_embeddings": True,
}
MIXTRAL: Values = {
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "vocab_size": 32000,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
DEEPSEEK: Values = {
    "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "vocab_size": 129280, "hidden_size": 7168,
    "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "intermediate_size": 18432,
    "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "first_k_dense_replace": 3, "moe_layer_freq": 1, "q_lora_rank": 1536, "kv_lora_rank": 512,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "num_nextn_predict_layers": 1,
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                            "weight_block_size": [128, 128]},
}  # fmt: skip


def module(values: Values) -> dict[str, Shape]:
    """Names and shapes of the class, to be made into those of a file."""
    return {tensor.name: tensor.shape for tensor in meta.read(values, model="real").tensors}


def check(values: Values, shapes: dict[str, Shape]) -> tuple[Breakdown, tuple[Finding, ...]]:
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in shapes.items()]
    family = architectures.find(str(values["model_type"]))
    formula = architectures.predict(family, Config(values))
    measured = measure(unpack(tensors, scheme(values)), family.NAMES)
    return measured, explain(expect(formula.terms), formula.extras, measured)


def causes(findings: Iterable[Finding]) -> list[tuple[Cause, int]]:
    assert all(finding.explained for finding in findings)
    return [(finding.cause, finding.elements) for finding in findings]


def renamed(shapes: dict[str, Shape], *changes: tuple[str, str]) -> dict[str, Shape]:
    new = {}
    for name, shape in shapes.items():
        changed = name
        for old, replacement in changes:
            changed = changed.replace(old, replacement)
        new[changed] = shape
    return new


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_gpt2_stores_its_masks(prefix: str) -> None:
    shapes = renamed(module(GPT2), ("transformer.", prefix))
    shapes |= {f"{prefix}h.{layer}.attn.bias": (1, 1, 1024, 1024) for layer in range(12)}
    measured, findings = check(GPT2, shapes)
    assert causes(findings) == [(Cause.STORED_BUFFER, 12 * 1024**2)]
    assert measured.total() == 124_439_808
    assert measured.total() + measured.total(Kind.BUFFER) == 137_022_720


def test_gpt2_stores_the_fill_value_of_its_masks_too() -> None:
    shapes = module(GPT2) | {f"transformer.h.{layer}.attn.bias": (1, 1, 1024, 1024) for layer in range(12)}
    shapes |= {f"transformer.h.{layer}.attn.masked_bias": () for layer in range(12)}
    _, findings = check(GPT2, shapes)
    assert sorted(causes(findings)) == [(Cause.STORED_BUFFER, 12), (Cause.STORED_BUFFER, 12 * 1024**2)]


def test_a_mask_of_another_length_is_not_explained() -> None:
    shapes = module(GPT2) | {f"transformer.h.{layer}.attn.bias": (1, 1, 512, 512) for layer in range(12)}
    _, (found,) = check(GPT2, shapes)
    assert (found.explained, found.cause) == (False, Cause.EXTRA)


def test_minilm_stores_its_position_numbers() -> None:
    measured, findings = check(MINILM, module(MINILM) | {"embeddings.position_ids": (1, 512)})
    assert causes(findings) == [(Cause.STORED_BUFFER, 512)]
    assert measured.total() == 22_713_216


def test_bert_is_stored_with_all_its_pretraining_heads_and_old_names() -> None:
    """The backbone has 109,482,240 parameters, the file 110,106,428."""
    shapes = module({**BERT, "architectures": ["BertForPreTraining"]})
    shapes = renamed(shapes, ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
    measured, findings = check(BERT, shapes)
    assert sorted(causes(findings)) == [(Cause.OTHER_HEAD, 2 * 768 + 2), (Cause.OTHER_HEAD, 768 * 768 + 768)]
    assert measured.total() == 110_106_428
    backbone = architectures.find("bert").formula(Config({**BERT, "architectures": ["BertModel"]}))
    assert backbone.count() == 109_482_240


def test_bert_stores_the_copies_of_a_tied_decoder() -> None:
    shapes = module(BERT)
    shapes |= {"cls.predictions.decoder.weight": (30522, 768), "cls.predictions.decoder.bias": (30522,)}
    _, findings = check(BERT, shapes)
    assert sorted(causes(findings)) == [(Cause.TIED_HEAD_STORED, 30522), (Cause.TIED_HEAD_STORED, 30522 * 768)]


def test_qwen3_stores_a_tied_head() -> None:
    measured, findings = check(QWEN3, module(QWEN3) | {"lm_head.weight": (151936, 1024)})
    assert causes(findings) == [(Cause.TIED_HEAD_STORED, 155_582_464)]
    assert measured.total() == 751_632_384
    assert architectures.find("qwen3").formula(Config(QWEN3)).count() == 596_049_920


def split(shapes: dict[str, Shape], fused: str, parts: dict[str, Shape], layers: Iterable[int], each: str) -> None:
    """Write the fused experts of some layers one by one."""
    for layer in layers:
        experts, *_ = shapes.pop(f"model.layers.{layer}.mlp.experts.{fused}")
        for expert in range(experts):
            for part, shape in parts.items():
                shapes[f"model.layers.{layer}.{each}.{expert}.{part}.weight"] = shape


def test_mixtral_stores_its_experts_one_by_one() -> None:
    shapes = module(MIXTRAL)
    each = "block_sparse_moe.experts"
    split(shapes, "gate_up_proj", {"w1": (14336, 4096), "w3": (14336, 4096)}, range(32), each)
    split(shapes, "down_proj", {"w2": (4096, 14336)}, range(32), each)
    shapes = renamed(shapes, (".mlp.gate.", ".block_sparse_moe.gate."))
    assert len(shapes) == 995
    measured, findings = check(MIXTRAL, shapes)
    assert findings == ()
    assert 2 * measured.total() == 93_405_585_408


def deepseek() -> dict[str, Shape]:
    """The 91,991 tensors of DeepSeek-V3: experts one by one, a layer that predicts a token, fp8 scales."""
    shapes = module(DEEPSEEK)
    sparse = {name: shape for name, shape in shapes.items() if name.startswith("model.layers.60.")}
    shapes |= {name.replace(".60.", ".61."): shape for name, shape in sparse.items()}
    layer = "model.layers.61."
    shapes |= {f"{layer}{name}.weight": (7168,) for name in ("enorm", "hnorm", "shared_head.norm")}
    shapes |= {f"{layer}{name}.weight": (129280, 7168) for name in ("embed_tokens", "shared_head.head")}
    shapes[f"{layer}eh_proj.weight"] = (7168, 2 * 7168)
    each = "mlp.experts"
    split(shapes, "gate_up_proj", {"gate_proj": (2048, 7168), "up_proj": (2048, 7168)}, range(3, 62), each)
    split(shapes, "down_proj", {"down_proj": (7168, 2048)}, range(3, 62), each)
    for name, shape in list(shapes.items()):
        if name.endswith(("_proj.weight", "_proj_with_mqa.weight")) and not name.endswith("eh_proj.weight"):
            shapes[f"{name}_scale_inv"] = (-(-shape[0] // 128), -(-shape[1] // 128))
    return shapes


def test_deepseek_v3_is_explained_to_the_last_element() -> None:
    shapes = deepseek()
    assert len(shapes) == 91_991
    measured, findings = check(DEEPSEEK, shapes)
    assert Counter(causes(findings)) == Counter(
        {(Cause.MTP_LAYER, 13_463_426_304): 1, (Cause.SCALES, 40_838_232): 1, (Cause.SCALES, 702_264): 1}
    )
    formula = architectures.find("deepseek_v3").formula(Config(DEEPSEEK))
    assert (formula.count(), formula.count(Kind.BUFFER)) == (671_026_404_352, 58 * 256)
    assert sum(measured.total(kind) for kind in Kind) == 684_531_386_000


def test_an_incomplete_prediction_layer_is_not_explained() -> None:
    shapes = deepseek()
    del shapes["model.layers.61.mlp.experts.255.down_proj.weight"]
    _, findings = check(DEEPSEEK, shapes)
    assert not all(finding.explained for finding in findings)
