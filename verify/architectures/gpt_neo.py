"""GPT-Neo: a GPT-2 with plain linear layers, separate queries, keys and values, and local attention by turns.

Per layer: `attention.q`, `.k`, `.v : hidden x hidden` without biases, `attention.o : hidden x hidden`, `mlp.up
: inner x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`, each with a bias
of its output. Outside: `embedding.tokens : vocab x hidden`, `position.embedding : positions x hidden`,
`norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` only when it is not tied. Old files hold the
causal mask of each layer besides, or of the layers with global attention only.
"""

from verify.architectures._blocks import decoder_head, embedding, mlp, norm, size, whole_heads
from verify.architectures._gpt import GPT_HEADS, inner_size, mask_names, masks, separate_attention
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Formula, Layers
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = (
    "Black et al. 2021, 'GPT-Neo', doi:10.5281/zenodo.5297715, github.com/EleutherAI/gpt-neo, section 'Pretrained "
    "Models'; transformers models/gpt_neo/modeling_gpt_neo.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "wte": "embedding.tokens",
                "wpe": "position.embedding",
                "h.{}.ln_1": "norm.input",
                "h.{}.attn.attention.q_proj": "attention.q",
                "h.{}.attn.attention.k_proj": "attention.k",
                "h.{}.attn.attention.v_proj": "attention.v",
                "h.{}.attn.attention.out_proj": "attention.o",
                "h.{}.ln_2": "norm.post_attention",
                "h.{}.mlp.c_fc": "mlp.up",
                "h.{}.mlp.c_proj": "mlp.down",
                "ln_f": "norm.final",
            }
        ),
        **mask_names("h.{}.attn.attention"),
    },
    head=GPT_HEADS,
    prefixes=("transformer.",),
)

_KINDS = ("global", "local")

#: `attention_types` where the config does not say (`GPTNeoConfig`): twelve times a global and a local layer.
_TYPES = ((_KINDS, 12),)


def formula(config: Config) -> Formula:
    """The parameters of a GPT-Neo.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    depth = size(config, "num_hidden_layers", "num_layers")
    layers = Layers.every(depth)
    whole_heads(hidden, size(config, "num_attention_heads", "num_heads"))
    positions = size(config, "max_position_embeddings")
    config.set_aside("window_size", "attention_layers", "embed_dropout")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="gpt_neo",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            embedding("position.embedding", positions, hidden),
            *separate_attention(hidden, layers, out_bias=True),
            *mlp(hidden, inner_size(config, hidden, "intermediate_size"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=(*extras, *_masks(_kinds(config, depth), positions)),
    )


def _masks(kinds: tuple[str, ...], positions: Size) -> tuple[Extra, ...]:
    """The masks of each kind of attention apart.

    Local attention had none before huggingface/transformers#13491, and the files of EleutherAI are older.
    """
    holders = (
        Layers.some((i for i, found in enumerate(kinds) if found == kind), f"attention_layers[i] == {kind!r}")
        for kind in dict.fromkeys(kinds)
    )
    return tuple(extra for layers in holders for extra in masks(positions, layers))


def _kinds(config: Config, depth: Size) -> tuple[str, ...]:
    """The kind of attention of each layer, from groups such as `[["global", "local"], 12]`."""
    groups = [_group(group) for group in config.items("attention_types", default=_TYPES)]
    described = sum(len(names) * times for names, times in groups)
    if described != depth.value:
        raise ConfigError(
            f"attention_types describes {described} layers and num_hidden_layers is {depth.value}",
            expected="as many",
            hint="correct config.json",
        )
    return tuple(name for names, times in groups for name in names * times)


def _group(group: object) -> tuple[tuple[str, ...], int]:
    """Kinds of attention in a row, and how often the row is repeated."""
    match group:
        case ((*names,), int(times)) if times >= 1 and all(name in _KINDS for name in names):
            return tuple(map(str, names)), times
    raise ConfigError(
        f"attention_types holds {group!r}",
        expected="groups such as [['global', 'local'], 12]",
        hint="correct config.json",
    )
