"""Sparse repositories with real headers: every name, shape and dtype is there, the data is a hole.

The shapes are computed here from hyper-parameters, independently of `verify`, so that a test compares two
derivations.
"""

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BITS = {"F4": 4, "F8_E4M3": 8, "U8": 8, "BOOL": 8, "BF16": 16, "F16": 16, "F32": 32, "I64": 64}

#: A llama so small that any of it can be written in a test.
TINY_LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 32,
    "tie_word_embeddings": False,
}

LLAMA_2_7B: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}

DEEPSEEK_V3: Mapping[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "attention_bias": False,
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
    "tie_word_embeddings": False,
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
    "v_head_dim": 128,
    "vocab_size": 129280,
}

#: Shards of deepseek-ai/DeepSeek-V3.
DEEPSEEK_V3_SHARDS = 163


class Stored(NamedTuple):
    """A tensor to write."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of the data in bytes."""
        return math.prod(self.shape) * BITS[self.dtype] // 8


def llama(config: Mapping[str, Any], *, rotary: bool = False) -> Iterator[Stored]:
    """The tensors of a Llama, with the `inv_freq` buffers that its first conversions stored if `rotary`."""
    hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    head = hidden // config["num_attention_heads"]
    narrow = head * config["num_key_value_heads"]
    matrices = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (narrow, hidden),
        "self_attn.v_proj": (narrow, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    yield Stored("model.embed_tokens.weight", "F16", (vocabulary, hidden))
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for name, shape in matrices.items():
            yield Stored(f"{prefix}.{name}.weight", "F16", shape)
        if rotary:
            yield Stored(f"{prefix}.self_attn.rotary_emb.inv_freq", "F32", (head // 2,))
    yield Stored("model.norm.weight", "F16", (hidden,))
    yield Stored("lm_head.weight", "F16", (vocabulary, hidden))


def deepseek(config: Mapping[str, Any]) -> Iterator[Stored]:
    """The tensors of a DeepSeek-V3 as published: fp8 with block scales, and the multi-token-prediction layers."""
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    yield Stored("model.embed_tokens.weight", "BF16", (vocabulary, hidden))
    main = config["num_hidden_layers"]
    for layer in range(main + config["num_nextn_predict_layers"]):
        prefix = f"model.layers.{layer}"
        if layer >= main:
            yield Stored(f"{prefix}.embed_tokens.weight", "BF16", (vocabulary, hidden))
            for norm in ("enorm", "hnorm", "shared_head.norm"):
                yield Stored(f"{prefix}.{norm}.weight", "BF16", (hidden,))
            yield Stored(f"{prefix}.eh_proj.weight", "BF16", (hidden, 2 * hidden))
            yield Stored(f"{prefix}.shared_head.head.weight", "BF16", (vocabulary, hidden))
        yield from _latent_attention(config, f"{prefix}.self_attn")
        if layer < config["first_k_dense_replace"]:
            yield from _gated(config, f"{prefix}.mlp", config["intermediate_size"])
        else:
            yield from _experts(config, f"{prefix}.mlp")
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield Stored(f"{prefix}.{norm}.weight", "BF16", (hidden,))
    yield Stored("model.norm.weight", "BF16", (hidden,))
    yield Stored("lm_head.weight", "BF16", (vocabulary, hidden))


def _latent_attention(config: Mapping[str, Any], prefix: str) -> Iterator[Stored]:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    query_rank, rank = config["q_lora_rank"], config["kv_lora_rank"]
    plain, rotary, value = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    yield from _scaled(config, f"{prefix}.q_a_proj", query_rank, hidden)
    yield Stored(f"{prefix}.q_a_layernorm.weight", "BF16", (query_rank,))
    yield from _scaled(config, f"{prefix}.q_b_proj", heads * (plain + rotary), query_rank)
    yield from _scaled(config, f"{prefix}.kv_a_proj_with_mqa", rank + rotary, hidden)
    yield Stored(f"{prefix}.kv_a_layernorm.weight", "BF16", (rank,))
    yield from _scaled(config, f"{prefix}.kv_b_proj", heads * (plain + value), rank)
    yield from _scaled(config, f"{prefix}.o_proj", hidden, heads * value)


def _experts(config: Mapping[str, Any], prefix: str) -> Iterator[Stored]:
    experts, inner = config["n_routed_experts"], config["moe_intermediate_size"]
    yield Stored(f"{prefix}.gate.weight", "BF16", (experts, config["hidden_size"]))
    yield Stored(f"{prefix}.gate.e_score_correction_bias", "F32", (experts,))
    for expert in range(experts):
        yield from _gated(config, f"{prefix}.experts.{expert}", inner)
    yield from _gated(config, f"{prefix}.shared_experts", inner * config["n_shared_experts"])


def _gated(config: Mapping[str, Any], prefix: str, inner: int) -> Iterator[Stored]:
    hidden = config["hidden_size"]
    yield from _scaled(config, f"{prefix}.gate_proj", inner, hidden)
    yield from _scaled(config, f"{prefix}.up_proj", inner, hidden)
    yield from _scaled(config, f"{prefix}.down_proj", hidden, inner)


def _scaled(config: Mapping[str, Any], prefix: str, rows: int, columns: int) -> Iterator[Stored]:
    # Every block of 128 x 128 has one scale, also the ones that stand over the edge.
    high, wide = config["quantization_config"]["weight_block_size"]
    yield Stored(f"{prefix}.weight", "F8_E4M3", (rows, columns))
    yield Stored(f"{prefix}.weight_scale_inv", "F32", (-(-rows // high), -(-columns // wide)))


def write_safetensors(path: Path, tensors: Iterable[tuple[str, str, tuple[int, ...]]], *, length: int = 0) -> None:
    """Write a safetensors file with a real header and a hole for data.

    Args:
        path: Where; parents must exist.
        tensors: Name, dtype and shape of each.
        length: Length of the header in bytes, to which it is padded with blanks; by default a multiple of 8.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for stored in map(Stored._make, tensors):
        end = position + stored.bytes
        header[stored.name] = {"dtype": stored.dtype, "shape": stored.shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text = text.ljust(length or -(-len(text) // 8) * 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + position)


def write_repository(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Iterable[Stored],
    *,
    shards: int = 0,
    total_size: int | None = None,
) -> None:
    """Write a repository as `save_pretrained` lays it out.

    Args:
        folder: Is made if it is not there.
        config: What goes into config.json.
        tensors: What it stores.
        shards: Number of shards, or 0 for a single file without an index.
        total_size: What the index states as the bytes of data; by default the truth.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    stored = tuple(tensors)
    if not shards:
        write_safetensors(folder / "model.safetensors", stored)
        return
    weight_map: dict[str, str] = {}
    for number, part in enumerate(_parts(stored, shards), start=1):
        file = f"model-{number:05}-of-{shards:05}.safetensors"
        write_safetensors(folder / file, part)
        weight_map |= dict.fromkeys((tensor.name for tensor in part), file)
    size = sum(tensor.bytes for tensor in stored) if total_size is None else total_size
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _parts(tensors: Sequence[Stored], count: int) -> Iterator[list[Stored]]:
    """Cut a list into parts of about the same bytes, none of them empty."""
    share = sum(tensor.bytes for tensor in tensors) / count
    part: list[Stored] = []
    size = 0
    left = count
    for number, tensor in enumerate(tensors):
        part.append(tensor)
        size += tensor.bytes
        if left > 1 and (size >= share * (count - left + 1) or len(tensors) - number <= left):
            yield part
            part = []
            left -= 1
    yield part
