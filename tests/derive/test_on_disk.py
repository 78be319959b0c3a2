"""What transformers writes and reads, held against `save_pretrained` and `from_pretrained` themselves."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from hub import shapes as hub_shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from verify.derive import on_disk
from verify.derive.on_disk import rules as on_disk_rules
from verify.derive.on_disk.names import MOST_SORTS, rename_all
from verify.derive.on_disk.steps import lines
from verify.errors import FormatError, UnavailableError
from verify.triangulate import Line, Step

Shapes = dict[str, tuple[int, ...]]


def _bases() -> dict[str, dict[str, object]]:
    """The tiny configurations of every family that transformers implements."""
    spec = spec_from_file_location("cases_of_families", Path(__file__).parents[1] / "architectures" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    bases: dict[str, dict[str, object]] = module.BUILT
    return bases


BASES = _bases()


class Saved(NamedTuple):
    """A model that `save_pretrained` wrote, and the same on the meta device."""

    folder: Path
    model_class: Any
    meta: Any
    tensors: dict[str, torch.Tensor]

    @property
    def shapes(self) -> Shapes:
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def build(name: str, *, device: str = "meta", **changes: object) -> Any:
    values = {**BASES[name], **changes}
    named = values["architectures"]
    assert isinstance(named, list)
    settings_of = transformers.CONFIG_MAPPING[str(values["model_type"])].from_dict(dict(values))
    with torch.device(device):
        return getattr(transformers, str(named[0]))._from_config(settings_of)


@pytest.fixture(scope="module", params=list(BASES))
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("saved")
    real = build(request.param, device="cpu")
    real.save_pretrained(folder)
    return Saved(folder, type(real), build(request.param), load_file(folder / "model.safetensors"))


def difference(shapes: Shapes, loaded: on_disk.Loaded) -> int:
    """Elements of the file minus those of the implementation, each parameter once."""
    own = [shape for name, shape in loaded.state.items() if name not in loaded.copies]
    return sum(map(prod, shapes.values())) - sum(map(prod, own))


def reported(loaded: on_disk.Loaded) -> dict[str, set[str]]:
    """What `from_pretrained(output_loading_info=True)` would tell."""
    return {
        "missing_keys": set(loaded.missing) - loaded.optional,
        "unexpected_keys": {each.sought for each in loaded.unused if not each.rule and not each.instead},
        "mismatched_keys": set(loaded.mismatched),
    }


def really(saved: Saved, tensors: dict[str, torch.Tensor], folder: Path) -> dict[str, set[str]]:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_bytes((saved.folder / "config.json").read_bytes())
    _, told = saved.model_class.from_pretrained(folder, output_loading_info=True, ignore_mismatched_sizes=True)
    found = {key: told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    return {key: {name[0] if isinstance(name, tuple) else name for name in names} for key, names in found.items()}


def by_step(found: tuple[Line, ...]) -> dict[Step, Line]:
    assert len({line.step for line in found}) == len(found)
    return {line.step: line for line in found}


def test_the_layout_is_what_save_pretrained_writes(saved: Saved) -> None:
    assert on_disk.layout(saved.meta) == saved.shapes


def test_what_was_saved_is_used_to_the_last_tensor(saved: Saved) -> None:
    loaded = on_disk.implementation(saved.meta, saved.shapes)
    assert sorted(name for route in loaded.routes for name in route.stored) == sorted(saved.tensors)
    assert (loaded.unused, loaded.failed, loaded.missing, dict(loaded.mismatched)) == ((), (), (), {})
    assert all(line.explained for line in lines(loaded, saved.shapes))
    assert sum(line.difference for line in lines(loaded, saved.shapes)) == difference(saved.shapes, loaded) == 0


#: Families of which each is stored in a way of its own; all were tried once, and told the same.
SAMPLE = [
    "bert", "deepseek_v3", "gpt2", "gpt_oss", "jamba", "llama4", "llava", "mbart", "mixtral", "phimoe", "qwen2_vl",
    "qwen3_moe", "t5", "whisper",
]  # fmt: skip


@pytest.mark.parametrize("saved", SAMPLE, indirect=True)
def test_a_damaged_file_is_reported_as_from_pretrained_reports_it(saved: Saved, tmp_path: Path) -> None:
    """One tensor less, one that nobody asked for, one too wide, and what classes ignore."""
    tensors = dict(saved.tensors)
    # Not an expert: a layer of which one is missing raises, which has a test of its own.
    names = [name for name in sorted(tensors) if "experts" not in name and tensors[name].dim()]
    del tensors[names[0]]
    tensors["strange." + names[-1]] = tensors.pop(names[-1])
    wide = tensors[names[len(names) // 2]]
    tensors[names[len(names) // 2]] = torch.zeros((*wide.shape[:-1], wide.shape[-1] + 2))
    for name in ("mtp.fc.weight", "model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.61.eh_proj.weight"):
        tensors[name] = torch.zeros(2)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    loaded = on_disk.implementation(saved.meta, shapes)
    if loaded.failed:  # a projection that is cut from a wider one
        with pytest.raises(RuntimeError, match="conversion"):
            really(saved, tensors, tmp_path)
    else:
        assert reported(loaded) == really(saved, tensors, tmp_path)
    assert sum(line.difference for line in lines(loaded, shapes)) == difference(shapes, loaded)


def test_the_layout_of_variants_is_what_save_pretrained_writes(tmp_path: Path) -> None:
    for number, (name, tied) in enumerate((name, tied) for name in ("llama", "gpt2", "t5", "bert") for tied in (0, 1)):
        folder = tmp_path / str(number)
        build(name, device="cpu", tie_word_embeddings=bool(tied)).save_pretrained(folder)
        written = {key: tuple(value.shape) for key, value in load_file(folder / "model.safetensors").items()}
        assert on_disk.layout(build(name, tie_word_embeddings=bool(tied))) == written


@pytest.fixture(scope="module")
def deepseek() -> Any:
    values = {key: value for key, value in hub_shapes.DEEPSEEK_V3.items() if key != "quantization_config"}
    with torch.device("meta"):
        return transformers.DeepseekV3ForCausalLM(transformers.DeepseekV3Config(**values))


@pytest.fixture(
    scope="module",
    params=["mixtral", "qwen2_vl", "jamba", "gpt2", "llava", "deepseek_v3", "whisper", "phimoe"],
)
def rules(request: pytest.FixtureRequest) -> on_disk_rules.Rules:
    return on_disk_rules.loading(build(request.param))


class TestDeepSeekV3:
    """At full size: 91,991 stored tensors, 61 layers, of which 58 have 256 experts, and one more for training."""

    def test_the_layout_is_what_transformers_itself_reverts_to(self, deepseek: Any) -> None:
        from transformers.core_model_loading import revert_weight_conversion

        written = {
            name: tuple(each.shape) for name, each in revert_weight_conversion(deepseek, deepseek.state_dict()).items()
        }
        assert on_disk.layout(deepseek) == written
        assert len(written) == 58 * 256 * 3 + 851

    def test_the_published_file(self, deepseek: Any) -> None:
        stored = {each.name: each.shape for each in hub_shapes.deepseek(hub_shapes.DEEPSEEK_V3)}
        assert len(stored) == 91_991
        logical = {name: shape for name, shape in stored.items() if not name.endswith("weight_scale_inv")}
        loaded = on_disk.implementation(deepseek, logical)
        found = lines(loaded, logical)
        gate_up, down = 58 * 256 * 2 * 2048 * 7168, 58 * 256 * 2048 * 7168
        assert [(line.step, line.tensors, line.elements) for line in found if line.step is Step.MERGED] == [
            (Step.MERGED, 58 * 256, down),
            (Step.MERGED, 58 * 256 * 2, gate_up),
        ]
        (ignored,) = (line for line in found if line.step is Step.IGNORED)
        # A sparse layer: 256 + 1 experts of three, 5 matrices of attention, 4 norms, a router of two; and its own 6.
        assert ignored.tensors == 257 * 3 + 5 + 4 + 2 + 6
        assert ignored.difference == 13_463_426_304
        assert "model.layers.61 is beyond the last, 60" in ignored.why
        assert {line.step for line in found} == {Step.IGNORED, Step.MERGED, Step.TAKEN}
        scales = on_disk.implementation(deepseek, stored).unused
        assert sum(each.stored.endswith("weight_scale_inv") for each in scales) == 91_991 - len(logical)


class TestNames:
    """Renaming by sorts gives what renaming each name gives."""

    PIECES = st.sampled_from(
        ["model", "layers", "experts", "mlp", "0", "1", "2", "10", "07", "61", "gate_proj", "w1", "fc1", "weight", ""]
    )

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.lists(PIECES, min_size=1, max_size=7).map(".".join), min_size=4, max_size=40, unique=True))
    def test_by_sorts_and_by_name(self, rules: on_disk_rules.Rules, names: list[str]) -> None:
        for rule in (rules.rename, rules.convert):
            assert rename_all(names, rule, rules.numbers) == {name: rule(name) for name in names}

    def test_a_rule_that_counts_is_asked_for_each(self) -> None:
        def shifted(name: str) -> tuple[str, str | None]:
            head, number = name.split(".")
            return f"{head}.{int(number) + 1}", None

        names = [f"layers.{number}" for number in range(9)]
        assert rename_all(names, shifted, frozenset()) == {name: shifted(name) for name in names}

    def test_a_number_that_a_rule_speaks_of_is_no_layer(self) -> None:
        def first(name: str) -> tuple[str, str | None]:
            return name.replace("mlp.4.", "fc."), "mlp.4." if "mlp.4." in name else None

        names = [f"mlp.{number}.weight" for number in range(9)]
        assert rename_all(names, first, frozenset({"4"}))["mlp.4.weight"] == ("fc.weight", "mlp.4.")
        assert rename_all(names, first, frozenset({"4"}))["mlp.5.weight"] == ("mlp.5.weight", None)


class TestTies:
    """Tied parameters are one, whichever of their names is stored."""

    def test_a_stored_copy(self) -> None:
        model = build("gpt2", tie_word_embeddings=True)
        shapes = on_disk.layout(model)
        head = shapes["transformer.wte.weight"]
        found = by_step(
            lines(on_disk.implementation(model, {**shapes, "lm_head.weight": head}), {**shapes, "lm_head.weight": head})
        )
        assert (found[Step.COPY].tensors, found[Step.COPY].difference) == (1, prod(head))
        assert "transformer.wte.weight" in found[Step.COPY].why

    def test_only_the_copy_is_stored(self) -> None:
        model = build("gpt2", tie_word_embeddings=True)
        shapes = on_disk.layout(model)
        shapes["lm_head.weight"] = shapes.pop("transformer.wte.weight")
        loaded = on_disk.implementation(model, shapes)
        assert (loaded.missing, difference(shapes, loaded)) == ((), 0)
        assert by_step(lines(loaded, shapes))[Step.TIED].why == "transformer.wte.weight = lm_head.weight"

    def test_neither_is_stored(self) -> None:
        model = build("gpt2", tie_word_embeddings=True)
        shapes = on_disk.layout(model)
        gone = prod(shapes.pop("transformer.wte.weight"))
        loaded = on_disk.implementation(model, shapes)
        assert set(loaded.missing) == {"transformer.wte.weight", "lm_head.weight"}
        missing = by_step(lines(loaded, shapes))[Step.MISSING]
        assert (missing.tensors, missing.difference) == (1, -gone)

    def test_three_that_are_one(self) -> None:
        model = build("t5", tie_word_embeddings=True)
        shapes = on_disk.layout(model)
        shared = shapes.pop("shared.weight")
        shapes["decoder.embed_tokens.weight"] = shared
        loaded = on_disk.implementation(model, shapes)
        assert (loaded.missing, difference(shapes, loaded)) == ((), 0)
        assert sum(line.difference for line in lines(loaded, shapes)) == 0


def test_old_names_and_buffers_of_gpt2() -> None:
    """The repository gpt2 has no prefix, and stores the causal mask."""
    model = build("gpt2")
    shapes = {name.removeprefix("transformer."): shape for name, shape in on_disk.layout(model).items()}
    shapes |= {"h.0.attn.bias": (1, 1, 7, 7), "h.1.attn.bias": (1, 1, 7, 7)}
    found = by_step(lines(on_disk.implementation(model, shapes), shapes))
    assert found[Step.RENAMED].why == "with transformer"
    assert (found[Step.IGNORED].tensors, found[Step.IGNORED].difference) == (2, 2 * 49)
    assert "attn.bias" in found[Step.IGNORED].why


def test_old_names_of_norms_in_bert() -> None:
    model = build("bert")
    renamed = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    shapes = {
        re.sub("LayerNorm.(weight|bias)", lambda m: renamed[m[0]], n): s for n, s in on_disk.layout(model).items()
    }
    loaded = on_disk.implementation(model, shapes)
    assert (loaded.missing, loaded.unused) == ((), ())
    assert {line.why for line in lines(loaded, shapes) if line.step is Step.RENAMED} == {
        "gamma is weight",
        "beta is bias",
    }


class TestExperts:
    """Experts are one parameter of a layer, and stored one by one."""

    @pytest.fixture
    def model(self) -> Any:
        return build("mixtral")

    def test_one_that_is_missing_makes_its_layer_fail(self, model: Any) -> None:
        shapes = on_disk.layout(model)
        gone = [name for name in shapes if ".experts.1." in name and "layers.0." in name and name.endswith("w1.weight")]
        size = prod(shapes.pop(gone[0]))
        loaded = on_disk.implementation(model, shapes)
        (failure,) = loaded.failed
        assert failure.parameter == "model.layers.0.mlp.experts.gate_up_proj"
        assert sum(line.difference for line in lines(loaded, shapes)) == difference(shapes, loaded) == -size

    def test_one_that_is_missing_in_all_is_another_shape(self, model: Any) -> None:
        shapes = {name: shape for name, shape in on_disk.layout(model).items() if ".experts.1." not in name}
        loaded = on_disk.implementation(model, shapes)
        fewer = {found[0] - expected[0] for found, expected in loaded.mismatched.values()}
        assert (fewer, loaded.failed) == ({-1}, ())
        assert sum(line.difference for line in lines(loaded, shapes)) == difference(shapes, loaded) < 0

    def test_sizes_that_only_their_number_is_known_of(self, model: Any) -> None:
        whole = on_disk.layout(model)
        flat = {name: (prod(shape),) if "experts" in name else shape for name, shape in whole.items()}
        names = [name for name in flat if "experts" in name]
        assert on_disk.implementation(model, flat, names).mismatched == {}
        short = {**flat, names[0]: (prod(whole[names[0]]) - 1,)}
        assert on_disk.implementation(model, short, names).failed


class TestRefused:
    """What is not known is said in one line, and no number is made up."""

    def test_another_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = build("llama")
        for version in ("5.24.0", "5.2.3", "4.57.1"):
            # Not the module imported above: the first class that is loaded puts another one in its place.
            monkeypatch.setattr(sys.modules["transformers"], "__version__", version)
            for ask in (lambda: on_disk.layout(model), lambda: on_disk.implementation(model, {})):
                with pytest.raises(UnavailableError, match=rf"transformers {version} .*expected transformers 5\.23"):
                    ask()

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["w" * 251], "a name of 251 characters; expected at most 250"),
            ([f"w{number}" for number in range(MOST_SORTS + 1)], "5,001 stored names that are not alike"),
            (["model.layers.²"], "cannot say how LlamaForCausalLM is stored"),
            ([f"model.{'9' * 5000}"], "cannot say how LlamaForCausalLM is stored"),
        ],
    )
    def test_names_that_no_checkpoint_has(self, names: list[str], message: str) -> None:
        with pytest.raises(FormatError, match=message):
            on_disk.implementation(build("llama"), dict.fromkeys(names, (2,)))

    def test_sizes_that_no_tensor_has(self) -> None:
        model = build("mixtral")
        shapes = {name: (2**62, 2**62) if "experts" in name else shape for name, shape in on_disk.layout(model).items()}
        loaded = on_disk.implementation(model, shapes)
        assert len(loaded.failed) == len({each.parameter for each in loaded.failed}) > 0
        assert sum(line.difference for line in lines(loaded, shapes)) == difference(shapes, loaded)

    def test_two_that_become_one(self) -> None:
        model = build("bert")
        shapes = on_disk.layout(model)
        old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): shape for name, shape in shapes.items()}
        both = {**shapes, **old}
        loaded = on_disk.implementation(model, both)
        (twice,) = (line for line in lines(loaded, both) if line.step is Step.SHADOWED)
        assert twice.tensors == len(both) - len(shapes)
        assert not twice.explained
        assert sum(line.difference for line in lines(loaded, both)) == difference(both, loaded) > 0

    def test_an_operation_that_fails_is_no_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from transformers.core_model_loading import MergeModulelist, SplitModulelist

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("two\nlines")

        model = build("mixtral")
        shapes = on_disk.layout(model)
        monkeypatch.setattr(SplitModulelist, "convert", broken)
        with pytest.raises(FormatError, match=r"MixtralForCausalLM is stored: two lines$"):
            on_disk.layout(model)
        monkeypatch.setattr(MergeModulelist, "convert", broken)
        assert {each.reason for each in on_disk.implementation(model, shapes).failed} == {"two lines"}


def test_transformers_is_silent_during_it_and_speaks_as_before_after(capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity()
    model = build("qwen2_vl")
    on_disk.implementation(model, on_disk.layout(model))
    assert logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")
