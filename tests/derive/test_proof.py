"""Every family is what transformers builds, symbolically; and a family that is not is caught, slot by slot."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from verify import architectures
from verify.architectures import Family
from verify.config import Config
from verify.derive.building import classes, configurations, variation
from verify.derive.building.classes import Target
from verify.derive.building.configurations import Keywords
from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.printing import text as printed
from verify.derive.proof import Proof, prove
from verify.derive.proof.algebra import Algebra
from verify.errors import ConfigError
from verify.evidence.meta import silence
from verify.formula import Formula, Layers, Term
from verify.symbols import Size

Values = dict[str, object]

_path = Path(__file__).parents[1] / "architectures" / "conftest.py"
_spec = spec_from_file_location("proof_cases", _path)
assert _spec is not None
assert _spec.loader is not None
CASES = module_from_spec(_spec)
_spec.loader.exec_module(CASES)
BUILT: Mapping[str, Values] = CASES.BUILT

#: `make oracle` sets more than that: then other heads are proved as well, and layers and totals compared at more
#: random configurations of each region.
THOROUGH = int(os.environ.get("VERIFY_EXAMPLES", "15")) > 15
SAMPLES = 8 if THOROUGH else 4

#: As many as no tiny configuration has.
LAYERS = 10

#: Families that differ, with the keys that make them differ, and the slots.
DIFFERS = {
    # The repository's own code reads `swa_*` for layers with a window; transformers 5.23 reads none of them, and has
    # twice the key/value heads there. Published files state what both mean.
    "mimo_v2_flash": (
        ("swa_num_attention_heads", "swa_num_key_value_heads", "swa_head_dim", "swa_v_head_dim"),
        {"attention.q", "attention.k", "attention.v", "attention.o", "attention.sinks"},
    ),
}


def cases(name: str) -> Iterator[Values]:
    """The tiny configuration of a type, then one for each switch of its modelling code."""
    module = next(module for module in CASES.KNOWN if name in module.BASES)
    nulls = getattr(module, "NULLS", ())
    for values in _switched(module.BASES[name], module.SWITCHES.get(name, [])):
        yield {key: value for key, value in values.items() if value is not None or key in nulls}


def _switched(base: Values, groups: list[Mapping[str, tuple[object, ...]]]) -> Iterator[Values]:
    yield base
    for group in groups:
        first = {key: chosen[0] for key, chosen in group.items()}
        yield {**base, **first}
        yield from ({**base, **first, key: value} for key, chosen in group.items() for value in chosen[1:])


def keywords(values: Values) -> tuple[Target, Keywords]:
    with silence():
        target = classes.find_for(values)
        start = configurations.keywords(target.config_class, dict(values))
    flat = configurations.flatten(start)
    # A section that is left out has the layers of a real model.
    large = any(path.endswith("_config.num_hidden_layers") and value > LAYERS for path, value in flat.items())
    return target, variation.spread(start) if large else start


def proved(chosen: list[tuple[Target, Keywords]], **options: Any) -> Proof:
    with silence():
        return prove(chosen[0][0], [start for _, start in chosen], **options)


def explain(proof: Proof) -> str:
    """What a failed test shows."""
    lines = [f"{each.status}: {each.difference} {each.reason}" for each in proof.regions if each.status != "proved"]
    return "\n".join((*lines, *map(str, proof.slots)))


@pytest.mark.parametrize("name", BUILT)
def test_family_minus_implementation_is_zero(name: str) -> None:
    keys, slots = DIFFERS.get(name, ((), set()))
    by_class: dict[str, list[tuple[Target, Keywords]]] = {}
    other: list[tuple[Target, Keywords]] = []
    for values in cases(name):
        target, start = keywords(values)
        group = other if any(values.get(key) for key in keys) else by_class.setdefault(target.model_class.__name__, [])
        group.append((target, start))
    for group in list(by_class.values()) if THOROUGH else list(by_class.values())[:1]:
        proof = proved(group, samples=SAMPLES)
        assert proof.family == architectures.find(str(BUILT[name]["model_type"])).__name__.rpartition(".")[2]
        assert proof.status == "proved", explain(proof)
        assert proof.differences == ()
    if other:
        assert {each.slot for each in proved(other, samples=8).slots} == slots


def test_every_family_is_proved_or_has_no_class() -> None:
    """A family whose type transformers implements has configurations to prove it on."""
    known, tried = set(classes.types("")), {str(base["model_type"]) for base in BUILT.values()}
    for name in architectures.names():
        types = {name, *architectures.load(name).ALIASES}
        assert tried & types or not known & types


# What a proof says.


def test_a_proof_says_where_it_holds_and_what_was_only_tested() -> None:
    proof = proved([keywords(BUILT["jamba"])])
    (region,) = proof.regions
    assert "attn_layer_offset < attn_layer_period" in region.conditions
    assert "tie_word_embeddings == False" in region.conditions
    assert "hidden_size % num_attention_heads == 0" in region.assumed
    assert "i % attn_layer_period == attn_layer_offset" in region.tested
    assert region.configurations > 5
    assert proof.refused
    assert all("\n" not in why for why in proof.refused)


def test_a_way_in_which_the_family_counts_is_a_proof_of_its_own() -> None:
    """With no dense layers left, the family has no term for them; the equation behind that is named."""
    base = {**BUILT["deepseek_v3"], "first_k_dense_replace": 0}
    (region,) = proved([keywords(base)]).regions
    assert region.status == "proved"
    assert "first_k_dense_replace == 0" in region.assumed


def test_known_regions_are_proved_without_another_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a formula that was derived before."""
    from verify.derive.confirming import confirm
    from verify.derive.formulas.formula import Confirmation, Derived, from_json
    from verify.derive.proof import regions as proof_regions

    target, start = keywords(BUILT["qwen3_moe"])
    with silence():
        region, _ = confirm.traced(target, start)
    derived = from_json(Derived("qwen3_moe", "Qwen3MoeForCausalLM", "", (region,), Confirmation()).to_json())
    monkeypatch.setattr(proof_regions, "traced", None)
    proof = proved([(target, start)], regions=derived.regions)
    assert proof.status == "proved"


