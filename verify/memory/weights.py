"""What weights weigh, by type and by quantisation scheme; and the other way round: what a file of a size may hold.

A gigabyte (GB) is 10^9 bytes and a gibibyte (GiB) 2^30 (IEC 80000-13); programs write GB for both, so a size in GB is
read both ways. A quantised type has more bits than its name says: each block carries a scale, often a zero point.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from verify.errors import UsageError
from verify.tensor import Tensor

#: Bytes of the units, by what is written after the number.
_DECIMAL = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_BINARY = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "PIB": 2**50}
_BOTH = dict(zip(("KB", "MB", "GB", "TB", "PB"), _BINARY.values(), strict=True))

_LONGEST = 40
_MOST_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a parameter is stored.

    Attributes:
        name: What it is called.
        bits: Bits of one parameter, its share of the scales included.
        source: Where that comes from.
    """

    name: str
    bits: Fraction
    source: str


SCHEMES = (
    Scheme("float32", Fraction(32), "IEEE 754"),
    Scheme("bfloat16, float16", Fraction(16), "IEEE 754; BF16"),
    Scheme("fp8, 128 x 128 blocks", 8 + Fraction(32, 128 * 128), "DeepSeek-AI 2024, arXiv:2412.19437, section 3.3.2"),
    Scheme("int8, row by row", Fraction(8), "Dettmers et al. 2022, arXiv:2208.07339; a scale a row, not counted"),
    Scheme("GGUF Q8_0", Fraction(34 * 8, 32), "ggml ggml-common.h, block_q8_0: 34 bytes for 32"),
    Scheme("GGUF Q6_K", Fraction(210 * 8, 256), "ggml ggml-common.h, block_q6_K: 210 bytes for 256"),
    Scheme("GGUF Q4_K", Fraction(144 * 8, 256), "ggml ggml-common.h, block_q4_K: 144 bytes for 256"),
    Scheme("NF4, blocks of 64", 4 + Fraction(32, 64), "Dettmers et al. 2023, arXiv:2305.14314, section 3"),
    Scheme("MXFP4", 4 + Fraction(8, 32), "OCP Microscaling Formats 1.0, section 5.1: a byte for 32"),
    Scheme("GPTQ, 4 bit, groups of 128", 4 + Fraction(16 + 4, 128), "Frantar et al. 2022, arXiv:2210.17323"),
    Scheme("NF4, double quantisation", 4 + Fraction(8, 64) + Fraction(32, 64 * 256),
           "Dettmers et al. 2023, arXiv:2305.14314, section 3"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holds:
    """What a file of a size may hold in one type.

    Attributes:
        scheme: How its parameters are stored.
        parameters: How many fit where the unit is a power of ten.
        binary: How many fit where it is a power of two; the same when the unit says which.
    """

    scheme: Scheme
    parameters: int
    binary: int


@dataclass(frozen=True, slots=True)
class Weighs:
    """What a number of parameters takes in one type: its bytes, rounded up."""

    scheme: Scheme
    bytes: int


def weigh(parameters: int) -> tuple[Weighs, ...]:
    """The bytes of so many parameters in every type.

    Raises:
        UsageError: There is less than one.
    """
    if parameters < 1:
        raise UsageError(f"{parameters} parameters", expected="at least 1")
    return tuple(Weighs(each, -(-parameters * each.bits // 8)) for each in SCHEMES)


def size(text: str) -> tuple[Holds, ...]:
    """What a file of a size may hold, by type: all of it weights.

    Args:
        text: A number and a unit, such as `100GB`, `13.5 GiB` or `26,953,662,464 B`.

    Raises:
        UsageError: It is no size, or less than a byte.
    """
    decimal, binary = read(text)
    return tuple(Holds(each, _fitting(decimal, each), _fitting(binary, each)) for each in SCHEMES)


def read(text: str) -> tuple[int, int]:
    """A size in bytes, read with the units as powers of ten and as powers of two.

    Raises:
        UsageError: It is no size, or less than a byte.
    """
    plain = "".join(text.split()).replace(",", "").replace("_", "")
    number = plain.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = plain[len(number) :].upper()
    value = _number(number)
    if value is None or unit not in {*_DECIMAL, *_BINARY} or len(plain) > _LONGEST:
        raise UsageError(f"{text[:_LONGEST]!r} is no size", expected="a number and a unit, such as 100GB or 13.5GiB")
    decimal = int(value * (_DECIMAL.get(unit) or _BINARY[unit]))
    binary = int(value * (_BOTH.get(unit) or _DECIMAL.get(unit) or _BINARY[unit]))
    if decimal < 1:
        raise UsageError(f"{text!r} is less than a byte", expected="at least 1B")
    return decimal, binary


def stored(tensors: Iterable[Tensor]) -> dict[str, int]:
    """Bytes of stored tensors by dtype, largest first; what does not fill a byte is rounded up once a dtype."""
    bits: dict[str, int] = {}
    for tensor in tensors:
        bits[tensor.dtype.name] = bits.get(tensor.dtype.name, 0) + tensor.bits
    return {name: -(-total // 8) for name, total in sorted(bits.items(), key=lambda item: -item[1])}


def _number(text: str) -> Fraction | None:
    """A decimal number without sign or exponent, exactly."""
    whole, _, rest = text.partition(".")
    if not (whole + rest).isdecimal() or not (whole + rest).isascii() or len(text) > _MOST_DIGITS:
        return None
    return Fraction(int(whole + rest), 10 ** len(rest))


def _fitting(available: int, scheme: Scheme) -> int:
    return available * 8 * scheme.bits.denominator // scheme.bits.numerator
