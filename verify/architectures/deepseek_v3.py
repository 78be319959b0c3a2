"""DeepSeek-V3: multi-head latent attention, and from some layer on experts with shared ones beside them.

Legend: `q_rank` and `kv_rank` are the widths of the compressed queries and of the compressed keys and
values, `nope` and `rope` the parts of a query/key head without and with rotary positions, `value` the size
of a value head, `inner` the width of a dense layer, `moe` that of one expert, `shared` the number of shared
experts. Per layer: `attention.q_a : q_rank x hidden`, `norm.q_a : q_rank`, `attention.q_b : heads (nope +
rope) x q_rank` (or `attention.q : heads (nope + rope) x hidden` alone), `attention.kv_a : (kv_rank + rope) x
hidden`, `norm.kv_a : kv_rank`, `attention.kv_b : heads (nope + value) x kv_rank`, `attention.o : hidden x
(heads value)`, `norm.input`, `norm.post_attention : hidden`. The first layers have `mlp.gate`, `mlp.up : inner
x hidden`, `mlp.down : hidden x inner`; the others `router.gate : experts x hidden`, `experts` times
`experts.gate`, `experts.up : moe x hidden`, `experts.down : hidden x moe`, the same with `shared moe` for
`experts.shared`, and the buffer `router.correction : experts`. Outside: `embedding.tokens : vocab x hidden`,
`norm.final : hidden`, `head.lm_head : vocab x hidden`.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    buffer,
    decoder_head,
    embedding,
    experts,
    gated_mlp,
    linear,
    norm,
    size,
)
from verify.architectures._names import EMBEDDING, GATED_MLP, NORMS
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, buffers, modules, slot
from verify.roles import Cause, Fused
from verify.symbols import Size

SOURCE = (
    "DeepSeek-AI 2024, arXiv:2412.19437, sections 2.1 and 2.2; transformers models/deepseek_v3/modeling_deepseek_v3.py"
)
#: Kimi-K2 is published with the modelling code of DeepSeek-V3 (Kimi Team 2025, arXiv:2507.20534, section 2.3).
ALIASES = ("kimi_k2",)

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                **GATED_MLP,
                **NORMS,
                "layers.{}.self_attn.q_proj": "attention.q",
                "layers.{}.self_attn.q_a_proj": "attention.q_a",
                "layers.{}.self_attn.q_a_layernorm": "norm.q_a",
                "layers.{}.self_attn.q_b_proj": "attention.q_b",
                "layers.{}.self_attn.kv_a_proj_with_mqa": "attention.kv_a",
                "layers.{}.self_attn.kv_a_layernorm": "norm.kv_a",
                "layers.{}.self_attn.kv_b_proj": "attention.kv_b",
                "layers.{}.self_attn.o_proj": "attention.o",
                "layers.{}.mlp.gate": "router.gate",
                "layers.{}.mlp.experts.{}.gate_proj": "experts.gate",
                "layers.{}.mlp.experts.{}.up_proj": "experts.up",
                "layers.{}.mlp.experts.{}.down_proj": "experts.down",
                "layers.{}.mlp.shared_experts.gate_proj": "experts.shared.gate",
                "layers.{}.mlp.shared_experts.up_proj": "experts.shared.up",
                "layers.{}.mlp.shared_experts.down_proj": "experts.shared.down",
                # The layers after the last one, which predict further tokens.
                "layers.{}.embed_tokens": "embedding.mtp",
                "layers.{}.enorm": "norm.mtp_embedding",
                "layers.{}.hnorm": "norm.mtp_hidden",
                "layers.{}.eh_proj": "other.mtp_projection",
                "layers.{}.shared_head.norm": "norm.mtp_head",
                "layers.{}.shared_head.head": "head.mtp",
            }
        ),
        **buffers({"layers.{}.mlp.gate.e_score_correction_bias": "router.correction"}),
        # transformers 5 holds the experts of a layer in two tensors, and writes them one by one.
        "layers.{}.mlp.experts.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up"))),
        "layers.{}.mlp.experts.down_proj": Fused((slot("experts.down"),)),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a DeepSeek-V3.

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
        *_attention(config, hidden, layers),
        *gated_mlp(hidden, size(config, "intermediate_size"), dense),
        *_moe(config, hidden, sparse),
        *norm("final", hidden),
        *head_terms,
    )
    predictors = _predictors(config, hidden, vocab, layers)
    return Formula(
        name="deepseek_v3",
        source=SOURCE,
        terms=terms,
        extras=(*extras, *predictors),
    )


def _dense_and_sparse(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """The first layers, which are dense, and the others."""
    first = config.integer("first_k_dense_replace", minimum=0)
    total = len(layers.indices)
    if first > total:
        raise ConfigError(
            f"first_k_dense_replace {first} is more than num_hidden_layers {total}",
            expected="at most all layers",
            hint="correct config.json",
        )
    every = config.integer("moe_layer_freq", default=1)
    if every != 1:
        # DeepSeek's own code makes only every n-th layer sparse, transformers ignores the key.
        raise ConfigError(f"moe_layer_freq is {every}", expected="1", hint="implementations disagree on any other")
    count = Size.symbol("first_k_dense_replace", first)
    return (
        Layers.some(range(first), "i < first_k_dense_replace", count),
        Layers.some(range(first, total), "i >= first_k_dense_replace", layers.count - count),
    )


def _attention(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Multi-head latent attention (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1), with the norms of a layer."""
    heads = size(config, "num_attention_heads")
    nope, rope = size(config, "qk_nope_head_dim"), size(config, "qk_rope_head_dim")
    value = size(config, "v_head_dim")
    kv_rank = size(config, "kv_lora_rank")
    bias = config.flag("attention_bias", default=False)
    queries = heads * (nope + rope)
    if "q_lora_rank" not in config and config.states("q_lora_rank"):
        config.set_aside("q_lora_rank")
        query = linear("attention.q", queries, hidden, layers)
    else:
        q_rank = size(config, "q_lora_rank")
        query = (
            *linear("attention.q_a", q_rank, hidden, layers, bias=bias),
            *norm("q_a", q_rank, layers),
            *linear("attention.q_b", queries, q_rank, layers),
        )
    return (
        *query,
        *linear("attention.kv_a", kv_rank + rope, hidden, layers, bias=bias),
        *norm("kv_a", kv_rank, layers),
        *linear("attention.kv_b", heads * (nope + value), kv_rank, layers),
        *linear("attention.o", hidden, heads * value, layers, bias=bias),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
    )