def test_nothing_is_left_in_place() -> None:
    proved([keywords(BUILT["llama"])])
    for module in (architectures.load("llama"), architectures._quantization):
        assert not {"int", "len", "range"} & set(vars(module))


def test_what_cannot_be_traced_is_not_comparable() -> None:
    """A proof with nothing in it is no proof."""
    target, start = keywords(BUILT["llama"])
    proof = proved([(target, {**start, "hidden_act": "nonsense"})])
    assert (proof.status, proof.slots) == ("not comparable", ())
    assert "nonsense" in proof.regions[0].reason
    assert Proof("llama", "llama", "LlamaForCausalLM", ()).status == "not comparable"


def test_a_family_that_refuses_everything_is_not_comparable() -> None:
    proof = proved([keywords(BUILT["llama"])], family=changed("llama", _refused))
    assert proof.status == "not comparable"
    assert proof.regions[0].reason == "no such model; expected another"


# A family that is wrong by one term, axis, set of layers or number of copies is caught.


def changed(name: str, change: Callable[[Formula, Config], Formula]) -> Family:
    """A family whose formula is changed."""
    real = architectures.load(name)
    family = SimpleNamespace(
        __name__=real.__name__, NAMES=real.NAMES, formula=lambda config: change(real.formula(config), config)
    )
    return cast("Family", family)


def _refused(_formula: Formula, _config: Config) -> Formula:
    raise ConfigError("no such model", expected="another")


def terms(slot: str, change: Callable[[Term, Formula], Term | None]) -> Callable[[Formula, Config], Formula]:
    """A change of the terms of one slot."""

    def changes(formula: Formula, _config: Config) -> Formula:
        assert of(formula, slot)
        found = (change(term, formula) if str(term.slot) == slot else term for term in formula.terms)
        return replace(formula, terms=tuple(term for term in found if term is not None))

    return changes


