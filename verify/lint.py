"""A checkpoint against itself: what a release engineer looks at before an upload, without any formula.

huggingface_hub leaves it to those downstream whether index, headers, file sizes and config.json agree
(https://github.com/huggingface/huggingface_hub/issues/4725). Index against headers, and headers against file sizes,
are compared while they are read; here come recorded numbers, the numbers of layers, experts and tokens that config.json
states, tied weights and element types.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from verify import architectures
from verify.breakdown import WHOLE_NUMBERS, measure
from verify.declared import headers
from verify.declared.check import DeclaredCheck
from verify.errors import VerifyError
from verify.evidence import packing
from verify.evidence.base import Evidence, Problem
from verify.names import NameTable
from verify.tensor import Tensor

#: The last part of a name before the index of a layer, in all models of transformers with such a list.
_STACKS = frozenset({"layers", "layer", "h", "block", "blocks"})

#: The same before the index of an expert.
_EXPERTS = "experts"

#: Keys of config.json that say how many layers a stack has; the others count layers that are stored behind them.
_LAYER_KEYS = (
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "layers", "depth", "encoder_layers", "decoder_layers",
    "num_decoder_layers", "num_encoder_layers",
)  # fmt: skip
_FURTHER_KEYS = ("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers", "mtp_transformer_layers")

#: What else is numbered with the layers: MixFormer keeps its embedding and its head in the same list.
_BESIDE: Mapping[object, int] = {"phi-msft": 2, "mixformer-sequential": 2}

#: Keys that say how many routed experts a layer has.
_EXPERT_KEYS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")

#: Keys that say how many rows the embedding of tokens has.
_VOCABULARY_KEYS = ("vocab_size", "padded_vocab_size", "n_vocab")

#: The modules that hold that embedding, or the output layer, by the last part of their names.
_EMBEDDINGS = frozenset(
    {"embed_tokens", "wte", "word_embeddings", "tok_embeddings", "token_embedding", "embed_in", "shared"}
)
_HEADS = frozenset({"lm_head", "embed_out", "output_layer", "output_projection"})

#: The last part of the name of a weight, packed or not; what has another may be an index or a mask.
_WEIGHTS = frozenset({"weight", "qweight", "weight_packed"})

_SHOWN = 4
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


class Lint(msgspec.Struct, frozen=True):
    """What a checkpoint says of itself.

    Attributes:
        evidence: What was read of it.
        numbers: Each recorded number beside what the headers hold.
        elements: Elements of all stored tensors, as they are stored.
        bits: Size of their data.
        problems: What contradicts something else; those that are not fatal are remarks.
    """

    evidence: Evidence
    numbers: tuple[DeclaredCheck, ...]
    elements: int
    bits: int
    problems: tuple[Problem, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, remarks aside."""
        return not any(problem.fatal for problem in self.problems)


def lint(evidence: Evidence) -> Lint:
    """Hold a checkpoint against itself.

    Args:
        evidence: What its headers hold, with its config.json.
    """
    numbers, contradictions = _numbers(evidence)
    found = [*evidence.problems, *contradictions]
    # An adapter_config.json says nothing of layers and types, and an adapter need not be on every layer.
    for rule in () if "peft_type" in evidence.config else _RULES:
        found += rule(evidence)
    elements = sum(tensor.elements for tensor in evidence.tensors)
    bits = sum(tensor.bits for tensor in evidence.tensors)
    return Lint(evidence, numbers, elements, bits, tuple(sorted(found, key=lambda problem: not problem.fatal)))


def _numbers(evidence: Evidence) -> tuple[tuple[DeclaredCheck, ...], list[Problem]]:
    """Recorded numbers beside the headers, and those that are wrong."""
    try:
        unpacked = packing.unpack(evidence.tensors, packing.scheme(evidence.config))
    except VerifyError as error:
        return (), [Problem("quantization_config", str(error))]
    checks = headers.compare(evidence.declared, measure(unpacked, _names(evidence)))
    wrong = (check for check in checks if not check.explained)
    return checks, [
        Problem(
            str(check.declared.kind),
            f"{check.declared.source} says {check.declared.value:,}, the headers hold {check.counted:,}",
        )
        for check in wrong
    ]


