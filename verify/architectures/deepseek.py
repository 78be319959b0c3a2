"""DeepSeekMoE: a Llama whose layers from some on have fine-grained experts with shared ones beside them.

Legend: `inner` is the width of a dense layer, `moe` that of one expert, `shared` the number of shared experts. Per
layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`,
`attention.o : hidden x (heads x head)`, `norm.input`, `norm.post_attention : hidden`. The first layers have
`mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`; of the others every n-th has `router.gate :
experts x hidden`, `experts` times `experts.gate`, `experts.up : moe x hidden`, `experts.down : hidden x moe`, and
the same with `shared moe` for `experts.shared`. Outside: `embedding.tokens : vocab x hidden`, `norm.final :
hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    norm,
    size,
    whole_heads,
)
from verify.architectures._latent import Defaults, experts
from verify.architectures._moe import EXPERTS, ROUTER, SHARED_EXPERTS, chosen_layers
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Dai et al. 2024, arXiv:2401.06066, section 3; modeling_deepseek.py of deepseek-ai/deepseek-moe-16b-base"
ALIASES = ()

NAMES = NameTable(
    backbone=modules({**LLAMA, **ROUTER, **EXPERTS, **SHARED_EXPERTS}), head=DECODER_HEADS, prefixes=("model.",)
)

#: The class has None for the numbers of experts and of those per token, which is a model without any.
_DEFAULTS = Defaults("DeepseekConfig", {"intermediate_size": 11008, "moe_intermediate_size": 1407})


def formula(config: Config) -> Formula:
    """The parameters of a DeepSeekMoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    definition = "hidden_size // num_attention_heads"
    head_dim = size(config, "head_dim", default=whole_heads(hidden, heads), definition=definition)
    groups = kv_heads(config, heads)
    bias = config.flag("attention_bias", default=False)
    sparse, dense = _sparse_and_dense(config, layers)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *gated_mlp(hidden, _DEFAULTS.size(config, "intermediate_size"), dense),
        *experts(config, hidden, sparse, _DEFAULTS, correction=False),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="deepseek", source=SOURCE, terms=terms, extras=extras)


def _sparse_and_dense(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """From `first_k_dense_replace` on, the layers whose index `moe_layer_freq` divides are sparse."""
    first = config.integer("first_k_dense_replace", default=0, minimum=0)
    every = config.integer("moe_layer_freq", default=1)
    text = "i >= first_k_dense_replace" + (" and i % moe_layer_freq == 0" if every > 1 else "")
    sparse = {index for index in layers.indices if index >= first and index % every == 0}
    return chosen_layers(layers, sparse, text, f"not ({text})")
