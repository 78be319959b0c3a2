"""Random configurations: which values of a configuration may move, and how, so that its class still takes it.

Classes demand that sizes divide each other (`hidden_size % num_attention_heads == 0`) and that lists are as long as
there are layers. So sizes mostly move by small factors, several of them often by the same one, and a list that was
as long as a number of layers grows and shrinks with it. What a class still rejects does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify.derive.building.configurations import Keywords, assign, copied, flatten, sections
from verify.derive.tracing.per_layer import FIELDS, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

#: Last part of the name of a number of layers: these stay small, because each module takes time to build.
_LAYERS = frozenset({"layers", "layer", "depth", "blocks"})
#: The same of lists with a number for each stage.
_LISTED = frozenset({"depths", "blocks", "repeats"})
#: Parts of a name whose list holds indices of layers.
_INDICES = frozenset({"indices", "indexes", "index", "idx", "idxs", "ids", "layers"})
#: Ends of the names of token numbers: they are no sizes, but an embedding rejects one beyond its vocabulary.
_TOKENS = ("token_id", "token_ids", "token_idx", "token_index")

#: Words that each model takes for its activation; no shape depends on them.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2", "silu", "swish", "quick_gelu")

#: Layers and experts that a spread configuration has at most (layers a few more, to keep their numbers distinct).
_LAYERS_AT_MOST = 13
_EXPERTS_AT_MOST = 16
#: A word in the name of a number of layers that are some of all layers, and the share of these that it becomes:
#: `num_kv_shared_layers` of Gemma 3n.
_SHARED, _SHARE = "shared", 4
#: A size up to this moves by one as well; a larger one by factors and round steps.
_SMALL = 16


@dataclass(frozen=True, slots=True)
class Varied:
    """A random configuration.

    Attributes:
        keywords: Its keywords.
        paths: What differs from the configuration that it started from; a list that only changed its length is not
            named.
    """

    keywords: Keywords
    paths: tuple[str, ...]


def spread(keywords: Keywords, *, layers: int = _LAYERS_AT_MOST, experts: int = _EXPERTS_AT_MOST) -> Keywords:
    """Make numbers of layers small and distinct, so that what repeats with each of them can be told apart.

    Args:
        keywords: Keywords of a configuration; they are left as they are.
        layers: The most layers, before they are made distinct.
        experts: The most experts; the largest divisor below it is taken, for what groups them.
    """
    moved: Keywords = copied(keywords)
    seen: set[int] = set()
    for path, value in flatten(keywords).items():
        if _count(value) and value == 1 and "[" in path and _words(path)[-1] in _LISTED:
            assign(moved, path, 2)  # what only the first of several modules has is seen on the second
        if not _count(value) or value < 2:  # noqa: PLR2004 - one layer stays one layer
            continue
        if _is_layers(path):
            smaller = min(value, layers // _SHARE if _SHARED in _words(path) else layers) or 1
            while smaller in seen:
                smaller += 1
            seen.add(smaller)
            settle(moved, path, smaller)
        elif "experts" in _words(path) and not path.endswith("per_tok") and path in flatten(moved):
            settle(moved, path, max(size for size in range(1, min(value, experts) + 1) if value % size == 0))
    return moved


def movable(keywords: Keywords) -> tuple[str, ...]:
    """The paths that a random configuration may move: numbers, activations, lists of words or switches.

    A switch is not moved: it is part of what the formula is for.
    """
    flat = flatten(keywords)
    alike = _alike(keywords)
    return tuple(path for path, value in flat.items() if path not in alike and _moves(path, value))


def _alike(keywords: Keywords) -> set[str]:
    """Settings of single layers that move with that of the first layer of their kind."""
    return {
        f"{start}{name}[{at}]"
        for start, section in sections(keywords)
        for name in _kinds(section)
        for at, kind in enumerate(section["layer_types"])
        if kind in section["layer_types"][:at]
    }


def vary(
    keywords: Keywords, random: Random, paths: Iterable[str], *, together: int = 0, opposite: Iterable[str] = ()
) -> Varied:
    """Move some values of a configuration.

    Args:
        keywords: Keywords of a configuration; they are left as they are.
        random: The source of chance.
        paths: The paths to move, out of `movable`.
        together: A factor by which all sizes among them are multiplied; 0 moves each by its own step.
        opposite: Those that are divided by the factor instead.
    """
    divided = set(opposite)
    moved = copied(keywords)
    # Counts of layers first: they change the length of lists, whose entries may be moved then.
    for path in sorted(paths, key=lambda path: not _is_layers(path)):
        flat = flatten(moved)
        if path in flat:
            value = flat[path]
            smaller = path in divided and _count(value) and together
            settle(moved, path, value // together if smaller else _step(path, value, random, together))
    before, after = flatten(keywords), flatten(moved)
    return Varied(moved, tuple(path for path in before if path in after and differs(before[path], after[path])))


def _step(path: str, value: Any, random: Random, together: int) -> Any:
    """Another value of a path."""
    if isinstance(value, tuple):
        words = random.choice((value, tuple(dict.fromkeys(value))))  # as often as they are, or each as often
        return tuple(random.choice(words) for _ in value)
    if isinstance(value, str):
        return random.choice([word for word in ACTIVATIONS if word != value])
    if isinstance(value, float):
        return value * (together or random.choice((0.5, 0.75, 1.5, 2.0))) or 0.1
    if _is_layers(path) or "experts" in _words(path):
        most = max(2, min(value + value // 2, 2 * _EXPERTS_AT_MOST))
        least = max(1, min(value // 2, most))
        return random.choice((random.randint(least, most), min(value * 2, most), least))
    return _size(value, random, together)


def _size(value: int, random: Random, together: int) -> int:
    """Another size: 0 becomes a small number, because most sizes that are 0 are parts left out."""
    if value == 0:
        return random.choice((1, 2))
    if together:
        return value * together
    if value <= _SMALL:
        return max(1, random.choice((value - 1, value + 1, value * 2, value // 2, value * 3, value * 4)))
    return random.choice(
        (value * 2, value // 2, value * 3, value + value // 2, value + 64, value + 8, value + 1, value // 4)
    )


def settle(keywords: Keywords, path: str, value: Any) -> None:
    """Set a value in place; with a number of layers, the lists that have an entry for each layer get its length.

    A setting of one layer becomes that of all layers of its kind; a layer that changes its kind gets its settings.
    """
    before = flatten(keywords)[path]
    prefix = path.rpartition(".")[0]
    section = next(part for start, part in sections(keywords) if start == (f"{prefix}." if prefix else ""))
    kinds = _kinds(section)
    assign(keywords, path, value)
    name, _, at = path[len(prefix) :].removeprefix(".").partition("[")
    if name in kinds and at:
        kinds[name][section["layer_types"][int(at.removesuffix("]"))]] = value
    if _is_layers(path) and value != before:
        for other, items in section.items():
            if isinstance(items, list | tuple) and items and not any(isinstance(item, list | tuple) for item in items):
                section[other] = type(items)(_fitted(other, list(items), before, value))
            elif isinstance(items, list | tuple):
                section[other] = type(items)(_repeated(item, before, value) for item in items)
    for other, values in kinds.items():
        section[other] = [values[kind] for kind in section["layer_types"]]


def _kinds(section: Keywords) -> dict[str, dict[str, Any]]:
    """The settings of single layers that layers of one kind share, by their list and the kind."""
    words = section.get("layer_types") or ()
    found: dict[str, dict[str, Any]] = {}
    for name in filter(None, str(section.get(FIELDS) or "").split(",")):
        items = section[f"{PREFIX}{name}"]
        if len({*zip(words, items, strict=False)}) == len({*words}) and len(words) == len(items):
            found[f"{PREFIX}{name}"] = dict(zip(words, items, strict=True))
    return found


def _fitted(name: str, items: list[Any], before: int, now: int) -> list[Any]:
    """A list after a number of layers has changed: one entry for each layer, or indices of layers."""
    if len(items) == before:
        longer = [items[at % before] for at in range(now)]
        lost = [item for item in dict.fromkeys(items) if item not in longer][:now]
        return longer[: now - len(lost)] + lost if isinstance(items[0], str) else longer
    indices = all(_count(item) for item in items) and not _INDICES.isdisjoint(_words(name))
    if indices and max(items) < before and max(items) >= now:
        return [item for item in items if item < now] or [now - 1]
    return items


def _repeated(item: Any, before: int, now: int) -> Any:
    """A pattern and how often it comes, as in `attention_types` of GPT-Neo: `[["global", "local"], 12]`."""
    if not (isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], list | tuple)):  # noqa: PLR2004 - a pair
        return item
    pattern, times = item
    return [pattern, now // len(pattern)] if times == before // max(1, len(pattern)) else item


def differs(before: Any, after: Any) -> bool:
    """Whether a value has moved; a list that has another length has not, because it went along with another value."""
    if isinstance(before, tuple) and isinstance(after, tuple):
        return len(before) == len(after) and before != after
    return bool(before != after)


def _moves(path: str, value: Any) -> bool:
    if path.partition("[")[0].endswith(_TOKENS):
        return False
    if isinstance(value, str):
        return value in ACTIVATIONS and "[" not in path
    if isinstance(value, tuple):
        return len(set(value)) > 1 and all(isinstance(item, str | bool) for item in value)
    return _count(value) or (isinstance(value, float) and value >= 0)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_layers(path: str) -> bool:
    """Whether a path is a number of layers, by its name: `num_hidden_layers`, `n_layer`, `encoder_layers`, `depth`."""
    return "[" not in path and _words(path)[-1] in _LAYERS


def _words(path: str) -> list[str]:
    return path.rpartition(".")[2].split("[")[0].split("_")
