"""`verify derive`: what it prints, and its exit codes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy
from hub.server import Hub

from verify.cli import main
from verify.derive.confirming import booleans, confirm
from verify.derive.formulas.formula import Concretised

TINY = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 96, "num_hidden_layers": 3, "vocab_size": 128}  # fmt: skip
#: 2 V h + h + L (2 h d (a + k) + 3 h f + 2 h)
TINY_COUNT = 2 * 128 * 64 + 64 + 3 * (2 * 64 * 16 * (4 + 2) + 3 * 64 * 96 + 2 * 64)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["derive", *arguments])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def write(folder: Path, **keys: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TINY | keys))
    return str(folder)


def without_booleans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Booleans take most of the time, and are tested elsewhere."""
    monkeypatch.setattr(booleans, "table", lambda *_, **__: booleans.Table())


def same(text: str, by_hand: str) -> bool:
    """Whether two closed forms are one polynomial."""
    names = {name: sympy.Symbol(name) for name in ("head", "layers")}
    sides = (each.replace("hidden_size//num_attention_heads", "head") for each in (text, by_hand))
    left, right = (sympy.sympify(each, names) for each in sides)
    return bool(sympy.expand(left - right) == 0)


def test_gpt2_is_the_formula_of_the_literature(capsys: pytest.CaptureFixture[str]) -> None:
    """V h + N h + L (12 h^2 + 13 h) + 2 h: Radford et al. 2019, the layers of Vaswani et al. with f = 4 h."""
    code, out, err = run(capsys, "gpt2", "--format", "json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert same(found["text"], "vocab_size*n_embd + n_positions*n_embd + n_layer*(12*n_embd**2 + 13*n_embd) + 2*n_embd")
    assert found["parameters"] == 124_439_808
    head = next(each for each in found["switches"]["changes"] if each["settings"] == {"tie_word_embeddings": False})
    assert (head["text"], head["parameters"]) == ("vocab_size*n_embd", 50257 * 768)


def test_mixtral_is_the_formula_of_its_paper(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Jiang et al. 2024, arXiv:2401.04088: SwiGLU experts behind a linear gate, grouped-query attention, 46.7B."""
    without_booleans(monkeypatch)
    code, out, _ = run(capsys, "mixtral", "--format", "json")
    found = json.loads(out)
    attention = "2*hidden_size*head*(num_attention_heads + num_key_value_heads)"
    experts = "num_local_experts*3*hidden_size*intermediate_size + num_local_experts*hidden_size"
    layers = f"num_hidden_layers*({attention} + {experts} + 2*hidden_size)"
    assert code == 0
    assert same(found["text"], f"2*vocab_size*hidden_size + hidden_size + {layers}")
    assert found["parameters"] == 46_702_792_704


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small Llama derived once, in a file."""
    folder = tmp_path_factory.mktemp("derived")
    model = write(folder / "model")
    assert main(["derive", model, "--format", "json", "-o", str(folder / "llama.json")]) == 0
    return folder / "llama.json", model


def test_json_holds_to_its_contract(llama: tuple[Path, str]) -> None:
    found = json.loads(llama[0].read_text())
    assert list(found) == [
        "schema", "model_type", "class", "source", "transformers", "given", "revision", "note", "confirmed", "failures",
        "parameters", "buffers", "text", "latex", "regions", "switches", "confirmation",
    ]  # fmt: skip
    assert (found["schema"], found["model_type"], found["class"]) == (1, "llama", "LlamaForCausalLM")
    assert found["source"] == "transformers.models.llama.modeling_llama"
    assert found["given"] == f"the sizes of {llama[1]}"
    assert (found["confirmed"], found["failures"]) == (True, [])
    assert (found["parameters"], found["buffers"]) == (TINY_COUNT, 0)
    assert found["latex"] == r"2 V h + h + L h \left(2 d \left(a + k\right) + 3 f + 2\right)"
    (region,) = found["regions"]
    assert (region["given"], region["text"]) == (True, found["text"])
    assert {"text", "where", "trivial"} == {key for each in region["conditions"] for key in each}
    up = next(each for each in region["terms"] if each["pattern"] == "model.layers.{}.mlp.up_proj.weight")
    assert up == {
        "pattern": "model.layers.{}.mlp.up_proj.weight", "kind": "parameter",
        "axes": ["intermediate_size", "hidden_size"],
        "repeats": [{"index": "i", "stop": "num_hidden_layers", "where": "", "count": "num_hidden_layers"}],
        "tensors": 3, "count": 3 * 96 * 64,
    }  # fmt: skip
    assert sum(each["count"] for each in region["terms"]) == TINY_COUNT


def test_every_condition_names_its_line_of_the_source(llama: tuple[Path, str]) -> None:
    (region,) = json.loads(llama[0].read_text())["regions"]
    conditions = {each["text"]: each for each in region["conditions"]}
    assert conditions["attention_bias == False"]["where"].startswith("modeling_llama.py:")
    assert conditions["tie_word_embeddings == False"]["trivial"] == ""
    assert conditions["head_dim != 0"]["trivial"] == "it holds for every model"


def test_what_was_varied_is_said(llama: tuple[Path, str]) -> None:
    found = json.loads(llama[0].read_text())
    known = found["confirmation"]
    assert known["configurations"] == 20
    assert {"vocab_size", "hidden_size", "num_hidden_layers", "num_key_value_heads"} <= set(known["varied"])
    assert known["never_varied"] == []
    assert (known["failure"], known["where"]) == ("", "")
    assert {tuple(each["settings"].items()) for each in found["switches"]["changes"]} == {
        (("tie_word_embeddings", True),),
        (("attention_bias", True),),
        (("mlp_bias", True),),
    }
    assert found["switches"]["configurations"] == 20


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("text", "2*vocab_size*hidden_size + hidden_size\n+ num_hidden_layers*hidden_size*("),
        ("markdown", "| `model.layers.{i}.mlp.up_proj.weight` | `intermediate_size x hidden_size` | 3 | 18,432 |"),
        ("latex", r"&\quad + L h \left(2 d \left(a + k\right) + 3 f + 2\right)"),
    ],
)
def test_each_format_says_first_that_it_is_confirmed(
    form: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_booleans(monkeypatch)
    code, out, err = run(capsys, write(tmp_path / "model"), "--format", form)
    assert (code, err) == (0, "")
    assert "CONFIRMED  llama  LlamaForCausalLM" in "\n".join(out.splitlines()[:3])
    assert "UNCONFIRMED" not in out
    assert f"{TINY_COUNT:,} parameters and no persistent buffers" in out
    assert said in out


def test_a_formula_that_the_class_contradicts_is_printed_as_unconfirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    traced = confirm.traced

    def lossy(*arguments: Any) -> Any:
        """A trace that takes the number of heads for a constant, as `int` of some tensor operation would."""
        region, concretised = traced(*arguments)
        heads = str(arguments[1]["num_attention_heads"])
        terms = tuple(
            replace(term, axes=tuple(type(axis)(axis.text.replace("num_attention_heads", heads)) for axis in term.axes))
            for term in region.terms
        )
        return replace(region, terms=terms), (Concretised("int()", "modeling_llama.py:1"), *concretised)

    monkeypatch.setattr(confirm, "traced", lossy)
    code, out, _ = run(capsys, write(tmp_path / "model"))
    assert code == 1
    assert out.startswith("UNCONFIRMED  llama  LlamaForCausalLM: ")
    first = " ".join(out.splitlines()[:4])
    assert "modeling_llama.py:1" in first
    code, out, _ = run(capsys, write(tmp_path / "model"), "--format", "json")
    found = json.loads(out)
    assert (code, found["confirmed"]) == (1, False)
    assert found["failures"] == [f"{found['confirmation']['failure']} (modeling_llama.py:1)"]
    assert found["switches"]["changes"] == []


def test_too_few_configurations_confirm_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, write(tmp_path / "model"), "--configurations", "3", "--format", "latex")
    assert code == 1
    assert out.startswith("% UNCONFIRMED  llama  LlamaForCausalLM: ")
    assert "20 are needed" in out.splitlines()[0]


