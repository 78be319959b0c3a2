"""Llama 4 with images: a vision tower, a projector, and the language model of llama4_text.

Legend: `hidden`, `inner`, `dense` are the widths of the language model, its experts and its dense layers; of the
tower, `vision` is the width, `vision inner` that of its feed-forward layers, `patch` and `channels` the edges of a
patch, `patches` their number with the class token, `squeezed` and `out` the widths of the adapter. The language
model: per layer `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`,
`attention.o : hidden x (heads x head)`, `norm.input`, `norm.post_attention : hidden`; `router.gate : experts x
hidden`, `experts` times `experts.gate`, `experts.up : hidden x inner`, `experts.down : inner x hidden`, the shared
expert `inner x hidden` and back, or `mlp.gate`, `mlp.up : dense x hidden`, `mlp.down : hidden x dense`; outside
`embedding.tokens`, `head.lm_head : vocab x hidden`, `norm.final : hidden`. The tower: per layer `attention.q`, `.k`,
`.v`, `.o : vision x vision`, `mlp.up : vision inner x vision`, `mlp.down : vision x vision inner`, `norm.input`,
`norm.post_attention : vision`, all with biases; outside `embedding.patches : vision x (channels x patch x patch)`,
`embedding.class : vision`, `position.embedding : patches x vision`, `norm.pre`, `norm.post : vision` with biases,
`other.adapter_up : squeezed x (vision inner)`, `other.adapter_down : out x out`. Between them `other.projector :
hidden x vision out`.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    head,
    linear,
    mlp,
    norm,
    size,
    whole_heads,
)
from verify.architectures._llama4 import TEXT_NAMES, backbone
from verify.config import Config
from verify.formula import ONE, Formula, Layers, Term
from verify.names import Entry, NameTable, modules, slot
from verify.symbols import Size

SOURCE = (
    "Meta 2025, 'The Llama 4 herd', https://ai.meta.com/blog/llama-4-multimodal-intelligence, section 'Pre-training'; "
    "transformers models/llama4/modeling_llama4.py"
)
ALIASES = ()

_VISION: dict[str, Entry] = {
    **modules(
        {
            "vision_model.patch_embedding.linear": "embedding.patches",
            "vision_model.layernorm_pre": "norm.pre",
            "vision_model.layernorm_post": "norm.post",
            "vision_model.model.layers.{}.self_attn.q_proj": "attention.q",
            "vision_model.model.layers.{}.self_attn.k_proj": "attention.k",
            "vision_model.model.layers.{}.self_attn.v_proj": "attention.v",
            "vision_model.model.layers.{}.self_attn.o_proj": "attention.o",
            "vision_model.model.layers.{}.mlp.fc1": "mlp.up",
            "vision_model.model.layers.{}.mlp.fc2": "mlp.down",
            "vision_model.model.layers.{}.input_layernorm": "norm.input",
            "vision_model.model.layers.{}.post_attention_layernorm": "norm.post_attention",
            "vision_model.vision_adapter.mlp.fc1": "other.adapter_up",
            "vision_model.vision_adapter.mlp.fc2": "other.adapter_down",
        },
        stack="vision",
    ),
    "vision_model.class_embedding": slot("embedding.class", stack="vision"),
    "vision_model.positional_embedding_vlm": slot("position.embedding", stack="vision"),
    **modules({"multi_modal_projector.linear_1": "other.projector"}),
}

NAMES = NameTable(
    backbone=TEXT_NAMES,
    head={**_VISION, **DECODER_HEADS},
    prefixes=("language_model.model.", "language_model."),
)

_DEFAULT = "the default of Llama4VisionConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Llama 4 with its vision tower.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    head(config, "ForConditionalGeneration", ("ForConditionalGeneration",))
    text, vision = config.section("text_config"), config.section("vision_config")
    hidden = size(text, "hidden_size")
    vocab = size(text, "vocab_size")
    config.set_aside("image_token_index", "boi_token_index", "eoi_token_index")
    # The output layer belongs to the language model, and the outer flag decides nothing about it.
    config.set_aside("tie_word_embeddings")
    head_terms, extras = decoder_head(text, vocab, hidden, tied_by_default=False, kind="ForCausalLM")
    return Formula(
        name="llama4",
        source=SOURCE,
        terms=(
            *backbone(text, hidden, vocab),
            *head_terms,
            *_tower(vision),
            *linear("other.projector", hidden, _size(vision, "vision_output_dim", 7680)),
        ),
        extras=extras,
    )


def _tower(config: Config) -> tuple[Term, ...]:
    """The vision tower and the adapter after it."""
    hidden = size(config, "hidden_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    whole_heads(hidden, size(config, "num_attention_heads"))
    inner = _size(config, "intermediate_size", 5632)
    squeezed, out = _size(config, "projector_input_dim", 4096), _size(config, "projector_output_dim", 4096)
    patch, channels = _size(config, "patch_size", 14), _size(config, "num_channels", 3)
    side = _size(config, "image_size", 448) // patch
    config.set_aside(
        *("vision_feature_select_strategy", "vision_feature_layer", "pixel_shuffle_ratio", "projector_dropout"),
        "multi_modal_projector_bias",
    )
    stack = "vision"
    return (
        *linear("embedding.patches", hidden, channels * patch * patch, stack=stack),
        Term(slot("embedding.class", stack=stack), (hidden,)),
        embedding("position.embedding", side * side + 1, hidden, stack=stack),
        *norm("pre", hidden, bias=True, stack=stack),
        *norm("post", hidden, bias=True, stack=stack),
        # All heads together are as wide as the tower, so that one head of the full width has the same shapes.
        *attention(hidden, ONE, ONE, hidden, layers, qkv_bias=True, out_bias=True, stack=stack),
        *mlp(hidden, inner, layers, bias=True, stack=stack),
        *norm("input", hidden, layers, bias=True, stack=stack),
        *norm("post_attention", hidden, layers, bias=True, stack=stack),
        *linear("other.adapter_up", squeezed, inner, stack=stack),
        *linear("other.adapter_down", out, out, stack=stack),
    )


def _size(config: Config, key: str, default: int) -> Size:
    return size(config, key, default=default, definition=_DEFAULT)
