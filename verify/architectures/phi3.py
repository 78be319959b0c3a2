"""Phi-3: a Llama that stores queries, keys and values in one matrix, and gate and up in another.

Per layer: `attention.qkv : ((heads + 2 kv_heads) x head) x hidden`, `attention.o : hidden x (heads x
head)`, `mlp.gate_up : (2 inner) x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    decoder_head,
    embedding,
    head_size,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._names import EMBEDDING, FUSED_GATED_MLP, NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Abdin et al. 2024, arXiv:2404.14219, section 2; transformers models/phi3/modeling_phi3.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            "layers.{}.self_attn.qkv_proj": "attention.qkv",
            "layers.{}.self_attn.o_proj": "attention.o",
            **FUSED_GATED_MLP,
            **NORMS,
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Phi-3, Phi-3.5 or Phi-4.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    inner = size(config, "intermediate_size")
    config.set_aside("max_position_embeddings", "original_max_position_embeddings")
    # Phi-4 and Phi-4-mini state these, the biases all false; the modelling code asks for none of them.
    config.set_aside("attention_bias", "mlp_bias", "lm_head_bias", "full_attn_mod", "interpolate_factor")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *linear("attention.qkv", (heads + 2 * kv_heads(config, heads)) * head_dim, hidden, layers),
        *linear("attention.o", hidden, heads * head_dim, layers),
        *linear("mlp.gate_up", 2 * inner, hidden, layers),
        *linear("mlp.down", hidden, inner, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="phi3", source=SOURCE, terms=terms, extras=extras)
