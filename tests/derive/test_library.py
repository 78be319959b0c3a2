"""The library: formulas as data, read without torch, held against the installed transformers."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from verify import architectures
from verify.cli import main
from verify.derive import library, publish
from verify.derive.building import classes, configurations, instances
from verify.derive.building.variation import movable, spread, vary
from verify.derive.confirming import confirm
from verify.derive.errors import DeriveError
from verify.derive.formulas.formula import Confirmation
from verify.errors import ConfigError, FormatError, UnknownArchitectureError, VerifyError
from verify.evidence.meta import silence

#: Quick ones of each sort: dense, experts, encoder and decoder, images, images in stages, two towers.
SAMPLE = ("arcee", "flex_olmo", "mvp", "dinov2", "swin", "siglip")

BLOCKED = """
import sys
for name in ("torch", "transformers", "sympy", "accelerate"):
    sys.modules[name] = None
from verify.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line where nothing heavy can be imported."""
    return subprocess.run([sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, check=False)


def files() -> list[Path]:
    return sorted(library.FOLDER.glob("*.json"))


def test_every_file_gives_its_count_at_its_defaults() -> None:
    assert {path.stem.partition(".")[0] for path in files()} >= set(SAMPLE)
    for path in files():
        entry = library.read(path)
        assert path.name == f"{entry.shelf.model_type}.{entry.shelf.kind}.json"
        assert path.stat().st_size <= publish.LONGEST + 2_000
        assert entry.derived.confirmation.confirmed
        made = library.formula(entry, entry.values)
        assert made.count() == entry.shelf.parameters == entry.derived.count(entry.values)
        assert entry.derived.count(entry.values, "buffer") == entry.shelf.buffers


def test_a_type_needs_nothing_but_its_file() -> None:
    found = run("formula", "arcee", "--format", "json")
    assert (found.returncode, found.stderr) == (0, "")
    said = json.loads(found.stdout)
    hidden, inner, vocabulary, layers = 2560, 18432, 32000, 32  # of ArceeConfig, with as many key-value heads as heads
    layer = 4 * hidden**2 + 2 * hidden * inner + 2 * hidden
    assert said["parameters"] == 2 * vocabulary * hidden + hidden + layers * layer
    assert "not an independent formula" in said["source"]
    assert "confirmed on 20 configurations" in said["source"]
    text = run("formula", "arcee").stdout
    assert "2*h*V + h + L*(2*d*h*a + 2*d*h*k + 2*h*f + 2*h)" in text
    assert "default of the class" in text


def test_a_family_file_wins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formula", "llama"]) == 0
    assert "derived" not in capsys.readouterr().out


def test_the_list_of_families_names_them_apart() -> None:
    text = run("families").stdout
    families, _, derived = text.partition("Derived from the code of transformers")
    assert "arcee" in derived
    assert "arcee" not in families
    said = json.loads(run("families", "--format", "json").stdout)
    assert "arcee" in said["derived"]["causal"]
    assert not {name for names in said["derived"].values() for name in names} & set(architectures.known())


def test_a_config_is_read_as_its_class_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    config = {"model_type": "arcee", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    path.write_text(json.dumps(config | {"vocab_size": 100, "intermediate_size": 50, "colour": 1}))
    found = run("formula", str(path), "--format", "json")
    assert (found.returncode, found.stderr) == (0, "")
    said = json.loads(found.stdout)
    # What the file leaves out the class computes: 4 key-value heads of 64/4.
    assert said["parameters"] == 2 * 100 * 64 + 64 + 2 * (4 * 64 * 64 + 2 * 50 * 64 + 2 * 64)
    assert said["unread_config_keys"] == ["colour"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "nonesuch"}, "model_type 'nonesuch' has no formula"),
        ({"architectures": ["ArceeForTokenClassification"]}, "no formula for model_type 'arcee' and class ArceeForTo"),
        ({"hidden_size": "wide"}, "has no value here"),
        ({"num_hidden_layers": 10**12}, "at most"),
        ({"vocab_size": -3}, "vocab_size is -3"),
        ({"mlp_bias": "maybe"}, "mlp_bias"),
    ],
)
def test_a_config_that_it_does_not_hold_for_is_one_line(
    change: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "arcee"} | change))
    assert main(["formula", str(path)]) == 3
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_value_that_is_not_known_is_named() -> None:
    entry = library.find("arcee")
    hidden = library.Entry(replace(entry.shelf, computed={"head_dim": None}), entry.derived, entry.values)
    with pytest.raises(ConfigError, match=r"does not state head_dim, and how ArceeForCausalLM computes it"):
        library.values(hidden, {"hidden_size": 64})
    assert library.values(hidden, {"head_dim": 4})["head_dim"] == 4


@pytest.mark.parametrize("model_type", SAMPLE)
def test_what_transformers_writes_is_counted_as_it_builds_it(model_type: str) -> None:
    """A config.json of `save_pretrained` states only what is no default; its count without the class is the class's."""
    entry, counted = library.find(model_type), 0
    target = classes.find(model_type, entry.shelf.class_name)
    random = Random(7)  # noqa: S311 - no secret
    with silence():
        given = spread(configurations.keywords(target.config_class))
        paths = [path for path in movable(given) if path.partition("[")[0] in entry.values]
        for _ in range(60):
            some = [path for path in paths if random.random() < 0.4]
            varied = vary(given, random, some, together=random.choice((0, 2))).keywords
            try:
                built = instances.instance(target, varied)
            except VerifyError:
                continue
            written = json.loads(configurations.build(target.config_class, varied).to_json_string(use_diff=True))
            values = library.values(entry, {**written, "model_type": model_type})
            assert entry.derived.count(values) == built.count
            counted += 1
            if counted == 5:
                return
    assert counted


