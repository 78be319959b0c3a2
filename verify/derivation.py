"""What `verify derive` found out about a class, ready to be printed; expressions are texts over config names."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repeat:
    """The modules that one `{}` of a pattern goes through.

    Attributes:
        index: The name of its index, `i` for the first `{}`.
        stop: How many indices there are.
        where: Which of them it is, as the source has it; "" for all.
        count: How many that are; "" where no closed form is known.
    """

    index: str
    stop: str
    where: str = ""
    count: str = ""

    @property
    def text(self) -> str:
        """The condition: `i >= first_k_dense_replace`, or `i < num_hidden_layers`."""
        return self.where or f"{self.index} < {self.stop}"


@dataclass(frozen=True, slots=True)
class Row:
    """The tensors of one pattern.

    Attributes:
        pattern: Their name with `{}` for each number in it.
        kind: `parameter` or `buffer`.
        axes: Their axes in the order of the shape.
        repeats: Where they occur, one for each `{}`.
        tensors: How many there are at the given configuration; None in a case that it is not in.
        elements: What they hold there.
    """

    pattern: str
    kind: str
    axes: tuple[str, ...]
    repeats: tuple[Repeat, ...]
    tensors: int | None = None
    elements: int | None = None

    @property
    def name(self) -> str:
        """The pattern with the names of the indices: `model.layers.{i}.mlp.up_proj.weight`."""
        return f"{self.module}.{self.inner}" if self.module else self.inner

    @property
    def module(self) -> str:
        """Its part up to the last index, `model.layers.{i}`; "" outside of all layers."""
        pieces = self.pattern.split("{}")[:-1]
        return "".join(f"{piece}{{{repeat.index}}}" for piece, repeat in zip(pieces, self.repeats, strict=True))

    @property
    def inner(self) -> str:
        """Its part behind the last index: `mlp.up_proj.weight`."""
        return self.pattern.rpartition("{}")[2].removeprefix(".")

    @property
    def place(self) -> str:
        """Where they occur; "" outside of all layers."""
        return ", ".join(repeat.text for repeat in self.repeats)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A condition under which a case holds.

    Attributes:
        text: The condition.
        where: The line of the source that decides by it.
        trivial: Why no reader needs it; "" where one may.
    """

    text: str
    where: str = ""
    trivial: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A formula and where it holds.

    Attributes:
        requirements: All conditions must hold.
        rows: The terms.
        lines: The closed form of the number of parameters, a line for each set of layers.
        latex_lines: The same as LaTeX.
        given: Whether the given configuration is in it.
    """

    requirements: tuple[Requirement, ...]
    rows: tuple[Row, ...]
    lines: tuple[str, ...]
    latex_lines: tuple[str, ...]
    given: bool

    @property
    def text(self) -> str:
        """The closed form."""
        return " ".join(self.lines)

    @property
    def latex(self) -> str:
        """The closed form as LaTeX."""
        return " ".join(self.latex_lines)


@dataclass(frozen=True, slots=True)
class Switch:
    """A boolean, or some together, that change the formula.

    Attributes:
        settings: Each with its other value.
        text: What it adds to the closed form; negative where it takes something away.
        latex: The same as LaTeX.
        parameters: What that is at the given configuration; None where it is not known.
        added: Terms that there are only with it.
        removed: Terms that there are only without it.
        configurations: How many random configurations confirm the formula with it.
        failure: Why it is not confirmed; "" where it is.
    """

    settings: tuple[tuple[str, bool], ...]
    text: str
    latex: str
    parameters: int | None
    added: tuple[Row, ...] = ()
    removed: tuple[Row, ...] = ()
    configurations: int = 0
    failure: str = ""

    @property
    def name(self) -> str:
        """The settings: `tie_word_embeddings=True`."""
        return ", ".join(f"{path}={value}" for path, value in self.settings)


@dataclass(frozen=True, slots=True)
class Switches:
    """All booleans of a configuration.

    Attributes:
        changes: Those that change the formula.
        idle: Those that change nothing.
        rejected: Those that the class does not let be flipped, each with what it says.
        configurations: In how many random configurations, with several flipped at random, the changes added up.
        note: Which combinations are not known; "" where all add up.
    """

    changes: tuple[Switch, ...] = ()
    idle: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    configurations: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """How the formula was tested against the real class.

    Attributes:
        configurations: How many random configurations in a row it predicted, in total and shape by shape.
        varied: The config names that differed among them.
        never: Config names in the formula or its conditions that never did.
        failure: Why it is not confirmed; "" where it is.
        where: The line of the source that it comes from, where that is known.
        lost: Values that the source turned into plain numbers, each with its line.
    """

    configurations: int
    varied: tuple[str, ...]
    never: tuple[str, ...]
    failure: str = ""
    where: str = ""
    lost: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """The formula of a class.

    Attributes:
        model_type: The key of transformers.
        class_name: The class.
        source: The module that it is in.
        transformers: The version that it was derived from.
        given: The configuration that it starts from: its file or repository, or whose defaults.
        revision: The commit of a repository, or "".
        note: What is to be said about that configuration, or "".
        cases: One formula, or several that hold in different places.
        parameters: Elements of all parameters at the given configuration; None where no case holds there.
        buffers: Elements of all persistent buffers there.
        switches: What booleans change.
        confirmed: How it was tested.
    """

    model_type: str
    class_name: str
    source: str
    transformers: str
    given: str
    revision: str
    note: str
    cases: tuple[Case, ...]
    parameters: int | None
    buffers: int | None
    switches: Switches
    confirmed: Confirmed

    @property
    def failures(self) -> tuple[str, ...]:
        """What is not confirmed, the formula itself first; each with its place in the source where that is known."""
        return tuple(self._failures())

    def _failures(self) -> Iterator[str]:
        if self.confirmed.failure:
            yield self.confirmed.failure + (f" ({self.confirmed.where})" if self.confirmed.where else "")
        for switch in self.switches.changes:
            if switch.failure:
                yield f"with {switch.name}: {switch.failure}"
