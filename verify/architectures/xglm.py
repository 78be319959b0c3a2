"""XGLM: sinusoidal positions, separate queries, keys and values, biases everywhere, a tied head.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x
inner`, `norm.attention`, `norm.mlp : hidden`, each with a bias of its output; with cross-attention also
`attention.cross_q`, `.cross_k`, `.cross_v`, `.cross_o : hidden x hidden` and `norm.cross : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` only
when it is not tied. Old files hold the table of positions besides.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    buffer,
    decoder_head,
    embedding,
    linear,
    mlp,
    norm,
    size,
    whole_heads,
)
from verify.architectures._gpt import separate_attention
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules
from verify.roles import Cause
from verify.symbols import Size

SOURCE = "Lin et al. 2021, arXiv:2112.10668, section 2; transformers models/xglm/modeling_xglm.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "embed_tokens": "embedding.tokens",
                **{
                    f"layers.{{}}.{module}.{name}": f"attention.{prefix}{part}"
                    for module, prefix in (("self_attn", ""), ("encoder_attn", "cross_"))
                    for name, part in (("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("out_proj", "o"))
                },
                "layers.{}.self_attn_layer_norm": "norm.attention",
                "layers.{}.encoder_attn_layer_norm": "norm.cross",
                "layers.{}.fc1": "mlp.up",
                "layers.{}.fc2": "mlp.down",
                "layers.{}.final_layer_norm": "norm.mlp",
                "layer_norm": "norm.final",
            }
        ),
        **buffers({"embed_positions.weights": "position.table"}),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

#: Rows of the position table that no position uses (`XGLMSinusoidalPositionalEmbedding.offset`).
_OFFSET = 2


def formula(config: Config) -> Formula:
    """The parameters of an XGLM.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "d_model")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "num_layers"))
    whole_heads(hidden, size(config, "num_attention_heads", "attention_heads"))
    inner = Size.symbol("intermediate_size", config.integer("ffn_dim"))
    positions = size(config, "max_position_embeddings", default=2048)
    cross = config.flag("add_cross_attention", default=False)
    config.set_aside("scale_embedding", "layerdrop", "activation_dropout", "init_std")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    table = buffer("position.table", positions + _OFFSET, hidden)
    return Formula(
        name="xglm",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *separate_attention(hidden, layers, qkv_bias=True, out_bias=True),
            *(_cross_attention(hidden, layers) if cross else ()),
            *mlp(hidden, inner, layers, bias=True),
            *norm("attention", hidden, layers, bias=True),
            *norm("mlp", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=(*extras, Extra(Cause.STORED_BUFFER, (table,), "sines and cosines, saved by old transformers")),
    )


def _cross_attention(hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention to the states of an encoder, as wide as the decoder."""
    return (
        *(term for part in "qkvo" for term in linear(f"attention.cross_{part}", hidden, hidden, layers, bias=True)),
        *norm("cross", hidden, layers, bias=True),
    )
