"""What a decoder keeps of the tokens it has read: keys and values, latents, and the states of recurrent layers.

Legend: `B` sequences of `S` tokens. A layer of attention keeps `B S (keys + values)`, the widths of its key and value
projections: `2 k d` with k key/value heads (all heads: MHA, some: GQA, one: MQA). Latent attention (MLA) keeps `B S
(rank + rope)`, the latent and the shared rotary key. A layer with a window keeps fewer tokens (`windows.py`), a
convolution the last tokens of its kernel, a state-space or linear-attention layer one state of fixed size, in
float32 whatever the weights are in. The widths are read off the terms of the family's formula.

Sources: transformers 5.23 `cache_utils.py` and the `update`, `update_conv_state` and `update_recurrent_state` calls of
the modelling files; Shazeer 2019, arXiv:1911.02150 (MQA); Ainslie et al. 2023, arXiv:2305.13245 (GQA); DeepSeek-AI
2024, arXiv:2405.04434, section 2.1 (MLA); Gu and Dao 2023, arXiv:2312.00752, section 3 (state-space models).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from verify.config import Config
from verify.errors import UsageError
from verify.formula import Formula, Layers, Term
from verify.memory.base import Category, Predicted, Setting
from verify.memory.states import compute_width
from verify.memory.windows import Window, window
from verify.roles import Role
from verify.symbols import Size

#: Families that read a text at once and keep nothing.
ENCODERS = frozenset(
    {"albert", "bert", "clip", "clip_text_model", "clip_vision_model", "distilbert", "electra", "modernbert",
     "roberta", "vit"}
)  # fmt: skip

#: Families whose state is kept in the modules or in a cache of their own that no formula here describes.
UNKNOWN = MappingProxyType(
    {
        "recurrent_gemma": "its layers keep their state themselves",
        "minimax": "the states of its lightning attention stand in a cache class of its own",
    }
)

_SOURCE = "transformers 5.23 cache_utils.py"
_STATE = 4  # states are float32 in every dtype: torch.float32 in the scan of each modelling file


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind of thing that a cache holds.

    Attributes:
        name: What it is.
        elements: Its elements over the whole model, batch and sequence.
        width: Bytes of one, or None for that of the weights.
    """

    name: str
    elements: Size
    width: int | None = None


def predict(formula: Formula, config: Config, setting: Setting) -> Predicted | None:
    """The bytes of the cache after a prefill, as the classes of transformers hold it; None where there is none.

    Args:
        formula: The parameters of the model.
        config: Its config.json, read for windows and the sizes of states.
        setting: The run.

    Raises:
        UsageError: The family keeps its states in a way that no formula here describes.
        ConfigError: A field is missing or impossible.
    """
    found = pieces(formula, config, setting)
    if not found:
        return None
    size = sum((each.elements * (each.width or compute_width(setting)) for each in found), Size.of(0))
    note = ", ".join(dict.fromkeys(each.name for each in found))
    return Predicted(Category.CACHE, size, _SOURCE, note)


def pieces(formula: Formula, config: Config, setting: Setting) -> tuple[Piece, ...]:
    """What the cache of a model holds, kind by kind; nothing for an encoder.

    Raises:
        UsageError: The family keeps its states in a way that no formula here describes.
        ConfigError: A field is missing or impossible.
    """
    if formula.name in UNKNOWN:
        raise UsageError(
            f"the cache of {formula.name} has no formula: {UNKNOWN[formula.name]}", hint="use --mode training"
        )
    if formula.name in ENCODERS or not decodes(formula):
        return ()
    text = text_config(config)
    own = decoder_terms(formula)
    layers = sorted({index for term in own for index in term.indices if index is not None})
    span = _Span(setting, window(text, layers))
    return (
        *_sizes_of_windows(span),
        *_keys_and_values(formula, own, text, span),
        *_latents(own, span),
        *_crossed(own, text, setting),
        *_states(formula, own, text, setting),
    )


