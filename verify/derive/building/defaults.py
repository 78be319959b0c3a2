"""What some classes need beside their defaults before they can be built: transformers 5.23.

Composite classes take any parts and so have none by default; other classes leave out a field that their model reads.
The values are those of the first published checkpoint, or what the documentation of the field says.
"""

from __future__ import annotations

from typing import Any

#: `hunyuanconfig.head_dim` of tencent/Hunyuan-7B-Instruct; the class leaves it None and the model raises it to a power.
_HEAD_DIM = {"head_dim": 128}
#: Entries for each kind of layer, which the model looks up and the class does not make.
_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
_ROPE_OF = {"full_attention": _ROPE, "sliding_attention": _ROPE}
_SPARSE = {"mlp_layer_types": ["dense"] + ["sparse"] * 31, "num_experts_per_tok": 6, "n_group": 1, "topk_group": 1}
_GEMMA_EXPERTS = {"num_experts": 128, "top_k_experts": 8, "moe_intermediate_size": 704}
_DROPOUT = {"dropout_rate": 0.0}
_INDEXER = {
    "indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 256, "indexer_budget": 2048,
    "indexer_compress_ratio": 64,
}  # fmt: skip
_SHARED = {"shared_expert_intermediate_size": 768}
#: A forecast says how far it looks ahead.
_FORECAST = {"prediction_length": 24}

_DECODER = {"is_decoder": True, "add_cross_attention": True}

#: By model type of the configuration class.
DEFAULTS: dict[str, dict[str, Any]] = {
    "encoder-decoder": {"encoder": {"model_type": "bert"}, "decoder": {"model_type": "bert"} | _DECODER},
    "vision-encoder-decoder": {"encoder": {"model_type": "vit"}, "decoder": {"model_type": "gpt2"} | _DECODER},
    "speech-encoder-decoder": {"encoder": {"model_type": "wav2vec2"}, "decoder": {"model_type": "bert"} | _DECODER},
    "vision-text-dual-encoder": {"vision_config": {"model_type": "vit"}, "text_config": {"model_type": "bert"}},
    "rag": {"question_encoder": {"model_type": "dpr"}, "generator": {"model_type": "bart"}},
    "autoformer": _FORECAST,
    "informer": _FORECAST,
    "time_series_transformer": _FORECAST,
    "aya_vision": {"vision_config": {"model_type": "siglip_vision_model", "num_attention_heads": 16}},
    "chameleon": {"vocabulary_map": {"<image>": 8711}},
    "cohere_compass": {"text_config": {"model_type": "cohere_compass_text", "rope_parameters": _ROPE_OF}},
    "cohere_compass_text": {"rope_parameters": _ROPE_OF},
    "dbrx": {"attn_config": {"rope_theta": 500_000.0}},
    "deepseek_ocr2": {"text_config": _SPARSE},
    "deepseek_ocr2_text": _SPARSE,
    "diffusion_gemma": {"text_config": _GEMMA_EXPERTS},
    "diffusion_gemma_text": _GEMMA_EXPERTS,
    "dots1": {"n_routed_experts": 128, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1},
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    "gemma4_assistant": {"text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}},
    "granite4_vision": {"deepstack_layer_map": [[-19, 9], [-13, 6], [-7, 3], [-1, 0]], "downsample_rate": "1/2"},
    "hunyuan_v1_dense": _HEAD_DIM,
    "hunyuan_v1_moe": _HEAD_DIM,
    "hunyuan_vl": {"text_config": _HEAD_DIM},
    "hunyuan_vl_text": _HEAD_DIM,
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"] * 8},
    "ministral": _HEAD_DIM,
    "moonshine_streaming": {"num_key_value_heads": 8},
    "nemotron": {"num_key_value_heads": 8},
    "qwen3_omni_moe": {"talker_config": {"spatial_merge_size": 2, "text_config": _SHARED}},
    "qwen3_omni_moe_talker_text": _SHARED,
    "qwen4_exp": {"text_config": _INDEXER},
    "qwen4_exp_text": _INDEXER,
    # A head of sizes that the class accepts; no published checkpoint was looked at.
    "sapiens2": {"head_config": {"upsample_out_channels": [768, 768, 768, 768], "conv_out_channels": [768, 768]}},
    "t5gemma2_decoder": _DROPOUT,
    "t5gemma2_encoder": {"text_config": _DROPOUT},
    "t5gemma2_text": _DROPOUT,
    "vitmatte": {"fusion_hidden_sizes": [256, 128, 64, 32]},
    "wav2vec2-bert": {"vocab_size": 32},
    "wav2vec2-conformer": {"vocab_size": 32},
}
