"""The real class on the meta device: the same names and shapes as transformers' own way to build it."""

import time

import pytest
import torch

from verify.derive.building import classes, configurations, instances
from verify.errors import ConfigError, UnavailableError
from verify.evidence import meta

TINY = {
    "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
    "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2,
}  # fmt: skip


def tiny(model_type: str) -> tuple[classes.Target, configurations.Keywords]:
    target = classes.find(model_type)
    return target, configurations.keywords(target.config_class, {"model_type": model_type, **TINY})


@pytest.mark.parametrize("model_type", ["llama", "t5", "bert", "xlnet", "wav2vec2", "gemma3n_text"])
def test_names_and_shapes_are_those_of_the_meta_evidence(model_type: str) -> None:
    config = {"model_type": model_type}
    target = classes.find(model_type)
    built = instances.instance(target, configurations.keywords(target.config_class))
    evidence = meta.read(config | {"architectures": [target.model_class.__name__]}, model=model_type)
    assert {**built.parameters, **built.buffers} == {tensor.name: tensor.shape for tensor in evidence.tensors}


def test_a_tied_parameter_stands_once() -> None:
    built = instances.instance(*tiny("bert"))
    assert built.tied["cls.predictions.decoder.weight"] == "bert.embeddings.word_embeddings.weight"
    assert "cls.predictions.decoder.weight" not in built.parameters
    untied = instances.instance(*tiny("llama"))
    assert untied.tied == {}
    assert untied.count == 2 * 11 * 8 + 8 + 2 * (4 * 8 * 8 + 3 * 8 * 12 + 2 * 8)


def test_nothing_is_initialised_inside_and_everything_outside() -> None:
    original = torch.nn.init.normal_
    with meta.without_initialising():
        weight = torch.nn.Linear(2, 2).weight
        assert torch.nn.init.constant_(weight, 7) is weight
        assert not (weight == 7).any()
    with pytest.raises(ZeroDivisionError), meta.without_initialising():
        _ = 1 / 0
    assert torch.nn.init.normal_ is original


def test_building_ends_when_its_time_is_up() -> None:
    target, keywords = tiny("llama")
    with pytest.raises(ConfigError, match="more than 0 s"):
        instances.instance(target, keywords, seconds=0)
    # The hooks are gone again.
    time.sleep(0.01)
    assert instances.instance(target, keywords).count


def test_a_class_that_rejects_its_configuration_says_so_in_one_line() -> None:
    target, keywords = tiny("bert")
    with pytest.raises(ConfigError, match="BertForMaskedLM rejects the configuration: The hidden size") as error:
        instances.instance(target, {**keywords, "num_attention_heads": 3})
    assert "\n" not in str(error.value)


def test_a_class_that_needs_packages_names_them() -> None:
    error = ImportError("\nX requires the timm library but it was not found.\nX requires the PIL library but\n")
    assert str(instances.lacking("X", error)) == "X needs timm, pillow; expected it installed; install timm, pillow"
    assert isinstance(instances.lacking("X", ImportError()), UnavailableError)
