"""InternLM2 and 2.5: a Llama with names of its own and queries, keys and values in one matrix.

Its modelling file interleaves the heads in that matrix: after the queries of each group stand its key and
its value. Per layer: `attention.qkv : ((heads + 2 kv_heads) x head) x hidden`, `attention.o : hidden x
(heads x head)`, both with a bias where the config says so, `mlp.gate`, `mlp.up : inner x hidden`,
`mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens :
vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._internlm2 import NAMES as INTERNLM2
from verify.architectures._internlm2 import SOURCE as INTERNLM2_SOURCE
from verify.architectures._internlm2 import formula as internlm2
from verify.config import Config
from verify.formula import Formula

SOURCE = INTERNLM2_SOURCE
ALIASES = ()

NAMES = INTERNLM2


def formula(config: Config) -> Formula:
    """The parameters of an InternLM2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    return internlm2(config)
