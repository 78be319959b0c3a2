"""Qwen (1): RMSNorm before each block, rotary positions, biases in queries, keys and values alone.

Legend: `channels` is the size of a head; `inner` is half of `intermediate_size`, which counts gate and up
together. Per layer: `attention.qkv : (3 heads x channels) x hidden` with a bias, `attention.o : (heads x
channels) x hidden`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, each of these four
with a bias only when the config says so, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    buffer,
    decoder_head,
    embedding,
    gated_mlp,
    linear,
    norm,
    rotary_buffer,
    size,
)
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers
from verify.names import NameTable, buffers, modules
from verify.roles import Cause

SOURCE = (
    "Bai et al. 2023, arXiv:2309.16609, section 2.3; modeling_qwen.py of Qwen/Qwen-7B (QWenAttention, QWenMLP: "
    "`intermediate_size // 2`)"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "wte": "embedding.tokens",
                "h.{}.ln_1": "norm.input",
                "h.{}.attn.c_attn": "attention.qkv",
                "h.{}.attn.c_proj": "attention.o",
                "h.{}.ln_2": "norm.post_attention",
                # The second one goes through the activation.
                "h.{}.mlp.w1": "mlp.up",
                "h.{}.mlp.w2": "mlp.gate",
                "h.{}.mlp.c_proj": "mlp.down",
                "ln_f": "norm.final",
            }
        ),
        **buffers(
            {
                "h.{}.attn.rotary_emb.inv_freq": "position.inv_freq",
                "h.{}.attn.masked_bias": "attention.mask_value",
            }
        ),
    },
    head=DECODER_HEADS,
    prefixes=("transformer.",),
)

#: What the modelling file reads and makes no tensor of, or no file keeps.
_UNUSED = ("max_position_embeddings", "seq_length", "attn_dropout_prob", "emb_dropout_prob", "bf16", "fp16", "fp32",
           "use_dynamic_ntk", "use_logn_attn", "use_flash_attn", "use_cache_quantization", "use_cache_kernel",
           "softmax_in_fp32", "padded_vocab_size", "onnx_safe",
           "apply_residual_connection_post_layernorm", "bias_dropout_fusion", "n_positions", "params_dtype",
           "pos_emb")  # fmt: skip


def formula(config: Config) -> Formula:
    """The parameters of a Qwen of the first generation.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embd")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    heads = size(config, "num_attention_heads", "n_head")
    channels = size(config, "kv_channels", default=128, definition="the default of QWenConfig")
    if heads.value * channels.value != hidden.value:
        raise ConfigError(
            f"num_attention_heads {heads.value} times kv_channels {channels.value} is not hidden_size {hidden.value}",
            expected="heads that are together as wide as the model",
            hint="correct config.json",
        )
    bias = not config.flag("no_bias", default=True)
    inner = size(config, "intermediate_size", "ffn_hidden_size") // 2
    config.set_aside(*_UNUSED)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="qwen",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *linear("attention.qkv", 3 * heads * channels, hidden, layers, bias=True),
            *linear("attention.o", heads * channels, hidden, layers, bias=bias),
            *gated_mlp(hidden, inner, layers, bias=bias),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=(
            *extras,
            rotary_buffer(channels, layers),
            Extra(
                Cause.STORED_BUFFER,
                (buffer("attention.mask_value", layers=layers),),
                "the fill value of masks, which early files hold (QWenLMHeadModel ignores it)",
            ),
        ),
    )
