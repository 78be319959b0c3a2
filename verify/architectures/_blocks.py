"""Terms that many families share.

Legend of the axes: `hidden` is the width of the residual stream, `heads` and `kv_heads` the numbers
of query and of key/value heads, `head` the size of one, `inner` the width of the feed-forward layer,
`vocab` the number of token embeddings, `experts` the number of routed experts of a layer.
"""

from msgspec.structs import replace

from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Extra, Layers, Term
from verify.names import modules, slot
from verify.roles import Cause, Kind
from verify.symbols import Size

#: What follows the family's name in a class of `architectures`, and the head it means, for a decoder.
HEADS = ("ForCausalLM", "LMHeadModel", "ForSequenceClassification", "ForTokenClassification",
         "ForQuestionAnswering", "Model")  # fmt: skip

#: The names of the heads that `decoder_head` describes.
DECODER_HEADS = modules({"lm_head": "head.lm_head", "score": "head.score", "qa_outputs": "head.qa_outputs"})


def head(config: Config, default: str, known: tuple[str, ...] = HEADS) -> str:
    """The head that `architectures` names, as one of `known`; `default` when it names none.

    Raises:
        ConfigError: The class has a head that no formula knows.
    """
    name = config.architecture or default
    for end in known:
        if name.endswith(end):
            return "ForCausalLM" if end == "LMHeadModel" else end
    raise ConfigError(f"architectures names {name}", expected=f"a class that ends in one of {', '.join(known)}")


def size(config: Config, *names: str, default: Size | int | None = None, definition: str = "") -> Size:
    """Read a hyper-parameter as a symbol named by its canonical (first) name.

    Args:
        config: Where to read it.
        names: The canonical name, then other spellings.
        default: What holds when no spelling is set: a number, or the size it follows from.
        definition: How a default number follows from other keys.

    Raises:
        ConfigError: It is missing without a default, or not a positive whole number.
    """
    # Two sections may state the same key: the prefix keeps the symbols of a vision tower apart.
    if default is not None and not any(name in config for name in names):
        config.integer(*names, default=1)
        return default if isinstance(default, Size) else Size.symbol(config.prefix + names[0], default, definition)
    return Size.symbol(config.prefix + names[0], config.integer(*names))


def whole_heads(hidden: Size, heads: Size) -> int:
    """The size of one head where all of them together are as wide as the model.

    Raises:
        ConfigError: The heads do not divide the hidden size.
    """
    if hidden.value % heads.value:
        raise ConfigError(
            f"hidden_size {hidden.value} is not divisible by num_attention_heads {heads.value}",
            expected="a divisor, or head_dim where the family has one",
            hint="correct config.json",
        )
    return hidden.value // heads.value


def head_size(config: Config, hidden: Size, heads: Size) -> Size:
    """`head_dim` as the config states it, else `hidden_size // num_attention_heads`.

    Raises:
        ConfigError: It is not stated and the heads do not divide the hidden size.
    """
    if "head_dim" in config:
        return size(config, "head_dim")
    return size(config, "head_dim", default=whole_heads(hidden, heads), definition="hidden_size // num_attention_heads")


def kv_heads(config: Config, heads: Size, *, required: bool = False) -> Size:
    """`num_key_value_heads`, all heads where it is not stated.

    Args:
        config: Where to read it.
        heads: The number of query heads.
        required: Whether a config must name it, be it null, because the class has a number as default.

    Raises:
        ConfigError: It does not divide the number of heads, or is required and missing.
    """
    null = not required or config.states("num_key_value_heads")
    groups = size(config, "num_key_value_heads", default=heads if null else None)
    if heads.value % groups.value:
        raise ConfigError(
            f"num_key_value_heads {groups.value} does not divide num_attention_heads {heads.value}",
            expected="a divisor",
            hint="correct config.json",
        )
    return groups


