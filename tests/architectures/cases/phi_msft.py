"""Tiny Phis in Microsoft's own code, which transformers does not have: blocks from 0, or one list of modules."""

from collections.abc import Mapping

Values = dict[str, object]

REMOTE = True

_TINY: Values = {"vocab_size": 97, "n_embd": 24, "n_inner": 37, "n_layer": 2, "n_head": 4, "n_head_kv": 2}

BASES: dict[str, Values] = {
    "phi-msft": {**_TINY, "model_type": "phi-msft", "architectures": ["PhiForCausalLM"]},
    "mixformer-sequential": {
        **_TINY,
        "model_type": "mixformer-sequential",
        "architectures": ["MixFormerSequentialForCausalLM"],
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "phi-msft": [
        {
            "n_head_kv": (None, 1, 2, 4),
            "n_inner": (None, 37),
            "architectures": (["PhiForCausalLM"], ["PhiModel"]),
        }
    ],
    "mixformer-sequential": [{"n_inner": (None, 37)}],
}
