"""GLM-5: latent attention with an indexer, which some layers leave to the one before, and experts with shared ones.

Legend: `q_rank` and `kv_rank` are the widths of the compressed queries and of the compressed keys and values,
`nope` and `rope` the parts of a query/key head without and with rotary positions, `value` the size of a value
head, `index_heads` and `index_head` the heads of the indexer and their size, `inner` the width of a dense layer,
`moe` that of one expert, `shared` the number of shared experts. Per layer: `attention.q_a : q_rank x hidden`,
`norm.q_a : q_rank`, `attention.q_b : heads (nope + rope) x q_rank`, `attention.kv_a : (kv_rank + rope) x hidden`,
`norm.kv_a : kv_rank`, `attention.kv_b : heads (nope + value) x kv_rank`, `attention.o : hidden x (heads value)`,
`norm.input`, `norm.post_attention : hidden`. Layers with an indexer: `attention.indexer.q : (index_heads x
index_head) x q_rank`, `attention.indexer.k : index_head x hidden`, `norm.indexer_k : index_head` with a bias,
`attention.indexer.weights : index_heads x hidden`. The first layers have `mlp.gate`, `mlp.up : inner x hidden`,
`mlp.down : hidden x inner`; the others `router.gate : experts x hidden`, `experts` times `experts.gate`,
`experts.up : moe x hidden`, `experts.down : hidden x moe`, the same with `shared moe` for `experts.shared`, and
the buffer `router.correction : experts`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden`.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, gated_mlp, norm, size
from verify.architectures._latent import (
    INDEXER,
    Defaults,
    dense_and_sparse,
    experts,
    indexer,
    latent_attention,
    latent_names,
    predictors,
    scales,
)
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, SHARED_EXPERTS, chosen_layers, typed
from verify.architectures._names import EMBEDDING, GATED_MLP, NORMS
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable
from verify.symbols import Size

SOURCE = (
    "GLM-5 Team 2026, arXiv:2602.15763, section 2; DeepSeek-AI 2025, arXiv:2512.02556, section 2; "
    "transformers models/glm_moe_dsa/modeling_glm_moe_dsa.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **latent_names(EMBEDDING, INDEXER, GATED_MLP, NORMS, ROUTER, EXPERTS, SHARED_EXPERTS),
        **FUSED_EXPERTS,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULTS = Defaults(
    "GlmMoeDsaConfig",
    {
        "intermediate_size": 12288,
        "moe_intermediate_size": 2048,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "q_lora_rank": 2048,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 192,
        "qk_rope_head_dim": 64,
        "v_head_dim": 256,
        "index_n_heads": 32,
        "index_head_dim": 128,
    },
)


def formula(config: Config) -> Formula:
    """The parameters of a GLM-5.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    dense, sparse = dense_and_sparse(config, layers, first=3)
    indexed = _indexed(config, layers)
    # One latent serves all heads, so the number of key/value heads shapes nothing; the head sizes beside it
    # are derived from the parts that are read; the feed-forward layers have no biases whatever the key says.
    config.set_aside(
        *("max_position_embeddings", "num_key_value_heads", "head_dim", "qk_head_dim", "mlp_bias", "layer_types")
    )
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *latent_attention(config, hidden, layers, _DEFAULTS, direct=False),
        *indexer(config, hidden, indexed, _DEFAULTS),
        *gated_mlp(hidden, _DEFAULTS.size(config, "intermediate_size"), dense),
        *experts(config, hidden, sparse, _DEFAULTS),
        *norm("final", hidden),
        *head_terms,
    )
    further = predictors(config, hidden, vocab, layers, lambda after: _sparse_layer(config, hidden, after))
    return Formula(
        name="glm_moe_dsa", source=SOURCE, terms=terms, extras=(*extras, *further, *scales(config, terms, further))
    )


def _sparse_layer(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    return (
        *latent_attention(config, hidden, layers, _DEFAULTS, direct=False),
        *indexer(config, hidden, layers, _DEFAULTS),
        *experts(config, hidden, layers, _DEFAULTS),
    )


def _indexed(config: Config, layers: Layers) -> Layers:
    """The layers with an indexer of their own (`GlmMoeDsaConfig.__post_init__`).

    `indexer_types` lists them, else `index_topk_pattern` does (as a list, or as letters `F` and `S`), else all
    up to `index_skip_topk_offset` have one and every `index_topk_freq`-th after them.
    """
    words: tuple[str, ...] = ()
    if "indexer_types" in config:
        words, text = typed(config, "indexer_types", layers, ("full", "shared")), "indexer_types[i] == 'full'"
    elif "index_topk_pattern" in config:
        words, text = _pattern(config, layers), "index_topk_pattern[i] == 'full'"
    if words:
        own = {index for index, word in enumerate(words) if word == "full"}
    else:
        frequency = max(config.integer("index_topk_freq", default=1, minimum=0), 1)
        offset = config.integer("index_skip_topk_offset", default=2, minimum=0)
        own = {index for index in layers.indices if max(index - offset + 1, 0) % frequency == 0}
        text = "max(i - index_skip_topk_offset + 1, 0) % index_topk_freq == 0"
    config.set_aside("indexer_types", "index_topk_pattern", "index_topk_freq", "index_skip_topk_offset")
    return chosen_layers(layers, own, text, f"not ({text})")[0]


def _pattern(config: Config, layers: Layers) -> tuple[str, ...]:
    """`index_topk_pattern`, which is a list of words or a string with one letter per layer.

    Raises:
        ConfigError: It does not fit the layers, or holds something else than it may.
    """
    try:
        letters = config.text("index_topk_pattern")
    except ConfigError:
        return typed(config, "index_topk_pattern", layers, ("full", "shared"))
    if len(letters) != len(layers.indices) or not set(letters) <= {"F", "S"}:
        raise ConfigError(
            f"index_topk_pattern is {letters!r}",
            expected=f"one of F and S for each of the {len(layers.indices)} layers",
            hint="correct config.json",
        )
    return tuple({"F": "full", "S": "shared"}[letter] for letter in letters)