def linear(
    name: str,
    out: Size,
    into: Size,
    layers: Layers | None = None,
    *,
    bias: bool = False,
    copies: Size = ONE,
    stack: str = "",
) -> tuple[Term, ...]:
    """A linear layer: weight `out x into`, and a bias of `out` where it has one (`torch.nn.Linear`)."""
    weight = Term(slot(name, stack=stack), (out, into), layers, copies)
    return (weight, Term(slot(f"{name}.bias", stack=stack), (out,), layers, copies)) if bias else (weight,)


def norm(
    name: str, width: Size, layers: Layers | None = None, *, bias: bool = False, stack: str = ""
) -> tuple[Term, ...]:
    """A normalisation: weight of `width`, and a bias where it is a LayerNorm with one."""
    weight = Term(slot(f"norm.{name}", stack=stack), (width,), layers)
    return (weight, Term(slot(f"norm.{name}.bias", stack=stack), (width,), layers)) if bias else (weight,)


def buffer(name: str, *axes: Size, layers: Layers | None = None, stack: str = "") -> Term:
    """A buffer: counted apart from the parameters."""
    return Term(slot(name, kind=Kind.BUFFER, stack=stack), axes, layers)


def rotary_buffer(head_dim: Size, layers: Layers) -> Extra:
    """`rotary_emb.inv_freq : head / 2` of each layer, which older versions of transformers saved.

    Source: Su et al. 2021, arXiv:2104.09864, section 3.2.2; a persistent buffer of the attention
    layers in transformers before 4.32, none since.
    """
    term = buffer("position.inv_freq", head_dim // 2, layers=layers)
    return Extra(Cause.STORED_BUFFER, (term,), "rotary frequencies, saved by transformers before 4.32")


def attention(
    hidden: Size,
    heads: Size,
    groups: Size,
    head_dim: Size,
    layers: Layers,
    *,
    qkv_bias: bool = False,
    out_bias: bool = False,
    stack: str = "",
) -> tuple[Term, ...]:
    """Multi-head, grouped-query or multi-query attention (Ainslie et al. 2023, arXiv:2305.13245).

    `q : (heads x head) x hidden`, `k` and `v : (kv_heads x head) x hidden`, `o : hidden x (heads x head)`.
    """
    return (
        *linear("attention.q", heads * head_dim, hidden, layers, bias=qkv_bias, stack=stack),
        *linear("attention.k", groups * head_dim, hidden, layers, bias=qkv_bias, stack=stack),
        *linear("attention.v", groups * head_dim, hidden, layers, bias=qkv_bias, stack=stack),
        *linear("attention.o", hidden, heads * head_dim, layers, bias=out_bias, stack=stack),
    )


def gated_mlp(
    hidden: Size,
    inner: Size,
    layers: Layers,
    *,
    name: str = "mlp",
    bias: bool = False,
    copies: Size = ONE,
    stack: str = "",
) -> tuple[Term, ...]:
    """A gated feed-forward layer, `down(act(gate(x)) * up(x))` (Shazeer 2020, arXiv:2002.05202, eq. 6)."""
    return (
        *linear(f"{name}.gate", inner, hidden, layers, bias=bias, copies=copies, stack=stack),
        *linear(f"{name}.up", inner, hidden, layers, bias=bias, copies=copies, stack=stack),
        *linear(f"{name}.down", hidden, inner, layers, bias=bias, copies=copies, stack=stack),
    )


def experts(config: Config, hidden: Size, inner: Size, layers: Layers, *, names: tuple[str, ...]) -> tuple[Term, ...]:
    """A router and gated feed-forward layers to choose from (Jiang et al. 2024, arXiv:2401.04088, section 2.1).

    `router.gate : experts x hidden`, and `experts` times `gate`, `up : inner x hidden`, `down : hidden x inner`.

    Args:
        config: Where the number of experts is read.
        hidden: The width of the residual stream.
        inner: The width of one expert.
        layers: The layers that have experts.
        names: The spellings of the number of experts, the family's own first.

    Raises:
        ConfigError: A token goes to more experts than there are.
    """
    number = Size.symbol("num_experts", config.integer(*names))
    active = config.integer("num_experts_per_tok")
    if active > number.value:
        raise ConfigError(
            f"num_experts_per_tok {active} is more than {names[0]} {number.value}",
            expected="at most all experts",
            hint="correct config.json",
        )
    chosen = gated_mlp(hidden, inner, layers, name="experts", copies=number)
    return (
        *linear("router.gate", number, hidden, layers),
        *(replace(term, active=Size.symbol("num_experts_per_tok", active)) for term in chosen),
    )


def mlp(hidden: Size, inner: Size, layers: Layers, *, bias: bool = False, stack: str = "") -> tuple[Term, ...]:
    """A plain feed-forward layer (Vaswani et al. 2017, arXiv:1706.03762, section 3.3)."""
    return (
        *linear("mlp.up", inner, hidden, layers, bias=bias, stack=stack),
        *linear("mlp.down", hidden, inner, layers, bias=bias, stack=stack),
    )


def embedding(name: str, rows: Size, width: Size, *, stack: str = "") -> Term:
    """A table of `rows` vectors (`torch.nn.Embedding`)."""
    return Term(slot(name, stack=stack), (rows, width))


def labels(config: Config) -> Size:
    """`num_labels` of a classification head, else the length of `id2label`, else 2.

    Source: transformers `configuration_utils.py`, `PreTrainedConfig.num_labels`.
    """
    if "id2label" in config and "num_labels" not in config:
        return Size.symbol("num_labels", config.length("id2label"))
    return size(config, "num_labels", default=2, definition="two labels where none are stated")


def decoder_head(
    config: Config,
    vocab: Size,
    hidden: Size,
    *,
    tied_by_default: bool,
    bias: bool = False,
    kind: str = "",
    answers: Size | None = None,
) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """What stands on a decoder-only backbone: (terms, extras).

    A causal language model has an output layer of `vocab x hidden`, unless it is tied: then it is the
    embedding itself (Press and Wolf 2017, arXiv:1608.05859), and a checkpoint may store the copy all
    the same. A classifier has `score : labels x hidden` without a bias, per token with one
    (transformers `modeling_layers.py`, `GenericForSequenceClassification`, `GenericForTokenClassification`).

    Args:
        config: Where `architectures`, `tie_word_embeddings` and the labels are read.
        vocab: Rows of the embedding.
        hidden: Its width.
        tied_by_default: What holds when the config does not say.
        bias: Whether the output layer has a bias, which is never tied.
        kind: The head, where its class has a name of its own; else it is read from `architectures`.
        answers: Outputs of the head for questions, where they are not the start and the end of an answer.
    """
    kind = kind or head(config, "ForCausalLM")
    tied = config.flag("tie_word_embeddings", default=tied_by_default)
    language = linear("head.lm_head", vocab, hidden, bias=bias)
    scores = {
        "ForSequenceClassification": linear("head.score", labels(config), hidden),
        "ForTokenClassification": linear(
            "head.score", labels(config), hidden, bias=config.flag("token_classification_bias", default=True)
        ),
        "ForQuestionAnswering": linear("head.qa_outputs", answers or Size.of(2), hidden, bias=True),
    }
    if kind != "ForCausalLM":
        other = Extra(Cause.OTHER_HEAD, language, f"{config.architecture} has no output layer, the file holds one")
        return scores.get(kind, ()), (other,)
    others = [Extra(Cause.OTHER_HEAD, terms, "the file holds a classification head") for terms in scores.values()]
    if tied:
        weight, *rest = language
        note = "tie_word_embeddings is true; the file names the shared matrix a second time"
        return tuple(rest), (Extra(Cause.TIED_HEAD_STORED, (weight,), note), *others)
    return language, tuple(others)
