"""The formulas of "Parameter count of the transformer"."""

from verify.published._record import Published, Source
from verify.roles import Role

SOURCE = Source(title="Parameter count of the transformer", author="after an article on Zhihu", language="Chinese")

FORMULAS = (
    Published(
        name="L(12h^2+13h)+Vh",
        parts={
            Role.EMBEDDING: "V*h",
            # Four square matrices, each with a bias.
            Role.ATTENTION: "L*(4*h**2 + 4*h)",
            # h to 4h with a bias of 4h, and 4h to h with a bias of h.
            Role.MLP: "L*(8*h**2 + 5*h)",
            # Two LayerNorms of weight and bias.
            Role.NORM: "L*4*h",
        },
        source=SOURCE,
        section="parameters of a model of L layers",
        assumptions="Multi-head attention and an ungated MLP of inner size 4h, both with biases, two LayerNorms in "
        "each layer and none after the last, no learned positions, and a tied head.",
    ),
    Published(
        name="12Lh^2",
        parts={Role.ATTENTION: "4*L*h**2", Role.MLP: "8*L*h**2"},
        source=SOURCE,
        section="approximation for large h, and the table of LLaMA models",
        assumptions="Multi-head attention and an ungated MLP of inner size 4h; biases, norms, embedding, positions and "
        "head are left out.",
    ),
)
