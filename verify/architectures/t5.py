"""T5: an encoder and a decoder with relative positions, RMSNorm before each block, and no biases.

Legend: `heads head` is the width of all heads together, which need not be `hidden`. Per layer of each stack:
`attention.q`, `.k`, `.v : (heads head) x hidden`, `attention.o : hidden x (heads head)`, `norm.input`,
`norm.post_attention : hidden`, and in the decoder `attention.cross_q`, `.cross_k`, `.cross_v`, `.cross_o` and
`norm.cross` with the same axes. The feed-forward layer is `mlp.up : inner x hidden`, `mlp.down : hidden x inner`,
and where it is gated (v1.1) also `mlp.gate : inner x hidden`. In the first layer of each stack, in all layers of
a umt5, `position.bias : buckets x heads`. Outside: `embedding.tokens : vocab x hidden`, which both stacks share,
`norm.final : hidden` of each stack, and the head of the class.
"""

from verify.architectures._blocks import attention, embedding, gated_mlp, labels, linear, mlp, norm, size
from verify.architectures._encoder import choose, output_layer
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import Entry, NameTable, modules, slot
from verify.roles import Cause
from verify.symbols import Size

SOURCE = (
    "Raffel et al. 2020, arXiv:1910.10683, section 2.1; Shazeer 2020, arXiv:2002.05202 (v1.1); Xue et al. 2021, "
    "arXiv:2010.11934 (mt5); Chung et al. 2023, arXiv:2304.09151 (umt5); transformers models/t5/modeling_t5.py"
)
ALIASES = ("mt5", "umt5")


def _stack(stack: str, feed_forward: int) -> dict[str, Entry]:
    """The names inside a stack, whose feed-forward layer is the last of two or three sublayers."""
    block = f"{stack}.block.{{}}.layer"
    cross = {"layer_norm": "norm.cross"} | {f"EncDecAttention.{part}": f"attention.cross_{part}" for part in "qkvo"}
    return modules(
        {
            f"{stack}.embed_tokens": "embedding.tokens",
            **{f"{block}.0.SelfAttention.{part}": f"attention.{part}" for part in "qkvo"},
            f"{block}.0.SelfAttention.relative_attention_bias": "position.bias",
            f"{block}.0.layer_norm": "norm.input",
            **({f"{block}.1.{module}": text for module, text in cross.items()} if feed_forward > 1 else {}),
            f"{block}.{feed_forward}.DenseReluDense.wi": "mlp.up",
            f"{block}.{feed_forward}.DenseReluDense.wi_0": "mlp.gate",
            f"{block}.{feed_forward}.DenseReluDense.wi_1": "mlp.up",
            f"{block}.{feed_forward}.DenseReluDense.wo": "mlp.down",
            f"{block}.{feed_forward}.layer_norm": "norm.post_attention",
            f"{stack}.final_layer_norm": "norm.final",
        },
        stack=stack,
    )


#: A table that the first files of T5 hold and no code reads.
_UNUSED = "decoder.block.{}.layer.1.EncDecAttention.relative_attention_bias.weight"

NAMES = NameTable(
    backbone={
        **modules({"shared": "embedding.tokens"}),
        **_stack("encoder", 1),
        **_stack("decoder", 2),
        _UNUSED: slot("position.cross_bias", stack="decoder"),
    },
    head=modules(
        {
            "lm_head": "head.lm_head",
            "classification_head.dense": "head.classifier_dense",
            "classification_head.out_proj": "head.classifier",
            "classifier": "head.classifier",
            "qa_outputs": "head.qa_outputs",
        }
    ),
    prefixes=("transformer.",),
)

#: What follows the family's name in a class: the parts that stand on its stacks.
_CLASSES = {
    "ForConditionalGeneration": (),
    "ForSequenceClassification": ("dense", "classifier"),
    "ForTokenClassification": ("classifier",),
    "ForQuestionAnswering": ("qa_outputs",),
    "EncoderModel": (),
    "Model": (),
}


