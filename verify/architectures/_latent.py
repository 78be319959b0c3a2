"""What the descendants of DeepSeek-V2 and V3 share: latent attention, its indexer, experts, prediction layers.

Legend: `q_rank` and `kv_rank` are the widths of the compressed queries and of the compressed keys and values,
`nope` and `rope` the parts of a query/key head without and with rotary positions, `value` the size of a value
head, `moe` the width of one expert, `shared` the number of shared experts, `index_heads` and `index_head` the
heads of the indexer and their size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from verify.architectures._blocks import buffer, gated_mlp, linear, norm, size
from verify.architectures._moe import chosen_layers, first_dense, routed, routing, typed
from verify.architectures._quantization import quantisation_extras
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Layers, Term
from verify.names import Entry, buffers, modules, slot
from verify.roles import Cause
from verify.symbols import Size

ATTENTION = {
    "layers.{}.self_attn.q_proj": "attention.q",
    "layers.{}.self_attn.q_a_proj": "attention.q_a",
    "layers.{}.self_attn.q_a_layernorm": "norm.q_a",
    "layers.{}.self_attn.q_b_proj": "attention.q_b",
    "layers.{}.self_attn.kv_a_proj_with_mqa": "attention.kv_a",
    "layers.{}.self_attn.kv_a_layernorm": "norm.kv_a",
    "layers.{}.self_attn.kv_b_proj": "attention.kv_b",
    "layers.{}.self_attn.o_proj": "attention.o",
}

INDEXER = {
    "layers.{}.self_attn.indexer.wq_b": "attention.indexer.q",
    "layers.{}.self_attn.indexer.wk": "attention.indexer.k",
    "layers.{}.self_attn.indexer.k_norm": "norm.indexer_k",
    "layers.{}.self_attn.indexer.weights_proj": "attention.indexer.weights",
}

#: The layers after the last one, which predict further tokens.
PREDICTORS = {
    "layers.{}.embed_tokens": "embedding.mtp",
    "layers.{}.enorm": "norm.mtp_embedding",
    "layers.{}.hnorm": "norm.mtp_hidden",
    "layers.{}.eh_proj": "other.mtp_projection",
    "layers.{}.shared_head.norm": "norm.mtp_head",
    "layers.{}.shared_head.head": "head.mtp",
}

CORRECTION: dict[str, Entry] = buffers({"layers.{}.mlp.gate.e_score_correction_bias": "router.correction"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a config class gives the keys that a config does not state.

    Attributes:
        of: The class.
        values: Its defaults by key.
    """

    of: str
    values: Mapping[str, int]

    def size(self, config: Config, key: str) -> Size:
        """A hyper-parameter, or its default."""
        return size(config, key, default=self.values.get(key), definition=f"the default of {self.of}")


def latent_attention(
    config: Config, hidden: Size, layers: Layers, defaults: Defaults, *, direct: bool = True
) -> tuple[Term, ...]:
    """Multi-head latent attention (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1), with the norms of a layer.

    `attention.q_a : q_rank x hidden`, `norm.q_a : q_rank`, `attention.q_b : heads (nope + rope) x q_rank`, or
    `attention.q : heads (nope + rope) x hidden` alone where `q_lora_rank` is null; `attention.kv_a : (kv_rank +
    rope) x hidden`, `norm.kv_a : kv_rank`, `attention.kv_b : heads (nope + value) x kv_rank`, `attention.o :
    hidden x (heads value)`; `attention_bias` gives one to `q_a`, `kv_a` and `o`.

    Args:
        config: Where the sizes are read.
        hidden: The width of the residual stream.
        layers: The layers that have it.
        defaults: What the config class gives a missing key.
        direct: Whether the modelling code knows queries that are not compressed.

    Raises:
        ConfigError: A size is missing or impossible, or `q_lora_rank` is null where it must not be.
    """
    heads = size(config, "num_attention_heads")
    nope, rope = defaults.size(config, "qk_nope_head_dim"), defaults.size(config, "qk_rope_head_dim")
    value, kv_rank = defaults.size(config, "v_head_dim"), defaults.size(config, "kv_lora_rank")
    bias = config.flag("attention_bias", default=False)
    queries = heads * (nope + rope)
    if "q_lora_rank" not in config and config.states("q_lora_rank"):
        if not direct:
            raise ConfigError("q_lora_rank is null", expected="a whole number", hint="correct config.json")
        config.set_aside("q_lora_rank")
        query = linear("attention.q", queries, hidden, layers)
    else:
        q_rank = defaults.size(config, "q_lora_rank")
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


def indexer(config: Config, hidden: Size, layers: Layers, defaults: Defaults) -> tuple[Term, ...]:
    """The indexer of sparse attention, which chooses the tokens to attend to (arXiv:2512.02556, section 2.1).

    `attention.indexer.q : (index_heads x index_head) x q_rank`, `attention.indexer.k : index_head x hidden`,
    `norm.indexer_k : index_head` with a bias, `attention.indexer.weights : index_heads x hidden`.
    """
    heads, head = defaults.size(config, "index_n_heads"), defaults.size(config, "index_head_dim")
    q_rank = defaults.size(config, "q_lora_rank")
    config.set_aside("index_topk", "indexer_rope_interleave")
    return (
        *linear("attention.indexer.q", heads * head, q_rank, layers),
        *linear("attention.indexer.k", head, hidden, layers),
        *norm("indexer_k", head, layers, bias=True),
        *linear("attention.indexer.weights", heads, hidden, layers),
    )


