"""What the README shows is what happens."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from verify.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> Iterator[tuple[str, int]]:
    """Each `verify` command of the README with the exit code that its comment states."""
    for line in "".join(blocks("sh")).splitlines():
        if line.startswith("verify "):
            yield line, 1 if "# exits with 1" in line else 0


@pytest.mark.parametrize(("line", "code"), list(commands()))
def test_a_command_of_the_readme_works(line: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line, comments=True)[1:]) == code
    assert capsys.readouterr().out


def test_the_output_of_the_first_screen_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "meta-llama/Llama-2-7b-hf", "--evidence", "recorded"])
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown = blocks("text")[0].splitlines()
    for line in shown:
        assert line == "..." or line in printed
    assert len(shown) > 20


def test_the_derived_formula_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main(["derive", "llama"])
    printed = capsys.readouterr().out.rstrip().splitlines()
    (shown,) = (block.splitlines() for block in blocks("text") if "derive llama" in block)
    assert shown == ["$ verify derive llama", *printed]


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for program in blocks("python"):
        exec(compile(program, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert "124439808" in capsys.readouterr().out


def test_make_is_called_as_the_makefile_has_it() -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_family_is_named() -> None:
    from verify import architectures

    assert [name for name in architectures.known() if f"`{name}`" not in README] == []
