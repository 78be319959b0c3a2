"""Weights in every format and layout, as the real libraries write them, through the command line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hub.server import Hub
from safetensors import safe_open

from verify.cli import main
from verify.evidence import hub as remote
from verify.evidence import local
from verify.evidence.base import Evidence

Model = transformers.PreTrainedModel
Shapes = dict[str, tuple[int, ...]]

FP16 = ("model.fp16-00001-of-", "model.safetensors.index.fp16.json")


@pytest.fixture(scope="module")
def model() -> Model:
    """A small Llama with a head of its own."""
    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    others = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False}
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig.from_dict({**sizes, **others}))


def shapes_of(model: Model) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def shapes(evidence: Evidence) -> Shapes:
    return {tensor.name: tensor.shape for tensor in evidence.tensors}


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON of an exact check."""
    code = main(["check", *arguments, "--evidence", "header", "--strict", "--format", "json"])
    out, err = capsys.readouterr()
    assert (code, err) == (0, ""), out
    result: dict[str, Any] = json.loads(out)
    return result


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a check that cannot be made."""
    code = main(["check", *arguments, "--evidence", "header"])
    out, err = capsys.readouterr()
    assert code in {2, 3}
    assert out == ""
    assert err.count("\n") == 1
    return str(err)


def bins(model: Model, folder: Path) -> None:
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def sharded_bins(model: Model, folder: Path) -> None:
    """As transformers before 5 wrote it with `safe_serialization=False`."""
    model.config.save_pretrained(folder)
    state = model.state_dict()
    shards = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    weight_map = {name: shards[place % 2] for place, name in enumerate(state)}
    for shard in shards:
        torch.save({name: value for name, value in state.items() if weight_map[name] == shard}, folder / shard)
    size = sum(value.nbytes for value in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def gguf_parts(model: Model, folder: Path, *, tensors: int = 0) -> None:
    """As llama.cpp's convert_hf_to_gguf.py writes it, without a config.json."""
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(folder / "m-F32.gguf", "llama", split_max_tensors=tensors)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_token_list([f"t{number}" for number in range(config.vocab_size)])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, value in model.state_dict().items():
        known = names.get_name(name, try_suffixes=(".weight",))
        assert known is not None
        writer.add_tensor(known, value.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


LAYOUTS: dict[str, tuple[Callable[[Model, Path], object], str, int]] = {
    "one safetensors file": (lambda model, folder: model.save_pretrained(folder), "model.safetensors", 1),
    "shards": (
        lambda model, folder: model.save_pretrained(folder, max_shard_size="20KB"),
        "model.safetensors.index.json",
        4,
    ),
    "a variant": (
        lambda model, folder: model.save_pretrained(folder, variant="fp16"),
        "model.fp16.safetensors",
        1,
    ),
    "shards of a variant": (
        lambda model, folder: model.save_pretrained(folder, variant="fp16", max_shard_size="20KB"),
        "model.safetensors.index.fp16.json",
        4,
    ),
    "torch": (bins, "pytorch_model.bin", 1),
    "shards of torch": (sharded_bins, "pytorch_model.bin.index.json", 2),
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest, model: Model, tmp_path: Path) -> tuple[Path, str, int]:
    """A folder, the name of the weights in it, and how many files there are at least."""
    write, name, least = LAYOUTS[request.param]
    folder = tmp_path / "m"
    folder.mkdir()
    write(model, folder)
    return folder, name, least


def test_a_saved_model_is_exact_in_every_layout(
    layout: tuple[Path, str, int], model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, name, least = layout
    evidence = local.read(folder, model="m")
    assert shapes(evidence) == shapes_of(model)
    assert len({tensor.file for tensor in evidence.tensors}) >= least
    for arguments in ((str(folder),), (str(folder / name),), (str(folder), "--file", name)):
        result = check(capsys, *arguments)
        assert result["measured"]["parameters"] == model.num_parameters()
        assert result["measured"]["bytes"] == 4 * model.num_parameters()


def test_a_part_of_a_pipeline_is_read_with_its_own_config(
    layout: tuple[Path, str, int], model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, name, _ = layout
    pipeline = tmp_path / "pipeline"
    pipeline.mkdir()
    (pipeline / "model_index.json").write_text('{"_class_name": "SomePipeline"}')
    folder.rename(pipeline / "text_encoder")
    assert check(capsys, str(pipeline), "--file", f"text_encoder/{name}")["measured"]["parameters"] == (
        model.num_parameters()
    )
    message = refused(capsys, str(pipeline))
    assert "no weights under a usual name, only text_encoder/" in message
    assert "choose one, as with --file text_encoder/" in message


def test_a_snapshot_of_the_hub_cache_is_read_through_its_links(
    layout: tuple[Path, str, int], model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, name, _ = layout
    blobs, snapshot = tmp_path / "models--m/blobs", tmp_path / "models--m/snapshots/0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    for path in (snapshot, snapshot / name):
        assert check(capsys, str(path))["measured"]["parameters"] == model.num_parameters()


def test_a_repository_of_the_hub_is_read_as_its_folder_is(
    layout: tuple[Path, str, int], hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, name, _ = layout
    hub.add("owner/model", folder)
    there, here = remote.read("owner/model", cache=False), local.read(folder, model="owner/model")
    assert (there.tensors, there.config, there.problems) == (here.tensors, here.config, here.problems)
    (tmp_path / "pipeline").mkdir()
    folder.rename(tmp_path / "pipeline/text_encoder")
    hub.add("owner/pipeline", tmp_path / "pipeline")
    assert check(capsys, "owner/pipeline", "--file", f"text_encoder/{name}", "--no-cache")["verdict"] == "exact"
    assert "choose one, as with --file text_encoder/" in refused(capsys, "owner/pipeline", "--no-cache")


def test_a_config_at_the_top_serves_weights_in_a_folder(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "original").mkdir()
    (tmp_path / "model.safetensors").rename(tmp_path / "original/other.safetensors")
    assert check(capsys, str(tmp_path), "--file", "original/other.safetensors")["verdict"] == "exact"


def test_several_variants_are_named_and_one_can_be_chosen(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for variant in ("fp16", "non_ema"):
        model.save_pretrained(tmp_path, variant=variant)
    message = refused(capsys, str(tmp_path))
    assert "2 files could be the weights: model.fp16.safetensors, model.non_ema.safetensors" in message
    result = check(capsys, str(tmp_path), "--file", "model.non_ema.safetensors")
    assert result["measured"]["parameters"] == model.num_parameters()


@pytest.mark.parametrize(("tensors", "parts"), [(0, 1), (8, 3)])
def test_a_gguf_needs_no_config(
    tensors: int, parts: int, *, model: Model, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf_parts(model, tmp_path, tensors=tensors)
    hub.add("owner/model", tmp_path)
    first = min(tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == parts
    for arguments in ((str(tmp_path),), (str(first),), (str(tmp_path), "--file", first.name), ("owner/model",)):
        result = check(capsys, *arguments)
        assert result["measured"]["parameters"] == model.num_parameters()
    evidence = local.read(tmp_path, model="m")
    assert evidence.config["hidden_size"] == 32
    assert "hyper-parameters from" in evidence.note
    assert main(["formula", str(first), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == model.num_parameters()


def test_a_config_beside_a_gguf_is_taken_unless_it_says_nothing(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf_parts(model, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert check(capsys, str(tmp_path))["verdict"] == "exact"
    wrong = transformers.LlamaConfig(**{**model.config.to_dict(), "intermediate_size": 47})
    wrong.save_pretrained(tmp_path)
    assert main(["check", str(tmp_path), "--evidence", "header"]) == 1
    capsys.readouterr()


def test_several_quantisations_are_named_and_one_can_be_chosen(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf_parts(model, tmp_path)
    (tmp_path / "m-F32.gguf").rename(tmp_path / "m-Q4_K_M.gguf")
    gguf_parts(model, tmp_path, tensors=8)
    message = refused(capsys, str(tmp_path))
    assert "2 files could be the weights: m-F32-00001-of-00003.gguf, m-Q4_K_M.gguf; expected one;" in message
    assert check(capsys, str(tmp_path), "--file", "m-Q4_K_M.gguf")["verdict"] == "exact"


# peft asks a model for a name that transformers 5 has renamed.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("safe", [True, False])
def test_an_adapter_yields_its_tensors(model: Model, tmp_path: Path, *, safe: bool) -> None:
    from peft import LoraConfig, get_peft_model

    copy = type(model)(model.config)
    name = "adapter_model.safetensors" if safe else "adapter_model.bin"
    adapter = get_peft_model(copy, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    adapter.save_pretrained(tmp_path, safe_serialization=safe)
    evidence = local.read(tmp_path, model="m")
    # q_proj is 32 x 32 and v_proj 16 x 32, in two layers: r * (in + out) each.
    assert sum(tensor.elements for tensor in evidence.tensors) == 2 * 4 * ((32 + 32) + (32 + 16))
    assert len(evidence.tensors) == 8
    assert evidence.config["r"] == 4
    assert {tensor.file for tensor in evidence.tensors} == {name}
    if safe:
        with safe_open(tmp_path / name, "pt") as file:
            assert set(shapes(evidence)) == set(file.keys())


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a link out": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "an empty file": lambda path: path.touch(),
    "no format": lambda path: path.write_bytes(b"\0" * 4096),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "m.gguf",
    ],
)
def test_what_is_no_weight_file_is_one_line(
    name: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    HOSTILE[what](tmp_path / name)
    for arguments in ((str(tmp_path),), (str(tmp_path / name),), (str(tmp_path), "--file", name)):
        assert name in refused(capsys, *arguments)


@pytest.mark.parametrize("file", ["../m/model.safetensors", "/etc/passwd", "x.bin/..", "config.json", "no.bin"])
def test_a_file_that_cannot_be_meant_is_one_line(
    file: str, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save_pretrained(tmp_path / "m")
    assert file in refused(capsys, str(tmp_path / "m"), "--file", file)