def experts(
    config: Config, hidden: Size, layers: Layers, defaults: Defaults, *, bias: bool = False, correction: bool = True
) -> tuple[Term, ...]:
    """Routed experts, and beside them `shared` ones as one layer of `shared moe` (arXiv:2401.06066, section 3).

    The router's correction is balanced by a rule, not learned (DeepSeek-AI 2024, arXiv:2412.19437, section 2.1.2).

    Args:
        config: Where the sizes are read.
        hidden: The width of the residual stream.
        layers: The layers that have experts.
        defaults: What the config class gives a missing key.
        bias: Whether the shared experts have biases; the routed ones never do.
        correction: Whether the router has a correction.
    """
    inner = defaults.size(config, "moe_intermediate_size")
    routes = routing(
        config,
        *("n_routed_experts", "num_local_experts", "num_experts"),
        experts=defaults.values.get("n_routed_experts"),
        active=defaults.values.get("num_experts_per_tok"),
    )
    shared = None
    if "n_shared_experts" in config or not config.states("n_shared_experts"):
        shared = defaults.size(config, "n_shared_experts")
    config.set_aside("n_shared_experts")
    return (
        *routed(routes, hidden, inner, layers),
        *(gated_mlp(hidden, shared * inner, layers, name="experts.shared", bias=bias) if shared else ()),
        *((buffer("router.correction", routes.experts, layers=layers),) if correction else ()),
    )


def dense_and_sparse(config: Config, layers: Layers, *, first: int | None) -> tuple[Layers, Layers]:
    """Dense and sparse layers: as `mlp_layer_types` lists them, else the first `first_k_dense_replace` dense.

    Args:
        config: Where they are read.
        layers: All layers.
        first: How many are dense where the config does not say.
    """
    if "mlp_layer_types" not in config:
        return first_dense(config, layers, default=first)
    config.set_aside("first_k_dense_replace", "moe_layer_freq")
    words = typed(config, "mlp_layer_types", layers, ("dense", "sparse"))
    chosen = {index for index, word in enumerate(words) if word == "dense"}
    return chosen_layers(layers, chosen, "mlp_layer_types[i] == 'dense'", "mlp_layer_types[i] == 'sparse'")


def predictors(
    config: Config, hidden: Size, vocab: Size, layers: Layers, layer: Callable[[Layers], tuple[Term, ...]]
) -> tuple[Extra, ...]:
    """The multi-token-prediction layers, which transformers leaves in the file (arXiv:2412.19437, section 2.2).

    Each is a sparse layer with a projection `hidden x (2 hidden)` and two norms before it and a norm after it;
    some files hold its own copies of embedding and output layer besides.

    Args:
        config: Where their number is read.
        hidden: The width of the residual stream.
        vocab: Rows of the embedding.
        layers: The layers of the model.
        layer: The terms of a sparse layer, in the layers given to it.
    """
    number = config.integer("num_nextn_predict_layers", "num_mtp_layers", default=1, minimum=0)
    if not number:
        return ()
    last = len(layers.indices)
    after = Layers.some(
        range(last, last + number), "i >= num_hidden_layers", Size.symbol("num_nextn_predict_layers", number)
    )
    own = (
        *norm("mtp_embedding", hidden, after),
        *norm("mtp_hidden", hidden, after),
        *linear("other.mtp_projection", hidden, 2 * hidden, after),
        *layer(after),
        *norm("mtp_head", hidden, after),
    )
    copies = (Term(slot("embedding.mtp"), (vocab, hidden), after), *linear("head.mtp", vocab, hidden, after))
    note = "layers that predict further tokens"
    return (
        Extra(Cause.MTP_LAYER, own, note),
        Extra(Cause.MTP_LAYER, copies, f"{note}: their copies of embedding and output layer"),
    )


def scales(config: Config, terms: tuple[Term, ...], further: tuple[Extra, ...]) -> tuple[Extra, ...]:
    """The scales of an fp8 file, those of layers that a file may leave out as groups of their own.

    The indexer's `weights_proj` keeps its precision: vLLM's loader of these checkpoints gives it no
    quantisation (`vllm/model_executor/models/deepseek_v2.py`, `Indexer.__init__`). What the config lists as
    not converted is that, norms, routers, embedding and output layer, none of which `quantisation_extras` counts.
    """
    if "quantization_config" in config:
        config.section("quantization_config").set_aside("modules_to_not_convert")
    groups = (terms, *(group.terms for group in further))
    kept = slot("attention.indexer.weights")
    return tuple(
        scale
        for group in groups
        for scale in quantisation_extras(config, [term for term in group if term.slot != kept])
    )


def latent_names(*more: Mapping[str, str]) -> dict[str, Entry]:
    """Entries for latent attention, prediction layers, the correction, and further modules."""
    table = {**ATTENTION, **PREDICTORS}
    for each in more:
        table |= each
    return {**modules(table), **CORRECTION}
