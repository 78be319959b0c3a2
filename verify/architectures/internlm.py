"""InternLM (1): a Llama without grouped queries, with biases in attention where the config says so.

Per layer: `attention.q`, `.k`, `.v : (heads x head) x hidden`, `attention.o : hidden x (heads x head)`, each
with a bias of its output unless the config says otherwise, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down
: hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.

Where the config names a class of InternLM2, its formula and its names hold.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    norm,
    rotary_buffer,
    size,
    whole_heads,
)
from verify.architectures._internlm2 import NAMES as INTERNLM2
from verify.architectures._internlm2 import formula as internlm2
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, buffers, modules
from verify.symbols import Size

SOURCE = (
    "InternLM Team 2023, 'InternLM: A Multilingual Language Model with Progressively Enhanced Capabilities', "
    "section 2; modeling_internlm.py of internlm/internlm-7b and internlm/internlm-20b"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(LLAMA),
        **buffers({"layers.{}.self_attn.rotary_emb.inv_freq": "position.inv_freq"}),
        **INTERNLM2.backbone,
    },
    head={**DECODER_HEADS, **INTERNLM2.head},
    prefixes=INTERNLM2.prefixes,
)


def formula(config: Config) -> Formula:
    """The parameters of an InternLM of the first generation.

    The second one kept the `model_type` of the first in its first days, with classes of its own.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    if config.architecture.startswith("InternLM2"):
        return internlm2(config)
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    bias = config.flag("bias", default=True)
    # InternLM-20B states its key/value heads, as many as there are heads; the modelling code asks for none.
    config.set_aside("max_position_embeddings", "num_key_value_heads", "rotary")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="internlm",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *attention(hidden, heads, heads, head_dim, layers, qkv_bias=bias, out_bias=bias),
            *gated_mlp(hidden, size(config, "intermediate_size"), layers),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=(*extras, rotary_buffer(head_dim, layers)),
    )
