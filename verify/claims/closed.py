"""Models whose makers publish neither files nor shapes, as the articles name them."""

from verify.claims._ledger import Claim, Source

SOURCE = Source("CLOSED", "Models named in the articles that are closed", "OpenAI, Google, Anthropic", "no publication")

_REASON = "its maker publishes neither its shape nor a file"

CLAIMS = tuple(
    Claim(f"CLOSED.{place}", f"The parameters of {name}.", (), reason=_REASON)
    for place, name in enumerate(("GPT-4", "Gemini", "Claude 3"), 1)
)
