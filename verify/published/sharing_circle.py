"""The formulas of "How is the parameter count of a large model computed?"."""

from verify.published._record import Published, Source
from verify.roles import Role

SOURCE = Source(
    title="How is the parameter count of a large model computed? What do 7B, 13B, 65B mean?",
    author="Chief AI Sharing Circle",
    language="Chinese and Japanese",
)

FORMULAS = (
    Published(
        name="12Lh^2+Vh",
        parts={Role.EMBEDDING: "V*h", Role.ATTENTION: "4*L*h**2", Role.MLP: "8*L*h**2"},
        source=SOURCE,
        section="total, simplified",
        assumptions="Multi-head attention without biases, an ungated MLP of inner size 4h, no norms or positions "
        "counted, and a tied head.",
    ),
    Published(
        name="L(12h^2+4h)+Vh+2h",
        parts={
            Role.EMBEDDING: "V*h",
            Role.ATTENTION: "4*L*h**2",
            Role.MLP: "8*L*h**2",
            # (2L+1) LayerNorms of weight and bias, 2h each.
            Role.NORM: "(2*L + 1)*2*h",
        },
        source=SOURCE,
        section="total with LayerNorms and a tied head",
        assumptions="Multi-head attention and an ungated MLP of inner size 4h, both without biases, 2L+1 LayerNorms "
        "with biases, no learned positions, and a tied head.",
    ),
)