def of(formula: Formula, slot: str) -> Term:
    return next(term for term in formula.terms if str(term.slot) == slot)


def without(_term: Term, _formula: Formula) -> None:
    return None


def wider(term: Term, _formula: Formula) -> Term:
    return replace(term, axes=(term.axes[0] + 1, *term.axes[1:]))


def turned(term: Term, _formula: Formula) -> Term:
    return replace(term, axes=term.axes[::-1])


def number(term: Term, _formula: Formula) -> Term:
    """The right number at the traced configuration, but no expression."""
    return replace(term, axes=(Size.of(97), *term.axes[1:]))


def as_wide_as_the_model(term: Term, formula: Formula) -> Term:
    """`hidden x hidden`, which is right wherever `heads x head_dim` is `hidden`."""
    hidden = of(formula, "norm.final").axes[0]
    return replace(term, axes=(hidden, hidden))


def one_layer_later(term: Term, _formula: Formula) -> Term:
    assert term.layers is not None
    indices = [index + 1 for index in term.layers.indices]
    return replace(term, layers=Layers.some(indices, "one later", term.layers.count))


def another_count(term: Term, _formula: Formula) -> Term:
    """The right layers, and a closed form for their number that is wrong."""
    assert term.layers is not None
    return replace(term, layers=replace(term.layers, count=term.layers.count * 2))


def one_less(term: Term, _formula: Formula) -> Term:
    return replace(term, copies=term.copies - 1)


MUTATIONS: list[tuple[str, str, Callable[[Term, Formula], Term | None], str]] = [
    ("llama", "attention.k", without, "-num_hidden_layers*num_key_value_heads*head_dim*hidden_size"),
    ("llama", "mlp.up", wider, "num_hidden_layers*hidden_size"),
    ("llama", "mlp.down", turned, "0"),
    ("llama", "embedding.tokens", number, "hidden_size*(97 - vocab_size)"),
    ("llama", "attention.q", as_wide_as_the_model, "num_hidden_layers*hidden_size*(hidden_size - num_attention_heads*head_dim)"),  # noqa: E501
    ("gpt2", "attention.qkv.bias", without, "-3*n_layer*n_embd"),
    ("deepseek_v3", "experts.gate", one_less, "-hidden_size*moe_intermediate_size*(num_hidden_layers - first_k_dense_replace)"),  # noqa: E501
    ("deepseek_v3", "router.correction", wider, "num_hidden_layers - first_k_dense_replace"),
    ("clip", "vision.mlp.up", wider, "vision_config.num_hidden_layers*vision_config.hidden_size"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "slot", "change", "difference"), MUTATIONS)
def test_a_wrong_term_is_found_in_its_slot(
    name: str, slot: str, change: Callable[[Term, Formula], Term | None], difference: str
) -> None:
    """The slot is named, and the difference is what was changed, wherever it is evaluated."""
    target, start = keywords(BUILT[name])
    proof = proved([(target, start)], family=changed(name, terms(slot, change)), samples=6)
    assert proof.status == "differs"
    (found,) = proof.slots
    assert found.slot == slot
    values = {**configurations.flatten(start), "head_dim": 7, "vocab_size": 101}
    assert Expression(found.difference)(values) == Expression(difference)(values)


def test_a_number_of_layers_that_is_not_theirs_is_found() -> None:
    """The formula contradicts itself, so that nothing can be said about it; the slot is named."""
    proof = proved([keywords(BUILT["llama"])], family=changed("llama", terms("norm.input", another_count)), samples=2)
    assert proof.status == "not comparable"
    assert proof.regions[0].reason.startswith("norm.input cannot be followed: 2*num_hidden_layers is 4 and not 2")


