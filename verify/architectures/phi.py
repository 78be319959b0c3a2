"""Phi-1, 1.5 and 2: attention and feed-forward layer side by side behind one LayerNorm, biases everywhere.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`,
`attention.o : hidden x (heads x head)`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input :
hidden`, and `norm.q`, `norm.k : hidden / heads` with `qk_layernorm`, each with a bias of its output. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` unless
tied, and its bias.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    head_size,
    kv_heads,
    mlp,
    norm,
    size,
    whole_heads,
)
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules, slot
from verify.roles import Fused
from verify.symbols import Size

SOURCE = (
    "Gunasekar et al. 2023, arXiv:2306.11644, section 2.3; Li et al. 2023, arXiv:2309.05463, section 2.1; "
    "transformers models/phi/modeling_phi.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "embed_tokens": "embedding.tokens",
                "layers.{}.self_attn.q_proj": "attention.q",
                "layers.{}.self_attn.k_proj": "attention.k",
                "layers.{}.self_attn.v_proj": "attention.v",
                "layers.{}.self_attn.dense": "attention.o",
                "layers.{}.self_attn.q_layernorm": "norm.q",
                "layers.{}.self_attn.k_layernorm": "norm.k",
                "layers.{}.mlp.fc1": "mlp.up",
                "layers.{}.mlp.fc2": "mlp.down",
                "layers.{}.input_layernorm": "norm.input",
                "final_layernorm": "norm.final",
            }
        ),
        # The first Phi of transformers (4.36) had queries, keys and values in one matrix.
        **{
            f"layers.{{}}.self_attn.query_key_value.{part}": Fused(
                tuple(slot(f"attention.{name}{end}") for name in "qkv"), stacked=False
            )
            for part, end in (("weight", ""), ("bias", ".bias"))
        },
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Phi.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    inner = size(config, "intermediate_size")
    # The norms of queries and keys are as wide as a head without `head_dim`.
    normed = Size.symbol("head_norm", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    each_head = (*norm("q", normed, layers, bias=True), *norm("k", normed, layers, bias=True))
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False, bias=True)
    return Formula(
        name="phi",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *attention(hidden, heads, kv_heads(config, heads), head_dim, layers, qkv_bias=True, out_bias=True),
            *(each_head if config.flag("qk_layernorm", default=False) else ()),
            *mlp(hidden, inner, layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=extras,
    )
