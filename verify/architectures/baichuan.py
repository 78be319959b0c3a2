"""Baichuan 1 and 2: a Llama without grouped queries, with queries, keys and values in one matrix.

The 7B has rotary positions, the 13B has ALiBi, neither with parameters; Baichuan 2 normalises the rows of its
output layer, which has no parameters either. Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o
: hidden x hidden`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    decoder_head,
    embedding,
    gated_mlp,
    linear,
    norm,
    rotary_buffer,
    size,
    whole_heads,
)
from verify.architectures._names import EMBEDDING, GATED_MLP, NORMS
from verify.config import Config
from verify.formula import Extra, Formula, Layers
from verify.names import NameTable, buffers, modules
from verify.symbols import Size

SOURCE = (
    "Yang et al. 2023, arXiv:2309.10305, section 2; modeling_baichuan.py of baichuan-inc/Baichuan-7B, "
    "Baichuan-13B-Base, Baichuan2-7B-Base and Baichuan2-13B-Base"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                "layers.{}.self_attn.W_pack": "attention.qkv",
                "layers.{}.self_attn.o_proj": "attention.o",
                **GATED_MLP,
                **NORMS,
            }
        ),
        **buffers({"layers.{}.self_attn.rotary_emb.inv_freq": "position.inv_freq"}),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Baichuan.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    # The 13B has no positions to count and states `model_max_length` alone.
    rotary = "max_position_embeddings" in config
    config.set_aside("max_position_embeddings", "model_max_length", "z_loss_weight", "_from_model_config")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    frequencies: tuple[Extra, ...] = (rotary_buffer(head_dim, layers),) if rotary else ()
    return Formula(
        name="baichuan",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *linear("attention.qkv", 3 * hidden, hidden, layers),
            *linear("attention.o", hidden, hidden, layers),
            *gated_mlp(hidden, size(config, "intermediate_size"), layers),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=(*extras, *frequencies),
    )
