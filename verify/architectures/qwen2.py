"""Qwen2: a Llama whose queries, keys and values have biases, whatever the config says.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, each with a bias of its output, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up :
inner x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
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
    "Yang et al. 2024, arXiv:2407.10671, section 2.2; Qwen Team 2024, arXiv:2412.15115, section 2; "
    "transformers models/qwen2/modeling_qwen2.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone=modules(LLAMA),
    head=DECODER_HEADS,
    # Qwen2ForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of a Qwen2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    config.set_aside("max_position_embeddings", "layer_types", "use_mrope")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=True),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="qwen2", source=SOURCE, terms=terms, extras=extras)
