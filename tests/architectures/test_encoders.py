"""Files of encoders, of encoder-decoders and of towers over images, as they are on the Hub.

The sizes are those of the real checkpoints; the numbers of elements were recorded from their headers, from the
Hub's API or from loaded models.
"""

import pytest

from verify import architectures
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.errors import ConfigError
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.explain import Finding, explain
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shape = tuple[int, ...]

ROBERTA: Values = {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"], "hidden_size": 768,
                   "intermediate_size": 3072, "max_position_embeddings": 514, "num_attention_heads": 12,
                   "num_hidden_layers": 12, "type_vocab_size": 1, "vocab_size": 50265}  # fmt: skip
BGE_M3: Values = {**ROBERTA, "model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"], "hidden_size": 1024,
                  "intermediate_size": 4096, "max_position_embeddings": 8194, "num_attention_heads": 16,
                  "num_hidden_layers": 24, "vocab_size": 250002}  # fmt: skip
MODERNBERT: Values = {"model_type": "modernbert", "architectures": ["ModernBertForMaskedLM"], "hidden_size": 768,
                      "intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 12,
                      "vocab_size": 50368}  # fmt: skip
T5: Values = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "d_model": 768, "d_kv": 64,
              "d_ff": 3072, "num_layers": 12, "num_heads": 12, "vocab_size": 32128,
              "feed_forward_proj": "relu"}  # fmt: skip
FLAN_T5: Values = {**T5, "d_ff": 2048, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
T5_XXL: Values = {**FLAN_T5, "d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
WHISPER: Values = {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "d_model": 1280,
                   "encoder_layers": 32, "decoder_layers": 32, "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120,
                   "encoder_attention_heads": 20, "decoder_attention_heads": 20, "num_mel_bins": 80,
                   "max_source_positions": 1500, "max_target_positions": 448, "vocab_size": 51865}  # fmt: skip
CLIP: Values = {
    "model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 768,
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12},
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
                      "num_hidden_layers": 24, "patch_size": 14},
}  # fmt: skip
BART: Values = {"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "d_model": 24,
                "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 37, "decoder_ffn_dim": 37,
                "encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 31,
                "vocab_size": 97, "pad_token_id": 1}  # fmt: skip
VIT: Values = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": 24,
               "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 15,
               "patch_size": 5}  # fmt: skip


def module(values: Values) -> dict[str, Shape]:
    """Names and shapes of the class, to be made into those of a file."""
    return {tensor.name: tensor.shape for tensor in meta.read(values, model="real").tensors}


def check(values: Values, shapes: dict[str, Shape]) -> tuple[Breakdown, tuple[Finding, ...]]:
    tensors = [Tensor(name, DTYPES["F32"], shape) for name, shape in shapes.items()]
    family = architectures.find(str(values["model_type"]))
    formula = family.formula(Config(values))
    measured = measure(unpack(tensors, ""), family.NAMES)
    return measured, explain(expect(formula.terms), formula.extras, measured)


def causes(findings: tuple[Finding, ...]) -> list[tuple[Cause, int]]:
    assert all(finding.explained for finding in findings)
    return sorted((finding.cause, finding.elements) for finding in findings)


@pytest.mark.parametrize(
    ("values", "elements"),
    [
        (ROBERTA, 124_697_433),
        ({**ROBERTA, "architectures": ["RobertaModel"]}, 124_645_632),
        (BGE_M3, 567_754_752),
        (MODERNBERT, 149_655_232),
        (FLAN_T5, 247_577_856),
        (T5_XXL, 11_135_332_352),
        (WHISPER, 1_543_304_960),
        (CLIP, 427_616_513),
    ],
    ids=["roberta", "roberta-backbone", "bge-m3", "modernbert", "flan-t5", "t5-v1.1-xxl", "whisper", "clip"],
)
def test_the_formula_counts_what_was_recorded(values: Values, elements: int) -> None:
    family = architectures.find(str(values["model_type"]))
    assert family.formula(Config(values)).count() == elements


def test_roberta_stores_its_position_numbers() -> None:
    _, findings = check(ROBERTA, module(ROBERTA) | {"roberta.embeddings.position_ids": (1, 514)})
    assert causes(findings) == [(Cause.STORED_BUFFER, 514)]


def test_flan_t5_has_an_output_layer_of_its_own() -> None:
    """The class ties it whatever the config says, and unties it when the file holds another one."""
    shapes = module(FLAN_T5)
    assert "lm_head.weight" not in shapes
    measured, findings = check(FLAN_T5, shapes | {"lm_head.weight": (32128, 768)})
    assert findings == ()
    assert measured.total() == 247_577_856


