"""The numbers in names of tensors."""

import pytest

from verify.derive.formulas.naming import numbered, pattern


@pytest.mark.parametrize(
    ("name", "opened", "numbers"),
    [
        ("model.layers.12.mlp.experts.3.w1.weight", "model.layers.{}.mlp.experts.{}.w1.weight", (12, 3)),
        ("block.0.mlp.experts.expert_11.wi.weight", "block.{}.mlp.experts.expert_{}.wi.weight", (0, 11)),
        ("blocks.group_1.group.block_2.conv_1.bias", "blocks.group_{}.group.block_{}.conv_{}.bias", (1, 2, 1)),
        ("lambda_1", "lambda_{}", (1,)),
        # What a module list does not write, or what stands elsewhere, is part of the word.
        ("conv1d.weight_v2", "conv1d.weight_v2", ()),
        ("lstm.weight_ih_l0", "lstm.weight_ih_l0", ()),
        ("layers.07.block_07.w", "layers.07.block_07.w", ()),
        ("layers.\u0663.block_\u0663.w", "layers.\u0663.block_\u0663.w", ()),
        ("a_1b.2_c.w", "a_1b.2_c.w", ()),
        ("block_1234567890.w", "block_1234567890.w", ()),
        ("layers.-1.w_", "layers.-1.w_", ()),
        ("", "", ()),
    ],
)
def test_a_number_is_a_piece_or_the_end_of_one(name: str, opened: str, numbers: tuple[int, ...]) -> None:
    assert numbered(name) == (opened, numbers)
    assert pattern(name) == opened
    # What is a pattern already stays one.
    assert pattern(opened) == opened
