"""fp8 scales: one per block of each quantised weight, as transformers allocates them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import architectures
from verify.architectures._blocks import buffer, linear, norm
from verify.architectures._quantization import fp8_scales
from verify.config import Config
from verify.errors import ConfigError
from verify.evidence import recorded
from verify.formula import Layers, Term
from verify.roles import Cause, Kind
from verify.symbols import Size

FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}

#: DeepSeek-V3 (its config.json): hidden 7168, 128 heads of 128 + 64, ranks 1536 and 512, experts of 2048.
ATTENTION = {"q_a": (1536, 7168), "q_b": (24576, 1536), "kv_a": (576, 7168), "kv_b": (32768, 512), "o": (7168, 16384)}


def config(**changes: object) -> Config:
    return Config({"quantization_config": {**FP8, **changes}})


def weight(name: str, out: int, into: int, layers: int = 1, copies: int = 1) -> tuple[Term, ...]:
    return linear(name, Size.of(out), Size.of(into), Layers.every(Size.of(layers)), copies=Size.of(copies))


class TestCounts:
    """How many scales, by arithmetic over the shapes of real models."""

    def test_attention_of_deepseek_v3(self) -> None:
        # In blocks of 128: 12 x 56, 192 x 12, 5 x 56 (576 / 128 = 4.5), 256 x 4, 56 x 128.
        terms = [term for part, shape in ATTENTION.items() for term in weight(f"attention.{part}", *shape)]
        (extra,) = fp8_scales(config(), terms)
        assert extra.count == 672 + 2_304 + 280 + 1_024 + 7_168 == 11_448

    def test_experts_of_deepseek_v3(self) -> None:
        # 256 experts of three weights of 16 x 56 blocks, in 58 layers.
        terms = (
            *weight("experts.gate", 2048, 7168, 58, 256),
            *weight("experts.up", 2048, 7168, 58, 256),
            *weight("experts.down", 7168, 2048, 58, 256),
        )
        (extra,) = fp8_scales(config(), terms)
        assert extra.count == 58 * 256 * 3 * 16 * 56
        assert {term.copies.value for term in extra.terms} == {256}
        assert {term.indices for term in extra.terms} == {tuple(range(58))}

    def test_deepseek_v3_in_all(self) -> None:
        values = recorded.read("deepseek-ai/DeepSeek-V3").config
        formula = architectures.predict(architectures.find("deepseek_v3"), Config(values))
        counts = [extra.count for extra in formula.extras if extra.cause is Cause.SCALES]
        # A dense layer has 3 x 144 x 56 blocks in its MLP, a sparse one 257 experts of 3 x 16 x 56.
        dense, sparse = 11_448 + 24_192, 11_448 + 257 * 2_688
        assert sparse == 702_264
        assert counts == [3 * dense + 58 * sparse, sparse]
        assert sum(counts) == 41_540_496

    def test_qwen3_8b_in_all(self) -> None:
        values = recorded.read("Qwen/Qwen3-8B-FP8").config
        formula = architectures.predict(architectures.find("qwen3"), Config(values))
        # hidden 4096, 32 query and 8 key/value heads of 128, inner 12288: blocks of 32, 8 and 96.
        layer = 32 * 32 + 2 * 8 * 32 + 32 * 32 + 3 * 96 * 32
        assert [e.count for e in formula.extras if e.cause is Cause.SCALES] == [36 * layer] == [423_936]


class TestWhich:
    """Which tensors have scales."""

    def test_only_matrices_of_attention_mlp_and_experts_have_scales(self) -> None:
        size = Size.of(256)
        terms = (
            *linear("embedding.tokens", size, size),
            *linear("router.gate", size, size),
            *linear("head.lm_head", size, size),
            *linear("other.mtp_projection", size, size),
            *norm("input", size),
            buffer("attention.mask", size, size),
            *linear("attention.q", size, size, bias=True),
        )
        (extra,) = fp8_scales(config(), terms)
        assert [(str(term.slot), term.shape) for term in extra.terms] == [("attention.q.weight_scale_inv", (2, 2))]
        assert extra.terms[0].slot.kind is Kind.BOOKKEEPING

    @pytest.mark.parametrize("values", [{}, {"quantization_config": {"quant_method": "gptq", "bits": 4}}])
    def test_other_checkpoints_have_none(self, values: dict[str, object]) -> None:
        assert fp8_scales(Config(values), weight("mlp.up", 256, 256)) == ()

    def test_nothing_to_quantise_is_no_group(self) -> None:
        assert fp8_scales(config(), norm("input", Size.of(8))) == ()

    def test_the_keys_of_the_scheme_count_as_read(self) -> None:
        values = config()
        fp8_scales(values, weight("mlp.up", 256, 256))
        assert values.unread() == ()

    def test_layers_left_out_by_name_are_reported_as_unread(self) -> None:
        values = config(modules_to_not_convert=["lm_head"])
        fp8_scales(values, weight("mlp.up", 256, 256))
        assert values.unread() == ("quantization_config.modules_to_not_convert",)


class TestRefused:
    """Schemes whose scales are not known."""

    @pytest.mark.parametrize("block", [[128], [0, 128], [128, 1.5], [True, 128], [128, 128, 128]])
    def test_blocks_that_are_no_two_whole_numbers(self, block: list[object]) -> None:
        with pytest.raises(ConfigError, match="weight_block_size"):
            fp8_scales(config(weight_block_size=block), weight("mlp.up", 256, 256))

    def test_static_activations(self) -> None:
        with pytest.raises(ConfigError, match="activation_scheme is 'static'"):
            fp8_scales(config(activation_scheme="static"), weight("mlp.up", 256, 256))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([(128, 128), (64, 32), (1, 128)]))
def test_shapes_are_those_of_transformers(out: int, into: int, block: tuple[int, int]) -> None:
    """Law: each scale has the shape that `FP8Linear` allocates, whatever divides what."""
    import torch
    from transformers.integrations.finegrained_fp8 import FP8Linear

    with torch.device("meta"):
        oracle = FP8Linear(into, out, block_size=block)
    (extra,) = fp8_scales(config(weight_block_size=list(block)), weight("mlp.up", out, into))
    assert extra.terms[0].shape == tuple(oracle.weight_scale_inv.shape)
