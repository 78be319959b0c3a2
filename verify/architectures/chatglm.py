"""ChatGLM 1 to 3 and GLM-4 with remote code: two architectures of one `model_type`, told apart by their keys.

Legend: `channels` is the size of a head, `groups` the number of key/value heads, `inner` the width of the
feed-forward layer. From ChatGLM2 on, biases and the kind of norm follow the config; per layer: `attention.qkv
: ((heads + 2 groups) x channels) x hidden`, `attention.o : hidden x (heads x channels)`, `mlp.gate_up : (2
inner) x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden`, which belongs to
the bare model, and the buffer `position.inv_freq : channels / 4`.

The first ChatGLM has LayerNorms and biases everywhere; per layer: `attention.qkv : (3 hidden) x hidden`,
`attention.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`, the buffer `position.inv_freq : head / 4` (`head / 2` without two-dimensional
positions). Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x
hidden` only when it is not tied.
"""

from verify.architectures._blocks import buffer, embedding, head, labels, linear, mlp, norm, size, whole_heads
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules
from verify.roles import Cause
from verify.symbols import Size

SOURCE = (
    "Team GLM 2024, arXiv:2406.12793, section 2; Zeng et al. 2022, arXiv:2210.02414, section 2; "
    "modeling_chatglm.py of THUDM/chatglm-6b, chatglm2-6b, chatglm3-6b and glm-4-9b"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "embedding.word_embeddings": "embedding.tokens",
                "encoder.layers.{}.input_layernorm": "norm.input",
                "encoder.layers.{}.self_attention.query_key_value": "attention.qkv",
                "encoder.layers.{}.self_attention.dense": "attention.o",
                "encoder.layers.{}.post_attention_layernorm": "norm.post_attention",
                "encoder.layers.{}.mlp.dense_h_to_4h": "mlp.gate_up",
                "encoder.layers.{}.mlp.dense_4h_to_h": "mlp.down",
                "encoder.final_layernorm": "norm.final",
                "output_layer": "head.lm_head",
                # The first ChatGLM.
                "word_embeddings": "embedding.tokens",
                "layers.{}.input_layernorm": "norm.input",
                "layers.{}.attention.query_key_value": "attention.qkv",
                "layers.{}.attention.dense": "attention.o",
                "layers.{}.post_attention_layernorm": "norm.post_attention",
                "layers.{}.mlp.dense_h_to_4h": "mlp.up",
                "layers.{}.mlp.dense_4h_to_h": "mlp.down",
                "final_layernorm": "norm.final",
                # What P-tuning adds to either.
                "prefix_encoder.embedding": "other.prefix",
                "prefix_encoder.trans.0": "other.prefix_in",
                "prefix_encoder.trans.2": "other.prefix_out",
            }
        ),
        **buffers(
            {
                "rotary_pos_emb.inv_freq": "position.inv_freq",
                "layers.{}.attention.rotary_emb.inv_freq": "position.inv_freq",
            }
        ),
    },
    head=modules({"lm_head": "head.lm_head", "classifier_head": "head.classifier"}),
    prefixes=("transformer.",),
)

#: The heads of the modelling file; of the first ChatGLM, only the first and the last.
_HEADS = ("ForConditionalGeneration", "ForSequenceClassification", "Model")

#: What the configs state and the modelling files make no tensor of.
_UNUSED = ("seq_length", "max_sequence_length", "apply_query_key_layer_scaling", "attention_softmax_in_fp32",
           "apply_residual_connection_post_layernorm", "bias_dropout_fusion", "fp32_residual_connection",
           "layernorm_epsilon", "original_rope", "rope_ratio", "rotary_percent", "interleaved_qkv",
           "gmask_token_id")  # fmt: skip


