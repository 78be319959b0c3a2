"""A config remembers what was read and refuses what is impossible."""

import pytest

from verify.config import Config
from verify.errors import ConfigError


def test_unread_keys_are_those_nobody_asked_for() -> None:
    config = Config({"hidden_size": 8, "num_experts": 4, "dropout": 0.1, "text_config": {"vocab_size": 5, "depth": 2}})
    config.integer("hidden_size")
    config.section("text_config").integer("vocab_size")
    assert config.unread() == ("num_experts", "text_config.depth")


def test_an_unread_section_is_one_unread_key() -> None:
    assert Config({"vision_config": {"depth": 2}}).unread() == ("vision_config",)


def test_other_spellings_count_as_the_same_key() -> None:
    config = Config({"n_embd": 8})
    assert config.integer("hidden_size", "n_embd") == 8
    assert config.unread() == ()


def test_two_spellings_that_disagree_are_refused() -> None:
    with pytest.raises(ConfigError, match="hidden_size is 8 and n_embd is 9"):
        Config({"hidden_size": 8, "n_embd": 9}).integer("hidden_size", "n_embd")


@pytest.mark.parametrize("value", [0, -1, 1.5, 8.0, True, "8", [8], {}])
def test_a_size_must_be_a_positive_whole_number(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        Config({"hidden_size": value}).integer("hidden_size")
    assert "hidden_size" in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_size_beyond_any_file_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"hidden_size has 1329 bits; expected at most 2\^63 - 1"):
        Config({"hidden_size": 10**400}).integer("hidden_size")


def test_a_missing_key_is_named_with_its_section() -> None:
    with pytest.raises(ConfigError, match=r"text_config\.vocab_size is missing"):
        Config({"text_config": {}}).section("text_config").integer("vocab_size")


def test_null_is_missing() -> None:
    assert Config({"head_dim": None}).integer("head_dim", default=5) == 5


@pytest.mark.parametrize(
    ("read", "value"), [("flag", 1), ("text", 1), ("number", True), ("number", "1"), ("items", "ab")]
)
def test_wrong_types_are_refused(read: str, value: object) -> None:
    config = Config({"key": value})
    arguments = {"default": False} if read == "flag" else {}
    with pytest.raises(ConfigError, match="key is"):
        getattr(config, read)("key", **arguments)


def test_a_section_must_be_an_object() -> None:
    with pytest.raises(ConfigError, match="text_config is 3"):
        Config({"text_config": 3}).section("text_config")
