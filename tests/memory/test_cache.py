"""The cache formulas give what the real cache classes hold after a prefill, and what arithmetic says."""

import pytest
import torch
from memory.truth import BATCH, BUILT, Values, cache_bytes

from verify import architectures
from verify.config import Config
from verify.errors import UsageError
from verify.evidence import recorded
from verify.memory import cache
from verify.memory.base import Mode, Predicted, Setting

SEQUENCE = 7

#: One model type of each way to keep tokens; whose shapes are odd on purpose, not all run.
FULL = (
    "llama", "gpt2", "bloom", "falcon", "falcon+40b", "gpt_bigcode", "phi3", "mixtral", "deepseek_v3",
    "glm_moe_dsa", "mimo_v2_flash", "gemma2", "gpt_oss", "mamba", "mamba2", "jamba", "nemotron_h", "granitemoehybrid",
    "lfm2", "qwen3_next", "t5", "whisper", "llava",
)  # fmt: skip

#: Windows that are shorter than the sequence, as the configs of each class state them.
WINDOWED: dict[str, list[Values]] = {
    "mistral": [{"sliding_window": 4}, {"sliding_window": 1}, {"sliding_window": 8}, {"sliding_window": None}],
    "gemma2": [{"sliding_window": 4}],
    "gemma3_text": [{"sliding_window": 4}, {"sliding_window": 4, "sliding_window_pattern": 2}],
    "cohere2": [{"sliding_window": 3}, {"sliding_window": 3, "sliding_window_pattern": 2}],
    "gpt_oss": [{"sliding_window": 5}],
    "olmo3": [{"sliding_window": 4}],
    "phi3": [{"sliding_window": 4}],
    "mimo_v2_flash": [{"sliding_window": 4}, {"sliding_window_size": 3}],
    "llama4_text": [{"attention_chunk_size": 4}],
    "smollm3": [{"use_sliding_window": True, "sliding_window": 4, "no_rope_layer_interval": 2}],
    "qwen2": [
        {"sliding_window": 4},
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0},
    ],
    "qwen2_moe": [{"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}],
    "qwen3_moe": [{"use_sliding_window": True, "sliding_window": 4}],
    "llama": [{"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 3}],
}
WINDOWS = [
    pytest.param(name, change, id=f"{name} {change}") for name, changes in WINDOWED.items() for change in changes
]


def predicted(values: Values, setting: Setting) -> Predicted | None:
    config = Config(values)
    family = architectures.find(str(values["model_type"]))
    return cache.predict(family.formula(config), config, setting)


def tiny(values: Values, dtype: str) -> int:
    row = predicted(values, Setting(BATCH, SEQUENCE, Mode.INFERENCE, dtype))
    assert row is not None
    assert row.source
    return row.size.value


def record(model: str, batch: int, sequence: int) -> Predicted:
    row = predicted(dict(recorded.read(model).config), Setting(batch, sequence, Mode.INFERENCE, "bfloat16"))
    assert row is not None
    return row


@pytest.mark.parametrize("name", FULL)
def test_the_formula_is_what_the_cache_classes_hold(name: str) -> None:
    assert tiny(BUILT[name], "bfloat16") == cache_bytes(BUILT[name], SEQUENCE, torch.bfloat16)


@pytest.mark.parametrize(("name", "change"), WINDOWS)
def test_layers_with_a_window_keep_all_but_its_next_token(name: str, change: Values) -> None:
    values = {**BUILT[name], **change}
    assert tiny(values, "float32") == cache_bytes(values, SEQUENCE, torch.float32)


def test_llama_2_keeps_two_vectors_of_4096_a_layer_and_token() -> None:
    assert record("meta-llama/Llama-2-7b-hf", 1, 1).size.value == 2 * 32 * 4096 * 2 == 524_288


def test_grouped_heads_keep_less() -> None:
    # 80 layers, 8 of 64 heads of 128
    assert record("meta-llama/Llama-2-70b-hf", 3, 5).size.value == 3 * 5 * 80 * 2 * 8 * 128 * 2


def test_one_head_of_falcon_7b_serves_all_queries() -> None:
    row = record("tiiuae/falcon-7b", 1, 10)
    assert row.size.value == 10 * 32 * 2 * 64 * 2


def test_deepseek_v3_keeps_latents_as_its_paper_says() -> None:
    values = dict(recorded.read("deepseek-ai/DeepSeek-V3").config)
    setting = Setting(1, 163_840, Mode.INFERENCE, "bfloat16")
    latent = predicted(values, setting)
    config = Config(values)
    whole = cache.expanded(architectures.find("deepseek_v3").formula(config), config, setting)
    assert latent is not None
    assert whole is not None
    assert latent.size.value == 163_840 * 61 * (512 + 64) * 2 == 11_513_364_480
    assert whole.size.value == 163_840 * 61 * 128 * (128 + 64 + 128) * 2 == 818_728_140_800


def test_what_has_no_latent_has_nothing_to_expand() -> None:
    config = Config(BUILT["llama"])
    assert cache.expanded(architectures.find("llama").formula(config), config, Setting()) is None


@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert", "albert", "distilbert", "electra", "vit"])
def test_encoders_keep_nothing(name: str) -> None:
    assert predicted(BUILT[name], Setting(mode=Mode.INFERENCE)) is None


@pytest.mark.parametrize("name", ["recurrent_gemma", "minimax"])
def test_a_cache_without_a_formula_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError, match="has no formula") as caught:
        predicted(BUILT[name], Setting(mode=Mode.INFERENCE))
    assert "\n" not in str(caught.value)


def test_a_quantised_cache_has_a_scale_and_a_zero_point_for_each_group() -> None:
    setting = Setting(1, 1000, Mode.INFERENCE, "bfloat16")
    plain = predicted(dict(recorded.read("meta-llama/Llama-2-7b-hf").config), setting)
    assert plain is not None
    elements = 1000 * 2 * 32 * 4096
    row = cache.quantised(plain, setting, bits=4)
    assert row.size.value == elements // 2 + elements // 64 * 4
    assert "not run" in row.note
    with pytest.raises(UsageError):
        cache.quantised(plain, setting, bits=0)