def formula(config: Config) -> Formula:
    """The parameters of a ChatGLM of any generation.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    config.set_aside(*_UNUSED)
    bits = config.integer("quantization_bit", default=0, minimum=0)
    if bits:
        raise ConfigError(f"quantization_bit is {bits}", expected="0", hint="packed weights have no formula yet")
    if "inner_hidden_size" in config:
        return _first(config)
    if "ffn_hidden_size" in config:
        return _later(config)
    raise ConfigError(
        "neither ffn_hidden_size nor inner_hidden_size is in config.json",
        expected="the first from ChatGLM2 on, the second of the first ChatGLM",
        hint="add it or name another file",
    )


def _later(config: Config) -> Formula:
    """ChatGLM2, ChatGLM3 and GLM-4."""
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size", "padded_vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "num_layers"))
    heads = size(config, "num_attention_heads")
    channels = size(config, "kv_channels", default=128, definition="the default of ChatGLMConfig")
    groups = _groups(config, heads)
    states = 2 * groups * channels * layers.count
    inner = size(config, "ffn_hidden_size")
    bias = config.flag("add_bias_linear", default=False)
    qkv_bias = config.flag("add_qkv_bias", default=False) or bias
    layer_norm = not config.flag("rmsnorm", default=True)
    last = config.flag("post_layer_norm", default=True)
    # The output layer is never tied, whatever the key says: the class names none to tie.
    config.set_aside("tie_word_embeddings")
    classifier = linear("head.classifier", labels(config), hidden, bias=True)
    chosen = head(config, "ForConditionalGeneration", _HEADS) == "ForSequenceClassification"
    return Formula(
        name="chatglm",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            buffer("position.inv_freq", channels // 4),
            *linear("attention.qkv", (heads + 2 * groups) * channels, hidden, layers, bias=qkv_bias),
            *linear("attention.o", hidden, heads * channels, layers, bias=bias),
            *linear("mlp.gate_up", 2 * inner, hidden, layers, bias=bias),
            *linear("mlp.down", hidden, inner, layers, bias=bias),
            *norm("input", hidden, layers, bias=layer_norm),
            *norm("post_attention", hidden, layers, bias=layer_norm),
            *(norm("final", hidden, bias=layer_norm) if last else ()),
            *linear("head.lm_head", vocab, hidden),
            *_prefix(config, hidden, states, states),
            *(classifier if chosen else ()),
        ),
        extras=() if chosen else (Extra(Cause.OTHER_HEAD, classifier, "the file holds a classification head"),),
    )


def _groups(config: Config, heads: Size) -> Size:
    """Key/value heads: all heads, or a divisor of them where queries share."""
    if not config.flag("multi_query_attention", default=False):
        config.set_aside("multi_query_group_num")
        return heads
    groups = size(config, "multi_query_group_num", default=1, definition="the default of ChatGLMConfig")
    if heads.value % groups.value:
        raise ConfigError(
            f"multi_query_group_num {groups.value} does not divide num_attention_heads {heads.value}",
            expected="a divisor",
            hint="correct config.json",
        )
    return groups


def _first(config: Config) -> Formula:
    """The first ChatGLM."""
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "num_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    # Two-dimensional positions give each coordinate half of the head.
    planes = 2 if config.flag("position_encoding_2d", default=True) else 1
    language = linear("head.lm_head", vocab, hidden)
    bare = head(config, "ForConditionalGeneration", (_HEADS[0], _HEADS[2])) == "Model"
    tied = config.flag("tie_word_embeddings", default=True)
    cause = Cause.OTHER_HEAD if bare else Cause.TIED_HEAD_STORED
    return Formula(
        name="chatglm",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            buffer("position.inv_freq", head_dim // (2 * planes), layers=layers),
            *linear("attention.qkv", 3 * hidden, hidden, layers, bias=True),
            *linear("attention.o", hidden, hidden, layers, bias=True),
            *mlp(hidden, size(config, "inner_hidden_size"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *_prefix(config, hidden, hidden, 2 * hidden * layers.count),
            *(() if bare or tied else language),
        ),
        extras=(Extra(cause, language, "the file stores the output layer"),) if bare or tied else (),
    )


def _prefix(config: Config, hidden: Size, into: Size, states: Size) -> tuple[Term, ...]:
    """Trained keys and values before the text, for all layers, perhaps through a small network (arXiv:2110.07602)."""
    projected = config.flag("prefix_projection", default=False)
    if "pre_seq_len" not in config:
        config.set_aside("pre_seq_len")
        return ()
    length = size(config, "pre_seq_len")
    if not projected:
        return (embedding("other.prefix", length, states),)
    return (
        embedding("other.prefix", length, into),
        *linear("other.prefix_in", hidden, into, bias=True),
        *linear("other.prefix_out", states, hidden, bias=True),
    )
