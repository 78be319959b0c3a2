"""GPTBigCode (SantaCoder, StarCoder): a GPT-2 with plain linear layers and one key/value head.

Per layer: `attention.qkv : (hidden + 2 head) x hidden` with one key/value head, `(3 hidden) x hidden` without
`multi_query`, `attention.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`,
`norm.input`, `norm.post_attention : hidden`, each with a bias of its output. With cross-attention also
`attention.cross_q : hidden x hidden`, `attention.cross_kv : (2 hidden) x hidden`, `attention.cross_o : hidden
x hidden`, `norm.cross : hidden`. Outside: `embedding.tokens : vocab x hidden`, `position.embedding : positions
x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` only when it is not tied.
"""

from verify.architectures._blocks import decoder_head, embedding, linear, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, fused_attention, inner_size
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = (
    "Ben Allal et al. 2023, arXiv:2301.03988; Li et al. 2023, arXiv:2305.06161; Shazeer 2019, arXiv:1911.02150; "
    "transformers models/gpt_bigcode/modeling_gpt_bigcode.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            "wte": "embedding.tokens",
            "wpe": "position.embedding",
            "h.{}.ln_1": "norm.input",
            "h.{}.attn.c_attn": "attention.qkv",
            "h.{}.attn.c_proj": "attention.o",
            "h.{}.ln_cross_attn": "norm.cross",
            "h.{}.crossattention.q_attn": "attention.cross_q",
            "h.{}.crossattention.c_attn": "attention.cross_kv",
            "h.{}.crossattention.c_proj": "attention.cross_o",
            "h.{}.ln_2": "norm.post_attention",
            "h.{}.mlp.c_fc": "mlp.up",
            "h.{}.mlp.c_proj": "mlp.down",
            "ln_f": "norm.final",
        }
    ),
    head=GPT_HEADS,
    prefixes=("transformer.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a GPTBigCode.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size", "n_embd")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers", "n_layer"))
    heads = size(config, "num_attention_heads", "n_head")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    multi_query = config.flag("multi_query", default=True)
    cross = config.flag("add_cross_attention", default=False)
    if cross and multi_query:
        raise ConfigError(
            "add_cross_attention and multi_query are true", expected="one of them", hint="no class has both"
        )
    # The first two choose how to compute, the others belong to an inference engine that is gone.
    config.set_aside("attention_softmax_in_fp32", "scale_attention_softmax_in_fp32", "num_key_value_heads")
    config.set_aside("inference_runner", "runner_max_sequence_length", "validate_runner_input", "max_batch_size")
    config.set_aside("pre_allocate_kv_cache", "pad_key_length", "n_ctx")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="gpt_bigcode",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            embedding("position.embedding", size(config, "max_position_embeddings", "n_positions"), hidden),
            *fused_attention(hidden, hidden + 2 * head_dim if multi_query else 3 * hidden, layers, bias=True),
            *(_cross_attention(hidden, layers) if cross else ()),
            *mlp(hidden, inner_size(config, hidden, "n_inner"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=extras,
    )


def _cross_attention(hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention to the states of an encoder, as wide as the decoder."""
    return (
        *linear("attention.cross_q", hidden, hidden, layers, bias=True),
        *linear("attention.cross_kv", 2 * hidden, hidden, layers, bias=True),
        *linear("attention.cross_o", hidden, hidden, layers, bias=True),
        *norm("cross", hidden, layers, bias=True),
    )
