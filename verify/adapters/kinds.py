"""What an adapter of each kind adds to a module: the tensors of a file, with their axes.

Legend: a linear layer maps `in` to `out`; a table has `in` rows of `out`; `r` is the rank.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from verify.adapters.modules import Module
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE
from verify.symbols import Size

Parts: TypeAlias = dict[str, tuple[Size, ...]]


class Kind(msgspec.Struct, frozen=True):
    """A kind of adapter.

    Attributes:
        name: What its paper calls it.
        source: The paper and the code that it was written from.
        stored: What stands behind a module's name in a file, and the part that it is.
        parts: What a module gets: the axes of each part.
        unread: Keys of adapter_config.json that change no shape.
        refused: Keys that change shapes in a way that has no formula here.
        ranked: Whether it has a rank.
    """

    name: str
    source: str
    stored: Mapping[str, str]
    parts: Callable[[Module, Size, Config], Parts]
    unread: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    ranked: bool = True


def _lora(module: Module, rank: Size, config: Config) -> Parts:
    """`A : r x in` and `B : out x r`; of a table `A : r x rows` and `B : width x r`."""
    dora, bias = config.flag("use_dora", default=False), config.flag("lora_bias", default=False)
    if module.table:
        found: Parts = {"lora_embedding_A": (rank, module.into), "lora_embedding_B": (module.out, rank)}
    else:
        found = {"lora_A": (rank, module.into), "lora_B": (module.out, rank)}
        if bias:
            found["lora_B.bias"] = (module.out,)
    # DoRA scales each output of the layer: Liu et al. 2024, arXiv:2402.09353, equation 5.
    return found | ({"lora_magnitude": (module.out,)} if dora else {})


def _ia3(module: Module, rank: Size, config: Config) -> Parts:  # noqa: ARG001 - it has no rank
    """A factor for each output, or for each input of the modules in `feedforward_modules`."""
    if module.table:
        raise _no_table(module)
    inner = config.items("feedforward_modules", default=())
    names = {end for template in module.templates for end in _ends(template)}
    return {"ia3": (ONE, module.into) if names & set(map(str, inner)) else (module.out, ONE)}


def _loha(module: Module, rank: Size, config: Config) -> Parts:  # noqa: ARG001 - two products of matrices, whatever it says
    if module.table:
        raise _no_table(module)
    return {
        f"hada_w{each}_{side}": axes
        for each in (1, 2)
        for side, axes in (("a", (module.out, rank)), ("b", (rank, module.into)))
    }


def _no_table(module: Module) -> ConfigError:
    return ConfigError(f"an adapter on {module.slot}, a table of vectors, has no formula", expected="linear layers")


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[place:]) for place in range(len(parts))]


#: Keys of every adapter_config.json that change no shape.
COMMON = ("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision")

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "LORA": Kind(
            "LoRA",
            "Hu et al. 2021, arXiv:2106.09685, section 4.1; peft 0.21.2 peft/tuners/lora/layer.py",
            {
                "lora_A.weight": "lora_A",
                "lora_B.weight": "lora_B",
                "lora_B.bias": "lora_B.bias",
                "lora_embedding_A": "lora_embedding_A",
                "lora_embedding_B": "lora_embedding_B",
                "lora_magnitude_vector": "lora_magnitude",
            },
            _lora,
            unread=(
                "lora_alpha", "lora_dropout", "use_rslora", "fan_in_fan_out", "init_lora_weights", "alpha_pattern",
                "loftq_config", "eva_config", "corda_config", "lora_ga_config", "megatron_core", "runtime_config",
                "alora_invocation_tokens", "qalora_group_size", "enable_lora", "merge_weights",
            ),
            refused=(
                "layer_replication", "megatron_config", "use_qalora", "use_bdlora", "monteclora_config",
                "arrow_config", "kasa_config", "velora_config", "ensure_weight_tying",
            ),
        ),
        "IA3": Kind(
            "(IA)^3",
            "Liu et al. 2022, arXiv:2205.05638, section 3.3; peft 0.21.2 peft/tuners/ia3/layer.py",
            {"ia3_l": "ia3"},
            _ia3,
            unread=("fan_in_fan_out", "init_ia3_weights"),
            ranked=False,
        ),
        "LOHA": Kind(
            "LoHa",
            "Hyeon-Woo et al. 2021, arXiv:2108.06098, section 2.2; peft 0.21.2 peft/tuners/loha/layer.py",
            {f"hada_w{each}_{side}": f"hada_w{each}_{side}" for each in (1, 2) for side in "ab"},
            _loha,
            unread=("alpha", "alpha_pattern", "rank_dropout", "module_dropout", "init_weights", "use_effective_conv2d"),
        ),
    }
)  # fmt: skip
