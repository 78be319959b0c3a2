"""A tensor's name leads to one slot, exactly or not at all."""

from verify.names import NameTable, Place, buffers, modules, slot
from verify.roles import Kind, Role, Slot

TABLE = NameTable(
    backbone={
        **modules({"layers.{}.mlp.up_proj": "mlp.up", "layers.{}.experts.{}.w1": "experts.gate", "norm": "norm.final"}),
        **modules({"block.{}.layer.0.q": "attention.q", "block.{}.layer.1.wi": "mlp.up"}),
        **modules({"pre.0": "other.first"}),
        **buffers({"layers.{}.rotary.inv_freq": "position.inv_freq"}),
    },
    head=modules({"lm_head": "head.lm_head"}),
    prefixes=("model.",),
)


def test_the_first_number_is_the_layer() -> None:
    assert TABLE.find("layers.17.mlp.up_proj.weight") == Place(slot("mlp.up"), 17)
    assert TABLE.find("layers.3.experts.250.w1.weight") == Place(slot("experts.gate"), 3, copy=250)


def test_a_backbone_name_may_carry_the_prefix_and_a_head_name_may_not_gain_one() -> None:
    place = TABLE.find("model.norm.weight")
    assert place == Place(slot("norm.final"), None, prefixed=True)
    assert TABLE.find("lm_head.weight") == Place(slot("head.lm_head"), None)


def test_numbers_that_tell_modules_apart_stay_in_the_template() -> None:
    assert TABLE.find("block.5.layer.0.q.weight") == Place(slot("attention.q"), 5)
    assert TABLE.find("block.5.layer.1.q.weight") is None
    assert TABLE.find("pre.0.bias") == Place(slot("other.first.bias"), None)


def test_an_index_is_written_as_a_module_list_writes_it() -> None:
    for name in ("layers.01.mlp.up_proj.weight", "layers.3.experts.07.w1.weight", "layers.00.mlp.up_proj.weight",
                 f"layers.{'9' * 5000}.mlp.up_proj.weight"):  # fmt: skip
        assert TABLE.find(name) is None, name
    assert TABLE.find("layers.0.mlp.up_proj.weight") == Place(slot("mlp.up"), 0)
    assert TABLE.find("layers.10.mlp.up_proj.weight") == Place(slot("mlp.up"), 10)


def test_nothing_is_matched_by_resemblance() -> None:
    for name in ("model.layers.0.mlp.up_proj.weight_scale", "xmodel.norm.weight", "layers.x.mlp.up_proj.weight",
                 "layers.٣.mlp.up_proj.weight", "layers.-1.mlp.up_proj.weight", "norm", ""):  # fmt: skip
        assert TABLE.find(name) is None, name


def test_buffers_have_their_own_kind() -> None:
    place = TABLE.find("model.layers.2.rotary.inv_freq")
    assert place is not None
    assert place.entry == Slot(Role.POSITION, "inv_freq", Kind.BUFFER)
