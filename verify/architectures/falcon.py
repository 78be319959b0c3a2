"""Falcon: fused attention with one, a few or all key/value heads, one or two LayerNorms before the block.

Per layer: `attention.qkv : ((heads + 2 kv_heads) x head) x hidden` with one key/value head (7B), `kv_heads`
of them (40B and later) or as many as query heads (RW-1B), `attention.o : hidden x hidden`, `mlp.up : inner x
hidden`, `mlp.down : hidden x inner`, each with a bias if `bias`; LayerNorms of `hidden` with bias: either
`norm.input` alone, or with `norm.post_attention` where the feed-forward layer comes after attention, or
`norm.attention` and `norm.mlp` side by side. Outside: `embedding.tokens : vocab x hidden`, `norm.final :
hidden`, `head.lm_head : vocab x hidden` only when it is not tied.
"""

from verify.architectures._blocks import decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, fused_attention, inner_size
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = (
    "Almazrouei et al. 2023, arXiv:2311.16867; transformers models/falcon/modeling_falcon.py; "
    "for RefinedWeb and RefinedWebModel also modelling_RW.py of the Falcon repositories"
)
#: What the repositories called themselves before transformers had the family.
ALIASES = ("RefinedWeb", "RefinedWebModel")

NAMES = NameTable(
    backbone=modules(
        {
            "word_embeddings": "embedding.tokens",
            "h.{}.self_attention.query_key_value": "attention.qkv",
            "h.{}.self_attention.dense": "attention.o",
            "h.{}.mlp.dense_h_to_4h": "mlp.up",
            "h.{}.mlp.dense_4h_to_h": "mlp.down",
            "h.{}.input_layernorm": "norm.input",
            "h.{}.post_attention_layernorm": "norm.post_attention",
            "h.{}.ln_attn": "norm.attention",
            "h.{}.ln_mlp": "norm.mlp",
            "ln_f": "norm.final",
        }
    ),
    head=GPT_HEADS,
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Falcon.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embed")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    bias = config.flag("bias", default=False)
    # Positions are rotated or biased; `ff_factor` of Falcon 2 repeats what `ffn_hidden_size` says.
    config.set_aside("alibi", "max_position_embeddings", "apply_residual_connection_post_layernorm")
    if "ffn_hidden_size" in config:
        config.set_aside("ff_factor")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="falcon",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *fused_attention(hidden, _qkv(config, hidden), layers, bias=bias),
            *mlp(hidden, inner_size(config, hidden, "ffn_hidden_size"), layers, bias=bias),
            *_norms(config, hidden, layers),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=extras,
    )


def _new_decoder(config: Config) -> bool:
    """Whether it is built like the 40B, which was the only one that called itself `RefinedWeb`."""
    return config.flag("new_decoder_architecture", default=_model_type(config) == "RefinedWeb")


def _model_type(config: Config) -> str:
    return config.text("model_type", default="falcon")


def _qkv(config: Config, hidden: Size) -> Size:
    """Queries, keys and values together; only the new decoder reads the number of key/value heads."""
    heads = size(config, "num_attention_heads", "n_head")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    multi_query = config.flag("multi_query", default=_model_type(config) == "falcon")
    groups = config.integer("num_kv_heads", "n_head_kv", default=heads.value)
    if not _new_decoder(config):
        return hidden + 2 * head_dim if multi_query else 3 * hidden
    if heads.value % groups:
        raise ConfigError(
            f"num_kv_heads {groups} does not divide num_attention_heads {heads.value}",
            expected="a divisor",
            hint="correct config.json",
        )
    return hidden + 2 * Size.symbol("num_key_value_heads", groups) * head_dim


def _norms(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """The LayerNorms of a block: one, two in a row, or two side by side."""
    parallel = config.flag("parallel_attn", default=_model_type(config) != "RefinedWebModel")
    number = config.integer("num_ln_in_parallel_attn", default=2 if _new_decoder(config) else 1)
    names = ("attention", "mlp") if number == 2 else ("input",)  # noqa: PLR2004 - any other number means one
    return tuple(
        term
        for name in (names if parallel else ("input", "post_attention"))
        for term in norm(name, hidden, layers, bias=True)
    )
