"""Nemotron-H: each layer is one norm and one mixer, be it Mamba-2, attention, a plain MLP or experts.

Legend: `sheads`, `shead`, `groups`, `state` are those of the state-space layers, `latent` the width of what the
experts see (the model's where the config names none), `moe` the width of a routed expert, `shared` that of the
shared one. Every layer has `norm.input : hidden`. Mamba-2: `attention.in_proj : (2 sheads shead + 2 groups state +
sheads) x hidden`, `attention.conv : (sheads shead + 2 groups state) x 1 x kernel` and its bias, `attention.dt_bias`,
`attention.A_log`, `attention.D : sheads`, `norm.mixer : sheads shead`, `attention.out_proj : hidden x (sheads shead)`.
Attention: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`,
`attention.o : hidden x (heads x head)`. MLP: `mlp.up : inner x hidden`, `mlp.down : hidden x inner`. Experts:
`router.gate : experts x hidden`, the buffer `router.correction : experts`, `experts` times `experts.up : moe x
latent`, `experts.down : latent x moe`, `experts.shared.up : shared x hidden`, `experts.shared.down : hidden x
shared`, `experts.latent_in : latent x hidden`, `experts.latent_out : hidden x latent`. Outside: `embedding.tokens :
vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden`.
"""

from msgspec.structs import replace

from verify.architectures._blocks import embedding, head, linear, norm, size
from verify.architectures._mamba import mixer_names
from verify.architectures._nemotron_h import layers_of, pattern_of
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers
from verify.names import Entry, NameTable, buffers, modules, slot
from verify.roles import Cause, Fused, Slot
from verify.symbols import Size

SOURCE = (
    "NVIDIA 2025, arXiv:2504.03624, section 2; NVIDIA 2025, arXiv:2512.20848, section 2; "
    "transformers models/nemotron_h/modeling_nemotron_h.py"
)
ALIASES = ()

_LAYERS: dict[str, Entry] = {
    **mixer_names("layers.{}.mixer"),
    **modules(
        {
            "layers.{}.norm": "norm.input",
            "layers.{}.mixer.q_proj": "attention.q",
            "layers.{}.mixer.k_proj": "attention.k",
            "layers.{}.mixer.v_proj": "attention.v",
            "layers.{}.mixer.o_proj": "attention.o",
            "layers.{}.mixer.up_proj": "mlp.up",
            "layers.{}.mixer.down_proj": "mlp.down",
            "layers.{}.mixer.gate": "router.gate",
            "layers.{}.mixer.experts.{}.up_proj": "experts.up",
            "layers.{}.mixer.experts.{}.down_proj": "experts.down",
            "layers.{}.mixer.shared_experts.up_proj": "experts.shared.up",
            "layers.{}.mixer.shared_experts.down_proj": "experts.shared.down",
            "layers.{}.mixer.fc1_latent_proj": "experts.latent_in",
            "layers.{}.mixer.fc2_latent_proj": "experts.latent_out",
        }
    ),
    **buffers({"layers.{}.mixer.gate.e_score_correction_bias": "router.correction"}),
    # transformers 5 holds the experts of a layer in two tensors, and writes them one by one.
    "layers.{}.mixer.experts.up_proj": Fused((slot("experts.up"),)),
    "layers.{}.mixer.experts.down_proj": Fused((slot("experts.down"),)),
}

#: What joins the layers that predict further tokens to the model.
_JOINTS = {
    "layers.{}.enorm": "norm.embedding",
    "layers.{}.hnorm": "norm.hidden",
    "layers.{}.eh_proj": "other.projection",
    "layers.{}.final_layernorm": "norm.final",
}


def _in_mtp(entry: Entry) -> Entry:
    """An entry of the model, for the layers that predict further tokens."""
    if isinstance(entry, Slot):
        return replace(entry, stack="mtp")
    return replace(entry, slots=tuple(replace(each, stack="mtp") for each in entry.slots))


NAMES = NameTable(
    backbone={**modules({"embeddings": "embedding.tokens", "norm_f": "norm.final"}), **_LAYERS},
    head={
        **modules({"lm_head": "head.lm_head"}),
        **{f"mtp.{name}": _in_mtp(entry) for name, entry in (_LAYERS | modules(_JOINTS)).items()},
    },
    # Files say `backbone.`, transformers 5 says `model.`.
    prefixes=("backbone.", "model."),
)

#: How to run or initialise it; the state-space layers are as wide as their heads, whatever the expansion.
_ASIDE = (
    "chunk_size", "mamba_chunk_size", "expand", "mamba_expand", "mamba_hidden_act", "mamba_proj_bias",
    "mamba_ssm_cache_dtype", "max_position_embeddings", "mlp_hidden_act", "moe_shared_expert_overlap",
    "n_shared_experts", "num_logits_to_keep", "rescale_prenorm_residual", "residual_in_fp32", "time_step_floor",
    "time_step_limit", "time_step_max", "time_step_min", "use_mamba_kernels", "mamba_dt_min", "mamba_dt_max",
    "mamba_dt_limit", "mamba_dt_init_floor",
)  # fmt: skip


def formula(config: Config) -> Formula:
    """The parameters of a Nemotron-H.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    kinds = pattern_of(config, "layers_block_type", "hybrid_override_pattern")
    if config.integer("num_hidden_layers", default=len(kinds)) != len(kinds):
        raise ConfigError(
            f"num_hidden_layers is {config.integer('num_hidden_layers')} and the pattern has {len(kinds)} layers",
            expected="one value",
            hint="correct config.json",
        )
    # No class of transformers ties its output layer to the embedding.
    config.set_aside("tie_word_embeddings", *_ASIDE)
    output = linear("head.lm_head", vocab, hidden)
    bare = head(config, "ForCausalLM", ("ForCausalLM", "Model")) == "Model"
    note = f"{config.architecture} has no output layer, the file holds one"
    return Formula(
        name="nemotron_h",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *layers_of(config, hidden, kinds, key="layers_block_type", count="num_hidden_layers"),
            *norm("final", hidden),
            *(() if bare else output),
        ),
        extras=(*((Extra(Cause.OTHER_HEAD, output, note),) if bare else ()), *_predictors(config, hidden)),
    )


def _predictors(config: Config, hidden: Size) -> tuple[Extra, ...]:
    """The layers that predict further tokens, which transformers leaves in the file.

    Each step repeats a pattern of layers; its first one joins embedding and hidden state, its last one has a norm.

    Source: vLLM `model_executor/models/nemotron_h_mtp.py`, `NemotronHMultiTokenPredictor`.
    """
    steps = config.integer("num_nextn_predict_layers", default=0, minimum=0)
    words, letters = "mtp_layers_block_type", "mtp_hybrid_override_pattern"
    named = words in config or letters in config
    # An empty pattern goes with no steps.
    pattern = pattern_of(config, words, letters) if named and steps else ("attention", "moe")
    config.set_aside(words, letters)
    if not steps:
        return ()
    total = steps * len(pattern)
    first = Layers.some(range(0, total, len(pattern)), "the first layer of a step")
    last = Layers.some(range(len(pattern) - 1, total, len(pattern)), "the last layer of a step")
    terms = (
        *norm("embedding", hidden, first),
        *norm("hidden", hidden, first),
        *linear("other.projection", hidden, 2 * hidden, first),
        *layers_of(config, hidden, pattern * steps, key=words, count=f"len({words})"),
        *norm("final", hidden, last),
    )
    inside = tuple(replace(term, slot=replace(term.slot, stack="mtp")) for term in terms)
    return (Extra(Cause.MTP_LAYER, inside, "layers that predict further tokens, which transformers does not load"),)
