"""StableLM: a Llama with LayerNorms, and perhaps with a norm for each single head.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x hidden`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x
inner`, `norm.input : hidden` with a bias, and unless attention and feed-forward layer stand side by side
`norm.post_attention : hidden` with a bias; where the config asks for it `heads` times `norm.q : head` and
`kv_heads` times `norm.k : head`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden` with
a bias, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    norm,
    size,
    whole_heads,
)
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = (
    "Bellagente et al. 2024, arXiv:2402.17834, section 2.3; transformers models/stablelm/modeling_stablelm.py; "
    "for stablelm_epoch modeling_stablelm_epoch.py of stabilityai/stablelm-3b-4e1t"
)
#: What the repositories called themselves before transformers had the family.
ALIASES = ("stablelm_epoch",)

NAMES = NameTable(
    backbone=modules(
        {
            **LLAMA,
            "layers.{}.self_attn.q_layernorm.norms.{}": "norm.q",
            "layers.{}.self_attn.k_layernorm.norms.{}": "norm.k",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a StableLM.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    groups = kv_heads(config, heads, required=True)
    # The modelling code divides the hidden size and asks for no `head_dim`.
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    bias = config.flag("use_qkv_bias", default=False)
    parallel = config.flag("use_parallel_residual", default=False)
    qk_norms = (
        Term(slot("norm.q"), (head_dim,), layers, copies=heads),
        Term(slot("norm.k"), (head_dim,), layers, copies=groups),
    )
    # `num_heads` repeats the number of heads; the others are about rotations.
    config.set_aside("max_position_embeddings", "num_heads", "rope_pct", "rotary_scaling_factor")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias),
        *(qk_norms if config.flag("qk_layernorm", default=False) else ()),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers, bias=True),
        *(() if parallel else norm("post_attention", hidden, layers, bias=True)),
        *norm("final", hidden, bias=True),
        *head_terms,
    )
    return Formula(name="stablelm", source=SOURCE, terms=terms, extras=extras)
