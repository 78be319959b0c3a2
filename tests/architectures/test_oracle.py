"""Every formula equals what transformers builds, slot by slot, layer by layer and shape by shape."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify import architectures
from verify.architectures import Family
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.diff import diff
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.formula import Formula
from verify.roles import Kind

Values = dict[str, object]

#: Few by default: the product of the switches is tried in full beside them.
_RANDOM = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def predicted(values: Values) -> tuple[Family, Formula]:
    family = architectures.find(str(values["model_type"]))
    return family, family.formula(Config(values))


def built(family: Family, values: Values) -> Breakdown:
    return measure(unpack(meta.read(values, model="tiny").tensors, ""), family.NAMES)


def assert_equal(values: Values) -> None:
    family, formula = predicted(values)
    measured = built(family, values)
    assert measured.unclassified == ()
    assert diff(expect(formula.terms), measured.cells) == ()
    for kind in Kind:
        assert formula.count(kind) == measured.total(kind)


def test_formula_equals_implementation(case: Values) -> None:
    assert_equal(case)


def test_every_key_of_the_config_is_read(case: Values) -> None:
    config = Config(case)
    architectures.find(str(case["model_type"])).formula(config)
    assert config.unread() == ()


def test_the_number_of_labels_counts_more_than_their_names(base: Values) -> None:
    """`num_labels` decides where a config also holds an `id2label` of another length."""
    name = {"gpt2": "GPT2", "gpt-sw3": "GPT2", "deepseek_v3": "DeepseekV3"}.get(str(base["model_type"]))
    prefix = name or str(base["model_type"]).capitalize()
    values = {**base, "architectures": [f"{prefix}ForTokenClassification"]}
    assert_equal({**values, "num_labels": 7})
    assert_equal({**values, "num_labels": 7, "id2label": {"0": "a", "1": "b", "2": "c"}})


def test_an_unread_key_is_reported(base: Values) -> None:
    config = Config({**base, "low_rank_adapters": 3})
    architectures.find(str(base["model_type"])).formula(config)
    assert config.unread() == ("low_rank_adapters",)


def _sizes(*names: str) -> st.SearchStrategy[Values]:
    return st.fixed_dictionaries({name: st.integers(1, 40) for name in names})


@st.composite
def _heads(draw: st.DrawFn) -> Values:
    """Query heads, a divisor of them, and a hidden size that they divide."""
    groups, repeats, width = draw(st.integers(1, 4)), draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * repeats
    return {"num_attention_heads": heads, "num_key_value_heads": groups, "hidden_size": heads * width}


_SHARED = _sizes("vocab_size", "intermediate_size").flatmap(
    lambda sizes: st.fixed_dictionaries(
        {"tie_word_embeddings": st.booleans(), "num_hidden_layers": st.integers(1, 4)}
    ).map(lambda more: {**sizes, **more, "pad_token_id": None})
)
_HEAD_DIM = st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))


_BIASES = st.fixed_dictionaries({"attention_bias": st.booleans(), "mlp_bias": st.booleans()})


@_RANDOM
@given(_SHARED, _heads(), _HEAD_DIM, _BIASES)
def test_llama_at_random(shared: Values, heads: Values, head_dim: Values, biases: Values) -> None:
    """For every Llama, formula and implementation are equal."""
    assert_equal({"model_type": "llama", **shared, **heads, **head_dim, **biases})


@_RANDOM
@given(_SHARED, _heads(), _HEAD_DIM)
def test_mistral_at_random(shared: Values, heads: Values, head_dim: Values) -> None:
    """For every Mistral, formula and implementation are equal."""
    assert_equal({"model_type": "mistral", **shared, **heads, **head_dim})


@_RANDOM
@given(_SHARED, _heads(), _HEAD_DIM, st.booleans())
def test_qwen3_at_random(shared: Values, heads: Values, head_dim: Values, bias: bool) -> None:  # noqa: FBT001
    """For every Qwen3, formula and implementation are equal."""
    assert_equal({"model_type": "qwen3", **shared, **heads, **head_dim, "attention_bias": bias})


@_RANDOM
@given(_SHARED, _heads(), _HEAD_DIM, st.integers(1, 9))
def test_mixtral_at_random(shared: Values, heads: Values, head_dim: Values, experts: int) -> None:
    """For every Mixtral, formula and implementation are equal."""
    values = {"model_type": "mixtral", **shared, **heads, **head_dim}
    assert_equal({**values, "num_local_experts": experts, "num_experts_per_tok": 1})


@_RANDOM
@given(
    _SHARED,
    _sizes("moe_intermediate_size", "n_routed_experts", "kv_lora_rank", "qk_nope_head_dim", "v_head_dim"),
    st.fixed_dictionaries(
        {
            "num_attention_heads": st.integers(1, 6),
            "hidden_size": st.integers(1, 40),
            "n_shared_experts": st.integers(1, 3),
            "first_k_dense_replace": st.integers(0, 1),
            "q_lora_rank": st.none() | st.integers(1, 40),
            "qk_rope_head_dim": st.sampled_from((2, 4, 6)),
            "attention_bias": st.booleans(),
        }
    ),
)
def test_deepseek_v3_at_random(shared: Values, sizes: Values, more: Values) -> None:
    """For every DeepSeek-V3, formula and implementation are equal, the router's buffers apart."""
    values = {"model_type": "deepseek_v3", **shared, **sizes, **more, "num_experts_per_tok": 1}
    assert_equal({**values, "num_key_value_heads": more["num_attention_heads"]})


@_RANDOM
@given(
    st.fixed_dictionaries(
        {
            "vocab_size": st.integers(1, 40),
            "n_positions": st.integers(1, 40),
            "n_layer": st.integers(1, 4),
            "n_inner": st.none() | st.integers(1, 40),
            "tie_word_embeddings": st.booleans(),
            "add_cross_attention": st.booleans(),
        }
    ),
    st.integers(1, 5),
    st.integers(1, 8),
)
def test_gpt2_at_random(values: Values, heads: int, width: int) -> None:
    """For every GPT-2, formula and implementation are equal."""
    assert_equal({"model_type": "gpt2", **values, "n_head": heads, "n_embd": heads * width})


@_RANDOM
@given(
    _SHARED,
    _sizes("max_position_embeddings", "type_vocab_size"),
    st.integers(1, 5),
    st.integers(1, 8),
    st.sampled_from(("BertForPreTraining", "BertModel", "BertForMultipleChoice")),
)
def test_bert_at_random(shared: Values, sizes: Values, heads: int, width: int, kind: str) -> None:
    """For every BERT, formula and implementation are equal."""
    values = {"model_type": "bert", "architectures": [kind], **shared, **sizes}
    assert_equal({**values, "num_attention_heads": heads, "hidden_size": heads * width})