def test_regions_are_printed_each_with_its_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A layer of DeepSeek-V2 is dense or has experts; with no dense one there is another region."""
    without_booleans(monkeypatch)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
             "num_key_value_heads": 4, "kv_lora_rank": 8, "q_lora_rank": 12, "qk_rope_head_dim": 4, "v_head_dim": 8,
             "qk_nope_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1, "moe_intermediate_size": 16,
             "vocab_size": 64, "first_k_dense_replace": 0}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "deepseek_v2"} | sizes))
    code, out, _ = run(capsys, str(tmp_path / "config.json"), "--format", "markdown")
    assert code == 0
    assert "## case 1 of 2, which the given configuration is in: i &gt;= first_k_dense_replace for every" in out
    assert "## case 2 of 2" in out
    assert "(num_hidden_layers - min(first_k_dense_replace, num_hidden_layers))*hidden_size*(" in out


def test_a_class_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    without_booleans(monkeypatch)
    model = write(tmp_path / "model", num_labels=5)
    code, out, _ = run(capsys, model, "--class", "ForSequenceClassification", "--format", "json")
    found = json.loads(out)
    assert (code, found["class"]) == (0, "LlamaForSequenceClassification")
    assert found["parameters"] == TINY_COUNT - 128 * 64 + 5 * 64


def test_a_config_of_the_hub_is_read_at_its_commit(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_booleans(monkeypatch)
    write(tmp_path / "served", tie_word_embeddings=True)
    hub.add("owner/small", tmp_path / "served")
    code, out, _ = run(capsys, "owner/small", "--format", "json")
    found = json.loads(out)
    assert (code, found["parameters"]) == (0, TINY_COUNT - 128 * 64)
    assert found["given"] == "the sizes of owner/small"
    assert len(found["revision"]) == 40


def test_code_of_a_repository_never_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_booleans(monkeypatch)
    ran = tmp_path / "ran"
    code_map = {"AutoConfig": "configuration_odd.OddConfig", "AutoModelForCausalLM": "modeling_odd.OddForCausalLM"}
    for model_type in ("llama", "odd"):
        folder = Path(write(tmp_path / model_type, model_type=model_type, auto_map=code_map))
        for name in ("configuration_odd.py", "modeling_odd.py"):
            (folder / name).write_text(f"open({str(ran)!r}, 'w')\n")
    monkeypatch.chdir(tmp_path / "odd")
    assert run(capsys, str(tmp_path / "llama"), "--configurations", "1")[0] == 1  # too few, and no code of it
    code, out, err = run(capsys, str(tmp_path / "odd"))
    assert (code, out) == (3, "")
    assert "implemented by code in its repository" in err
    assert "never run" in err
    assert not ran.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("lama",), 3, "'lama' is not in transformers"),
        (("lamma",), 3, "such as llama or"),
        (("",), 2, "MODEL is empty"),
        ((), 2, "required"),
        (("llama", "--configurations", "-1"), 2, "--configurations"),
        (("llama", "--format", "csv"), 2, "invalid choice"),
        (("llama", "--class", "ForNothing"), 3, "no class ForNothing"),
        (("./llama",), 3, "./llama does not exist"),
        (("nothing.json",), 3, "nothing.json does not exist"),
        (("owner/nothing", "--offline"), 3, "offline"),
        (("a/b/c",), 3, "neither a path nor a Hub id"),
    ],
)
def test_bad_arguments_end_in_one_line(
    arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1
    assert err.startswith("verify: error: ")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"hidden_size": 65}, "LlamaConfig rejects the configuration: .*65.* set hidden_size in config.json"),
        ({"hidden_size": "big"}, "Field 'hidden_size' expected int, got str .* set hidden_size in config.json"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000; expected at most 10000"),
        ({"model_type": "lama"}, "such as llama or"),
        ({"model_type": None}, "model_type is None"),
        ({"model_type": "x" * 10**6}, "is not in transformers"),
        ({"model_type": "\x1b[31mllama"}, r"\\x1b\[31mllama"),
    ],
)
def test_a_config_that_no_class_takes_ends_in_one_line(
    keys: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, write(tmp_path / "model", **keys))
    assert (code, out) == (3, "")
    assert re.search(said, err)
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names come from `requires_backends` of transformers; no image is needed to be told so."""
    from transformers.utils import import_utils

    monkeypatch.setitem(import_utils.BACKENDS_MAPPING, "timm", (lambda: False, "{0} requires the timm library but"))
    code, out, err = run(capsys, "timm_backbone")
    assert (code, out) == (3, "")
    assert "timm" in err
    assert "install" in err


def test_a_type_goes_before_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_booleans(monkeypatch)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "llama")
    code, out, _ = run(capsys, "./llama", "--configurations", "1", "--format", "json")
    assert (code, json.loads(out)["given"]) == (1, "the sizes of ./llama")
    code, out, _ = run(capsys, "llama", "--configurations", "1", "--format", "json")
    assert (code, json.loads(out)["given"]) == (1, "the defaults of LlamaConfig")
