"""RoBERTa: a BERT without the prediction of the next sentence, whose positions start behind the padding.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden
x inner`, `norm.attention`, `norm.output : hidden`, each with a bias of its output; a decoder with
cross-attention has `attention.cross_q`, `.cross_k`, `.cross_v`, `.cross_o` and `norm.cross` too. Outside:
`embedding.tokens : vocab x hidden`, `position.embedding : positions x hidden` (514 for 512 tokens),
`embedding.types : types x hidden`, `norm.embeddings : hidden`, `other.pooler : hidden x hidden` in the bare
model, and the head of the class.
"""

from verify.architectures._blocks import embedding, linear, norm, size
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

SOURCE = (
    "Liu et al. 2019, arXiv:1907.11692, sections 2 and 3; Conneau et al. 2020, arXiv:1911.02116, section 3; "
    "transformers models/roberta/modeling_roberta.py"
)
ALIASES = ("xlm-roberta", "camembert", "data2vec-text")

NAMES = NameTable(
    backbone={
        **old_norms({**BERT_EMBEDDINGS, **BERT_LAYER}),
        **modules({"pooler.dense": "other.pooler"}),
        **buffers({"embeddings.position_ids": "position.ids"}),
    },
    head={
        **modules(
            {
                "lm_head.dense": "head.transform",
                "lm_head.layer_norm": "head.transform_norm",
                "lm_head.decoder": "head.lm_head",
                "classifier.dense": "head.classifier_dense",
                "classifier.out_proj": "head.classifier",
                "classifier": "head.classifier",
                "qa_outputs": "head.qa_outputs",
            }
        ),
        "lm_head.bias": slot("head.prediction_bias"),
    },
    prefixes=("roberta.", "data2vec_text."),
)

#: What follows the family's name in a class: the parts that stand on its encoder.
_CLASSES = {
    "ForMaskedLM": ("predictions",),
    "ForCausalLM": ("predictions",),
    "ForSequenceClassification": ("dense", "classifier"),
    "ForMultipleChoice": ("pooler", "choice"),
    "ForTokenClassification": ("classifier",),
    "ForQuestionAnswering": ("qa_outputs",),
    "Model": ("pooler",),
}


def formula(config: Config) -> Formula:
    """The parameters of a RoBERTa.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    positions = size(config, "max_position_embeddings")
    layers = Layers.every(size(config, "num_hidden_layers"))
    head_terms, extras = _heads(config, vocab, hidden)
    return Formula(
        name="roberta",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            embedding("position.embedding", positions, hidden),
            embedding("embedding.types", size(config, "type_vocab_size", default=2), hidden),
            *norm("embeddings", hidden, bias=True),
            *post_norm_layers(config, hidden, layers),
            *head_terms,
        ),
        extras=(*extras, position_ids(positions)),
    )


def _heads(config: Config, vocab: Size, hidden: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    parts = {
        "pooler": linear("other.pooler", hidden, hidden, bias=True),
        "predictions": (
            *linear("head.transform", hidden, hidden, bias=True),
            Term(slot("head.transform_norm"), (hidden,)),
            Term(slot("head.transform_norm.bias"), (hidden,)),
            Term(slot("head.prediction_bias"), (vocab,)),
        ),
        "dense": linear("head.classifier_dense", hidden, hidden, bias=True),
        **classifiers(config, hidden),
    }
    chosen, terms, others = choose(config, _CLASSES, "ForMaskedLM", parts)
    # The decoder is the embedding and its bias is `lm_head.bias`, each a copy of its own when not tied.
    decoder = linear("head.lm_head", vocab, hidden, bias=True)
    output, copies = output_layer(config, decoder, there="predictions" in chosen)
    return (*terms, *output), (*others, *copies)
