"""SmolLM3: a Llama without rotary positions in every fourth layer, which has no effect on its parameters.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` only when it is not tied.
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
    size,
)
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = (
    "Bakouch et al. 2025, 'SmolLM3: smol, multilingual, long-context reasoner', section 'Architecture and training "
    "details'; Yang et al. 2025, arXiv:2501.18795, section 3; transformers models/smollm3/modeling_smollm3.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone=modules(LLAMA),
    head=DECODER_HEADS,
    # SmolLM3ForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of a SmolLM3.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("attention_bias", default=False)
    mlp_bias = config.flag("mlp_bias", default=False)
    config.set_aside("max_position_embeddings", "layer_types", "no_rope_layers", "no_rope_layer_interval")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers, bias=mlp_bias),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="smollm3", source=SOURCE, terms=terms, extras=extras)
