"""What the dense and the sparse Qwen3.5 share: all but the feed-forward layers.

A config describes a text model by itself, or in its section `text_config` one that stands beside a vision tower.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from verify.architectures._blocks import DECODER_HEADS, HEADS, decoder_head, embedding, head, norm, size
from verify.architectures._delta_net import (
    LINEAR,
    SPLIT_LINEAR,
    delta_net,
    full_attention,
    gated_attention,
    linear_and_full,
    predictor,
    predictor_names,
    quantised,
)
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS, QK_NORMS
from verify.architectures._quantization import quantisation_extras
from verify.architectures._qwen_vision import VISION_NAMES, vision_tower
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import Entry, NameTable, modules
from verify.symbols import Size

#: The terms of the feed-forward layers: from the text config, the width of the model, and the layers.
FeedForward: TypeAlias = Callable[[Config, Size, Layers], tuple[Term, ...]]

_GENERATION = "ForConditionalGeneration"


def names(feed_forward: Mapping[str, Entry]) -> NameTable:
    """The tensor names of a Qwen3.5 with these names of its feed-forward layers."""
    layers = {**modules({**ATTENTION, **QK_NORMS, **NORMS}), **feed_forward}
    text = {**modules({**EMBEDDING, **SPLIT_LINEAR}), **LINEAR, **layers}
    return NameTable(
        # The text model by itself, and inside the bare model that also sees.
        backbone={**text, **{f"language_model.{name}": entry for name, entry in text.items()}, **VISION_NAMES},
        head={
            **DECODER_HEADS,
            **{f"language_model.{name}": entry for name, entry in DECODER_HEADS.items()},
            **predictor_names(layers),
        },
        # MLX puts the whole language model, its head included, beside the vision tower.
        prefixes=("model.", "language_model.model."),
    )


def compose(name: str, source: str, config: Config, feed_forward: FeedForward) -> Formula:
    """The formula of a Qwen3.5 with these feed-forward layers.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    whole = "text_config" in config
    text = config.section("text_config") if whole else config
    hidden, vocab = size(text, "hidden_size"), size(text, "vocab_size")
    layers = Layers.every(size(text, "num_hidden_layers"))
    # Precisions, activations, and whether to serve the text model alone; the tie that counts is the outer one.
    text.set_aside("max_position_embeddings", "mamba_ssm_dtype", "output_gate_type")
    config.set_aside("language_model_only")
    if whole:
        text.set_aside("tie_word_embeddings")
        config.set_aside("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *_mixers(text, hidden, layers),
        *feed_forward(text, hidden, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
    )
    kind = head(config, _GENERATION if whole else "ForCausalLM", (*HEADS, _GENERATION))
    # A causal language model has the text model alone, even where the config describes both; a converter that
    # drops the vision tower drops its section, or leaves the class as it was.
    sees = kind != "ForCausalLM" and "vision_config" in config
    tower = vision_tower(config.section("vision_config"), hidden) if whole and sees else ()
    heads, extras = decoder_head(
        config, vocab, hidden, tied_by_default=False, kind="ForCausalLM" if kind == _GENERATION else kind
    )
    predictors = _predictors(text, hidden, feed_forward)
    return Formula(
        name=name,
        source=source,
        terms=(*terms, *heads, *tower),
        extras=(
            *extras,
            *predictors,
            *quantisation_extras(config, quantised(terms)),
            *(scales for extra in predictors for scales in quantisation_extras(config, extra.terms)),
        ),
    )


def _mixers(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Linear attention in most layers, full attention in the others."""
    linear, full = linear_and_full(config, layers)
    return (
        *delta_net(config, hidden, linear, fused=False),
        *gated_attention(full_attention(config), hidden, full),
    )


def _predictors(config: Config, hidden: Size, feed_forward: FeedForward) -> tuple[Extra, ...]:
    """Layers of full attention with the feed-forward layers of the model."""
    number = config.integer("mtp_num_hidden_layers", default=1, minimum=0)
    if config.flag("mtp_use_dedicated_embeddings", default=False):
        raise ConfigError(
            "mtp_use_dedicated_embeddings is true", expected="false", hint="no published model shows the other layout"
        )
    if not number:
        return ()
    layers = Layers.every(Size.symbol("mtp_num_hidden_layers", number))
    block = (
        *gated_attention(full_attention(config), hidden, layers),
        *feed_forward(config, hidden, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
    )
    return (predictor(hidden, block),)
