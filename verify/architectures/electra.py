"""ELECTRA: BERT's encoder without a pooler behind narrower embeddings, as a discriminator or a generator.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden
x inner`, `norm.attention`, `norm.output : hidden`, each with a bias of its output; a decoder with
cross-attention has `attention.cross_q`, `.cross_k`, `.cross_v`, `.cross_o` and `norm.cross` too. Outside:
`embedding.tokens : vocab x narrow`, `position.embedding : positions x narrow`, `embedding.types : types x
narrow`, `norm.embeddings : narrow`, `embedding.projection : hidden x narrow` unless they are equally wide, and
the head of the class.
"""

from verify.architectures._blocks import embedding, labels, linear, norm, size
from verify.architectures._encoder import (
    BERT_EMBEDDINGS,
    BERT_LAYER,
    choose,
    classifiers,
    old_norms,
    output_layer,
    position_ids,
    post_norm_layers,
)
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules, slot
from verify.symbols import Size

SOURCE = "Clark et al. 2020, arXiv:2003.10555, section 3; transformers models/electra/modeling_electra.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **old_norms({**BERT_EMBEDDINGS, **BERT_LAYER}),
        **modules({"embeddings_project": "embedding.projection"}),
        **buffers({"embeddings.position_ids": "position.ids"}),
    },
    head=old_norms(
        {
            "discriminator_predictions.dense": "head.discriminator_dense",
            "discriminator_predictions.dense_prediction": "head.discriminator",
            "generator_predictions.dense": "head.transform",
            "generator_predictions.LayerNorm": "head.transform_norm",
            "generator_lm_head": "head.lm_head",
            "sequence_summary.summary": "head.summary",
            "classifier.dense": "head.classifier_dense",
            "classifier.out_proj": "head.classifier",
            "classifier": "head.classifier",
            "qa_outputs": "head.qa_outputs",
        }
    ),
    prefixes=("electra.",),
)

#: What follows `Electra` in a class name: the parts that stand on its encoder.
_CLASSES = {
    "ForPreTraining": ("discriminator",),
    "ForMaskedLM": ("generator",),
    "ForCausalLM": ("generator",),
    "ForSequenceClassification": ("dense", "classifier"),
    "ForMultipleChoice": ("summary", "choice"),
    "ForTokenClassification": ("classifier",),
    "ForQuestionAnswering": ("qa_outputs",),
    "Model": (),
}


def formula(config: Config) -> Formula:
    """The parameters of an ELECTRA.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    narrow = size(config, "embedding_size", default=128, definition="the class's own default")
    positions = size(config, "max_position_embeddings", default=512, definition="the class's own default")
    layers = Layers.every(size(config, "num_hidden_layers"))
    same = narrow.value == hidden.value
    config.set_aside("summary_last_dropout")
    head_terms, extras = _heads(config, vocab, narrow, hidden)
    return Formula(
        name="electra",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, narrow),
            embedding("position.embedding", positions, narrow),
            embedding("embedding.types", size(config, "type_vocab_size", default=2), narrow),
            *norm("embeddings", narrow, bias=True),
            *(() if same else linear("embedding.projection", hidden, narrow, bias=True)),
            *post_norm_layers(config, hidden, layers),
            *head_terms,
        ),
        extras=(*extras, position_ids(positions)),
    )


def _heads(config: Config, vocab: Size, narrow: Size, hidden: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    # The output layer of a generator is the embedding when tied; its bias is always its own.
    output, bias = linear("head.lm_head", vocab, narrow, bias=True)
    parts = {
        "discriminator": (
            *linear("head.discriminator_dense", hidden, hidden, bias=True),
            *linear("head.discriminator", Size.of(1), hidden, bias=True),
        ),
        "generator": (
            *linear("head.transform", narrow, hidden, bias=True),
            Term(slot("head.transform_norm"), (narrow,)),
            Term(slot("head.transform_norm.bias"), (narrow,)),
            bias,
        ),
        "dense": linear("head.classifier_dense", hidden, hidden, bias=True),
        "summary": _summary(config, hidden),
        **classifiers(config, hidden),
    }
    chosen, terms, others = choose(config, _CLASSES, "ForPreTraining", parts)
    matrix, copies = output_layer(config, (output,), there="generator" in chosen)
    return (*terms, *matrix), (*others, *copies)


def _summary(config: Config, hidden: Size) -> tuple[Term, ...]:
    """What `ElectraSequenceSummary` puts before the choice: a linear layer, unless the config says otherwise."""
    out = labels(config) if config.flag("summary_proj_to_labels", default=False) else hidden
    return linear("head.summary", out, hidden, bias=True) if config.flag("summary_use_proj", default=True) else ()
