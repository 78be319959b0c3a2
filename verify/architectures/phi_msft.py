"""Phi-1, 1.5 and 2 as Microsoft's own code stores them: fused attention, the last norm inside the head.

Per layer: `attention.qkv : ((heads + 2 kv_heads) x head) x hidden`, `attention.o : hidden x hidden`, `mlp.up :
inner x hidden`, `mlp.down : hidden x inner`, `norm.input : hidden`, each with a bias of its output. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden` and `head.lm_head : vocab x hidden` with biases;
the vocabulary is filled up to a multiple of 64.

The first of this code, `mixformer-sequential`, numbers everything in one list: 0 is the embedding, 1 to L
are the blocks, L + 1 is the head, whose norm has the name of a block's and so is `norm.input` of layer L + 1.
"""

from verify.architectures._blocks import embedding, head, linear, mlp, norm, size, whole_heads
from verify.architectures._gpt import fused_attention, inner_size
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = (
    "Gunasekar et al. 2023, arXiv:2306.11644, section 2.3; Li et al. 2023, arXiv:2309.05463, section 2.1; "
    "modeling_phi.py and modeling_mixformer_sequential.py, with their configuration files, of the repositories "
    "microsoft/phi-2 and microsoft/phi-1_5"
)
ALIASES = ("phi-msft", "mixformer-sequential")

_BLOCK = {
    "ln": "norm.input",
    "mixer.Wqkv": "attention.qkv",
    "mixer.out_proj": "attention.o",
    "mlp.fc1": "mlp.up",
    "mlp.fc2": "mlp.down",
}

NAMES = NameTable(
    backbone={
        **modules({"embd.wte": "embedding.tokens"}),
        **modules({f"h.{{}}.{name}": text for name, text in _BLOCK.items()}),
        "layers.0.wte.weight": slot("embedding.tokens"),
        **modules({f"layers.{{}}.{name}": text for name, text in _BLOCK.items()}),
        **modules({"layers.{}.linear": "head.lm_head"}),
    },
    head=modules({"lm_head.ln": "norm.final", "lm_head.linear": "head.lm_head"}),
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Phi in Microsoft's code.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embd")
    vocab = _padded(config, size(config, "vocab_size"))
    depth = size(config, "num_hidden_layers", "n_layer")
    language = head(config, "ForCausalLM", ("ForCausalLM", "Model")) == "ForCausalLM"
    sequential = config.text("model_type", default="phi-msft") == "mixformer-sequential"
    # Where a block, the norm before it or before the head, and the head stand in the names.
    blocks = norms = Layers.every(depth)
    last = None
    if sequential:
        blocks = Layers.some(range(1, depth.value + 1), "0 < i <= L", depth)
        norms = Layers.some(range(1, depth.value + 2), "0 < i <= L + 1", depth + 1) if language else blocks
        last = Layers.some((depth.value + 1,), "i = L + 1", Size.of(1))
    _refuse_a_tied_head(config)
    # How to compute; both files of code build these blocks and no others.
    config.set_aside("rotary_dim", "n_positions", "flash_attn", "flash_rotary", "fused_dense", "architecture")
    config.set_aside("embd_layer")
    config.set_aside("img_processor")
    return Formula(
        name="phi_msft",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *fused_attention(hidden, _qkv(config, hidden), blocks, bias=True),
            *mlp(hidden, inner_size(config, hidden, "n_inner"), blocks, bias=True),
            *norm("input", hidden, norms, bias=True),
            *(norm("final", hidden, bias=True) if language and not sequential else ()),
            *(linear("head.lm_head", vocab, hidden, last, bias=True) if language else ()),
        ),
    )


def _qkv(config: Config, hidden: Size) -> Size:
    """Queries, keys and values together; without `n_head_kv` there are as many keys as queries."""
    heads = size(config, "num_attention_heads", "n_head")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    if "n_head_kv" not in config:
        config.set_aside("n_head_kv")
        return 3 * hidden
    groups = config.integer("n_head_kv")
    if heads.value % groups:
        raise ConfigError(
            f"n_head_kv {groups} does not divide n_head {heads.value}", expected="a divisor", hint="correct config.json"
        )
    return hidden + 2 * Size.symbol("num_key_value_heads", groups) * head_dim


def _refuse_a_tied_head(config: Config) -> None:
    if config.flag("tie_word_embeddings", default=False):
        raise ConfigError("tie_word_embeddings is true", expected="false", hint="no Phi of this code is tied")


def _padded(config: Config, vocab: Size) -> Size:
    """The vocabulary, filled up to a multiple of 64 as the config class does."""
    multiple = config.integer("pad_vocab_size_multiple", default=64)
    return vocab if vocab.value % multiple == 0 else multiple * ((vocab + (multiple - 1)) // multiple)
