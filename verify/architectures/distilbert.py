"""DistilBERT: a BERT of half the layers, without token types and pooler.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden
x inner`, `norm.attention`, `norm.output : hidden`, each with a bias of its output. Outside:
`embedding.tokens : vocab x hidden`, `position.embedding : positions x hidden`, `norm.embeddings : hidden`,
and the head of the class.
"""

from verify.architectures._blocks import attention, embedding, labels, linear, mlp, norm, size, whole_heads
from verify.architectures._encoder import choose, classifiers, old_norms, output_layer, position_ids
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules, slot
from verify.symbols import Size

SOURCE = "Sanh et al. 2019, arXiv:1910.01108, section 3; transformers models/distilbert/modeling_distilbert.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **old_norms(
            {
                "embeddings.word_embeddings": "embedding.tokens",
                "embeddings.position_embeddings": "position.embedding",
                "embeddings.LayerNorm": "norm.embeddings",
            }
        ),
        **modules(
            {
                "transformer.layer.{}.attention.q_lin": "attention.q",
                "transformer.layer.{}.attention.k_lin": "attention.k",
                "transformer.layer.{}.attention.v_lin": "attention.v",
                "transformer.layer.{}.attention.out_lin": "attention.o",
                "transformer.layer.{}.sa_layer_norm": "norm.attention",
                "transformer.layer.{}.ffn.lin1": "mlp.up",
                "transformer.layer.{}.ffn.lin2": "mlp.down",
                "transformer.layer.{}.output_layer_norm": "norm.output",
            }
        ),
        **buffers({"embeddings.position_ids": "position.ids"}),
    },
    head=modules(
        {
            "vocab_transform": "head.transform",
            "vocab_layer_norm": "head.transform_norm",
            "vocab_projector": "head.lm_head",
            "pre_classifier": "head.classifier_dense",
            "classifier": "head.classifier",
            "qa_outputs": "head.qa_outputs",
        }
    ),
    prefixes=("distilbert.",),
)

#: What follows `DistilBert` in a class name: the parts that stand on its encoder.
_CLASSES = {
    "ForMaskedLM": ("predictions",),
    "ForSequenceClassification": ("dense", "classifier"),
    "ForMultipleChoice": ("dense", "choice"),
    "ForTokenClassification": ("classifier",),
    "ForQuestionAnswering": ("qa_outputs",),
    "Model": (),
}


def formula(config: Config) -> Formula:
    """The parameters of a DistilBERT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "dim")
    vocab = size(config, "vocab_size")
    positions = size(config, "max_position_embeddings", default=512, definition="the class's own default")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layers"))
    whole_heads(hidden, size(config, "num_attention_heads", "n_heads"))
    # Sinusoidal positions fill the same table; the flag on tying is of the first version and read by none since.
    config.set_aside("sinusoidal_pos_embds", "tie_weights_", "qa_dropout", "seq_classif_dropout")
    head_terms, extras = _heads(config, vocab, hidden)
    # All heads together are as wide as the model, so that one head of the full width has the same shapes.
    one = Size.of(1)
    return Formula(
        name="distilbert",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            embedding("position.embedding", positions, hidden),
            *norm("embeddings", hidden, bias=True),
            *attention(hidden, one, one, hidden, layers, qkv_bias=True, out_bias=True),
            *norm("attention", hidden, layers, bias=True),
            *mlp(hidden, size(config, "intermediate_size", "hidden_dim"), layers, bias=True),
            *norm("output", hidden, layers, bias=True),
            *head_terms,
        ),
        extras=(*extras, position_ids(positions)),
    )


def _heads(config: Config, vocab: Size, hidden: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    # The output layer is the embedding when tied; its bias is always its own.
    projector, bias = linear("head.lm_head", vocab, hidden, bias=True)
    parts = {
        "predictions": (
            *linear("head.transform", hidden, hidden, bias=True),
            Term(slot("head.transform_norm"), (hidden,)),
            Term(slot("head.transform_norm.bias"), (hidden,)),
            bias,
        ),
        "dense": linear("head.classifier_dense", hidden, hidden, bias=True),
        **classifiers(config, hidden),
    }
    chosen, terms, others = choose(config, _CLASSES, "ForMaskedLM", parts)
    number = labels(config).value
    if "qa_outputs" in chosen and number != 2:  # noqa: PLR2004 - where an answer starts and where it ends
        raise ConfigError(f"num_labels is {number}", expected="2 for DistilBertForQuestionAnswering")
    output, copies = output_layer(config, (projector,), there="predictions" in chosen)
    return (*terms, *output), (*others, *copies)
