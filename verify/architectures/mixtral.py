"""Mixtral: a Llama without biases whose feed-forward layers are experts behind a router.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `router.gate : experts x hidden`, `experts` times
`experts.gate`, `experts.up : inner x hidden`, `experts.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    experts,
    head_size,
    kv_heads,
    norm,
    size,
)
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules, slot
from verify.roles import Fused

SOURCE = "Jiang et al. 2024, arXiv:2401.04088, section 2; transformers models/mixtral/modeling_mixtral.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                **ATTENTION,
                **NORMS,
                "layers.{}.block_sparse_moe.gate": "router.gate",
                "layers.{}.block_sparse_moe.experts.{}.w1": "experts.gate",
                "layers.{}.block_sparse_moe.experts.{}.w3": "experts.up",
                "layers.{}.block_sparse_moe.experts.{}.w2": "experts.down",
                "layers.{}.mlp.gate": "router.gate",
            }
        ),
        # transformers 5 holds the experts of a layer in two tensors, and writes them one by one.
        "layers.{}.mlp.experts.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up"))),
        "layers.{}.mlp.experts.down_proj": Fused((slot("experts.down"),)),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Mixtral.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size")
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers),
        *experts(config, hidden, inner, layers, names=("num_local_experts", "num_experts")),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="mixtral", source=SOURCE, terms=terms, extras=extras)
