"""A formula written by hand, such as `12*L*h**2 + V*h`, read without ever running it.

The text is checked character by character and word by word, then parsed by `ast` and folded over a
closed list of nodes into a `Size`, so value, text and LaTeX come from one record. Everything is bounded: the
text, its nesting, exponents, values, and the number of terms that a product may have.
"""

import ast
import re
from dataclasses import dataclass
from keyword import iskeyword
from string import ascii_letters, digits

from verify.config import Config
from verify.errors import ExpressionError
from verify.published._hyperparameters import Hyperparameters
from verify.symbols import Size

#: Longest text, in characters.
MAX_LENGTH = 2000
#: Deepest nesting of parentheses and operators. A long sum is not deep.
MAX_DEPTH = 50
#: Largest exponent; the highest power in any published formula is 2.
MAX_EXPONENT = 8
#: Largest number, also on the way to the result. The largest models have about 2**42 parameters.
MAX_VALUE = 2**127
#: Most term-by-term products in one multiplication, and highest total power of a term.
MAX_PRODUCTS = 1000
MAX_DEGREE = 32

ALLOWED = "names, whole numbers, + - * ** // / and parentheses"
EXAMPLE = "write it like 12*L*h**2 + V*h"

_CHARACTERS = frozenset(f"{ascii_letters}{digits}_.+-*/() ")
_WORD = re.compile(r"[A-Za-z0-9_.]+")
_NUMBER = re.compile(r"[0-9]+(_[0-9]+)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_PRODUCT = re.compile(r"([0-9]+)([A-Za-z_].*)")


def evaluate(text: str, config: Config) -> Size:
    """The value of an expression for one config, with its polynomial.

    Args:
        text: Whole numbers, hyper-parameters by letter, name or key (`text_config.x` inside a section),
            `+ - * ** // /`, and parentheses. `/` must divide without remainder.
        config: Where hyper-parameters are read.

    Returns:
        The result, at least 1, in elements.

    Raises:
        ExpressionError: The text is no such expression, names something that config.json lacks, breaks a
            bound, or comes to 0 or less.
        ConfigError: config.json states a named hyper-parameter as something impossible.
    """
    reader = _Reader(" ".join(text.split()), Hyperparameters(config))
    size = reader.fold(reader.tree())
    if size.value < 1:
        raise reader.error(0, f"comes to {size.value}", "at least 1", "check its signs")
    return size


@dataclass(frozen=True, slots=True)
class _Reader:
    """One expression on its way from text to size.

    Attributes:
        text: The expression, each run of whitespace as one space.
        names: What its names mean.
    """

    text: str
    names: Hyperparameters

    def error(self, position: int, found: str, expected: str = ALLOWED, hint: str = EXAMPLE) -> ExpressionError:
        """The error about what stands at a position, counted from 0; a reader counts from 1."""
        where = f"formula {_clip(self.text, 60)!r}, character {position + 1}"
        return ExpressionError(f"{where}: {_clip(found, 160)}", expected=expected, hint=_clip(hint, 400))

    def tree(self) -> ast.expr:
        """Parse the text after everything in it is known to be harmless."""
        self._check_characters()
        self._check_words()
        try:
            return ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            offset = (getattr(error, "offset", None) or 1) - 1
            raise self.error(offset, "cannot be read from here on") from None

    def fold(self, node: ast.expr, depth: int = 0) -> Size:
        """The size of a node. A chain of operators is walked in a loop, so a long sum needs no deep stack."""
        if depth > MAX_DEPTH:
            raise self.error(node.col_offset, "nested too deeply", f"at most {MAX_DEPTH} levels", "expand it")
        chain: list[ast.BinOp] = []
        while isinstance(node, ast.BinOp):
            chain.append(node)
            node = node.left
        size = self._leaf(node, depth)
        for operation in reversed(chain):
            size = self._apply(operation, size, depth)
            if abs(size.value) > MAX_VALUE:
                raise self.error(operation.right.col_offset, "too large a number", "at most 2**127", "check its powers")
        return size

    def _check_characters(self) -> None:
        if not self.text:
            raise self.error(0, "nothing there")
        if len(self.text) > MAX_LENGTH:
            raise self.error(MAX_LENGTH, f"{len(self.text)} characters", f"at most {MAX_LENGTH}", "shorten it")
        depth = 0
        for position, character in enumerate(self.text):
            if character not in _CHARACTERS:
                hint = "write ** for a power" if character in "^²³" else EXAMPLE
                raise self.error(position, repr(character), hint=hint)
            depth += (character == "(") - (character == ")")
            if depth > MAX_DEPTH:
                raise self.error(position, "nested too deeply", f"at most {MAX_DEPTH} levels", "expand it")

    def _check_words(self) -> None:
        for match in _WORD.finditer(self.text):
            word, position = match[0], match.start()
            if _NUMBER.fullmatch(word) or (_NAME.fullmatch(word) and not iskeyword(word)):
                continue
            product = _PRODUCT.fullmatch(word)
            hint = f"write {product[1]}*{product[2]}" if product else EXAMPLE
            raise self.error(position, repr(word), hint=hint)

    def _leaf(self, node: ast.expr, depth: int) -> Size:
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return self._number(node, number)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.fold(operand, depth + 1) * -1
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.fold(operand, depth + 1)
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.Call():
                raise self.error(node.col_offset, "something is called", hint="write * between factors")
        raise self.error(node.col_offset, f"a Python {type(node).__name__}")

    def _number(self, node: ast.expr, number: int) -> Size:
        if number > MAX_VALUE:
            raise self.error(node.col_offset, "too large a number", "at most 2**127", "check it")
        return Size.of(number)

    def _name(self, node: ast.Name | ast.Attribute) -> Size:
        name = self.text[node.col_offset : node.end_col_offset]
        try:
            size = self.names.find(name) if _NAME.fullmatch(name) else None
        except ExpressionError as error:
            raise self.error(node.col_offset, str(error), "", "") from None
        if size is None:
            raise self.error(node.col_offset, *self.names.explain_absence(name))
        return size

    def _apply(self, operation: ast.BinOp, left: Size, depth: int) -> Size:
        if isinstance(operation.op, ast.Pow):
            return self._power(operation, left)
        right = self.fold(operation.right, depth + 1)
        match operation.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return self._multiply(operation, left, right)
            case ast.FloorDiv() | ast.Div():
                return self._divide(operation, left, right)
        raise self.error(operation.right.col_offset, f"a Python {type(operation.op).__name__}")

    def _power(self, operation: ast.BinOp, base: Size) -> Size:
        size = Size.of(1)
        match operation.right:
            case ast.Constant(value=int(exponent)) if exponent <= MAX_EXPONENT:
                for _ in range(exponent):
                    size = self._multiply(operation, size, base)
                return size
        expected = f"a number from 0 to {MAX_EXPONENT}"
        raise self.error(operation.right.col_offset, "an exponent that is not allowed", expected)

    def _multiply(self, operation: ast.BinOp, left: Size, right: Size) -> Size:
        degree = _degree(left) + _degree(right)
        if degree > MAX_DEGREE or len(left.polynomial) * len(right.polynomial) > MAX_PRODUCTS:
            expected = f"at most {MAX_PRODUCTS} products and powers of {MAX_DEGREE} in all"
            raise self.error(operation.right.col_offset, "too large a product", expected, "simplify it")
        return left * right

    def _divide(self, operation: ast.BinOp, left: Size, right: Size) -> Size:
        """Whole division, symbolically where a constant divides every factor; else a symbol named by its text."""
        position = operation.right.col_offset
        if right.value == 0:
            raise self.error(position, "division by zero", "a divisor that is not 0", "check it")
        if isinstance(operation.op, ast.Div) and left.value % right.value:
            found = f"{left.value} / {right.value} is not whole"
            raise self.error(position, found, "an exact division", "use // to round down")
        if not _degree(left) and not _degree(right):
            return Size.of(left.value // right.value)
        if not _degree(right) and all(factor % right.value == 0 for factor in left.polynomial.values()):
            return left // right
        name = f"({_operand(left)} // {_operand(right)})"
        if len(name) > MAX_LENGTH:
            raise self.error(position, "too large a division", f"at most {MAX_LENGTH} characters", "simplify it")
        return Size.symbol(name, left.value // right.value)


def _clip(text: str, length: int) -> str:
    """The beginning of a text that may be too long for a message."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _degree(size: Size) -> int:
    """The highest total power of a term; 0 for a constant."""
    return max(map(len, size.polynomial), default=0)


def _operand(size: Size) -> str:
    """The text of a size as one operand of `//`, so that it reads back as the same size."""
    text = size.text()
    whole = _NUMBER.fullmatch(text) or any(text == symbol.name for symbol in size.symbols())
    return text if whole else f"({text})"