def test_t5_stores_its_embedding_three_times_and_a_table_that_nobody_reads() -> None:
    """The first files of T5: 222,903,552 parameters and 384 more."""
    shapes = module(T5)
    shapes["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = (32, 12)
    measured, findings = check(T5, shapes)
    assert causes(findings) == [(Cause.STORED_BUFFER, 384)]
    assert measured.total() == 222_903_936
    copies = {f"{stack}.embed_tokens.weight": (32128, 768) for stack in ("encoder", "decoder")}
    _, findings = check(T5, shapes | copies | {"lm_head.weight": (32128, 768)})
    assert causes(findings) == [
        (Cause.STORED_BUFFER, 384),
        (Cause.TIED_EMBEDDING_STORED, 32128 * 768),
        (Cause.TIED_EMBEDDING_STORED, 32128 * 768),
        (Cause.TIED_HEAD_STORED, 32128 * 768),
    ]


def test_bart_stores_its_embedding_for_each_stack_and_as_its_output_layer() -> None:
    copies = dict.fromkeys(
        ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"), (97, 24)
    )
    _, findings = check(BART, module(BART) | copies)
    assert causes(findings) == [
        (Cause.TIED_EMBEDDING_STORED, 97 * 24),
        (Cause.TIED_EMBEDDING_STORED, 97 * 24),
        (Cause.TIED_HEAD_STORED, 97 * 24),
    ]


def test_clip_stores_the_position_numbers_of_both_towers() -> None:
    shapes = module(CLIP) | {
        "text_model.embeddings.position_ids": (1, 77),
        "vision_model.embeddings.position_ids": (1, 257),
    }
    _, findings = check(CLIP, shapes)
    assert causes(findings) == [(Cause.STORED_BUFFER, 77), (Cause.STORED_BUFFER, 257)]


def test_vit_has_other_names_in_files_than_in_modules() -> None:
    names = {
        "vit.layers.": "vit.encoder.layer.",
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    shapes: dict[str, Shape] = {}
    for name, shape in module(VIT).items():
        stored = name
        for new, old in names.items():
            stored = stored.replace(new, old)
        shapes[stored] = shape
    _, findings = check(VIT, shapes | {"vit.pooler.dense.weight": (24, 24), "vit.pooler.dense.bias": (24,)})
    assert causes(findings) == [(Cause.OTHER_HEAD, 24 * 24 + 24)]


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        (ROBERTA, {"num_attention_heads": 7}, "hidden_size 768 is not divisible by num_attention_heads 7"),
        (ROBERTA, {"add_cross_attention": True}, "add_cross_attention is true and is_decoder is false"),
        (ROBERTA, {"position_embedding_type": "relative_key"}, "position_embedding_type is relative_key"),
        (MODERNBERT, {"layer_types": ["full_attention"]}, "layer_types has 1 entries"),
        (T5, {"feed_forward_proj": "glu-gelu"}, "feed_forward_proj is 'glu-gelu'"),
        (T5, {"architectures": ["T5EncoderModel"], "is_decoder": True}, "is_decoder is true for T5EncoderModel"),
        (T5, {"hidden_size": 24}, "hidden_size is 24 and d_model is 768"),
        (BART, {"decoder_attention_heads": 5}, "d_model 24 is not divisible by decoder_attention_heads 5"),
        (VIT, {"patch_size": 16}, "patch_size 16 is more than image_size 15"),
        (VIT, {"image_size": [15]}, "expected one or two whole numbers"),
        (CLIP, {"text_config": {"hidden_size": 25}}, "hidden_size 25 is not divisible by num_attention_heads 8"),
        (CLIP, {"vision_config": {"num_channels": 0}}, "vision_config.num_channels is 0; expected at least 1"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(values: Values, changes: Values, message: str) -> None:
    changed = {**values, **changes}
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")) as caught:
        architectures.find(str(changed["model_type"])).formula(Config(changed))
    assert "\n" not in str(caught.value)


def test_an_albert_has_no_more_groups_than_layers() -> None:
    values = {"model_type": "albert", "hidden_size": 24, "vocab_size": 97, "num_attention_heads": 4,
              "intermediate_size": 37, "num_hidden_layers": 2, "num_hidden_groups": 3}  # fmt: skip
    with pytest.raises(ConfigError, match="num_hidden_groups 3 is more than num_hidden_layers 2"):
        architectures.find("albert").formula(Config(values))


def test_an_answer_of_a_distilbert_has_two_labels() -> None:
    values = {"model_type": "distilbert", "architectures": ["DistilBertForQuestionAnswering"], "vocab_size": 97,
              "dim": 24, "hidden_dim": 37, "n_layers": 2, "n_heads": 4, "num_labels": 5}  # fmt: skip
    with pytest.raises(ConfigError, match="num_labels is 5; expected 2"):
        architectures.find("distilbert").formula(Config(values))
