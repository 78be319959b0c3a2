"""Tells whether an analytic parameter formula of a transformer is true of a real checkpoint.

```python
import verify

verification = verify.check("meta-llama/Llama-2-7b-hf", formula="12*L*h**2 + V*h")
verification.verdict, verification.findings, verification.to_frame()
```
"""

# The records of what every check loads are `msgspec.Struct`s: it takes Python 1 ms to define a dataclass, and the fifty
# that there were took a quarter of a short run.

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.errors import VerifyError
    from verify.evidence.select import Access
    from verify.explain import Finding
    from verify.pipeline import check
    from verify.verification import Verdict, Verification

__all__ = ["Access", "Finding", "Verdict", "Verification", "VerifyError", "check"]

_HOMES = {
    "Access": "verify.evidence.select",
    "Finding": "verify.explain",
    "Verdict": "verify.verification",
    "Verification": "verify.verification",
    "VerifyError": "verify.errors",
    "check": "verify.pipeline",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `verify --help` loads nothing it does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'verify' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
