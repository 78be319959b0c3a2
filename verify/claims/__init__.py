"""The ledger of published claims: what articles, papers and programs state, recomputed and judged.

A module here is one source: `SOURCE` says where it was published, `CLAIMS` holds what it states. Nothing has to be
registered anywhere else. Modules with an underscore hold no claims.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules

from verify.claims._ledger import Amount, Claim, Found, Row, Source, Verdict, judge
from verify.errors import UsageError

__all__ = ["Amount", "Claim", "Found", "Row", "Source", "Verdict", "judge", "judged", "ledger", "sources"]

_PART = re.compile(r"[0-9]+|[^0-9.]+")


def sources() -> tuple[str, ...]:
    """The modules that hold claims, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def ledger() -> tuple[tuple[Claim, Source], ...]:
    """Every claim with its source, in the order of their ids."""
    modules = [import_module(f"{__name__}.{name}") for name in sources()]
    found = [(claim, module.SOURCE) for module in modules for claim in module.CLAIMS]
    return tuple(sorted(found, key=lambda pair: _order(pair[0].id)))


def judged(ids: Sequence[str] = ()) -> tuple[Row, ...]:
    """The verdicts of claims, in the order of their ids.

    Args:
        ids: `A.9a`, or `A.9` and `A` for all that begin so; upper and lower case are the same. All when empty.

    Raises:
        UsageError: There is no claim of an id.
    """
    known = ledger()
    chosen = {claim.id for wanted in ids for claim in _chosen(wanted, [claim for claim, _ in known])}
    return tuple(judge(claim, source) for claim, source in known if not ids or claim.id in chosen)


def _chosen(wanted: str, known: Sequence[Claim]) -> list[Claim]:
    """The claims that an id means: itself, the rows that it was split into, or all of a source."""
    key = wanted.strip().lower()
    exact = [claim for claim in known if claim.id.lower() == key]
    rows = [claim for claim in known if key and key in {claim.id.lower().rstrip(_LETTERS), _key(claim.id)}]
    if exact or rows:
        return exact or rows
    near = get_close_matches(key, [claim.id.lower() for claim in known], n=3, cutoff=0.5)
    names = [claim.id for claim in known if claim.id.lower() in near] or sorted(
        {_key(each.id).upper() for each in known}
    )
    raise UsageError(
        f"no claim {wanted!r}", expected="the id of one, or of a source", hint=f"such as {', '.join(names)}"
    )


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _key(name: str) -> str:
    """The source in an id, in lower case."""
    return name.partition(".")[0].lower()


def _order(name: str) -> tuple[bool, str, tuple[tuple[int, str], ...]]:
    """Articles before papers and programs, then by number and letter: A.9b before A.10, D before BERT."""
    key, _, rest = name.partition(".")
    parts = tuple((int(part), "") if part.isdigit() else (0, part) for part in _PART.findall(rest))
    return (len(key) > 1, key, parts)
