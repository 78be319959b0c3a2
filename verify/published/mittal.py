"""The formula of "Understanding large language model parameters and memory requirements"."""

from verify.published._record import Published, Source
from verify.roles import Role

SOURCE = Source(
    title="Understanding large language model parameters and memory requirements",
    author="A. Mittal",
    language="Russian version",
)

FORMULAS = (
    # The text adds an "output" to N layers and the embedding, but its worked example (d=768, N=12, V=50,000,
    # d_ff=3072: 123,417,600 once its sums are corrected) leaves room for V*d only once, so the output is shared.
    Published(
        name="L(4h^2+2hf+5h+f)+Vh",
        parts={
            Role.EMBEDDING: "V*h",
            Role.ATTENTION: "4*L*h**2",
            Role.MLP: "L*(2*h*f + h + f)",
            # Two LayerNorms in each layer, of weight and bias.
            Role.NORM: "L*2*2*h",
        },
        source=SOURCE,
        section="parameters of a layer and of the model, with the worked example of 12 layers",
        assumptions="Multi-head attention without biases, an ungated MLP with biases and inner size f, two LayerNorms "
        "with biases in each layer and none after the last, no learned positions, and a tied head.",
        aliases=(
            "L(4h^2+2hf+h+f+4h)+Vh",
            "N(4d^2+2dd_ff+5d+d_ff)+Vd",
            "N(4d^2+2dd_ff+d+d_ff+4d)+Vd",
        ),
    ),
)
