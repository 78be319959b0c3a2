"""ModernBERT: an encoder with rotary positions, a LayerNorm before each block, gated MLPs and fused matrices.

Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o : hidden x hidden`, `mlp.gate_up : (2 inner) x
hidden`, `mlp.down : hidden x inner`, `norm.post_attention : hidden`, and, but for the first layer,
`norm.input : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.embeddings`, `norm.final : hidden`, and
the head of the class. Each has a bias where the config says so.
"""

from verify.architectures._blocks import embedding, linear, norm, size, whole_heads
from verify.architectures._encoder import choose, classifiers, output_layer
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = "Warner et al. 2024, arXiv:2412.13663, section 2; transformers models/modernbert/modeling_modernbert.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            "embeddings.tok_embeddings": "embedding.tokens",
            "embeddings.norm": "norm.embeddings",
            "layers.{}.attn_norm": "norm.input",
            "layers.{}.attn.Wqkv": "attention.qkv",
            "layers.{}.attn.Wo": "attention.o",
            "layers.{}.mlp_norm": "norm.post_attention",
            "layers.{}.mlp.Wi": "mlp.gate_up",
            "layers.{}.mlp.Wo": "mlp.down",
            "final_norm": "norm.final",
        }
    ),
    head=modules(
        {
            "head.dense": "head.transform",
            "head.norm": "head.transform_norm",
            "decoder": "head.lm_head",
            "classifier": "head.classifier",
        }
    ),
    prefixes=("model.",),
)

#: What follows `ModernBert` in a class name: the parts that stand on its encoder.
_CLASSES = {
    "ForMaskedLM": ("transform", "bias"),
    "ForSequenceClassification": ("transform", "classifier"),
    "ForTokenClassification": ("transform", "classifier"),
    "ForQuestionAnswering": ("transform", "classifier"),
    "ForMultipleChoice": ("transform", "choice"),
    "Model": (),
}


def formula(config: Config) -> Formula:
    """The parameters of a ModernBERT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    inner = size(config, "intermediate_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    whole_heads(hidden, size(config, "num_attention_heads"))
    _set_aside(config, len(layers.indices))
    attention_bias = config.flag("attention_bias", default=False)
    mlp_bias = config.flag("mlp_bias", default=False)
    norm_bias = config.flag("norm_bias", default=False)
    # The embeddings have just been normalised, so the first layer does without (section 2.1.1).
    later = Layers.some(layers.indices[1:], "i > 0", layers.count - 1)
    head_terms, extras = _heads(config, vocab, hidden, norm_bias=norm_bias)
    return Formula(
        name="modernbert",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *norm("embeddings", hidden, bias=norm_bias),
            *norm("input", hidden, later, bias=norm_bias),
            *linear("attention.qkv", 3 * hidden, hidden, layers, bias=attention_bias),
            *linear("attention.o", hidden, hidden, layers, bias=attention_bias),
            *norm("post_attention", hidden, layers, bias=norm_bias),
            *linear("mlp.gate_up", 2 * inner, hidden, layers, bias=mlp_bias),
            *linear("mlp.down", hidden, inner, layers, bias=mlp_bias),
            *norm("final", hidden, bias=norm_bias),
            *head_terms,
        ),
        extras=extras,
    )


def _set_aside(config: Config, layers: int) -> None:
    """Check which layers see everything, and count as read what says how far and how a model looks."""
    kinds = config.items("layer_types", default=())
    if kinds and len(kinds) != layers:
        raise ConfigError(
            f"layer_types has {len(kinds)} entries",
            expected=f"num_hidden_layers {layers}",
            hint="correct config.json",
        )
    config.set_aside(
        *("max_position_embeddings", "local_attention", "global_attn_every_n_layers", "global_rope_theta"),
        *("local_rope_theta", "deterministic_flash_attn", "reference_compile", "repad_logits_with_grad"),
        *("sparse_prediction", "sparse_pred_ignore_index", "classifier_pooling", "classifier_activation"),
        *("embedding_dropout", "mlp_dropout", "position_embedding_type"),
    )


def _heads(config: Config, vocab: Size, hidden: Size, *, norm_bias: bool) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    # The output layer is the embedding when tied; its bias is always its own.
    decoder, *bias = linear("head.lm_head", vocab, hidden, bias=config.flag("decoder_bias", default=True))
    scores = classifiers(config, hidden)
    parts = {
        "transform": (
            *linear("head.transform", hidden, hidden, bias=config.flag("classifier_bias", default=False)),
            Term(slot("head.transform_norm"), (hidden,)),
            *((Term(slot("head.transform_norm.bias"), (hidden,)),) if norm_bias else ()),
        ),
        "bias": tuple(bias),
        "classifier": scores["classifier"],
        "choice": scores["choice"],
    }
    chosen, terms, others = choose(config, _CLASSES, "ForMaskedLM", parts)
    output, copies = output_layer(config, (decoder,), there="bias" in chosen)
    return (*terms, *output), (*others, *copies)