def formula(config: Config) -> Formula:
    """The parameters of a T5.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "d_model")
    vocab = size(config, "vocab_size")
    encoder = Layers.every(size(config, "num_hidden_layers", "num_layers"))
    # As deep as the encoder where nothing else is said.
    decoder = Layers.every(size(config, "num_decoder_layers", default=encoder.count))
    generates = not config.architecture or config.architecture.endswith("ForConditionalGeneration")
    encodes = config.architecture.endswith(("EncoderModel", "ForTokenClassification"))
    if encodes and config.flag("is_decoder", default=False):
        raise ConfigError(f"is_decoder is true for {config.architecture}", expected="false")
    config.set_aside("relative_attention_max_distance", "n_positions", "output_past", "scale_decoder_outputs")
    config.set_aside("dense_act_fn", "tokenizer_class")
    stacks = {"encoder": encoder} if encodes else {"encoder": encoder, "decoder": decoder}
    head_terms, others = _heads(config, hidden)
    output, copies = output_layer(config, linear("head.lm_head", vocab, hidden), there=generates)
    # transformers ties the output layer of every T5 until a file holds another one, whatever the config says
    # (configuration_t5.py, `__post_init__`).
    tied = Extra(Cause.TIED_HEAD_DROPPED, output, "transformers ties it unless the file holds it", absent=True)
    return Formula(
        name="t5",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *(term for stack, layers in stacks.items() for term in _terms(config, hidden, layers, stack)),
            *output,
            *head_terms,
        ),
        extras=(*copies, *((tied,) if output else ()), *others, *_left_over(config, vocab, hidden, tuple(stacks))),
    )


def _terms(config: Config, hidden: Size, layers: Layers, stack: str) -> tuple[Term, ...]:
    """One stack; the table of relative positions stands in its first layer, in all layers of a umt5."""
    heads = size(config, "num_attention_heads", "num_heads")
    head_dim = size(config, "head_dim", "d_kv", default=64, definition="the class's own default")
    inner = size(config, "intermediate_size", "d_ff")
    wide = heads * head_dim
    first = layers if _model_type(config) == "umt5" else Layers.some((0,), "i = 0", Size.of(1))
    gated = _is_gated(config)
    cross = (
        *(term for part in "qkv" for term in linear(f"attention.cross_{part}", wide, hidden, layers, stack=stack)),
        *linear("attention.cross_o", hidden, wide, layers, stack=stack),
        *norm("cross", hidden, layers, stack=stack),
    )
    return (
        *attention(hidden, heads, heads, head_dim, layers, stack=stack),
        Term(slot("position.bias", stack=stack), (_buckets(config), heads), first),
        *(cross if stack == "decoder" else ()),
        *(gated_mlp(hidden, inner, layers, stack=stack) if gated else mlp(hidden, inner, layers, stack=stack)),
        *norm("input", hidden, layers, stack=stack),
        *norm("post_attention", hidden, layers, stack=stack),
        *norm("final", hidden, stack=stack),
    )


def _buckets(config: Config) -> Size:
    return size(config, "relative_attention_num_buckets", default=32, definition="the class's own default")


def _model_type(config: Config) -> str:
    return config.text("model_type", default="t5")


def _is_gated(config: Config) -> bool:
    """Whether the feed-forward layer has a gate: `gated-<activation>` or `<activation>`."""
    default = "relu" if _model_type(config) == "t5" else "gated-gelu"
    text = config.text("feed_forward_proj", default=default)
    first, *rest = text.split("-")
    if (rest and first != "gated") or len(rest) > 1:
        raise ConfigError(f"feed_forward_proj is {text!r}", expected="'gated-gelu' or 'relu', say")
    # Configs that transformers saved repeat it, and the repetition wins (`T5Config.__post_init__`).
    return config.flag("is_gated_act", default=first == "gated")


def _heads(config: Config, hidden: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The classifiers of the class that the config names, and those of other classes that a file may hold."""
    parts = {
        "dense": linear("head.classifier_dense", hidden, hidden, bias=True),
        "classifier": linear("head.classifier", labels(config), hidden, bias=True),
        "qa_outputs": linear("head.qa_outputs", labels(config), hidden, bias=True),
    }
    _, terms, others = choose(config, _CLASSES, "ForConditionalGeneration", parts)
    return terms, others


def _left_over(config: Config, vocab: Size, hidden: Size, stacks: tuple[str, ...]) -> tuple[Extra, ...]:
    """The embedding again for each stack, and a table of positions that the first version had for nothing."""
    note = "the file stores the embedding, which both stacks share, again for one of them"
    copies = [
        Extra(Cause.TIED_EMBEDDING_STORED, (embedding("embedding.tokens", vocab, hidden, stack=stack),), note)
        for stack in stacks
    ]
    heads = size(config, "num_attention_heads", "num_heads")
    first = Layers.some((0,), "i = 0", Size.of(1))
    table = Term(slot("position.cross_bias", stack="decoder"), (_buckets(config), heads), first)
    note = "relative positions of the cross-attention, which no code uses (transformers modeling_t5.py ignores them)"
    return *copies, Extra(Cause.STORED_BUFFER, (table,), note)
