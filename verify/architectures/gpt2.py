"""GPT-2: LayerNorm before each block, learned positions, biases everywhere, a tied head.

Its linear layers are `Conv1D`s, which store `in x out`. Per layer: `attention.qkv : hidden x (3 hidden)`,
`attention.o : hidden x hidden`, `mlp.up : hidden x inner`, `mlp.down : inner x hidden`, `norm.input`,
`norm.post_attention : hidden`, each with a bias of its output. With cross-attention also `attention.cross_q
: hidden x hidden`, `attention.cross_kv : hidden x (2 hidden)`, `attention.cross_o : hidden x hidden`,
`norm.cross : hidden`. Outside: `embedding.tokens : vocab x hidden`, `position.embedding : positions x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` only when it is not tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    buffer,
    decoder_head,
    embedding,
    linear,
    norm,
    size,
    whole_heads,
)
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules, slot
from verify.roles import Cause
from verify.symbols import Size

SOURCE = (
    "Radford et al. 2019, 'Language Models are Unsupervised Multitask Learners', section 2.3; "
    "transformers models/gpt2/modeling_gpt2.py"
)
ALIASES = ("gpt-sw3",)

NAMES = NameTable(
    backbone={
        **modules(
            {
                "wte": "embedding.tokens",
                "wpe": "position.embedding",
                "h.{}.ln_1": "norm.input",
                "h.{}.attn.c_attn": "attention.qkv",
                "h.{}.attn.c_proj": "attention.o",
                "h.{}.ln_cross_attn": "norm.cross",
                "h.{}.crossattention.q_attn": "attention.cross_q",
                "h.{}.crossattention.c_attn": "attention.cross_kv",
                "h.{}.crossattention.c_proj": "attention.cross_o",
                "h.{}.ln_2": "norm.post_attention",
                "h.{}.mlp.c_fc": "mlp.up",
                "h.{}.mlp.c_proj": "mlp.down",
                "ln_f": "norm.final",
            }
        ),
        **buffers(
            {
                "h.{}.attn.bias": "attention.mask",
                "h.{}.attn.masked_bias": "attention.mask_value",
                "h.{}.crossattention.bias": "attention.cross_mask",
                "h.{}.crossattention.masked_bias": "attention.cross_mask_value",
            }
        ),
    },
    head={**DECODER_HEADS, **modules({"classifier": "head.score", "multiple_choice_head.summary": "head.summary"})},
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a GPT-2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embd")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    heads = size(config, "num_attention_heads", "n_head")
    whole_heads(hidden, heads)
    positions = size(config, "max_position_embeddings", "n_positions")
    inner = size(config, "intermediate_size", "n_inner", default=4 * hidden)
    # Left from the first GPT; transformers reads neither.
    config.set_aside("n_special", "predict_special_tokens")
    cross = config.flag("add_cross_attention", default=False)
    # Two heads side by side: the usual one, and one that chooses among answers.
    double = config.architecture.endswith("DoubleHeadsModel")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True, kind="ForCausalLM" if double else "")
    return Formula(
        name="gpt2",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            embedding("position.embedding", positions, hidden),
            *_conv("attention.qkv", hidden, 3 * hidden, layers),
            *_conv("attention.o", hidden, hidden, layers),
            *(_cross_attention(hidden, layers) if cross else ()),
            *_conv("mlp.up", hidden, inner, layers),
            *_conv("mlp.down", inner, hidden, layers),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
            *(_summary(config, hidden) if double else ()),
        ),
        extras=(*extras, *_masks(size(config, "n_ctx", default=positions), layers, cross=cross)),
    )


def _conv(name: str, into: Size, out: Size, layers: Layers) -> tuple[Term, ...]:
    """A linear layer stored as `in x out` (transformers `pytorch_utils.py`, `Conv1D`)."""
    return Term(slot(name), (into, out), layers), Term(slot(f"{name}.bias"), (out,), layers)


def _cross_attention(hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention to the states of an encoder, as wide as the decoder."""
    return (
        *_conv("attention.cross_q", hidden, hidden, layers),
        *_conv("attention.cross_kv", hidden, 2 * hidden, layers),
        *_conv("attention.cross_o", hidden, hidden, layers),
        *norm("cross", hidden, layers, bias=True),
    )


def _summary(config: Config, hidden: Size) -> tuple[Term, ...]:
    """The head of `GPT2DoubleHeadsModel`, which sets one label whatever the config says."""
    to_labels = config.flag("summary_proj_to_labels", default=True)
    if not config.flag("summary_use_proj", default=True):
        return ()
    return linear("head.summary", Size.of(1) if to_labels else hidden, hidden, bias=True)


def _masks(positions: Size, layers: Layers, *, cross: bool) -> tuple[Extra, ...]:
    """Causal masks and their fill value, which older versions of transformers saved with each layer."""
    one = Size.of(1)
    groups = [
        (f"attention.{prefix}{name}", axes)
        for prefix in (("", "cross_") if cross else ("",))
        for name, axes in (("mask", (one, one, positions, positions)), ("mask_value", ()))
    ]
    note = "causal masks, saved by older versions of transformers"
    return tuple(Extra(Cause.STORED_BUFFER, (buffer(name, *axes, layers=layers),), note) for name, axes in groups)
