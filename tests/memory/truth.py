"""Tiny models as transformers builds and runs them, without a line of the code under test."""

import warnings
from collections.abc import Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import EncoderDecoderCache
from transformers.models.auto import modeling_auto

Values = dict[str, object]


def _configurations() -> dict[str, Values]:
    """A tiny configuration of every model_type that transformers implements, from the tests of the families."""
    path = Path(__file__).parent.parent / "architectures" / "conftest.py"
    spec = spec_from_file_location("tiny_configurations", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.BUILT)


BUILT = _configurations()

BATCH = 2

# On tensors this small a second thread only waits, at twice the time.
torch.set_num_threads(1)


def model(values: Mapping[str, object], *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Any:
    """The class that a config names, with eager attention and experts."""
    settings = transformers.CONFIG_MAPPING[str(values["model_type"])].from_dict(dict(values))
    named = values.get("architectures")
    name = (
        str(named[0])
        if isinstance(named, list)
        else modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[settings.model_type]
    )
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")
        made = getattr(transformers, name)._from_config(settings, attn_implementation="eager", dtype=dtype)
        made.set_experts_implementation("eager")
    return made


def feed(made: Any, sequence: int) -> dict[str, torch.Tensor]:
    """Token numbers for a model, and for its decoder where it has one."""
    tokens = torch.zeros(BATCH, sequence, dtype=torch.int64)
    if not made.config.is_encoder_decoder:
        return {"input_ids": tokens}
    if made.main_input_name == "input_features":
        frames = 2 * made.config.max_source_positions
        features = torch.zeros(BATCH, made.config.num_mel_bins, frames, dtype=made.dtype)
        return {"input_features": features, "decoder_input_ids": tokens}
    return {"input_ids": tokens, "decoder_input_ids": tokens}


def cache_bytes(values: Mapping[str, object], sequence: int, dtype: torch.dtype) -> int:
    """Bytes of the tensors that the cache classes show after the forward pass filled them."""
    made = model(values, dtype=dtype).eval()
    with torch.no_grad():
        result = made(**feed(made, sequence), use_cache=True)
    cache = result.get("past_key_values")
    return sum(tensor.nbytes for tensor in _tensors(result["cache_params"] if cache is None else cache))


def _tensors(cache: Any) -> Iterator[torch.Tensor]:
    if isinstance(cache, EncoderDecoderCache):
        yield from _tensors(cache.self_attention_cache)
        yield from _tensors(cache.cross_attention_cache)
        return
    for layer in cache.layers:
        for value in vars(layer).values():
            found = value.values() if isinstance(value, dict) else (value,)
            yield from (each for each in found if isinstance(each, torch.Tensor))
