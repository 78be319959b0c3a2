"""config.json: bytes in, a dict out. Opens no file and touches no network."""

import json

from verify.errors import FormatError


def read_config(data: bytes, *, where: str) -> dict[str, object]:
    """Parse a config.json.

    Real ones hold `NaN` and `Infinity`, which strict JSON forbids, and repeated keys, of which transformers
    takes the last; both pass.

    Args:
        data: The bytes of the file.
        where: The path of the file, for messages.

    Returns:
        The parsed object.

    Raises:
        FormatError: The file is no JSON object in UTF-8.
    """
    try:
        parsed: object = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{where}: byte {error.start} is no UTF-8",
            expected="a JSON object in UTF-8",
            hint="save or download it again",
        ) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: {error}", expected="a JSON object", hint="save or download it again") from None
    if not isinstance(parsed, dict):
        raise FormatError(
            f"{where}: a JSON {type(parsed).__name__}",
            expected="a JSON object",
            hint="this is no config.json of a model",
        )
    return parsed
