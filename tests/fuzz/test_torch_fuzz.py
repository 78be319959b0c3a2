"""Mutated PyTorch checkpoints, read by ours and by torch.load(weights_only=True).

The law: what we accept, torch accepts, with the same names, dtypes and shapes. The exceptions are damaged records
that we do not read, because they say nothing of names, dtypes and shapes; see `_UNREAD`.
"""

import os
import re
from collections import Counter

import safetensors.torch
from fuzz import torch_cases, torch_files

from verify.errors import FormatError
from verify.evidence.files import Weights

# The names of dtypes, as safetensors' own writer gives them.
_NAMES = {str(dtype): name for name, dtype in safetensors.torch._TYPES.items()}

CASES = int(os.environ.get("VERIFY_FUZZ", "2000"))

# Why torch may refuse what we accept.
_UNREAD = {
    "the checksum or the method of a storage, or of a record that we do not read": re.compile(
        r"RuntimeError: PytorchStreamReader failed \D+ file (meta-data for )?"
        r"(data/\d+|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id): "
        r"(invalid header or archive is corrupted|unsupported method)"
    ),
    "byteorder": re.compile("ValueError: Unknown endianness type: "),
    ".storage_alignment": re.compile(r"ValueError: invalid literal for int\(\) with base 10: b['\"]"),
    ".data/serialization_id": re.compile("UnicodeDecodeError: 'utf-8' codec can't decode byte .* in position "),
}


def ours(data: bytes) -> Weights | None:
    try:
        return torch_files.read(data)
    except FormatError:
        return None


def test_what_we_accept_torch_accepts_with_the_same_tensors() -> None:
    outcomes: Counter[str] = Counter()
    for number, data in enumerate(torch_cases.cases(CASES, seed=20261122)):
        weights = ours(data)
        loaded, error = torch_cases.loaded(data)
        if weights is None:
            outcomes["refused by both" if error else "refused by ours"] += 1
            continue
        if error:
            reasons = [reason for reason, pattern in _UNREAD.items() if pattern.match(error)]
            assert reasons, f"case {number}: torch refuses: {error}"
            outcomes[reasons[0]] += 1
            continue
        found = {tensor.name: (tensor.dtype.name, tensor.shape) for tensor in weights.tensors}
        dicts = [
            {name: (_NAMES[dtype], shape) for name, (dtype, shape) in each.items()}
            for each in torch_cases.tensors(loaded)
        ]
        assert len(found) == len(weights.tensors)
        assert found in dicts, f"case {number}"
        outcomes["accepted by both"] += 1
    # A fuzzer whose cases all fail tests nothing.
    assert outcomes["accepted by both"] > CASES // 20
    assert outcomes["refused by both"] > CASES // 2
    assert outcomes["refused by ours"] < CASES // 8
