"""Every difference is found in its slot, and only what the evidence proves is explained."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from verify.architectures import llama, mixtral
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.evidence.base import Problem
from verify.evidence.packing import unpack
from verify.explain import Finding, explain
from verify.formula import Extra, Formula
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor

#: hidden 8, 2 layers, 2 heads of 4, feed-forward 16, vocabulary 32.
TINY = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 32,
}
SHAPES = {
    "model.embed_tokens.weight": (32, 8),
    **{
        f"model.layers.{layer}.{name}.weight": shape
        for layer in range(2)
        for name, shape in {
            "self_attn.q_proj": (8, 8),
            "self_attn.k_proj": (8, 8),
            "self_attn.v_proj": (8, 8),
            "self_attn.o_proj": (8, 8),
            "mlp.gate_proj": (16, 8),
            "mlp.up_proj": (16, 8),
            "mlp.down_proj": (8, 16),
            "input_layernorm": (8,),
            "post_attention_layernorm": (8,),
        }.items()
    },
    "model.norm.weight": (8,),
    "lm_head.weight": (32, 8),
}


def formula(**changes: object) -> Formula:
    return llama.formula(Config({**TINY, **changes}))


def measured(shapes: dict[str, tuple[int, ...]]) -> Breakdown:
    tensors = [Tensor(name, DTYPES["F16"], shape) for name, shape in shapes.items()]
    return measure(unpack(tensors, ""), llama.NAMES)


def findings(
    shapes: dict[str, tuple[int, ...]], problems: Iterable[Problem] = (), **changes: object
) -> tuple[Finding, ...]:
    expected = formula(**changes)
    return explain(expect(expected.terms), expected.extras, measured(shapes), problems)


def test_equal_sides_leave_nothing_to_explain() -> None:
    assert findings(SHAPES) == ()


def test_stored_rotary_buffers_are_explained_when_all_of_them_are_there_in_size() -> None:
    stored = {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": (2,) for layer in range(2)}
    (found,) = findings(SHAPES | stored)
    assert (found.cause, found.elements, found.explained) == (Cause.STORED_BUFFER, 4, True)
    assert found.slot == "position.inv_freq"
    (wrong,) = findings(SHAPES | dict.fromkeys(stored, (3,)))
    assert not wrong.explained
    (partial,) = findings(SHAPES | dict(list(stored.items())[:1]))
    assert not partial.explained


def test_a_tied_head_that_is_stored_is_explained_only_in_the_shape_of_the_embedding() -> None:
    (found,) = findings(SHAPES, tie_word_embeddings=True)
    assert (found.cause, found.elements, found.explained) == (Cause.TIED_HEAD_STORED, 256, True)
    (wrong,) = findings(SHAPES | {"lm_head.weight": (31, 8)}, tie_word_embeddings=True)
    assert not wrong.explained


def test_a_missing_head_is_explained_only_when_a_bare_model_was_saved() -> None:
    without = {name: shape for name, shape in SHAPES.items() if name != "lm_head.weight"}
    (missing,) = findings(without)
    assert (missing.cause, missing.elements, missing.explained) == (Cause.MISSING, -256, False)
    (bare,) = findings({name.removeprefix("model."): shape for name, shape in without.items()})
    assert (bare.cause, bare.elements, bare.explained) == (Cause.OTHER_HEAD, -256, True)


def test_a_head_of_another_class_is_a_finding() -> None:
    (found,) = findings(SHAPES, architectures=["LlamaModel"])
    assert (found.cause, found.elements, found.explained) == (Cause.OTHER_HEAD, 256, True)


def test_a_transposed_matrix_is_a_difference_without_elements() -> None:
    (found,) = findings(SHAPES | {"model.layers.1.mlp.down_proj.weight": (16, 8)})
    assert (found.cause, found.elements, found.explained) == (Cause.SHAPE, 0, False)
    assert found.slot == "mlp.down"
    assert "layer 1: expected [8, 16], found [16, 8]" in found.detail


def test_an_unknown_tensor_is_shown_and_fails() -> None:
    (found,) = findings(SHAPES | {"model.layers.0.self_attn.sinks": (2,)})
    assert (found.cause, found.slot, found.elements) == (
        Cause.UNCLASSIFIED,
        "model.layers.0.self_attn.sinks",
        2,
    )
    assert not found.explained


def test_a_layer_too_many_is_named() -> None:
    surplus = {name.replace("layers.1.", "layers.2."): shape for name, shape in SHAPES.items() if "layers.1." in name}
    found = findings(SHAPES | surplus)
    assert {finding.cause for finding in found} == {Cause.EXTRA}
    assert all(not finding.explained and "layer 2" in finding.detail for finding in found)


def test_a_fatal_problem_fails_and_a_wrong_number_does_not() -> None:
    problems = (Problem("a", "not in its shard"), Problem("b", "total_size is wrong", fatal=False))
    fatal, number = findings(SHAPES, problems)
    assert (fatal.cause, fatal.explained) == (Cause.INDEX, False)
    assert (number.cause, number.explained) == (Cause.INDEX, True)


def test_dropping_or_doubling_any_term_is_found_in_exactly_that_slot() -> None:
    whole = formula()
    for term in whole.terms:
        rest = tuple(other for other in whole.terms if other is not term)
        for changed in (rest, (*rest, term, term)):
            found = explain(expect(changed), whole.extras, measured(SHAPES))
            assert {finding.slot for finding in found} == {str(term.slot)}
        shifted = replace(term, axes=(term.axes[0] + 1, *term.axes[1:]))
        found = explain(expect((*rest, shifted)), whole.extras, measured(SHAPES))
        assert {finding.slot for finding in found} == {str(term.slot)}


def test_what_a_checkpoint_may_lack_is_explained_when_all_of_it_is_missing() -> None:
    whole = formula()
    head = tuple(term for term in whole.terms if str(term.slot) == "head.lm_head")
    lacking = Extra(Cause.TIED_HEAD_DROPPED, head, "because", absent=True)
    without = {name: shape for name, shape in SHAPES.items() if name != "lm_head.weight"}
    (found,) = explain(expect(whole.terms), (lacking,), measured(without))
    assert (found.cause, found.elements, found.explained) == (Cause.TIED_HEAD_DROPPED, -256, True)
    (wrong,) = explain(expect(whole.terms), (lacking,), measured(without | {"lm_head.weight": (1, 8)}))
    assert not wrong.explained


def test_weights_of_whole_numbers_are_no_weights() -> None:
    tensors = [Tensor(name, DTYPES["I64" if "lm_head" in name else "F16"], shape) for name, shape in SHAPES.items()]
    expected = formula()
    (found,) = explain(expect(expected.terms), expected.extras, measure(unpack(tensors, ""), llama.NAMES))
    assert (found.cause, found.slot, found.explained) == (Cause.DTYPE, "lm_head.weight", False)


def test_an_empty_checkpoint_proves_nothing_about_its_head() -> None:
    assert all(finding.cause is Cause.MISSING for finding in findings({}))


def test_an_expert_out_of_the_row_is_no_expert() -> None:
    values = {
        **TINY,
        "model_type": "mixtral",
        "num_key_value_heads": 2,
        "num_local_experts": 3,
        "num_experts_per_tok": 1,
    }
    expected = mixtral.formula(Config(values))
    names = {
        f"model.layers.{layer}.block_sparse_moe.experts.{expert}.{part}.weight": shape
        for layer in range(2)
        for expert in range(3)
        for part, shape in {"w1": (16, 8), "w2": (8, 16), "w3": (16, 8)}.items()
    }
    gates = {f"model.layers.{layer}.block_sparse_moe.gate.weight": (3, 8) for layer in range(2)}
    rest = {name: shape for name, shape in SHAPES.items() if ".mlp." not in name}

    def found(experts: Mapping[str, tuple[int, ...]]) -> tuple[Finding, ...]:
        tensors = [Tensor(name, DTYPES["F16"], shape) for name, shape in {**rest, **gates, **experts}.items()]
        return explain(expect(expected.terms), expected.extras, measure(unpack(tensors, ""), mixtral.NAMES))

    assert found(names) == ()
    renamed = {name.replace("experts.2.w1", "experts.7.w1"): shape for name, shape in names.items()}
    assert {finding.cause for finding in found(renamed)} == {Cause.UNCLASSIFIED, Cause.SHAPE}
