"""A model without a family file is checked against what its code says, as files of `save_pretrained` have it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from verify import architectures
from verify.cli import main
from verify.derive import library
from verify.derive.building import classes, configurations
from verify.derive.confirming import confirm
from verify.derive.formulas.formula import Confirmation, Derived
from verify.errors import VerifyError
from verify.evidence.meta import silence
from verify.pipeline import check
from verify.roles import Cause
from verify.verification import Verdict

DECODER = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip
ENCODER_DECODER = {
    "vocab_size": 96, "d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 40, "max_position_embeddings": 16,
}  # fmt: skip
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
MODELS: dict[str, dict[str, Any]] = {
    # dense
    "arcee": DECODER | {"head_dim": 8},
    # experts: one parameter in the module, many tensors in a file
    "flex_olmo": DECODER | {"num_experts": 3, "pad_token_id": 0, "eos_token_id": 1},
    # an encoder, a decoder, and one embedding for both and for the output
    "mvp": ENCODER_DECODER,
    # images, in stages
    "swin": {"embed_dim": 12, "depths": [1, 2], "num_heads": [1, 2], "image_size": 32, "window_size": 4},
    # two towers
    "siglip": {f"text_config.{key}": value for key, value in TOWER.items()}
    | {f"vision_config.{key}": value for key, value in TOWER.items()}
    | {"text_config.projection_size": 32, "text_config.vocab_size": 64, "vision_config.image_size": 32},
}  # fmt: skip


def saved(model_type: str, folder: Path) -> int:
    """Write a small model of a type; returns the elements of its parameters."""
    target = classes.find(model_type)
    with silence():
        keywords = configurations.keywords(target.config_class)
        for path, value in MODELS[model_type].items():
            configurations.assign(keywords, path, value)
        model = target.model_class(configurations.build(target.config_class, keywords))
        model.save_pretrained(folder)
    return sum(each.numel() for each in model.parameters())


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, int]]:
    """A folder for each of MODELS, and the elements of its parameters."""
    made = {name: tmp_path_factory.mktemp(name) for name in MODELS}
    return {name: (folder, saved(name, folder)) for name, folder in made.items()}


@pytest.mark.parametrize("model_type", MODELS)
def test_what_transformers_saves_is_exact(model_type: str, models: Mapping[str, tuple[Path, int]]) -> None:
    assert model_type not in architectures.known()
    folder, parameters = models[model_type]
    found = check(folder)
    assert found.verdict is Verdict.EXACT
    assert found.expected_parameters == found.measured_parameters == parameters
    assert found.formula == f"derived:{model_type}"
    assert not found.unread
    assert all(pair.agree for pair in found.comparisons)
    assert any("not an independent formula" in note for note in found.notes)
    assert found.triangulation
    assert found.triangulation.loads


def test_experts_are_expected_as_files_have_them(models: Mapping[str, tuple[Path, int]]) -> None:
    found = check(models["flex_olmo"][0])
    gate = next(term for term in found.exact.terms if term.slot.part == "layers.mlp.experts.gate_proj")
    assert [axis.text() for axis in gate.axes] == ["intermediate_size", "hidden_size"]
    assert (gate.copies.text(), gate.shape) == ("num_experts", (48, 32))
    rows = {(row.layer_type, row.layer): row.measured for row in found.rows(layers=True)}
    assert rows[str(gate.slot), 1] == 3 * 48 * 32


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("arcee", "model.layers.1.mlp.up_proj.weight", None), "missing from the checkpoint"),
        (("flex_olmo", "model.layers.0.mlp.experts.2.gate_proj.weight", None), "layers.mlp.experts.gate_proj"),
        (("flex_olmo", "model.layers.1.mlp.experts.0.down_proj.weight", (31, 48)), "layers.mlp.experts.down_proj"),
        (("mvp", "model.decoder.layers.0.fc1.weight", (32, 40)), "decoder.layers.fc1"),
        (("swin", "swin.encoder.layers.1.blocks.1.intermediate.dense.bias", None), "blocks.intermediate.dense.bias"),
        (("siglip", "vision_model.head.probe", (1, 2, 32)), "vision_model.head.probe"),
    ],
)
def test_a_tensor_that_lacks_or_is_otherwise_is_named(
    models: Mapping[str, tuple[Path, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str, tuple[int, ...] | None],
    said: str,
) -> None:
    model_type, name, shape = change
    altered(models[model_type][0], tmp_path, name, shape)
    assert main(["check", str(tmp_path), "--evidence", "header"]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert f"derived:{model_type}" in out


def altered(folder: Path, target: Path, name: str, shape: tuple[int, ...] | None) -> None:
    tensors = load_file(folder / "model.safetensors")
    old = tensors.pop(name)
    if shape:
        tensors[name] = old.new_zeros(shape)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    (target / "config.json").write_text((folder / "config.json").read_text())


def test_the_copy_of_a_tied_tensor_is_explained(models: Mapping[str, tuple[Path, int]], tmp_path: Path) -> None:
    folder, parameters = models["mvp"]
    tensors = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in tensors
    tensors["lm_head.weight"] = tensors["model.shared.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    found = check(tmp_path, evidence="header")
    assert found.verdict is Verdict.EXPLAINED
    assert [(each.cause, each.elements) for each in found.findings] == [(Cause.TIED_HEAD_STORED, 96 * 32)]
    assert found.expected_parameters == parameters


def test_the_config_alone_is_compared_with_the_code(models: Mapping[str, tuple[Path, int]]) -> None:
    folder, parameters = models["flex_olmo"]
    found = check(folder / "config.json")
    assert found.verdict is Verdict.EXACT
    assert (found.measured_parameters, found.measured_strength) == (parameters, "meta")


def test_keys_that_the_class_does_not_know_are_named(models: Mapping[str, tuple[Path, int]], tmp_path: Path) -> None:
    config = json.loads((models["arcee"][0] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"frobnicate": 3}))
    assert check(tmp_path / "config.json").unread == ("frobnicate",)


def test_without_the_library_it_is_derived(
    models: Mapping[str, tuple[Path, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "covering", lambda *_: None)
    found = check(models["arcee"][0], evidence="header")
    assert (found.verdict, found.expected_parameters) == (Verdict.EXACT, models["arcee"][1])


def test_a_formula_of_the_library_that_the_code_has_left_is_derived_again(
    models: Mapping[str, tuple[Path, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = library.find("arcee").derived
    first, *rest = known.regions[0].terms
    broken = replace(known, regions=(replace(known.regions[0], terms=(replace(first, axes=first.axes[::-1]), *rest)),))
    monkeypatch.setattr(library, "covering", lambda *_: broken)
    found = check(models["arcee"][0], evidence="header")
    assert found.verdict is Verdict.EXACT


def test_what_is_not_confirmed_is_no_verdict(
    models: Mapping[str, tuple[Path, int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unconfirmed(*_: object, **__: object) -> Derived:
        return replace(known, confirmation=Confirmation(3, (), "math.log(hidden_size)", "modeling_arcee.py:12"))

    known = library.find("arcee").derived
    monkeypatch.setattr(library, "covering", lambda *_: None)
    monkeypatch.setattr(confirm, "derive", unconfirmed)
    assert main(["check", str(models["arcee"][0]), "--evidence", "header"]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "not confirmed: math.log(hidden_size) (modeling_arcee.py:12)" in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "nonesuch"}, "model_type 'nonesuch' has no formula"),
        ({"model_type": "nonesuch", "auto_map": {"AutoConfig": "x.Y"}}, "model_type 'nonesuch' has no formula"),
        ({"hidden_size": "wide"}, "rejects"),
        ({"num_attention_heads": 0}, "rejects"),
    ],
)
def test_a_config_that_no_class_takes_is_one_line(
    models: Mapping[str, tuple[Path, int]], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    altered(models["arcee"][0], tmp_path, "model.norm.weight", (32,))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(VerifyError, match=said) as error:
        check(tmp_path, evidence="header")
    assert error.value.exit_code == 3
    assert "\n" not in str(error.value)


def test_without_transformers_it_says_what_to_install(models: Mapping[str, tuple[Path, int]]) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'sympy'): sys.modules[name] = None\n"
        "from verify.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "check", str(models["arcee"][0]), "--evidence", "header"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (3, "")
    assert "model_type 'arcee' has no formula" in run.stderr
    assert "pip install 'verify-params[meta]'" in run.stderr
    assert run.stderr.count("\n") == 1
