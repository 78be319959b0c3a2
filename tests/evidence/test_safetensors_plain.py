"""Headers that are read in one go, and those that are not."""

import json

import pytest

from verify.errors import FormatError
from verify.evidence.safetensors import parse
from verify.evidence.safetensors_plain import Plain, Sizes, read_plain
from verify.tensor import DTYPES, Tensor

WEIGHT = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}


def test_a_plain_header() -> None:
    text = json.dumps({"__metadata__": {"format": "pt"}, "a": WEIGHT}).encode()
    found = read_plain(text.replace(b", ", b",").replace(b": ", b":"), file="f", sizes=Sizes())
    assert found == Plain([Tensor("a", DTYPES["BF16"], (2, 3), "f")], (0,), (12,), {"format": "pt"})


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a":{"dtype":"BF16","shape":[2,3]}}',
        '{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12],"x":1}}',
        '{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,11]}}',
        '{"a":{"dtype":"BF16","shape":[2,0],"data_offsets":[0,0]}}',
        '{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}',
        '{"a":{"dtype":"NEW","shape":[3],"data_offsets":[0,3]}}',
        '{"a":{"dtype":"BF16","shape":[-0,3],"data_offsets":[0,0]}}',
        '{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{}}',
        '{"__metadata__":{"x":"}"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        '{"__metadata__":{"dtype":1},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]' + 400 * " " + "}}",
        "[]",
        "",
    ],
)
def test_what_is_unusual_is_left_to_a_careful_look(text: str) -> None:
    assert read_plain(text.encode(), file="f", sizes=Sizes()) is None


def test_a_key_that_is_missing_here_and_too_many_there_is_not_taken_for_plain() -> None:
    text = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1},"b":{"dtype":"U8","shape":[1]}}'
    assert text.count(b'"') == 20
    assert read_plain(text, file="f", sizes=Sizes()) is None
    with pytest.raises(FormatError, match="data_offsets"):
        parse(text, file="f", size=None)
