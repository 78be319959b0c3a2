"""Models made of models: a text model that another family describes, what sees, and what joins the two.

The config of such a model has a section for each part, which may leave out whatever is the default of its class,
and the checkpoint has a prefix for each part. The text model is the formula of its own family, without a head;
the head is that of the whole. What sees has slots of the stack `vision`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verify.architectures import find, load
from verify.architectures._blocks import DECODER_HEADS, decoder_head, head
from verify.architectures._quantization import quantisation_extras
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Term
from verify.names import Entry, NameTable
from verify.roles import Cause, Role
from verify.symbols import Size

#: The stack of what sees.
VISION = "vision"

#: The ends of the names of the classes: the one with an output layer, and the one without a head.
CLASSES = ("ForConditionalGeneration", "Model")

#: Numbers of tokens that stand for images, and the like: no tensor has its shape from them.
_TOKENS = (
    *("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "vision_token_id"),
    *("image_token_index", "boi_token_index", "eoi_token_index", "ignore_index"),
)

#: What the section of a text model says over again about the whole, or not at all about its shapes.
_OF_THE_WHOLE = (*_TOKENS, "max_position_embeddings", "layer_types", "use_mrope")


class _View(Config):
    """A config with some values in place of those it holds, or of those it lacks; what is read is read in both."""

    def __init__(
        self,
        whole: Config,
        *,
        instead: Mapping[str, object] | None = None,
        defaults: Mapping[str, object] | None = None,
    ) -> None:
        """Share the values of another config and its record of what was read.

        Args:
            whole: The other config.
            instead: Values that count whatever the other config says.
            defaults: Values that count where the other config has no such key.
        """
        super().__init__({})
        self.__dict__.update(vars(whole))
        self._values = {**(defaults or {}), **self._values, **(instead or {})}


@dataclass(frozen=True, slots=True)
class TextModel:
    """The text model inside another model.

    Attributes:
        terms: Its terms without a head.
        extras: What a checkpoint may hold of it besides, heads and scales apart.
        vocab: Rows of its embedding.
        hidden: The width of its residual stream.
        tied: Whether its own config ties its output layer, by what it says or by the default of its class.
    """

    terms: tuple[Term, ...]
    extras: tuple[Extra, ...]
    vocab: Size
    hidden: Size
    tied: bool


def text_model(
    config: Config, family: str, *, defaults: Mapping[str, object] | None = None, ignored: tuple[str, ...] = ()
) -> TextModel:
    """The text model of a composite, by the formula of its own family.

    Args:
        config: The section that describes it.
        family: The family, or an alias.
        defaults: What its config class says where the section says nothing; a section that a class wrote leaves
            out whatever is the default.
        ignored: Keys that shape the family by itself, and that the text model inside the composite does not have.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    instead = {"architectures": ["ForCausalLM"], **dict.fromkeys(ignored)}
    formula = find(family).formula(_View(config, instead=instead, defaults=defaults))
    config.set_aside(*_OF_THE_WHOLE)
    vocab, hidden = next(term.axes for term in formula.terms if str(term.slot) == "embedding.tokens")
    return TextModel(
        terms=tuple(term for term in formula.terms if term.slot.role is not Role.HEAD),
        extras=tuple(extra for extra in formula.extras if extra.cause is not Cause.SCALES and not _has_head(extra)),
        vocab=vocab,
        hidden=hidden,
        tied=not any(term.slot.part == "lm_head" for term in formula.terms),
    )


def _has_head(extra: Extra) -> bool:
    return any(term.slot.role is Role.HEAD for term in extra.terms)


def compose(
    name: str,
    source: str,
    config: Config,
    *,
    text: TextModel,
    others: Iterable[Term],
    tied: bool,
    extras: Iterable[Extra] = (),
    classes: tuple[str, ...] = CLASSES,
) -> Formula:
    """A text model and all that stands beside it, under the head that `architectures` names.

    Args:
        name: The family.
        source: Where the formula comes from.
        config: The whole config.
        text: The text model.
        others: What sees, and what joins it to the text model.
        tied: Whether the output layer is the embedding; the classes differ in which section they ask.
        extras: What a checkpoint may hold of the other parts besides.
        classes: The ends of the names of its classes, first that of the one with an output layer.

    Raises:
        ConfigError: The class has a head that no formula knows.
    """
    kind = head(config, classes[0], classes)
    heads, others_heads = decoder_head(
        _View(config, instead={"tie_word_embeddings": tied}),
        text.vocab,
        text.hidden,
        tied_by_default=False,
        kind="ForCausalLM" if kind == classes[0] else kind,
    )
    config.set_aside("max_position_embeddings", *_TOKENS)
    return Formula(
        name=name,
        source=source,
        terms=(*text.terms, *heads, *others),
        # Published fp8 checkpoints quantise the text model alone.
        extras=(*others_heads, *text.extras, *extras, *quantisation_extras(config, text.terms)),
    )


def names(
    texts: Iterable[str],
    others: Mapping[str, Entry],
    *,
    before: tuple[str, ...],
    prefixes: tuple[str, ...] = ("model.",),
) -> NameTable:
    """The tensor names of a composite.

    Args:
        texts: The families that its text model may be of, by their own names.
        others: The names of all but the text model, as the bare composite has them.
        before: What may stand before the names of the bare text model inside the bare composite.
        prefixes: What stands before the names of the bare composite under its head.
    """
    inside = {name: entry for text in texts for name, entry in load(text).NAMES.backbone.items()}
    return NameTable(
        backbone={**{f"{start}{name}": entry for start in before for name, entry in inside.items()}, **others},
        head={**DECODER_HEADS, **{f"language_model.{name}": entry for name, entry in DECODER_HEADS.items()}},
        prefixes=prefixes,
    )


def vision_size(config: Config, key: str, default: int, definition: str) -> Size:
    """A size of what sees, as a symbol that no size of the text model can be taken for."""
    return Size.symbol(f"vision_{key}", config.integer(key, default=default), "" if key in config else definition)


def whole_vision_heads(config: Config, hidden: Size, key: str, default: int) -> None:
    """Read the number of heads of what sees; it shapes nothing, as all heads together are as wide as the tower.

    Raises:
        ConfigError: They do not divide the width.
    """
    heads = config.integer(key, default=default)
    if hidden.value % heads:
        raise ConfigError(
            f"vision_config.{key} {heads} does not divide the width {hidden.value} of the vision tower",
            expected="a divisor",
            hint="correct config.json",
        )
