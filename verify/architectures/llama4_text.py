"""Llama 4, the language model alone: grouped-query attention, and experts with a shared one in some layers or all.

Legend: `inner` is the width of one expert and of the shared one, `dense` that of a layer without experts. The
experts' matrices are stored `in x out`. Per layer: `attention.q : (heads x head) x hidden`, `attention.k`,
`attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`, `norm.input`,
`norm.post_attention : hidden`. A sparse layer has `router.gate : experts x hidden`, `experts` times `experts.gate`,
`experts.up : hidden x inner`, `experts.down : inner x hidden`, and `experts.shared.gate`, `experts.shared.up :
inner x hidden`, `experts.shared.down : hidden x inner`; a dense one `mlp.gate`, `mlp.up : dense x hidden`,
`mlp.down : hidden x dense`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head :
vocab x hidden` unless tied.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, size
from verify.architectures._llama4 import TEXT_NAMES, backbone
from verify.config import Config
from verify.formula import Formula
from verify.names import NameTable

SOURCE = (
    "Meta 2025, 'The Llama 4 herd', https://ai.meta.com/blog/llama-4-multimodal-intelligence, section 'Pre-training'; "
    "transformers models/llama4/modeling_llama4.py, `Llama4ForCausalLM`"
)
ALIASES = ()

NAMES = NameTable(backbone=TEXT_NAMES, head=DECODER_HEADS, prefixes=("model.",))


def formula(config: Config) -> Formula:
    """The parameters of the language model of a Llama 4.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="llama4_text",
        source=SOURCE,
        terms=(*backbone(config, hidden, vocab), *head_terms),
        extras=extras,
    )