def _names(evidence: Evidence) -> NameTable:
    """The names of the family, which tell buffers from parameters; without a family everything is a parameter."""
    try:
        return architectures.find(str(evidence.config.get("model_type"))).NAMES
    except VerifyError:
        return NameTable({})


def _layers(evidence: Evidence) -> Iterator[Problem]:
    """The layers of each stack are numbered from 0 without a gap, and as many as config.json says."""
    stated = _stated(evidence.config, _LAYER_KEYS)
    further = (*_stated(evidence.config, _FURTHER_KEYS).values(), _BESIDE.get(evidence.config.get("model_type"), 0))
    stacks = _numbered(evidence.tensors, _first_stack)
    yield from _gaps(stacks)
    stored = {len(indices) for indices in stacks.values()}
    for key, count in stated.items() if stacks else ():
        if not stored & {count, *(count + more for more in further)}:
            found = ", ".join(f"{len(indices)} in {stack}" for stack, indices in list(stacks.items())[:_SHOWN])
            yield Problem(f"config.json: {key}", f"says {count}; stored are {found}")


def _experts(evidence: Evidence) -> Iterator[Problem]:
    """The experts of each layer are numbered so, and as many as config.json says."""
    stated = _stated(evidence.config, _EXPERT_KEYS)
    stacks = _numbered(evidence.tensors, _expert_stack)
    yield from _gaps(stacks)
    wrong = {stack: len(found) for stack, found in stacks.items() if stated and len(found) not in stated.values()}
    if wrong:
        stack, count = next(iter(wrong.items()))
        more = f", and in {len(wrong) - 1} more layers another number" if len(wrong) > 1 else ""
        yield Problem(stack, f"{count} are stored{more}; config.json says {_list(stated)}")


def _gaps(stacks: Mapping[str, set[int]]) -> Iterator[Problem]:
    for stack, indices in stacks.items():
        missing = set(range(max(indices) + 1)) - indices if len(indices) <= max(indices) else set[int]()
        if missing:
            yield Problem(f"{stack}.{min(missing)}", f"missing, though there are numbers up to {max(indices)}")


