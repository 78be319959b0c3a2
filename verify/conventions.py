"""What people mean by "parameters": the same formula counted by different conventions.

Papers leave out embeddings, positions, the output layer or the experts that a token does not use, and
rarely say so. Each convention here is a rule on terms, with its source.
"""

from collections.abc import Callable

import msgspec

from verify.formula import Formula, Term
from verify.roles import Kind, Role


class Convention(msgspec.Struct, frozen=True):
    """A way to count.

    Attributes:
        name: Its short name, a key of the JSON result.
        statement: What it counts, in one sentence with its source.
        elements: How many elements of a term it counts, over the whole model.
    """

    name: str
    statement: str
    elements: Callable[[Term], int]


def _is_matrix_of_tokens(term: Term) -> bool:
    """Whether it is a token embedding or an output layer over the vocabulary."""
    return (term.slot.role is Role.EMBEDDING and term.slot.part == "tokens") or (
        term.slot.role is Role.HEAD and term.slot.part == "lm_head"
    )


CONVENTIONS = (
    Convention("all", "every parameter, shared ones once", lambda term: term.count),
    Convention(
        "active",
        "what one token uses: of the routed experts only the chosen ones; embeddings and head whole "
        "(Jiang et al. 2024, arXiv:2401.04088, section 2.1)",
        lambda term: term.active_count,
    ),
    Convention(
        "without_embeddings",
        "without token embedding and output matrix (Biderman et al. 2023, arXiv:2304.01373, table 1)",
        lambda term: 0 if _is_matrix_of_tokens(term) else term.count,
    ),
    Convention(
        "without_embeddings_and_positions",
        "without token embedding, output matrix and learned positions "
        "(Kaplan et al. 2020, arXiv:2001.08361, section 2.1)",
        lambda term: 0 if _is_matrix_of_tokens(term) or term.slot.role is Role.POSITION else term.count,
    ),
)


def counts(formula: Formula) -> dict[str, int]:
    """Parameters of a formula by each convention, in elements."""
    terms = formula.of(Kind.PARAMETER)
    return {each.name: sum(each.elements(term) for term in terms) for each in CONVENTIONS}
