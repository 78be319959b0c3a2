"""Images as sequences: how many patches there are and how large each one is.

Legend of the axes: `hidden` is the width of the model, `channels` the number of colours, `patch` the edge of a
patch in pixels, `grid` the number of patches along an edge of the image.
"""

from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Term
from verify.names import slot
from verify.symbols import Size

#: Why a number is used that the config does not state.
DEFAULT = "the class's own default"


def edges(config: Config, key: str, default: int | None, *, stack: str = "") -> tuple[Size, Size]:
    """Height and width in pixels, stated as one number or as two.

    Raises:
        ConfigError: It is neither one positive whole number nor two.
    """
    name = f"{stack}_{key}" if stack else key
    try:
        sides = config.items(key)
    except ConfigError:
        value = config.integer(key, default=default)
        edge = Size.symbol(name, value, "" if key in config else DEFAULT)
        return edge, edge
    match sides:
        case (int(height), int(width)) if height > 0 and width > 0 and bool not in map(type, sides):
            if height == width:
                return Size.symbol(name, height), Size.symbol(name, width)
            return Size.symbol(f"{name}[0]", height), Size.symbol(f"{name}[1]", width)
    raise ConfigError(f"{key} is {list(sides)}", expected="one or two whole numbers of at least 1")


def patches(image: tuple[Size, Size], patch: tuple[Size, Size]) -> Size:
    """How many whole patches an image has.

    Raises:
        ConfigError: A patch is larger than the image.
    """
    for edge, side in zip(image, patch, strict=True):
        if side.value > edge.value:
            raise ConfigError(
                f"patch_size {side.value} is more than image_size {edge.value}",
                expected="at least one patch in an image",
                hint="correct config.json",
            )
    return (image[0] // patch[0]) * (image[1] // patch[1])


def projection(
    hidden: Size, channels: Size, patch: tuple[Size, Size], *, bias: bool = True, stack: str = ""
) -> tuple[Term, ...]:
    """What makes a vector of a patch: a convolution `hidden x channels x patch x patch` that moves by whole patches."""
    weight = Term(slot("embedding.patches", stack=stack), (hidden, channels, *patch))
    return (weight, Term(slot("embedding.patches.bias", stack=stack), (hidden,))) if bias else (weight,)
