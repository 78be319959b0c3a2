"""Typed reading of a quantisation block; what it says wrongly is an error that names the key."""

from collections.abc import Mapping

from verify.errors import FormatError

#: The block that describes how the weights are stored.
KEY = "quantization_config"


def integer(section: Mapping[str, object], *names: str, default: int | None = None, minimum: int = 1) -> int:
    """Read a whole number.

    Args:
        section: The block.
        names: The key, then other spellings of it; the first that is set counts.
        default: Used when none is set.
        minimum: The smallest value that makes sense.

    Raises:
        FormatError: It is missing without a default, or no whole number of at least `minimum`.
    """
    name, value = _first(section, names, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise FormatError(f"{KEY}.{name} is {value!r}", expected=f"a whole number of at least {minimum}")
    return value


def group_size(section: Mapping[str, object], *names: str, default: int | None = None) -> int:
    """Read how many values of a row share a scale; 0 stands for all of them, which files write as -1.

    Raises:
        FormatError: It is missing without a default, or neither -1 nor at least 1.
    """
    size = integer(section, *(names or ("group_size",)), default=default, minimum=-1)
    return max(size, 0)


def one_of(section: Mapping[str, object], *names: str, known: frozenset[str], default: str | None = None) -> str:
    """Read a word out of a closed set; upper and lower case are the same.

    Raises:
        FormatError: It is another word.
    """
    name, value = _first(section, names, default)
    if not isinstance(value, str) or value.lower() not in known:
        raise FormatError(
            f"{KEY}.{name} is {value!r}",
            expected=" or ".join(sorted(repr(word) for word in known)),
            hint="no other has a layout that is known here",
        )
    return value.lower()


def block(section: Mapping[str, object], name: str) -> tuple[int, int] | None:
    """Read the rows and columns that share a scale, or None where the key is missing or null.

    Raises:
        FormatError: It is anything but two whole numbers of at least 1.
    """
    value = section.get(name)
    if value is None:
        return None
    match value:
        case [int(rows), int(columns)] if rows > 0 and columns > 0 and bool not in map(type, value):
            return rows, columns
    raise FormatError(f"{KEY}.{name} is {value!r}", expected="two whole numbers of at least 1")


def objects(section: Mapping[str, object], name: str) -> dict[str, Mapping[str, object]]:
    """Read an object of objects; empty where the key is missing or null.

    Raises:
        FormatError: It is anything else.
    """
    value = section.get(name)
    if value is None:
        return {}
    if isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values()):
        return dict(value)
    raise FormatError(f"{KEY}.{name} is {value!r}", expected="an object of objects")


def _first(section: Mapping[str, object], names: tuple[str, ...], default: object) -> tuple[str, object]:
    for name in names:
        if section.get(name) is not None:
            return name, section[name]
    return names[0], default
