"""The report and the index in Markdown."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from verify.explain import Finding
from verify.render.escape import code, prose
from verify.render.index import index_csv, index_markdown
from verify.render.markdown import report
from verify.roles import Cause
from verify.verification import Verdict, Verification


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every table; a pipe that is escaped does not divide."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.fixture(params=["llama_2_7b", "recorded", "approximation", "tiny", "hostile"])
def any_verification(request: pytest.FixtureRequest) -> Verification:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Verification)
    return found


def test_every_table_has_as_many_cells_in_each_line(any_verification: Verification) -> None:
    found = tables(report(any_verification))
    assert len(found) >= 4
    for table in found:
        assert {len(line) for line in table} == {len(table[0])}
        assert all(set(cell) <= {":", "-"} for cell in table[1])


def test_the_verdict_comes_first(any_verification: Verification) -> None:
    lines = report(any_verification).splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith(f"**{any_verification.verdict}.**")
    assert "6,738,415,616" in lines[2] or "1,160" in lines[2]


def test_the_same_verification_gives_the_same_text(any_verification: Verification) -> None:
    assert report(any_verification) == report(any_verification)


def test_shares_of_llama_2_7b_are_the_known_ones(llama_2_7b: Verification) -> None:
    text = report(llama_2_7b)
    assert text.count("| 7.967 % |") == 4
    assert text.count("| 21.412 % |") == 3
    assert text.count("| 1.945 % |") == 4  # embedding and head, as roles and as layer types
    assert "| attention | 128 | 2,147,483,648 | 2,147,483,648 | 0 | 1 | 31.869 % |" in text


def test_a_declared_number_stands_beside_the_expected_one(recorded: Verification) -> None:
    text = report(recorded)
    assert "6,738,417,664 | - | 6,738,417,664 | 0 |" in text
    assert "stored buffer (`position.inv_freq` +2,048)" in text
    assert "gated: no token" in text
    assert "what the code builds, not what a file holds" in text


def test_an_approximation_shows_where_the_gap_is(approximation: Verification) -> None:
    text = report(approximation)
    assert "0.975529" in text
    assert "the gap is made of `head.lm_head` +131,072,000, `mlp.gate` +33,554,432, `norm.input` +266,240" in text
    assert "| mlp | 96 | 4,294,967,296 | 4,328,521,728 | +33,554,432 | 0.992248 | 64.236 % |" in text
    assert "Checked: `12*L*h**2 + V*h`" in text


def test_an_approximation_without_tensors_stands_beside_the_family_formula(
    approximation: Verification, without_tensors: Callable[..., Verification]
) -> None:
    fields = {name: getattr(approximation, name) for name in ("formula", "expected", "expected_parameters")}
    text = report(without_tensors(**fields, expected_by_role={}, verdict=Verdict.UNEXPLAINED))
    assert "| role | tensors | expected | llama formula |" in text
    assert "| mlp | 96 | - | 4,328,521,728 | - | - | 64.236 % |" in text
    assert "| **all parameters** | 291 | 6,573,522,944 | 6,738,415,616 | +164,892,672 |" in text


def test_the_formula_has_a_legend_and_latex(llama_2_7b: Verification) -> None:
    text = report(llama_2_7b)
    assert "| `h` | `hidden_size` | config.json | 4,096 |" in text
    assert "| `d` | `head_dim` | hidden_size // num_attention_heads | 128 |" in text
    assert "```math\n" in text
    assert r"\left(" in text
    assert "arXiv:2302.13971" in text


def test_hostile_names_neither_print_nor_render(hostile: Verification) -> None:
    text = report(hostile)
    assert text.replace("\n", "").isprintable()
    assert "<script" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert not re.search(r"(?<!\\)\]\(http", text.replace("`![x](http://example.org/x.png)`", ""))
    for shown in (r"\x1b[31mred".replace("\\", "\\\\"), r"a\|b", r"two\\nlines", "&lt;script&gt;", r"\\u202etxt.exe"):
        assert shown in text


def test_code_never_holds_what_ends_it(hostile_names: tuple[str, ...]) -> None:
    for name in hostile_names:
        shown = code(name)
        assert shown == f"`{name}`" or "`" not in shown.replace("\\`", "")


def test_prose_makes_links_and_definitions_plain() -> None:
    assert prose("[a](b) [a][b] [a]: b") == r"[a\](b) [a\][b] [a\]: b"
    assert prose("shape [32000, 4096]") == "shape [32000, 4096]"


def test_long_lists_are_cut_with_a_count(llama_2_7b: Verification) -> None:
    findings = tuple(Finding(Cause.EXTRA, 1, f"slot{index}", explained=False) for index in range(100))
    keys = tuple(f"key{index}" for index in range(100))
    text = report(replace(llama_2_7b, findings=findings, unread=keys, verdict=Verdict.UNEXPLAINED))
    assert "60 more are not shown" in text
    assert "and 60 more." in text
    assert "slot99" not in text
    assert "and 96 more" in text.splitlines()[2]


def test_a_name_of_a_megabyte_is_cut() -> None:
    assert len(code("x" * 1_000_000)) < 300


@dataclass(frozen=True)
class Unchecked:
    """A model that could not be checked."""

    model: str
    reason: str


def test_the_index_has_one_row_per_model(recorded: Verification, approximation: Verification) -> None:
    text = index_markdown([recorded, approximation, Unchecked("acme/gated", "gated | no token")])
    assert "3 models: 1 explained, 1 unexplained, 1 unchecked." in text
    (table,) = tables(text)
    assert {len(line) for line in table} == {8}
    assert table[2][1:4] == ["explained", "`llama`", "stored buffer +2,048"]
    assert table[3][5:] == ["6,573,522,944", "6,738,415,616", "+164,892,672"]
    assert table[4][:4] == ["acme/gated", "unchecked", "-", r"gated \| no token"]


def test_the_index_falls_back_on_the_recorded_total(without_tensors: Callable[..., Verification]) -> None:
    _, line = index_csv([without_tensors()]).splitlines()
    assert line == "acme/llama,exact,llama,6738415616,6738417664,hub_total,2048,"


def test_the_index_as_csv_is_harmless() -> None:
    _, line = index_csv([Unchecked("=cmd()", "-x\x1b")]).splitlines()
    assert line == r"'=cmd(),unchecked,,,,,,'-x\x1b"
