"""BioGPT: a GPT-2 with plain linear layers, separate queries, keys and values, positions with an offset of two.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x
inner`, `norm.attention`, `norm.mlp : hidden`, each with a bias of its output. Outside: `embedding.tokens :
vocab x hidden`, `position.embedding : (positions + 2) x hidden`, `norm.final : hidden` with a bias,
`head.lm_head : vocab x hidden` only when it is not tied.
"""

from verify.architectures._blocks import decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, separate_attention
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Luo et al. 2022, arXiv:2210.10341; transformers models/biogpt/modeling_biogpt.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            "embed_tokens": "embedding.tokens",
            "embed_positions": "position.embedding",
            "layers.{}.self_attn.q_proj": "attention.q",
            "layers.{}.self_attn.k_proj": "attention.k",
            "layers.{}.self_attn.v_proj": "attention.v",
            "layers.{}.self_attn.out_proj": "attention.o",
            "layers.{}.self_attn_layer_norm": "norm.attention",
            "layers.{}.fc1": "mlp.up",
            "layers.{}.fc2": "mlp.down",
            "layers.{}.final_layer_norm": "norm.mlp",
            "layer_norm": "norm.final",
        }
    ),
    head={**GPT_HEADS, **modules({"output_projection": "head.lm_head"})},
    prefixes=("biogpt.",),
)

#: Rows of the position table that no position uses (`BioGptLearnedPositionalEmbedding.offset`).
_OFFSET = 2


def formula(config: Config) -> Formula:
    """The parameters of a BioGPT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    whole_heads(hidden, size(config, "num_attention_heads"))
    positions = size(config, "max_position_embeddings")
    config.set_aside("scale_embedding", "layerdrop", "activation_dropout")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="biogpt",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            embedding("position.embedding", positions + _OFFSET, hidden),
            *separate_attention(hidden, layers, qkv_bias=True, out_bias=True),
            *mlp(hidden, size(config, "intermediate_size"), layers, bias=True),
            *norm("attention", hidden, layers, bias=True),
            *norm("mlp", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=extras,
    )