def expanded(formula: Formula, config: Config, setting: Setting) -> Predicted | None:
    """The keys and values of latent attention as full heads, which caches before transformers 5 held; else None.

    `a (nope + rope)` for the keys, `a value` for the values, where the latent is `rank + rope` (DeepSeek-AI 2024,
    arXiv:2405.04434, section 2.1.4 and table 1).
    """
    own = decoder_terms(formula)
    found = _part(own, "kv_b")
    if not found or found[0].layers is None:
        return None
    text = text_config(config)
    rope = Size.symbol("qk_rope_head_dim", text.integer("qk_rope_head_dim"))
    heads = Size.symbol("num_attention_heads", text.integer("num_attention_heads"))
    width = found[0].axes[0] + heads * rope
    size = setting.b * setting.s * found[0].layers.count * width * compute_width(setting)
    source = "DeepSeek-AI 2024, arXiv:2405.04434, table 1; transformers before 5"
    return Predicted(Category.CACHE, size, source, "keys and values of every head, after the latent is expanded")


def quantised(plain: Predicted, setting: Setting, *, bits: int, group: int = 64, residual: int = 128) -> Predicted:
    """A cache whose keys and values are stored as groups of small integers. Formula only: nothing here runs one.

    Each group of `group` elements has a scale and a zero point of 16 bits. After a prefill everything is quantised;
    while generating, up to `residual` tokens more wait in full precision.

    Args:
        plain: The cache in full precision, keys and values alone.
        setting: The run.
        bits: Bits of one element.
        group: Elements that share a scale.
        residual: Tokens that may wait.

    Raises:
        UsageError: A size is not positive.
    """
    if min(bits, group, residual) < 1:
        raise UsageError(f"bits {bits}, group {group}, residual {residual}", expected="whole numbers of at least 1")
    elements = plain.size.value // compute_width(setting)
    groups = -(-elements // group)
    packed = -(-elements * bits // 8)
    size = Size.symbol(f"ceil(elements*{bits}/8)", packed) + Size.symbol(f"ceil(elements/{group})", groups) * 4
    source = "Liu et al. 2024, arXiv:2402.02750 (KIVI); transformers 5.23 cache_utils.py, QuantizedLayer"
    return Predicted(Category.CACHE, size, source, f"formula only, not run; up to {residual} tokens wait unquantised")


def text_config(config: Config) -> Config:
    """The section of the text model, or the config itself where it has none."""
    return config.section("text_config") if "text_config" in config else config


def decoder_terms(formula: Formula) -> tuple[Term, ...]:
    """The terms of the stack that reads tokens one after the other."""
    stacks = {term.slot.stack for term in formula.terms}
    own = "decoder" if "decoder" in stacks else "text" if "text" in stacks else ""
    return tuple(term for term in formula.terms if term.slot.stack == own)


def decodes(formula: Formula) -> bool:
    """Whether it has layers at all that keep something of earlier tokens."""
    return any(term.slot.role is Role.ATTENTION or term.slot.part == "conv" for term in decoder_terms(formula))


@dataclass(frozen=True, slots=True)
class _Span:
    """How many tokens each layer keeps."""

    setting: Setting
    window: Window | None

    def over(self, layers: Layers) -> Size:
        """Tokens kept by a set of layers: those with a window and the others, times the batch."""
        if self.window is None:
            return self.setting.b * self.setting.s * layers.count
        short = [index for index in layers.indices if index in self.window.layers]
        rest = len(layers.indices) - len(short)
        kept = self.window.kept(self.setting.s)
        if not rest:
            return self.setting.b * kept * layers.count
        if not short:
            return self.setting.b * self.setting.s * layers.count
        count = Size.symbol("#[layers with a window]", len(short))
        return self.setting.b * (count * kept + (layers.count - count) * self.setting.s)


def _sizes_of_windows(span: _Span) -> Iterator[Piece]:
    """The size of the window, which each layer that has one keeps as a 64-bit number."""
    if span.window is not None:
        yield Piece("window sizes", Size.symbol("#[layers with a window]", len(span.window.layers)), 8)


def _keys_and_values(formula: Formula, own: tuple[Term, ...], text: Config, span: _Span) -> Iterator[Piece]:
    """The outputs of the key and value projections, or of one projection for all three less the queries."""
    for name in ("k", "v"):
        for term in _part(own, name):
            if term.layers is not None:
                yield Piece("keys and values", span.over(term.layers) * term.axes[0])
    for term in _part(own, "qkv"):
        if term.layers is not None:
            yield Piece("keys and values", span.over(term.layers) * _fused_width(formula, term, own, text))


def _fused_width(formula: Formula, term: Term, own: tuple[Term, ...], text: Config) -> Size:
    """Keys and values of a fused projection: what the queries, as wide as the output's input, leave of it."""
    output = _part(own, "o")[0]
    # `out x in` of a Linear, `in x out` of a Conv1D: its output is three times as wide as its input.
    fused = term.axes[1] if formula.name == "gpt2" else term.axes[0]
    queries = output.axes[0] if formula.name == "gpt2" else output.axes[1]
    if formula.name == "falcon" and text.flag("new_decoder_architecture", default=False):
        # Keys and values are copied to every query head before they are kept (modeling_falcon.py, `_split_heads`).
        return queries * 2
    return fused - queries


def _latents(own: tuple[Term, ...], span: _Span) -> Iterator[Piece]:
    """The latent and the rotary key that all heads share, and the keys of an indexer where there is one."""
    for term in _part(own, "kv_a"):
        if term.layers is not None:
            yield Piece("latents", span.over(term.layers) * term.axes[0])
    for term in _part(own, "indexer.k"):
        if term.layers is not None:
            yield Piece("indexer keys", span.over(term.layers) * term.axes[0])


def _crossed(own: tuple[Term, ...], text: Config, setting: Setting) -> Iterator[Piece]:
    """Keys and values of the encoder's output, kept once for all steps."""
    for name in ("cross_k", "cross_v"):
        for term in _part(own, name):
            if term.layers is not None and term.slot.stack == "decoder":
                tokens = setting.b * encoder_tokens(text, setting)
                yield Piece("cross-attention", tokens * term.layers.count * term.axes[0])


def encoder_tokens(config: Config, setting: Setting) -> Size:
    """Tokens that an encoder gives for one sequence: all of Whisper's 30 seconds, else as many as the decoder reads."""
    if config.text("model_type", default="") == "whisper":
        return Size.symbol("max_source_positions", config.integer("max_source_positions", default=1500))
    return setting.s


def _states(formula: Formula, own: tuple[Term, ...], text: Config, setting: Setting) -> Iterator[Piece]:
    """The last tokens of each convolution, and one state of each recurrent layer."""
    for term in own:
        if term.slot.part != "conv" or term.layers is None:
            continue
        channels, _, kernel = term.axes
        yield Piece("convolution states", setting.b * term.layers.count * channels * kernel)
        state = _RECURRENT.get(formula.name)
        if state is not None:
            yield Piece("recurrent states", setting.b * term.layers.count * state(own, text), _STATE)


_State: TypeAlias = Callable[[tuple[Term, ...], Config], Size]


def _scan(own: tuple[Term, ...], text: Config) -> Size:
    """`inner x state` of Mamba, the shape of its matrix A."""
    del text
    rows, columns = _part(own, "A_log")[0].axes
    return rows * columns


def _heads_of(key: str) -> _State:
    """`heads x head x state` of Mamba 2, as wide as the input of its output projection."""
    return lambda own, text: _part(own, "out_proj")[0].axes[1] * Size.symbol(key, text.integer(key, default=128))


def _delta(own: tuple[Term, ...], text: Config) -> Size:
    """`value heads x key head x value head` of a gated delta rule (Yang et al. 2024, arXiv:2412.06464)."""
    key = Size.symbol("linear_key_head_dim", text.integer("linear_key_head_dim", default=128))
    return _part(own, "linear_o")[0].axes[1] * key


#: The state of a recurrent layer, by family; a convolution alone has none.
_RECURRENT: Mapping[str, _State] = MappingProxyType(
    {
        "mamba": _scan,
        "jamba": _scan,
        "mamba2": _heads_of("state_size"),
        "nemotron_h": _heads_of("ssm_state_size"),
        "granitemoehybrid": _heads_of("mamba_d_state"),
        "qwen3_next": _delta,
        "qwen3_5": _delta,
        "qwen3_5_moe": _delta,
    }
)


def _part(terms: Iterable[Term], name: str) -> list[Term]:
    """The terms of one layer type of the attention, by its part."""
    return [term for term in terms if term.slot.role is Role.ATTENTION and term.slot.part == name]