def _list(stated: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {count}" for key, count in stated.items())


def _vocabulary(evidence: Evidence) -> Iterator[Problem]:
    """The embedding of tokens and the output layer have a row for each token."""
    stated = _stated(evidence.config, _VOCABULARY_KEYS)
    for tensor in evidence.tensors:
        plain = len(tensor.shape) > 1 and tensor.dtype.name not in WHOLE_NUMBERS
        if stated and plain and _module(tensor) in _EMBEDDINGS | _HEADS and tensor.shape[0] not in stated.values():
            yield Problem(tensor.name, f"{tensor.shape[0]} rows; config.json says {_list(stated)}")


def _tied(evidence: Evidence) -> Iterator[Problem]:
    """An output layer is stored where config.json says that it is not tied, and only there."""
    tied = None if evidence.config.get("model_type") in _BESIDE else _flag(evidence.config, "tie_word_embeddings")
    heads = [tensor for tensor in evidence.tensors if _module(tensor) in _HEADS]
    embeddings = {tensor.shape for tensor in evidence.tensors if _module(tensor) in _EMBEDDINGS}
    for head in heads if tied and embeddings else ():
        if head.shape in embeddings:
            yield Problem(head.name, "stored, though config.json says that it is the embedding's matrix", fatal=False)
        else:
            yield Problem(head.name, f"shape {list(head.shape)}; config.json ties it to an embedding of another shape")
    named = evidence.config.get("architectures")
    causal = isinstance(named, list) and any(str(name).endswith("ForCausalLM") for name in named)
    if tied is False and causal and evidence.tensors and not heads and not _other_head(evidence.tensors):
        yield Problem("lm_head", "not stored, though config.json says that it is not tied to the embedding")


def _other_head(tensors: Iterable[Tensor]) -> bool:
    """Whether something at the top that is no stack and no embedding may be an output layer of another name."""
    return any((len(tensor.shape) > 1 and "head" in tensor.name) or _module(tensor) == "output" for tensor in tensors)


def _types(evidence: Evidence) -> Iterator[Problem]:
    """Most elements have the type that config.json states, and packed ones its quantisation block."""
    if packing.scheme(evidence.config):
        return
    sizes: dict[str, int] = {}
    for tensor in evidence.tensors:
        name = tensor.dtype.name
        sizes[name] = sizes.get(name, 0) + tensor.elements
        packed = name in WHOLE_NUMBERS or name.startswith(("F8", "F6", "F4"))
        if packed and len(tensor.shape) > 1 and tensor.name.rpartition(".")[2] in _WEIGHTS:
            yield Problem(tensor.name, f"of type {name}, and config.json has no quantization_config")
            return
    stated = _DTYPES.get(str(evidence.config.get("dtype") or evidence.config.get("torch_dtype")))
    most = max(sizes, key=lambda name: sizes[name], default=None)
    if stated and most and stated != most:
        yield Problem("config.json", f"says {stated}, most elements are {most}", fatal=False)


def _remote(evidence: Evidence) -> Iterator[Problem]:
    """Code that comes with the checkpoint is run by those who trust it, never here."""
    if evidence.config.get("auto_map"):
        yield Problem("config.json", "auto_map names code that loading it may run", fatal=False)


_RULES: tuple[Callable[[Evidence], Iterator[Problem]], ...] = (_layers, _experts, _vocabulary, _tied, _types, _remote)


def _stated(config: Mapping[str, object], keys: tuple[str, ...]) -> dict[str, int]:
    """What config.json and its sections state under some keys, by the path of the key."""
    found: dict[str, int] = {}
    sections = [(f"{name}.", value) for name, value in config.items() if isinstance(value, Mapping)]
    for path, section in (("", config), *sections):
        for key in keys:
            value = section.get(key)
            for each in value if isinstance(value, list) else (value,):
                if isinstance(each, int) and not isinstance(each, bool) and each > 0:
                    found[f"{path}{key}" if f"{path}{key}" not in found else f"{path}{key}[{len(found)}]"] = each
    return found


def _flag(config: Mapping[str, object], key: str) -> bool | None:
    """A switch of config.json, or of its section on the text; None where it is not stated."""
    text = config.get("text_config")
    for section in (config, text if isinstance(text, Mapping) else {}):
        if isinstance(section.get(key), bool):
            return bool(section[key])
    return None


def _module(tensor: Tensor) -> str:
    """The module that holds a weight; "" for a bias or a buffer."""
    parts = tensor.name.split(".")
    return parts[-2] if parts[-1] == "weight" and len(parts) > 1 else ""


def _numbered(tensors: Iterable[Tensor], place: Callable[[list[str]], int]) -> dict[str, set[int]]:
    """The indices of each list of modules, by the name of the list."""
    found: dict[str, set[int]] = {}
    for tensor in tensors:
        parts = tensor.name.split(".")
        at = place(parts)
        if at:
            found.setdefault(".".join(parts[:at]), set()).add(int(parts[at]))
    return found


def _first_stack(parts: list[str]) -> int:
    """Where in a name the index of its layer is; 0 where there is none."""
    return next((at for at in range(1, len(parts)) if parts[at - 1] in _STACKS and _is_index(parts[at])), 0)


def _expert_stack(parts: list[str]) -> int:
    """Where in a name the index of its expert is; 0 where there is none."""
    return next((at for at in range(1, len(parts)) if parts[at - 1] == _EXPERTS and _is_index(parts[at])), 0)


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) < len("1000000000")
