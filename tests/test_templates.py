"""Names without their indices."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.architectures import llama
from verify.breakdown import measure
from verify.evidence.packing import unpack
from verify.templates import gather
from verify.tensor import DTYPES, Tensor

BF16, F32 = DTYPES["BF16"], DTYPES["F32"]


def tensor(name: str, shape: tuple[int, ...] = (2,), dtype: str = "BF16") -> Tensor:
    return Tensor(name, DTYPES[dtype], shape)


def test_experts_of_all_layers_are_one() -> None:
    names = [f"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight" for layer in (3, 10) for expert in (0, 7)]
    (found,) = gather(map(tensor, names))
    assert found.template == "model.layers.{}.mlp.experts.{}.up_proj.weight"
    assert found.columns == (("3", "3", "10", "10"), ("0", "7", "0", "7"))
    assert [found.named("x.{}.y.{}", place) for place in range(4)] == ["x.3.y.0", "x.3.y.7", "x.10.y.0", "x.10.y.7"]


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("lm_head.weight", "lm_head.weight"),
        ("layers.0.conv1.weight", "layers.{}.conv1.weight"),
        ("layers.07.weight", "layers.07.weight"),
        ("layers.1234567890.weight", "layers.1234567890.weight"),
        ("layers..weight", "layers..weight"),
        ("layers.\u0663.weight", "layers.\u0663.weight"),
        ("a.{}.b.1", "a.{}.b.1"),
        ("5", "{}"),
        ("", ""),
        ("a\n.1", "a\n.{}"),
    ],
)
def test_only_what_a_module_list_writes_is_an_index(name: str, template: str) -> None:
    (found,) = gather([tensor(name)])
    assert found.template == template
    assert found.named(found.template, 0) == name


def test_names_that_differ_in_a_digit_that_is_no_index_stay_apart() -> None:
    found = gather(map(tensor, ["a.1.conv1.weight", "a.2.conv2.weight", "a.3.conv1.weight", "a.4.conv.weight"]))
    assert {each.template: each.columns for each in found} == {
        "a.{}.conv1.weight": (("1", "3"),),
        "a.{}.conv2.weight": (("2",),),
        "a.{}.conv.weight": (("4",),),
    }


def test_shapes_and_types_are_kept_apart() -> None:
    found = gather([tensor("a.0"), tensor("a.1", (3,)), tensor("a.2"), tensor("a.3", dtype="F32")])
    assert [(each.columns, each.tensors[0].shape, each.tensors[0].dtype) for each in found] == [
        ((("0", "2"),), (2,), BF16),
        ((("1",),), (3,), BF16),
        ((("3",),), (2,), F32),
    ]


@given(st.lists(st.text("0179.{}a\n\u0663", max_size=9), max_size=12))
def test_every_tensor_is_in_one_group_and_has_its_name(names: list[str]) -> None:
    """Law: gathering loses nothing, and a template with its indices is the name."""
    tensors = list(map(tensor, names))
    found = gather(tensors)
    assert Counter(each for alike in found for each in alike.tensors) == Counter(tensors)
    for alike in found:
        assert [alike.named(alike.template, place) for place in range(len(alike.tensors))] == [
            each.name for each in alike.tensors
        ]


def test_a_name_with_a_placeholder_in_it_is_in_no_table() -> None:
    """A hostile file may call a tensor as tables write their entries."""
    name = "model.layers.{}.mlp.up_proj.weight"
    assert llama.NAMES.find(name) is None
    assert measure(unpack([tensor(name)], ""), llama.NAMES).unclassified == (tensor(name),)