def test_layers_that_are_others_are_found() -> None:
    """As many of them, of the same shape: only the sets tell them apart."""
    family = changed("jamba", terms("attention.conv", one_layer_later))
    proof = proved([keywords(BUILT["jamba"])], family=family, samples=6)
    assert proof.status == "differs"
    assert {(each.slot, each.family == "nothing", each.derived == "nothing") for each in proof.slots} == {
        ("attention.conv", True, False),
        ("attention.conv", False, True),
    }


def test_a_name_that_the_family_does_not_know_is_found() -> None:
    real = architectures.load("llama")
    names = {name: entry for name, entry in real.NAMES.backbone.items() if "k_proj" not in name}
    family = cast(
        "Family",
        SimpleNamespace(__name__="llama", NAMES=dataclasses.replace(real.NAMES, backbone=names), formula=real.formula),
    )
    proof = proved([keywords(BUILT["llama"])], family=family, samples=6)
    assert proof.differences == ("0",)
    assert {each.slot for each in proof.slots} == {"attention.k", "model.layers.{}.self_attn.k_proj.weight"}


# Algebra: two ways to write a size are one expression where they are the same size, and only there.


@pytest.mark.parametrize(
    ("one", "other", "facts"),
    [
        ("(hidden + 15)//16", "ceil(hidden/16)", ()),
        ("ceil(hidden/heads)", "(hidden + heads - 1)//heads", ()),
        ("hidden//heads*heads", "hidden", (("hidden % heads", "0"),)),
        ("hidden//heads*heads", "hidden", (("hidden//heads*heads", "hidden"),)),
        ("heads*(2*hidden//heads)", "2*hidden", (("hidden % heads", "0"),)),
        ("heads*((hidden + rank)//heads)", "hidden + heads*(rank//heads)", (("hidden % heads", "0"),)),
        ("hidden", "heads*rank", (("heads*rank", "hidden"),)),
        ("expand*hidden", "heads*rank", (("heads*rank", "expand*hidden"),)),
        ("(2*hidden + 3*heads)*rank", "rank*heads*3 + hidden*rank*2", ()),
        ("layers - types.count('a')", "0", (("types.count('a')", "layers"),)),
        ("hidden - hidden % heads", "heads*(hidden//heads)", ()),
        ("max(1, heads)", "max(heads, 1)", ()),
        ("section.hidden[2]*2", "section.hidden[2] + section.hidden[2]", ()),
    ],
)
def test_the_same_size_in_other_words(one: str, other: str, facts: tuple[tuple[str, str], ...]) -> None:
    algebra = Algebra([{}], facts)
    assert algebra.vanishes(algebra.read(one) - algebra.read(other))
    assert algebra.vanishes(algebra.read(other) * 3 - algebra.read(f"3*({one})"))
    # What does not follow from the facts is not taken for granted.
    assert not algebra.vanishes(algebra.read(one) - algebra.read(other) + 1)
    if facts:
        plain = Algebra([{}])
        assert not plain.vanishes(plain.read(one) - plain.read(other))


NAMES = ("a", "b", "c")
SIZES = st.recursive(
    st.sampled_from(NAMES) | st.integers(1, 20).map(str),
    lambda parts: (
        st.builds("({} {} {})".format, parts, st.sampled_from(("+", "*", "//", "-")), parts)
        | st.builds("ceil({}/{})".format, parts, st.sampled_from((*NAMES, "16")))
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(SIZES, st.lists(st.fixed_dictionaries({name: st.integers(1, 60) for name in NAMES}), min_size=3, max_size=3))
def test_algebra_changes_no_number(text: str, points: list[dict[str, int]]) -> None:
    """Law: the expression that a text becomes has the value that the text has, with facts and without."""
    algebra = Algebra(points, (("c % b", "0"),))
    for values in points:
        values["c"] *= values["b"]
        try:
            number = Expression(text)(values)
            found = Expression(printed(algebra.read(text)))(values)
        except (DeriveError, ZeroDivisionError):  # a division by 0, there or after expanding
            continue
        assert number == found
