"""DeepSeek-V3.2: a DeepSeek-V3 whose every layer has an indexer that chooses the tokens to attend to.

Legend: `q_rank` and `kv_rank` are the widths of the compressed queries and of the compressed keys and values,
`nope` and `rope` the parts of a query/key head without and with rotary positions, `value` the size of a value
head, `index_heads` and `index_head` the heads of the indexer and their size, `inner` the width of a dense layer,
`moe` that of one expert, `shared` the number of shared experts. Per layer: `attention.q_a : q_rank x hidden`,
`norm.q_a : q_rank`, `attention.q_b : heads (nope + rope) x q_rank`, `attention.kv_a : (kv_rank + rope) x hidden`,
`norm.kv_a : kv_rank`, `attention.kv_b : heads (nope + value) x kv_rank`, `attention.o : hidden x (heads value)`,
`attention.indexer.q : (index_heads x index_head) x q_rank`, `attention.indexer.k : index_head x hidden`,
`norm.indexer_k : index_head` with a bias, `attention.indexer.weights : index_heads x hidden`, `norm.input`,
`norm.post_attention : hidden`. The first layers have `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x
inner`; the others `router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : moe x hidden`,
`experts.down : hidden x moe`, the same with `shared moe` for `experts.shared`, and the buffer
`router.correction : experts`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
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
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, SHARED_EXPERTS
from verify.architectures._names import EMBEDDING, GATED_MLP, NORMS
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import NameTable
from verify.symbols import Size

SOURCE = (
    "DeepSeek-AI 2025, arXiv:2512.02556, section 2; DeepSeek-AI 2024, arXiv:2412.19437, section 2; "
    "transformers models/deepseek_v32/modeling_deepseek_v32.py"
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
    "DeepseekV32Config",
    {
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "index_n_heads": 64,
        "index_head_dim": 128,
    },
)


def formula(config: Config) -> Formula:
    """The parameters of a DeepSeek-V3.2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    dense, sparse = dense_and_sparse(config, layers, first=3)
    # One latent serves all heads, so the number of key/value heads shapes nothing; the head sizes beside it
    # are derived from the parts that are read; the feed-forward layers have no biases whatever the key says.
    config.set_aside(
        *("max_position_embeddings", "num_key_value_heads", "head_dim", "qk_head_dim", "mlp_bias", "layer_types")
    )
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *_attention(config, hidden, layers),
        *gated_mlp(hidden, _DEFAULTS.size(config, "intermediate_size"), dense),
        *experts(config, hidden, sparse, _DEFAULTS),
        *norm("final", hidden),
        *head_terms,
    )
    further = predictors(config, hidden, vocab, layers, lambda after: _sparse_layer(config, hidden, after))
    return Formula(
        name="deepseek_v32", source=SOURCE, terms=terms, extras=(*extras, *further, *scales(config, terms, further))
    )


def _attention(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    return (
        *latent_attention(config, hidden, layers, _DEFAULTS, direct=False),
        *indexer(config, hidden, layers, _DEFAULTS),
    )


def _sparse_layer(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    return (*_attention(config, hidden, layers), *experts(config, hidden, layers, _DEFAULTS))
