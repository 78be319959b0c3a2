"""Configurations taken apart and built again."""

from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as some

from verify.derive.building import configurations
from verify.derive.building.configurations import CLASS
from verify.derive.building.defaults import DEFAULTS
from verify.errors import ConfigError
from verify.evidence.meta import silence

TYPES = ("llama", "gemma2", "jamba", "deepseek_v3", "t5", "bert", "clip", "llava", "gpt_neo", "swin", "mllama")


@pytest.mark.parametrize("model_type", TYPES)
def test_what_is_taken_apart_builds_the_same_configuration(model_type: str) -> None:
    config_class = transformers.CONFIG_MAPPING[model_type]
    keywords = configurations.keywords(config_class)
    built = configurations.build(config_class, keywords)
    assert built.to_dict() == config_class().to_dict()
    assert configurations.resolved(built, keywords) == keywords


def test_a_field_that_the_class_fills_in_has_the_value_it_got() -> None:
    flat = configurations.flatten(configurations.keywords(transformers.LlamaConfig))
    assert (flat["head_dim"], flat["num_key_value_heads"]) == (128, 32)
    sliding = configurations.flatten(configurations.keywords(transformers.Gemma2Config))
    assert sliding["layer_types"][:2] == ("sliding_attention", "full_attention")
    assert sliding["layer_types[1]"] == "full_attention"
    assert len(sliding["layer_types"]) == sliding["num_hidden_layers"]


def test_parts_are_nested_and_name_their_class() -> None:
    keywords = configurations.keywords(transformers.LlavaConfig)
    assert keywords["text_config"][CLASS] == "LlamaConfig"
    assert keywords["vision_config"][CLASS] == "CLIPVisionConfig"
    flat = configurations.flatten(keywords)
    assert flat["text_config.hidden_size"] == transformers.LlamaConfig().hidden_size
    assert not any(CLASS in path for path in flat)
    assert [prefix for prefix, _ in configurations.sections(keywords)] == ["", "vision_config.", "text_config."]


def test_a_given_config_is_kept_but_for_what_runs_code_or_packs_weights() -> None:
    config = {
        "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
        "rope_parameters": {"rope_type": "linear", "rope_theta": 5.0, "factor": 2.0}, "of_their_own": 5,
        "auto_map": {"AutoConfig": "evil.Config"}, "quantization_config": {"quant_method": "fp8"},
        "_attn_implementation": "someone/kernel", "torch_dtype": "float16",
    }  # fmt: skip
    keywords = configurations.keywords(transformers.LlamaConfig, config)
    assert keywords["head_dim"] == 16
    assert keywords["of_their_own"] == 5
    assert keywords["rope_parameters"]["factor"] == 2.0
    assert not {"auto_map", "quantization_config", "_attn_implementation", "dtype"} & set(keywords)
    assert configurations.build(transformers.LlamaConfig, keywords).rope_parameters["rope_type"] == "linear"


def test_symbolic_values_stay_what_they_are() -> None:
    class Symbolic(int):
        """An int with an expression."""

    size, layers = Symbolic(64), Symbolic(2)
    built = configurations.build(
        transformers.LlamaConfig, {"hidden_size": size, "num_attention_heads": 4, "num_hidden_layers": layers}
    )
    assert built.hidden_size is size
    assert built.num_hidden_layers is layers
    assert configurations.copied({"sizes": [size]})["sizes"][0] is size


@pytest.mark.parametrize(
    "config",
    [
        {"hidden_size": 65, "num_attention_heads": 4},
        {"hidden_size": "wide"},
        {"layer_types": ["sliding_attention"], "num_hidden_layers": 2, "num_attention_heads": 0},
    ],
)
def test_a_config_that_the_class_rejects(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        configurations.keywords(transformers.LlamaConfig, config)
    assert "\n" not in str(error.value)


def test_a_part_that_is_no_configuration_class() -> None:
    with pytest.raises(ConfigError, match="Nothing is no configuration class"):
        configurations.build(transformers.LlavaConfig, {"text_config": {CLASS: "Nothing"}})


@pytest.mark.parametrize("model_type", sorted(set(DEFAULTS) - {"rag"}))
def test_what_a_class_needs_beside_its_defaults_is_enough(model_type: str) -> None:
    config_class = transformers.CONFIG_MAPPING[model_type]
    with silence():
        keywords = configurations.keywords(config_class)
        configurations.build(config_class, keywords)
    assert keywords


NAMES = some.sampled_from(("hidden_size", "depths", "layer_types", "vision_config"))
LEAVES = some.one_of(some.integers(), some.booleans(), some.text(max_size=3), some.none())
LISTS = some.lists(some.one_of(LEAVES, some.lists(LEAVES, max_size=2)), max_size=3)
SECTIONS = some.dictionaries(NAMES, some.one_of(LEAVES, LISTS), max_size=4)


@settings(max_examples=50)
@given(SECTIONS)
def test_every_path_reads_the_value_that_was_assigned_to_it(section: dict[str, Any]) -> None:
    """Law: assigning a value to any path of keywords changes that path to that value, and the original not at all."""
    keywords = {"text_config": {CLASS: "X"} | section}
    before = configurations.flatten(keywords)
    for path, value in before.items():
        if isinstance(value, tuple) or path == "text_config":
            continue
        changed = configurations.copied(keywords)
        configurations.assign(changed, path, "new")
        after = configurations.flatten(changed)
        assert after[path] == "new"
        assert {at for at in before if before[at] != after[at]} <= {path, *_lists(path)}
    assert configurations.flatten(keywords) == before


def _lists(path: str) -> set[str]:
    """The lists that an entry is in: `a` and `a[1]` for `a[1][0]`."""
    parts = path.split("[")
    return {"[".join(parts[:end]) for end in range(1, len(parts))}
