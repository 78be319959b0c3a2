"""The tables for a terminal."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from verify.architectures import load
from verify.explain import Finding
from verify.render import lists, terminal
from verify.render.index import lines
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor
from verify.verification import Verdict, Verification


def line(text: str, start: str) -> str:
    """The only line that begins so."""
    (found,) = [each for each in text.splitlines() if each.startswith(start)]
    return found


def test_llama_2_7b_fits_eighty_columns_with_its_known_shares(llama_2_7b: Verification) -> None:
    text = terminal.render(llama_2_7b, width=80, color=False)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("EXACT  acme/llama  LlamaForCausalLM\n")
    assert line(text, "attention").split() == ["attention", "128", "2,147,483,648", "2,147,483,648", "0", "31.869"]
    for part in "qkvo":
        assert line(text, f"  {part} ").split()[-1] == "7.967"
    for part in ("gate", "up", "down"):
        assert line(text, f"  {part} ").split()[-1] == "21.412"
    assert line(text, "  tokens").split()[-1] == line(text, "  lm_head").split()[-1] == "1.945"
    assert line(text, "all parameters").split()[2:] == ["291", "6,738,415,616", "6,738,415,616", "0", "100.000"]


def test_an_approximation_is_a_table_by_role_in_eighty_columns(approximation: Verification) -> None:
    text = terminal.render(approximation, width=80, color=False)
    assert max(map(len, text.splitlines())) <= 80
    assert line(text, "mlp").split() == ["mlp", "4,294,967,296", "4,328,521,728", "+33,554,432", "0.992248", "64.236"]
    assert line(text, "  gate").split() == ["gate", "1,442,840,576", "21.412"]
    assert line(text, "all parameters").split()[2:6] == ["6,573,522,944", "6,738,415,616", "+164,892,672", "0.975529"]


def test_what_an_approximation_gives_to_no_role_has_its_own_line(approximation: Verification) -> None:
    found = replace(approximation, expected_parameters=6_573_522_945)
    assert line(terminal.render(found, width=100), "of no single role").split()[4:] == ["1", "-", "-", "-", "-"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_numbers_are_never_cut(width: int, recorded: Verification) -> None:
    text = terminal.render(recorded, width=width, color=False)
    assert text.count("2,147,483,648") == 2
    assert text.count("1,442,840,576") == 6
    assert "post_attention" in text


def test_a_recorded_model_shows_its_numbers_and_notes(recorded: Verification) -> None:
    text = terminal.render(recorded, width=200, color=False)
    assert "total on the Hub, elements" in text
    assert "6,738,417,664" in text
    assert "formula / implementation" in text
    assert "gated: no token" in text
    assert "position.inv_freq" in text


def test_without_tensors_the_measured_column_is_empty(without_tensors: Callable[..., Verification]) -> None:
    text = terminal.render(without_tensors(), width=100)
    assert line(text, "  gate").split() == ["gate", "32", "1,442,840,576", "-", "-", "21.412"]
    assert "No tensor shapes were at hand" in text


def test_terminal_escapes_and_markup_in_names_are_shown_and_not_obeyed(
    hostile: Verification, hostile_names: tuple[str, ...]
) -> None:
    text = terminal.render(hostile, width=200, color=False)
    assert text.replace("\n", "").isprintable()
    for name in hostile_names:
        assert name.encode("unicode_escape").decode() in text


def test_colours_are_written_when_asked_for_and_no_color_wins(
    hostile: Verification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;31m" in terminal.render(hostile, width=100, color=True)
    assert "\x1b" not in terminal.render(hostile, width=100, color=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in terminal.render(hostile, width=100, color=True)


def test_output_that_is_no_terminal_is_plain(hostile: Verification, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in terminal.render(hostile)
    assert capsys.readouterr().out == ""


def test_layers_are_listed_and_equal_ones_shown_once(llama_2_7b: Verification) -> None:
    text = terminal.render_breakdown(llama_2_7b, layers=True, width=100, color=False)
    per_layer = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096
    assert text.count(f"{per_layer:,}") == 2 * 32
    assert text.count("each of layers 0-31") == 1
    assert line(text, "norm.final").split()[1:] == ["1", "4,096", "4,096", "0", "<0.001"]


def test_a_layer_that_differs_stands_alone(tiny: Verification) -> None:
    assert tiny.measured is not None
    cells = {key: cell for key, cell in tiny.measured.cells.items() if str(key[0]) != "mlp.up" or key[1] != 1}
    found = replace(tiny, measured=replace(tiny.measured, cells=cells))
    text = terminal.render_breakdown(found, layers=True, width=100)
    assert line(text, "1 ").split() == ["1", "8", "496", "400", "-96", "37.594"]
    assert "layer 0 " in text
    assert "layer 1 " in text


def test_a_breakdown_shows_roles_and_buffers(tiny: Verification) -> None:
    text = terminal.render_breakdown(tiny, width=100)
    assert line(text, "buffers").split() == ["buffers", "2", "0", "2", "+2", "-"]
    assert line(text, "all parameters").split()[2:] == ["21", "1,160", "1,160", "0", "100.000"]


def test_a_formula_has_legend_terms_and_latex(llama_2_7b: Verification) -> None:
    text = terminal.render_formula(
        llama_2_7b.exact,
        model="acme/llama",
        architecture="LlamaForCausalLM",
        model_type="llama",
        unread=("odd",),
        width=40,
    )
    assert "6,738,415,616 parameters" in text
    assert line(text, "V  ").split()[1:3] == ["vocab_size", "32,000"]
    assert "[11008, 4096]" in text
    assert "odd" in text
    assert r"LaTeX: 2 h V + h + L\left(" in text


def test_many_models_have_a_row_each(recorded: Verification, approximation: Verification) -> None:
    text = lists.render_index(lines([recorded, approximation]), width=120, color=False)
    rows = [each for each in text.splitlines() if each.startswith("acme/llama")]
    assert rows[0].split()[1:6] == ["explained", "llama", "6,738,415,616", "6,738,415,616", "0"]
    assert "+164,892,672" in rows[1]
    assert text.endswith("2 models: 1 explained, 1 unexplained.\n")


def test_families_are_listed_with_their_other_names() -> None:
    text = lists.render_families([("llama", load("llama"), ["a/b", "c/d", "e/f", "g/h"])], width=120, color=False)
    assert "granite" in text
    assert "a/b, c/d, e/f and 1 more" in " ".join(text.split())
    assert "arXiv:2302.13971" in text


def test_long_lists_are_cut_with_a_count(tiny: Verification) -> None:
    assert tiny.measured is not None
    tensors = tuple(Tensor(f"odd{index}", DTYPES["F16"], (1,)) for index in range(50))
    findings = tuple(Finding(Cause.UNCLASSIFIED, 1, each.name, explained=False) for each in tensors)
    measured = replace(tiny.measured, unclassified=tensors)
    found = replace(tiny, measured=measured, findings=findings, verdict=Verdict.UNEXPLAINED)
    text = terminal.render(found, width=100)
    assert "odd19" in text
    assert "odd20" not in text
    assert text.count("and 30 more") == 2


def test_rich_and_pandas_are_loaded_only_to_draw() -> None:
    script = (
        "import sys, verify.render.terminal, verify.render.files, verify.render.index\n"
        "assert not {'rich', 'pandas', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
