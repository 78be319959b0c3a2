"""What the dense and the sparse LFM2 share: short gated convolutions, attention, and their names.

Legend: `kernel` is the width of a convolution.

Source: Liquid AI 2025, arXiv:2511.23404, section 2; transformers models/lfm2/modeling_lfm2.py.
"""

from verify.architectures._blocks import attention, head_size, kv_heads, linear, norm, size
from verify.architectures._mamba import convolution
from verify.architectures._moe import chosen_layers, typed
from verify.architectures._names import EMBEDDING
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Layers, Term
from verify.symbols import Size

LAYERS = {
    **EMBEDDING,
    "layers.{}.self_attn.q_proj": "attention.q",
    "layers.{}.self_attn.k_proj": "attention.k",
    "layers.{}.self_attn.v_proj": "attention.v",
    "layers.{}.self_attn.out_proj": "attention.o",
    "layers.{}.self_attn.q_layernorm": "norm.q",
    "layers.{}.self_attn.k_layernorm": "norm.k",
    "layers.{}.conv.in_proj": "attention.in_proj",
    "layers.{}.conv.conv": "attention.conv",
    "layers.{}.conv.out_proj": "attention.out_proj",
    "layers.{}.feed_forward.w1": "mlp.gate",
    "layers.{}.feed_forward.w3": "mlp.up",
    "layers.{}.feed_forward.w2": "mlp.down",
    "layers.{}.operator_norm": "norm.input",
    "layers.{}.ffn_norm": "norm.post_attention",
    "embedding_norm": "norm.final",
}

#: Left from Liquid's own configuration, which says the same thing in other words, or how to initialise it.
ASIDE = (
    "max_position_embeddings", "block_dim", "block_norm_eps", "block_mlp_init_scale", "block_out_init_scale",
    "block_use_swiglu", "block_use_xavier_init", "conv_dim", "conv_dim_out", "conv_use_xavier_init", "num_heads",
    "use_pos_enc", "theta",
)  # fmt: skip


def is_tied(config: Config) -> bool:
    """Whether Liquid's own key ties the head, true where it is missing.

    Raises:
        ConfigError: The usual key says something else.
    """
    tied = config.flag("tie_embedding", default=True)
    if "tie_embedding" in config and config.flag("tie_word_embeddings", default=tied) != tied:
        raise ConfigError(
            f"tie_embedding is {tied} and tie_word_embeddings is {not tied}",
            expected="one value",
            hint="correct config.json",
        )
    return tied


def mixers(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention in the layers that the config lists, convolutions in the others.

    Raises:
        ConfigError: The list of layers does not fit, or the heads do not.
    """
    named = config.items("full_attn_idxs", default=layers.indices)
    listed = tuple(index for index in named if isinstance(index, int) and not isinstance(index, bool))
    if len(listed) != len(named):
        raise ConfigError(f"full_attn_idxs is {list(named)}", expected="layer indices", hint="correct config.json")
    if "layer_types" in config:
        words = typed(config, "layer_types", layers, ("full_attention", "conv"))
        listed = tuple(index for index, word in enumerate(words) if word == "full_attention")
        text, others = "layer_types[i] is full_attention", "layer_types[i] is conv"
    else:
        text, others = "i in full_attn_idxs", "i not in full_attn_idxs"
    full, short = chosen_layers(layers, listed, text, others)
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    kernel = size(config, "conv_L_cache", default=3, definition="the default of Lfm2Config")
    bias = config.flag("conv_bias", default=False)
    convolutions = (
        *linear("attention.in_proj", 3 * hidden, hidden, short, bias=bias),
        *convolution(hidden, kernel, short, bias=bias),
        *linear("attention.out_proj", hidden, hidden, short, bias=bias),
    )
    queries = (
        *attention(hidden, heads, groups, head_dim, full),
        *norm("q", head_dim, full),
        *norm("k", head_dim, full),
    )
    return (*(queries if full.indices else ()), *(convolutions if short.indices else ()))