@pytest.mark.parametrize("model_type", SAMPLE)
def test_the_installed_transformers_agrees(model_type: str) -> None:
    assert publish.stale(library.find(model_type)) == ""


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('["intermediate_size","hidden_size"]', '["intermediate_size","hidden_size + 1"]', "mlp.up_proj.weight"),
        ("model.layers.{}.self_attn.o_proj.weight", "model.layers.{}.self_attn.out.weight", "self_attn.o"),
    ],
)
def test_a_formula_that_the_code_has_left_is_named_with_its_pattern(
    old: str, new: str, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "arcee.causal.json"
    shutil.copy(library.FOLDER / path.name, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert named in publish.stale(library.find("arcee", folder=tmp_path))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"model_type": 3}', "\x00", "[" * 100_000],
    ids=["empty", "list", "object", "number", "nul", "deep"],
)
def test_a_broken_file_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "arcee.causal.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"arcee\.causal\.json is no formula of the library"):
        library.read(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"hidden_size"]', '"__import__(1)"]'),
        ('"terms":[[', '"terms":[["a.{}.{}.{}","p",[],[0]],['),
        ("[0]]", "[99]]"),
        ('"=="', '"~="'),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "arcee.causal.json"
    text = (library.FOLDER / path.name).read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(FormatError):
        library.read(path)


def test_a_type_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert library.types(tmp_path) == {}
    with pytest.raises(UnknownArchitectureError, match="no formula for model_type 'arcee'"):
        library.find("arcee", folder=tmp_path)


def test_a_confirmed_formula_is_kept_and_widened_by_its_switches(tmp_path: Path) -> None:
    target = classes.find("arcee")
    with silence():
        derived = confirm.derive(target, configurations.keywords(target.config_class))
    assert publish.publish(target, derived, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["arcee.causal.json"]
    plain = library.find("arcee", folder=tmp_path)
    assert plain.derived.count(plain.values) == derived.count(plain.values)
    biased = {**plain.values, "attention_bias": True}
    with pytest.raises(VerifyError, match="attention_bias"):
        plain.derived.count(biased)
    assert publish.widen("arcee", "causal", tmp_path)
    wide = library.find("arcee", folder=tmp_path).derived
    # A bias for queries, keys, values and the output of each of 32 layers, 2560 wide.
    assert wide.count(biased) == plain.shelf.parameters + 32 * 4 * 2560
    assert wide.count({**plain.values, "tie_word_embeddings": True}) == plain.shelf.parameters - 32000 * 2560
    doubtful = replace(derived, confirmation=Confirmation(7, (), "lost"))
    assert not publish.publish(target, doubtful, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        # A value that is lost on the way, or that comes back as something else.
        ({"values": {"num_hidden_layers": 7}}, "the formula says 7 of [2560, 2560], the class builds 32 of"),
        ({"values": {"vocab_size": [[32000]]}}, "vocab_size"),
        ({"values": {"tie_word_embeddings": None}}, "tie_word_embeddings == False"),
        ({"terms": [["model.embed_tokens.weight", "p", ["vocab_size"], []]]}, "the formula says 1 of [32000], the c"),
        ({"repeats": [["1", None, "1"]]}, "the formula says 1 of [2560, 2560], the class builds 32 of"),
        ({"parameters": 7}, "has 4,022,766,080 parameters and not 7"),
    ],
)
def test_what_is_not_what_the_class_builds_is_not_written(
    change: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The formula that was derived, and what the written file says again when it is read."""
    entry = library.find("arcee")
    changed = msgspec.to_builtins(entry.shelf)
    for name, value in change.items():
        changed[name] = {**changed[name], **value} if name == "values" else value
        if name == "terms":
            changed[name] += msgspec.to_builtins(entry.shelf.terms[1:])
    broken = msgspec.convert(changed, library.Shelf)
    target = classes.find("arcee")
    if "values" not in change and "parameters" not in change:
        with silence(), pytest.raises(DeriveError, match=re.escape(said)):
            publish.publish(target, library.formula_of(broken), tmp_path)
    monkeypatch.setattr(publish, "_shelf", lambda *_: broken)
    with silence(), pytest.raises(DeriveError, match=re.escape(said)) as error:
        publish.publish(target, entry.derived, tmp_path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
