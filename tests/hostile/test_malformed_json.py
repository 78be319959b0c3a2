"""One malformed index or config.json per rule."""

import json

import pytest

from verify.errors import FormatError
from verify.evidence import index
from verify.evidence.config_json import read_config

INDEXES = {
    "empty file": (b"", "truncated"),
    "no JSON": (b"<html>", "invalid character"),
    "no UTF-8": (b'{"weight_map": {"a": "\xff"}}', "byte 22 is no UTF-8"),
    "a list": (b"[]", "Expected `object`, got `array`"),
    "no weight_map": (b'{"metadata": {}}', "missing required field `weight_map`"),
    "weight_map is a list": (b'{"weight_map": []}', "weight_map: Expected `object`"),
    "weight_map holds a number": (b'{"weight_map": {"a": 1}}', "weight_map: Expected `str`"),
    "weight_map is empty": (b'{"weight_map": {}}', "weight_map is empty"),
    "cut": (b'{"weight_map": {"a": "m', "truncated"),
    "text after the object": (b'{"weight_map": {"a": "m"}}\n  rest', "text after the JSON object, at byte 29"),
    "text after letters of two bytes": (
        '{"weight_map": {"ä": "m"}} x'.encode(),
        "text after the JSON object, at byte 28",
    ),
    "two objects": (b'{"weight_map": {"a": "m"}}{}', "text after the JSON object, at byte 26"),
    "tensor named twice": (b'{"weight_map": {"a": "m", "a": "n"}}', "weight_map names 'a' twice"),
    "tensor named twice with an escape": (b'{"weight_map": {"a": "m", "\\u0061": "n"}}', "weight_map names 'a' twice"),
    "nested too deep": (b'{"weight_map": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "i: "),
}
PATHS = ["", ".", "..", "../m", "/etc/passwd", "sub/m", "a\\b", "..\\m", "C:m", "m\0", "m\n", "m\x1b[31m", "m\u202e"]


@pytest.mark.parametrize("rule", INDEXES)
def test_malformed_index_is_refused_in_one_line(rule: str) -> None:
    data, says = INDEXES[rule]
    with pytest.raises(FormatError) as caught:
        index.parse(data, file="i")
    assert str(caught.value).startswith("i: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PATHS)
def test_index_that_leads_out_of_its_folder_is_refused(name: str) -> None:
    data = json.dumps({"weight_map": {"fine": "model.safetensors", "evil": name}}).encode()
    with pytest.raises(FormatError, match=r"weight_map\['evil'\]") as caught:
        index.parse(data, file="i")
    assert str(caught.value).isprintable()


CONFIGS = {
    "empty file": (b"", "Expecting value"),
    "no UTF-8": (b'{"a": "\xff"}', "byte 7 is no UTF-8"),
    "a list": (b"[1]", "a JSON list"),
    "text after the object": (b"{} x", "Extra data"),
    "nested too deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    "number of 5000 digits": (b'{"a":' + b"9" * 5000 + b"}", "c: "),
}


@pytest.mark.parametrize("rule", CONFIGS)
def test_malformed_config_is_refused_in_one_line(rule: str) -> None:
    data, says = CONFIGS[rule]
    with pytest.raises(FormatError) as caught:
        read_config(data, where="c")
    assert str(caught.value).startswith("c: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_config_with_nan_infinity_and_a_repeated_key_is_read_as_transformers_reads_it() -> None:
    config = read_config(b'{"a": NaN, "b": Infinity, "c": 1, "c": 2}', where="c")
    assert config["a"] != config["a"]
    assert config["b"] == float("inf")
    assert config["c"] == 2
