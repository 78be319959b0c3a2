"""ALBERT: a BERT whose layers share their parameters, behind narrower embeddings.

There are `groups` of layers, which are stored, and more layers than groups, which are not: each group serves
several layers. A group holds `inner layers` (one, in all published models), each with `attention.q`, `.k`,
`.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.attention`,
`norm.output : hidden`, and a bias of each output. Outside: `embedding.tokens : vocab x narrow`,
`position.embedding : positions x narrow`, `embedding.types : types x narrow`, `norm.embeddings : narrow`,
`embedding.projection : hidden x narrow`, `other.pooler : hidden x hidden`, and the head of the class.
"""

from msgspec.structs import replace

from verify.architectures._blocks import attention, embedding, labels, linear, mlp, norm, size, whole_heads
from verify.architectures._encoder import (
    BERT_EMBEDDINGS,
    choose,
    classifiers,
    old_norms,
    output_layer,
    position_ids,
)
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules, slot
from verify.symbols import Size

SOURCE = "Lan et al. 2020, arXiv:1909.11942, section 3.1; transformers models/albert/modeling_albert.py"
ALIASES = ()

_LAYER = "encoder.albert_layer_groups.{}.albert_layers.{}"
NAMES = NameTable(
    backbone={
        **old_norms({**BERT_EMBEDDINGS, f"{_LAYER}.attention.LayerNorm": "norm.attention"}),
        **modules(
            {
                "encoder.embedding_hidden_mapping_in": "embedding.projection",
                f"{_LAYER}.attention.query": "attention.q",
                f"{_LAYER}.attention.key": "attention.k",
                f"{_LAYER}.attention.value": "attention.v",
                f"{_LAYER}.attention.dense": "attention.o",
                f"{_LAYER}.ffn": "mlp.up",
                f"{_LAYER}.ffn_output": "mlp.down",
                f"{_LAYER}.full_layer_layer_norm": "norm.output",
                "pooler": "other.pooler",
            }
        ),
        **buffers({"embeddings.position_ids": "position.ids"}),
    },
    head={
        **old_norms(
            {
                "predictions.dense": "head.transform",
                "predictions.LayerNorm": "head.transform_norm",
                "predictions.decoder": "head.lm_head",
                "sop_classifier.classifier": "head.sentence_order",
                "classifier": "head.classifier",
                "qa_outputs": "head.qa_outputs",
            }
        ),
        "predictions.bias": slot("head.prediction_bias"),
    },
    prefixes=("albert.",),
)

#: What follows `Albert` in a class name: the parts that stand on its encoder.
_CLASSES = {
    "ForPreTraining": ("pooler", "predictions", "sentence_order"),
    "ForMaskedLM": ("predictions",),
    "ForSequenceClassification": ("pooler", "classifier"),
    "ForMultipleChoice": ("pooler", "choice"),
    "ForTokenClassification": ("classifier",),
    "ForQuestionAnswering": ("qa_outputs",),
    "Model": ("pooler",),
}


def formula(config: Config) -> Formula:
    """The parameters of an ALBERT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    narrow = size(config, "embedding_size", default=128, definition="the class's own default")
    positions = size(config, "max_position_embeddings", default=512, definition="the class's own default")
    # Of the first version, in configs of that time; transformers reads none of them.
    config.set_aside("down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks")
    head_terms, extras = _heads(config, vocab, narrow, hidden)
    return Formula(
        name="albert",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, narrow),
            embedding("position.embedding", positions, narrow),
            embedding("embedding.types", size(config, "type_vocab_size", default=2), narrow),
            *norm("embeddings", narrow, bias=True),
            *linear("embedding.projection", hidden, narrow, bias=True),
            *_layers(config, hidden),
            *head_terms,
        ),
        extras=(*extras, position_ids(positions)),
    )


def _layers(config: Config, hidden: Size) -> tuple[Term, ...]:
    """What is stored of the layers: one set of tensors for each group and each inner layer of it."""
    whole_heads(hidden, size(config, "num_attention_heads"))
    groups = size(config, "num_hidden_groups", default=1, definition="the class's own default")
    total = config.integer("num_hidden_layers")
    if groups.value > total:
        raise ConfigError(
            f"num_hidden_groups {groups.value} is more than num_hidden_layers {total}",
            expected="at most all layers",
            hint="correct config.json",
        )
    copies = size(config, "inner_group_num", default=1, definition="the class's own default")
    layers = Layers.every(groups)
    # All heads together are as wide as the model, so that one head of the full width has the same shapes.
    one = Size.of(1)
    terms = (
        *attention(hidden, one, one, hidden, layers, qkv_bias=True, out_bias=True),
        *norm("attention", hidden, layers, bias=True),
        *mlp(hidden, size(config, "intermediate_size"), layers, bias=True),
        *norm("output", hidden, layers, bias=True),
    )
    return tuple(replace(term, copies=copies) for term in terms)


def _heads(config: Config, vocab: Size, narrow: Size, hidden: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    parts = {
        "pooler": linear("other.pooler", hidden, hidden, bias=True),
        "predictions": (
            *linear("head.transform", narrow, hidden, bias=True),
            Term(slot("head.transform_norm"), (narrow,)),
            Term(slot("head.transform_norm.bias"), (narrow,)),
            Term(slot("head.prediction_bias"), (vocab,)),
        ),
        "sentence_order": linear("head.sentence_order", labels(config), hidden, bias=True),
        **classifiers(config, hidden),
    }
    chosen, terms, others = choose(config, _CLASSES, "ForMaskedLM", parts)
    # The decoder is the embedding and its bias is `predictions.bias`, each a copy of its own when not tied.
    decoder = linear("head.lm_head", vocab, narrow, bias=True)
    output, copies = output_layer(config, decoder, there="predictions" in chosen)
    return (*terms, *output), (*others, *copies)