def _moe(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Routed and shared experts; the router's correction is balanced by a rule, not learned (section 2.1.2)."""
    inner = size(config, "moe_intermediate_size")
    spellings = ("n_routed_experts", "num_local_experts", "num_experts")
    number = Size.symbol("num_experts", config.integer(*spellings))
    return (
        *experts(config, hidden, inner, layers, names=spellings),
        *gated_mlp(hidden, size(config, "n_shared_experts") * inner, layers, name="experts.shared"),
        buffer("router.correction", number, layers=layers),
    )


def _predictors(config: Config, hidden: Size, vocab: Size, layers: Layers) -> tuple[Extra, ...]:
    """The multi-token-prediction layers, which transformers leaves in the file (section 2.2).

    Each is a sparse layer with a projection `hidden x (2 hidden)` and two norms before it, a norm after it, and
    its own copy of embedding and output layer.
    """
    number = config.integer("num_nextn_predict_layers", "num_mtp_layers", default=1, minimum=0)
    if not number:
        return ()
    last = len(layers.indices)
    after = Layers.some(
        range(last, last + number), "i >= num_hidden_layers", Size.symbol("num_nextn_predict_layers", number)
    )
    terms = (
        Term(slot("embedding.mtp"), (vocab, hidden), after),
        *norm("mtp_embedding", hidden, after),
        *norm("mtp_hidden", hidden, after),
        *linear("other.mtp_projection", hidden, 2 * hidden, after),
        *_attention(config, hidden, after),
        *_moe(config, hidden, after),
        *norm("mtp_head", hidden, after),
        *linear("head.mtp", vocab, hidden, after),
    )
    return (Extra(Cause.MTP_LAYER, terms, "layers that predict further tokens, with their own embedding and head"),)
