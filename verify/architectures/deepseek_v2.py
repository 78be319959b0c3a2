"""DeepSeek-V2: multi-head latent attention, and from some layer on experts with shared ones beside them.

Legend: `q_rank` and `kv_rank` are the widths of the compressed queries and of the compressed keys and values,
`nope` and `rope` the parts of a query/key head without and with rotary positions, `value` the size of a value
head, `inner` the width of a dense layer, `moe` that of one expert, `shared` the number of shared experts. Per
layer: `attention.q_a : q_rank x hidden`, `norm.q_a : q_rank`, `attention.q_b : heads (nope + rope) x q_rank`, in
V2-Lite `attention.q : heads (nope + rope) x hidden` in their place, `attention.kv_a : (kv_rank + rope) x hidden`,
`norm.kv_a : kv_rank`, `attention.kv_b : heads (nope + value) x kv_rank`, `attention.o : hidden x (heads value)`,
`norm.input`, `norm.post_attention : hidden`. The first layers have `mlp.gate`, `mlp.up : inner x hidden`,
`mlp.down : hidden x inner`; the others `router.gate : experts x hidden`, `experts` times `experts.gate`,
`experts.up : moe x hidden`, `experts.down : hidden x moe`, and the same with `shared moe` for `experts.shared`.
Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden`.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, gated_mlp, norm, size
from verify.architectures._latent import ATTENTION, Defaults, dense_and_sparse, experts, latent_attention
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, SHARED_EXPERTS
from verify.architectures._names import EMBEDDING, GATED_MLP, NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "DeepSeek-AI 2024, arXiv:2405.04434, section 2; transformers models/deepseek_v2/modeling_deepseek_v2.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules({**EMBEDDING, **ATTENTION, **GATED_MLP, **NORMS, **ROUTER, **EXPERTS, **SHARED_EXPERTS}),
        **FUSED_EXPERTS,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULTS = Defaults(
    "DeepseekV2Config",
    {
        "intermediate_size": 11008,
        "moe_intermediate_size": 1407,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
    },
)


def formula(config: Config) -> Formula:
    """The parameters of a DeepSeek-V2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    dense, sparse = dense_and_sparse(config, layers, first=0)
    inner = _DEFAULTS.size(config, "intermediate_size")
    bias = config.flag("mlp_bias", default=False)
    # One latent serves all heads, so the number of key/value heads shapes nothing; the head sizes beside
    # it are derived from the parts that are read.
    config.set_aside("max_position_embeddings", "num_key_value_heads", "head_dim", "qk_head_dim")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *latent_attention(config, hidden, layers, _DEFAULTS),
        *gated_mlp(hidden, inner, dense, bias=bias),
        *experts(config, hidden, sparse, _DEFAULTS, bias=bias, correction=False),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="deepseek_v2", source=SOURCE, terms=terms, extras=extras)
