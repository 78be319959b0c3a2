"""Whisper: two convolutions and an encoder over sound, a decoder over text, a LayerNorm before each block.

Per layer of each stack: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down
: hidden x inner`, `norm.attention`, `norm.output : hidden`, in the decoder `attention.cross_q`, `.cross_k`,
`.cross_v`, `.cross_o : hidden x hidden` and `norm.cross : hidden` too, each but the keys with a bias of its
output. For each stack `position.embedding : positions x hidden` (sinusoids in the encoder, stored all the same)
and `norm.final : hidden`. In the encoder `embedding.conv1 : hidden x mels x 3`, `embedding.conv2 : hidden x hidden
x 3`; in the decoder `embedding.tokens : vocab x hidden`, which is the output layer too. And the head of the class.
"""

from verify.architectures._blocks import embedding, labels, linear, norm, size
from verify.architectures._encoder import choose, output_layer
from verify.architectures._seq2seq import STACKS, stack_layers, stack_names
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = "Radford et al. 2022, arXiv:2212.04356, section 2.2; transformers models/whisper/modeling_whisper.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **stack_names("encoder"),
        **stack_names("decoder"),
        **modules({"encoder.conv1": "embedding.conv1", "encoder.conv2": "embedding.conv2"}, stack="encoder"),
    },
    head={
        **modules({"proj_out": "head.lm_head", "projector": "head.projector", "classifier": "head.classifier"}),
        "layer_weights": slot("head.layer_weights"),
    },
    prefixes=("model.",),
)

#: What follows `Whisper` in a class name: the parts beside its stacks.
_CLASSES = {
    "ForConditionalGeneration": (),
    "ForCausalLM": (),
    "ForAudioClassification": ("classifier", "layer_weights"),
    "Model": (),
}


def formula(config: Config) -> Formula:
    """The parameters of a Whisper.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "d_model")
    vocab = size(config, "vocab_size")
    name = config.architecture or "ForConditionalGeneration"
    terms = {"encoder": _encoder(config, hidden), "decoder": _decoder(config, vocab, hidden)}
    absent = {"ForCausalLM": "encoder", "ForAudioClassification": "decoder"}
    left_out = [stack for end, stack in absent.items() if name.endswith(end)]
    generates = name.endswith(("ForConditionalGeneration", "ForCausalLM"))
    output, copies = output_layer(config, linear("head.lm_head", vocab, hidden), there=generates)
    head_terms, others = _heads(config, hidden)
    config.set_aside(
        *("scale_embedding", "encoder_layerdrop", "decoder_layerdrop", "activation_dropout", "init_std"),
        *("apply_spec_augment", "mask_time_prob", "mask_time_length", "mask_time_min_masks", "mask_feature_prob"),
        *("mask_feature_length", "mask_feature_min_masks", "median_filter_width", "tokenizer_class"),
        *("suppress_tokens", "begin_suppress_tokens", "forced_decoder_ids", "alignment_heads"),
        *("feature_size", "input_channels", "non_speech_tokens"),
    )
    return Formula(
        name="whisper",
        source=SOURCE,
        terms=(
            *(term for stack in STACKS if stack not in left_out for term in terms[stack]),
            *output,
            *head_terms,
        ),
        extras=(*copies, *others),
    )


def _encoder(config: Config, hidden: Size) -> tuple[Term, ...]:
    mels = size(config, "num_mel_bins", default=80, definition="the class's own default")
    positions = size(config, "max_source_positions", default=1500, definition="the class's own default")
    layers = Layers.every(size(config, "encoder_layers", "num_hidden_layers"))
    heads = config.integer("encoder_attention_heads", "num_attention_heads")
    inner = size(config, "encoder_ffn_dim")
    return (
        *_convolution("embedding.conv1", hidden, mels),
        *_convolution("embedding.conv2", hidden, hidden),
        embedding("position.embedding", positions, hidden, stack="encoder"),
        *stack_layers(hidden, heads, inner, layers, "encoder", key_bias=False),
        *norm("final", hidden, bias=True, stack="encoder"),
    )


def _convolution(name: str, out: Size, into: Size) -> tuple[Term, ...]:
    """A convolution over time, three steps wide."""
    weight = Term(slot(name, stack="encoder"), (out, into, Size.of(3)))
    return weight, Term(slot(f"{name}.bias", stack="encoder"), (out,))


def _decoder(config: Config, vocab: Size, hidden: Size) -> tuple[Term, ...]:
    positions = size(config, "max_target_positions", default=448, definition="the class's own default")
    layers = Layers.every(size(config, "decoder_layers"))
    heads = config.integer("decoder_attention_heads")
    inner = size(config, "decoder_ffn_dim")
    return (
        embedding("embedding.tokens", vocab, hidden, stack="decoder"),
        embedding("position.embedding", positions, hidden, stack="decoder"),
        *stack_layers(hidden, heads, inner, layers, "decoder", key_bias=False),
        *norm("final", hidden, bias=True, stack="decoder"),
    )


def _heads(config: Config, hidden: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The classifier of sounds, which may weigh the states of all layers and of the embeddings."""
    narrow = size(config, "classifier_proj_size", default=256, definition="the class's own default")
    states = size(config, "encoder_layers", "num_hidden_layers") + 1
    parts = {
        "classifier": (
            *linear("head.projector", narrow, hidden, bias=True),
            *linear("head.classifier", labels(config), narrow, bias=True),
        ),
        "layer_weights": (
            (Term(slot("head.layer_weights"), (states,)),)
            if config.flag("use_weighted_layer_sum", default=False)
            else ()
        ),
    }
    _, terms, others = choose(config, _CLASSES, "ForConditionalGeneration", parts)
    return terms, others
