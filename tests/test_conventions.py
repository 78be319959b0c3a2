"""The same model counted as papers count it."""

from verify import architectures
from verify.config import Config
from verify.conventions import CONVENTIONS, counts
from verify.formula import Formula

#: Mixtral-8x7B (arXiv:2401.04088, table 1).
MIXTRAL = {
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
GPT2 = {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}


def formula(values: dict[str, object]) -> Formula:
    return architectures.find(str(values["model_type"])).formula(Config(values))


def test_active_parameters_leave_out_the_experts_that_a_token_does_not_use() -> None:
    found = counts(formula(MIXTRAL))
    assert found["all"] - found["active"] == 32 * 6 * 3 * 4096 * 14336
    assert round(found["active"] / 10**9) == 13  # "13B active parameters", section 2.1


def test_without_embeddings_leaves_out_both_matrices() -> None:
    found = counts(formula(MIXTRAL))
    assert found["all"] - found["without_embeddings"] == 2 * 32000 * 4096


def test_a_tied_matrix_and_learned_positions_are_left_out_once() -> None:
    found = counts(formula(GPT2))
    assert found["all"] - found["without_embeddings"] == 50257 * 768
    assert found["without_embeddings"] - found["without_embeddings_and_positions"] == 1024 * 768
    assert found["active"] == found["all"] == 124_439_808


def test_every_convention_says_where_it_comes_from() -> None:
    assert all("arXiv:" in each.statement for each in CONVENTIONS if each.name != "all")
