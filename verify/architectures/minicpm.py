"""MiniCPM (1, 2B to 8x2B; 4): a Llama with scaled embeddings and residuals, tied by default, perhaps with experts.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, or in their place `router.gate : experts x hidden` and `experts` times the same three,
`norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final :
hidden`, `head.lm_head : vocab x hidden` only when it is not tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    experts,
    gated_mlp,
    kv_heads,
    norm,
    size,
    whole_heads,
)
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = (
    "Hu et al. 2024, arXiv:2404.06395, sections 3.1 and 7.3; modeling_minicpm.py of openbmb/MiniCPM-2B-sft-bf16 and "
    "openbmb/MiniCPM-MoE-8x2B"
)
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **LLAMA,
            "layers.{}.mlp.gate": "router.gate",
            "layers.{}.mlp.experts.{}.w1": "experts.gate",
            "layers.{}.mlp.experts.{}.w3": "experts.up",
            "layers.{}.mlp.experts.{}.w2": "experts.down",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a MiniCPM.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    groups = kv_heads(config, heads)
    inner = size(config, "intermediate_size")
    bias = config.flag("attention_bias", default=False)
    sparse = config.integer("num_experts", default=0, minimum=0) > 0
    config.set_aside("max_position_embeddings", "scale_emb", "dim_model_base", "scale_depth", "mup_denominator")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="minicpm",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
            *(
                experts(config, hidden, inner, layers, names=("num_experts",))
                if sparse
                else gated_mlp(hidden, inner, layers)
            ),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )
