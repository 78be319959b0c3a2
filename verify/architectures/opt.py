"""OPT: learned positions with an offset of two, biases everywhere, a tied head, narrower embeddings in the 350M.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x
inner`, each with a bias if `enable_bias`; `norm.attention`, `norm.mlp : hidden` with biases, before the block
or after it. Outside: `embedding.tokens : vocab x width`, `position.embedding : (positions + 2) x hidden`,
`norm.final : hidden` where norms come before the blocks, `embedding.project_in : hidden x width` and
`other.project_out : width x hidden` where `width` is not `hidden`, `head.lm_head : vocab x width` only when it
is not tied.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, linear, mlp, norm, size, whole_heads
from verify.architectures._gpt import separate_attention
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = "Zhang et al. 2022, arXiv:2205.01068, section 2.1; transformers models/opt/modeling_opt.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            "decoder.embed_tokens": "embedding.tokens",
            "decoder.embed_positions": "position.embedding",
            "decoder.project_in": "embedding.project_in",
            "decoder.project_out": "other.project_out",
            "decoder.layers.{}.self_attn.q_proj": "attention.q",
            "decoder.layers.{}.self_attn.k_proj": "attention.k",
            "decoder.layers.{}.self_attn.v_proj": "attention.v",
            "decoder.layers.{}.self_attn.out_proj": "attention.o",
            "decoder.layers.{}.self_attn_layer_norm": "norm.attention",
            "decoder.layers.{}.fc1": "mlp.up",
            "decoder.layers.{}.fc2": "mlp.down",
            "decoder.layers.{}.final_layer_norm": "norm.mlp",
            "decoder.final_layer_norm": "norm.final",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)

#: Rows of the position table that no position uses (`OPTLearnedPositionalEmbedding.offset`).
_OFFSET = 2


def formula(config: Config) -> Formula:
    """The parameters of an OPT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    whole_heads(hidden, size(config, "num_attention_heads"))
    width = size(config, "word_embed_proj_dim", default=hidden)
    inner = Size.symbol("intermediate_size", config.integer("ffn_dim"))
    positions = size(config, "max_position_embeddings")
    bias = config.flag("enable_bias", default=True)
    config.set_aside("layerdrop", "init_std", "activation_dropout")
    # The heads stand behind `project_out`.
    head_terms, extras = decoder_head(config, vocab, width, tied_by_default=True)
    return Formula(
        name="opt",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, width),
            embedding("position.embedding", positions + _OFFSET, hidden),
            *_projections(hidden, width),
            *separate_attention(hidden, layers, qkv_bias=bias, out_bias=bias),
            *mlp(hidden, inner, layers, bias=bias),
            *_norms(config, hidden, layers),
            *head_terms,
        ),
        extras=extras,
    )


def _projections(hidden: Size, width: Size) -> tuple[Term, ...]:
    """Between embeddings and blocks of different widths."""
    if width.value == hidden.value:
        return ()
    return (
        *linear("embedding.project_in", hidden, width),
        *linear("other.project_out", width, hidden),
    )


def _norms(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Two LayerNorms for each block, and a last one where they stand before the blocks.

    None has parameters without `layer_norm_elementwise_affine`. Models that were fine-tuned before
    transformers 4.20.1 lack the last one, which `_remove_final_layer_norm` says.
    """
    before = config.flag("do_layer_norm_before", default=True)
    removed = config.flag("_remove_final_layer_norm", default=False)
    if not config.flag("layer_norm_elementwise_affine", default=True):
        return ()
    each = (*norm("attention", hidden, layers, bias=True), *norm("mlp", hidden, layers, bias=True))
    return (*each, *norm("final", hidden, bias=True)) if before and not removed else each
