"""GLM-4.7-Flash: multi-head latent attention, and experts with shared ones in all layers but the first.

Legend: `q_rank` and `kv_rank` are the widths of the compressed queries and of the compressed keys and values,
`nope` and `rope` the parts of a query/key head without and with rotary positions, `value` the size of a value
head, `inner` the width of a dense layer, `moe` that of one expert, `shared` the number of shared experts. Per
layer: `attention.q_a : q_rank x hidden`, `norm.q_a : q_rank`, `attention.q_b : heads (nope + rope) x q_rank` (or
`attention.q : heads (nope + rope) x hidden` alone), `attention.kv_a : (kv_rank + rope) x hidden`, `norm.kv_a :
kv_rank`, `attention.kv_b : heads (nope + value) x kv_rank`, `attention.o : hidden x (heads value)`, `norm.input`,
`norm.post_attention : hidden`. A dense layer has `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`;
a sparse one `router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : moe x hidden`,
`experts.down : hidden x moe`, the same with `shared moe` for `experts.shared`, and the buffer `router.correction :
experts`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden`.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, gated_mlp, norm, size
from verify.architectures._latent import (
    Defaults,
    dense_and_sparse,
    experts,
    latent_attention,
    latent_names,
    predictors,
    scales,
)
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, SHARED_EXPERTS
from verify.architectures._names import EMBEDDING, GATED_MLP, NORMS
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable
from verify.symbols import Size

SOURCE = (
    "GLM-4.5 Team 2025, arXiv:2508.06471, section 2.1; DeepSeek-AI 2024, arXiv:2412.19437, section 2.1; "
    "transformers models/glm4_moe_lite/modeling_glm4_moe_lite.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={**latent_names(EMBEDDING, GATED_MLP, NORMS, ROUTER, EXPERTS, SHARED_EXPERTS), **FUSED_EXPERTS},
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULTS = Defaults(
    "Glm4MoeLiteConfig",
    {
        "intermediate_size": 10240,
        "moe_intermediate_size": 1536,
        "n_routed_experts": 64,
        "n_shared_experts": 1,
        "num_experts_per_tok": 4,
        "q_lora_rank": 768,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 192,
        "qk_rope_head_dim": 64,
        "v_head_dim": 256,
    },
)


def formula(config: Config) -> Formula:
    """The parameters of a GLM-4.7-Flash.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    dense, sparse = _dense_and_sparse(config, layers)
    # One latent serves all heads, so the number of key/value heads shapes nothing; the head sizes beside
    # it are derived from the parts that are read.
    config.set_aside("max_position_embeddings", "num_key_value_heads", "head_dim", "qk_head_dim")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *latent_attention(config, hidden, layers, _DEFAULTS),
        *gated_mlp(hidden, _DEFAULTS.size(config, "intermediate_size"), dense),
        *experts(config, hidden, sparse, _DEFAULTS),
        *norm("final", hidden),
        *head_terms,
    )
    further = predictors(config, hidden, vocab, layers, lambda after: _sparse_layer(config, hidden, after))
    return Formula(
        name="glm4_moe_lite", source=SOURCE, terms=terms, extras=(*extras, *further, *scales(config, terms, further))
    )


def _dense_and_sparse(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """As `mlp_layer_types` lists them, else the first layer is dense.

    Raises:
        ConfigError: `first_k_dense_replace`, which transformers ignores here, says something else.
    """
    first = config.integer("first_k_dense_replace", default=1, minimum=0)
    if first != 1 and "mlp_layer_types" not in config:
        raise ConfigError(
            f"first_k_dense_replace is {first}", expected="1, or mlp_layer_types", hint="transformers ignores the key"
        )
    return dense_and_sparse(config, layers, first=1)


def _sparse_layer(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    return (
        *latent_attention(config, hidden, layers, _DEFAULTS),
        *experts(config, hidden, layers, _DEFAULTS),
    )
