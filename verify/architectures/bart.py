"""BART: an encoder and a decoder with learned positions, a LayerNorm beside each block, and biases.

Per layer of each stack: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down
: hidden x inner`, `norm.attention`, `norm.output : hidden`, in the decoder `attention.cross_q`, `.cross_k`,
`.cross_v`, `.cross_o : hidden x hidden` and `norm.cross : hidden` too, each with a bias of its output. For each
stack `position.embedding : (positions + 2) x hidden` and `norm.embeddings : hidden`. Both share `embedding.tokens
: vocab x hidden`, each has its own beside it when not tied. The buffer `head.logits_bias : 1 x vocab` and the head
of the class. Its relatives have a norm after each stack (`norm.final`), none after the embeddings, or other
positions.
"""

from dataclasses import dataclass

from verify.architectures._blocks import buffer, embedding, labels, linear, norm, size
from verify.architectures._encoder import choose, output_layer
from verify.architectures._seq2seq import STACKS, stack_layers, stack_names
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules
from verify.roles import Cause
from verify.symbols import Size

SOURCE = (
    "Lewis et al. 2020, arXiv:1910.13461, section 2.1; Liu et al. 2020, arXiv:2001.08210, section 2.2 (mbart); "
    "Zhang et al. 2020, arXiv:1912.08777 (pegasus); Fan et al. 2020, arXiv:2010.11125 (m2m_100); "
    "transformers models/bart/modeling_bart.py"
)
ALIASES = ("mbart", "plbart", "pegasus", "blenderbot", "blenderbot-small", "m2m_100")

NAMES = NameTable(
    backbone={
        **modules({"shared": "embedding.tokens"}),
        **stack_names("encoder"),
        **stack_names("decoder"),
    },
    head={
        **modules(
            {
                "lm_head": "head.lm_head",
                "classification_head.dense": "head.classifier_dense",
                "classification_head.out_proj": "head.classifier",
                "qa_outputs": "head.qa_outputs",
            }
        ),
        **buffers({"final_logits_bias": "head.logits_bias"}),
    },
    prefixes=("model.",),
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What sets the relatives apart.

    Attributes:
        embedding_norm: Whether a norm follows the embeddings of a stack.
        final_norm: Whether a norm follows its layers.
        offset: Rows of the position table beside the positions; None where positions are computed.
        logits_bias: Whether the logits have a bias.
        labels: How many where none are stated.
    """

    embedding_norm: bool
    final_norm: bool
    offset: int | None
    logits_bias: bool = True
    labels: int = 2


_KINDS = {
    "bart": _Kind(embedding_norm=True, final_norm=False, offset=2, labels=3),
    "plbart": _Kind(embedding_norm=True, final_norm=False, offset=2),
    "mbart": _Kind(embedding_norm=True, final_norm=True, offset=2),
    "pegasus": _Kind(embedding_norm=False, final_norm=True, offset=0),
    "blenderbot": _Kind(embedding_norm=False, final_norm=True, offset=0),
    "blenderbot-small": _Kind(embedding_norm=True, final_norm=False, offset=0),
    "m2m_100": _Kind(embedding_norm=False, final_norm=True, offset=None, logits_bias=False),
}

#: What follows the family's name in a class: the parts beside its stacks.
_CLASSES = {
    "ForConditionalGeneration": ("logits_bias",),
    "ForCausalLM": (),
    "ForSequenceClassification": ("dense", "classifier"),
    "ForQuestionAnswering": ("qa_outputs",),
    "Model": (),
}


def formula(config: Config) -> Formula:
    """The parameters of a BART.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "d_model")
    vocab = size(config, "vocab_size")
    kind = _KINDS.get(config.text("model_type", default="bart"), _KINDS["bart"])
    tied = config.flag("tie_word_embeddings", default=True)
    decodes = config.architecture.endswith("ForCausalLM")
    generates = not config.architecture or config.architecture.endswith(("ForConditionalGeneration", "ForCausalLM"))
    terms = {stack: _stack(config, hidden, kind, stack) for stack in STACKS}
    tables = {stack: embedding("embedding.tokens", vocab, hidden, stack=stack) for stack in STACKS}
    # The decoder alone has no table to share, and keeps its own.
    shared = (tables["decoder"],) if decodes else (embedding("embedding.tokens", vocab, hidden),)
    own = () if decodes else tuple(tables.values())
    head_terms, others = _heads(config, vocab, hidden, kind)
    output, copies = output_layer(config, linear("head.lm_head", vocab, hidden), there=generates)
    note = "the file stores the embedding, which both stacks share, again for one of them"
    _set_aside(config)
    return Formula(
        name="bart",
        source=SOURCE,
        terms=(
            *shared,
            *(() if tied else own),
            *(() if decodes else terms["encoder"]),
            *terms["decoder"],
            *output,
            *head_terms,
        ),
        extras=(
            *copies,
            *others,
            *(Extra(Cause.TIED_EMBEDDING_STORED, (table,), note) for table in (own if tied else ())),
        ),
    )


def _stack(config: Config, hidden: Size, kind: _Kind, stack: str) -> tuple[Term, ...]:
    """The encoder or the decoder, without its table of tokens."""
    spellings = ("num_hidden_layers",) if stack == "encoder" else ()
    layers = Layers.every(size(config, f"{stack}_layers", *spellings))
    spellings = ("num_attention_heads",) if stack == "encoder" else ()
    heads = config.integer(f"{stack}_attention_heads", *spellings)
    positions = size(config, "max_position_embeddings")
    return (
        *(
            ()
            if kind.offset is None
            else (embedding("position.embedding", positions + kind.offset, hidden, stack=stack),)
        ),
        *(norm("embeddings", hidden, bias=True, stack=stack) if kind.embedding_norm else ()),
        *stack_layers(hidden, heads, size(config, f"{stack}_ffn_dim"), layers, stack),
        *(norm("final", hidden, bias=True, stack=stack) if kind.final_norm else ()),
    )


def _heads(config: Config, vocab: Size, hidden: Size, kind: _Kind) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    stated = any(key in config for key in ("id2label", "num_labels"))
    default = Size.symbol("num_labels", kind.labels, "the class's own default")
    number = labels(config) if stated else default
    parts = {
        "logits_bias": (buffer("head.logits_bias", Size.of(1), vocab),) if kind.logits_bias else (),
        "dense": linear("head.classifier_dense", hidden, hidden, bias=True),
        "classifier": linear("head.classifier", number, hidden, bias=True),
        "qa_outputs": linear("head.qa_outputs", Size.of(2), hidden, bias=True),
    }
    _, terms, others = choose(config, _CLASSES, "ForConditionalGeneration", parts)
    return terms, others


def _set_aside(config: Config) -> None:
    """Keys of the first versions, which the classes of today do not read, and of other matters."""
    config.set_aside(
        *("normalize_before", "normalize_embedding", "add_final_layer_norm", "static_position_embeddings"),
        *("extra_pos_embeddings", "add_bias_logits", "do_blenderbot_90_layernorm", "force_bos_token_to_be_generated"),
        *("classif_dropout", "encoder_layerdrop", "decoder_layerdrop", "activation_dropout", "init_std", "output_past"),
        *("scale_embedding", "layernorm_variant", "save_step", "gradient_checkpointing", "tokenizer_class"),
    )
