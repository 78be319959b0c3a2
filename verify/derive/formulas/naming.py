"""What names of tensors say: the numbers of modules, a guess at the role, and what the code calls them.

`model.layers.3.self_attn.q_proj.weight` is `attention.layers.self_attn.q_proj`. The role says no more than in which row
of a summary a tensor is; which tensor is meant, and whether it is there, is told by its full name.
"""

from functools import lru_cache

from verify.roles import Role
from verify.templates import OPEN, is_index

#: Words of a module's name, joined by `_` in it, and the role that they speak of; the innermost module decides.
ROLES = {
    Role.NORM: "norm norms layernorm batchnorm groupnorm rmsnorm ln bn normalization enorm hnorm",
    Role.EXPERTS: "expert experts",
    Role.ROUTER: "router routers gate wg",
    Role.HEAD: "lm head heads classifier predictions score cls qa",
    Role.POSITION: "position positions positional rope rotary relative pos wpe inv freq",
    Role.ATTENTION: "attn attention attentions selfattention encdecattention qkv query key value wq wk wv",
    Role.MLP: "mlp ffn fc ff fc1 fc2 feedforward feed intermediate densereludense ffwd gateup",
    Role.EMBEDDING: "embed embedding embeddings embedder tokens wte shared emb patch",
}

_WORDS = {word: role for role, words in ROLES.items() for word in words.split()}
#: Modules inside experts that are no part of one.
_BESIDE_EXPERTS = (Role.NORM, Role.ROUTER)

_WEIGHT = "weight"


@lru_cache(maxsize=65_536)
def numbered(name: str) -> tuple[str, tuple[int, ...]]:
    """A name with `{}` for each number in it, and the numbers.

    A number is a whole piece of the name, as in `layers.3`, or what follows the last `_` of one, as in `expert_3`.
    """
    pieces, numbers = [], []
    for piece in name.split("."):
        start, sign, end = piece.rpartition("_")
        if is_index(end):
            numbers.append(int(end))
            pieces.append(f"{start}{sign}{OPEN}")
        else:
            pieces.append(piece)
    return ".".join(pieces), tuple(numbers)


def pattern(name: str) -> str:
    """A name with `{}` for each number in it."""
    return numbered(name)[0]


def role(template: str) -> Role:
    """The role that the names of modules speak of, from the tensor outwards.

    Args:
        template: The name of a tensor, with or without `{}` for numbers.
    """
    found = [known for piece in reversed(template.split(".")) if (known := _role(piece))]
    if Role.EXPERTS in found and found[0] not in _BESIDE_EXPERTS:
        return Role.EXPERTS
    return found[0] if found else Role.OTHER


def part(template: str) -> str:
    """What the code calls a tensor, without numbers that are open, and without `weight`."""
    pieces = [piece for piece in template.split(".") if piece != OPEN]
    return ".".join(pieces[:-1] if pieces[-1] == _WEIGHT and pieces[1:] else pieces)


def _role(piece: str) -> Role | None:
    """The role of one module: the last of its words that speaks of one, `gate_proj` being no gate."""
    words = piece.lower().split("_")
    if words[0] == "gate" and words[1:]:
        return _WORDS.get(words[-1]) or Role.MLP
    return next((_WORDS[word] for word in reversed(words) if word in _WORDS), None)
