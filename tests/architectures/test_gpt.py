"""What decoders in the line of GPT have beside their parameters, and configs of theirs that cannot be."""

import pytest

from verify import architectures
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula
from verify.roles import Cause

Values = dict[str, object]

TINY: dict[str, Values] = {
    "gpt_neox": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37},
    "falcon": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4},
    "bloom": {"hidden_size": 24, "n_layer": 2, "n_head": 4},
    "opt": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 37},
    "gpt_neo": {"hidden_size": 24, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 31},
    "gpt_bigcode": {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 31},
    "mpt": {"d_model": 24, "n_layers": 2, "n_heads": 4},
    "phi": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37},
}


def _formula(model_type: str, changes: Values) -> Formula:
    values = {"model_type": model_type, "vocab_size": 97, **TINY.get(model_type, {}), **changes}
    return architectures.find(model_type).formula(Config(values))


@pytest.mark.parametrize(
    ("model_type", "changes", "message"),
    [
        ("gpt_neox", {"num_attention_heads": 5}, "hidden_size 24 is not divisible by num_attention_heads 5"),
        ("gpt_neox", {"rotary_pct": "a quarter"}, "rotary_pct is 'a quarter'"),
        ("gpt_neox", {"rotary_pct": 1.5}, "rotary_pct is 1.5; expected a share of at most 1"),
        ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 3}, "num_kv_heads 3 does not divide"),
        ("falcon", {"n_head": 2}, "num_attention_heads is 4 and n_head is 2"),
        ("bloom", {"n_embed": 25}, "hidden_size is 24 and n_embed is 25"),
        ("opt", {"ffn_dim": None}, "ffn_dim is missing"),
        ("gpt_neo", {}, "attention_types describes 24 layers and num_hidden_layers is 2"),
        ("gpt_neo", {"attention_types": [[["global", "sparse"], 1]]}, "attention_types holds"),
        ("gpt_neo", {"attention_types": [["global", "local"]]}, "attention_types holds"),
        ("gpt_neo", {"attention_types": [[["global"], -1]]}, "attention_types holds"),
        ("gpt_neo", {"attention_types": [[["global"], 10**12]]}, "attention_types describes 1000000000000 layers"),
        ("gpt_neo", {"attention_types": 2}, "attention_types is 2"),
        ("gpt_bigcode", {"add_cross_attention": True}, "add_cross_attention and multi_query are true"),
        ("mpt", {"expansion_ratio": 3}, "expansion_ratio is 3; expected 4"),
        ("mpt", {"no_bias": False}, "no_bias is False"),
        ("mpt", {"attn_config": {"attn_type": "grouped_query_attention"}}, "attn_config.attn_type is"),
        ("mpt", {"attn_config": {"qk_ln": True}}, "attn_config.qk_ln is True"),
        ("mpt", {"attn_config": {"alibi": False}}, "attn_config.alibi is False"),
        ("phi", {"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(model_type: str, changes: Values, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _formula(model_type, changes)
    assert "\n" not in str(caught.value)


def test_gpt_neox_20b_stored_masks_and_frequencies() -> None:
    """20,739,117,584 elements on the Hub: 44 x (2048^2 + 12) more than parameters."""
    values: Values = {"hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44, "vocab_size": 50432}
    formula = _formula("gpt_neox", {**values, "num_attention_heads": 64, "max_position_embeddings": 2048})
    stored = {str(extra.terms[0].slot): extra.count for extra in formula.extras if extra.cause is Cause.STORED_BUFFER}
    assert stored == {
        "attention.mask": 44 * 2048**2,
        "attention.mask_value": 44,
        "position.inv_freq": 44 * 12,
    }
    assert formula.count() + 44 * (2048**2 + 12) == 20_739_117_584


@pytest.mark.parametrize(
    ("changes", "frequencies"),
    [
        ({}, 1),  # int(6 * 0.25) axes, one frequency for two
        ({"rotary_pct": 0.5}, 2),
        ({"partial_rotary_factor": 1.0}, 3),
        ({"rope_parameters": {"partial_rotary_factor": 1.0, "rope_theta": 10000, "rope_type": "default"}}, 3),
    ],
)
def test_the_share_of_rotated_axes_is_read_wherever_it_stands(changes: Values, frequencies: int) -> None:
    formula = _formula("gpt_neox", changes)
    terms = [term for extra in formula.extras for term in extra.terms if str(term.slot) == "position.inv_freq"]
    assert [term.shape for term in terms] == [(frequencies,)]


def test_gpt_neo_125m_stored_the_masks_of_its_global_layers() -> None:
    """150,364,416 elements on the Hub: 6 x 2048^2 more than parameters, though it has twelve layers."""
    values: Values = {"hidden_size": 768, "num_layers": 12, "num_heads": 12, "vocab_size": 50257}
    types = {"attention_types": [[["global", "local"], 6]], "max_position_embeddings": 2048}
    formula = _formula("gpt_neo", {**values, **types})
    masks = [extra for extra in formula.extras if str(extra.terms[0].slot) == "attention.mask"]
    assert [extra.terms[0].indices for extra in masks] == [(0, 2, 4, 6, 8, 10), (1, 3, 5, 7, 9, 11)]
    assert formula.count() + masks[0].count == 150_364_416


@pytest.mark.parametrize(
    ("changes", "parameters", "stored"),
    [
        ({"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71}, 6_921_720_704, 7_217_189_760),
        (
            {
                "hidden_size": 14848,
                "num_hidden_layers": 80,
                "num_attention_heads": 232,
                "num_kv_heads": 8,
                "new_decoder_architecture": True,
            },
            178_557_088_768,
            179_522_565_120,
        ),
    ],
    ids=["7B", "180B"],
)
def test_falcon_stored_its_tied_head(changes: Values, parameters: int, stored: int) -> None:
    formula = _formula("falcon", {**changes, "vocab_size": 65024})
    copies = [extra for extra in formula.extras if extra.cause is Cause.TIED_HEAD_STORED]
    assert formula.count() == parameters
    assert parameters + sum(extra.count for extra in copies) == stored
