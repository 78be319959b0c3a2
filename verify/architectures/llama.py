"""Llama: RMSNorm before each block, rotary positions, grouped-query attention, gated MLP.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    head_size,
    kv_heads,
    norm,
    rotary_buffer,
    size,
)
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, buffers, modules

SOURCE = (
    "Touvron et al. 2023, arXiv:2302.13971, section 2.2; Touvron et al. 2023, arXiv:2307.09288, section 2.2; "
    "transformers models/llama/modeling_llama.py"
)
ALIASES = ("granite",)

NAMES = NameTable(
    backbone={
        **modules(LLAMA),
        **buffers({"layers.{}.self_attn.rotary_emb.inv_freq": "position.inv_freq"}),
    },
    head=DECODER_HEADS,
    # LlamaForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of a Llama.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    inner = size(config, "intermediate_size")
    bias = config.flag("attention_bias", default=False)
    config.set_aside("max_position_embeddings", "layer_types")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="llama",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *attention(hidden, heads, kv_heads(config, heads), head_dim, layers, qkv_bias=bias, out_bias=bias),
            *gated_mlp(hidden, inner, layers, bias=config.flag("mlp_bias", default=False)),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=(*extras, rotary_buffer(head_dim, layers)),
    )
