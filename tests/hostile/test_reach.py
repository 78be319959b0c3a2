"""What a check reaches: the model's own folder and the program itself; nothing else is opened, run or connected to.

A check runs in a process of its own under an audit hook, which sees every file that Python opens, whatever opens it:
https://peps.python.org/pep-0578/.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hub import shapes

import verify

CONFIG = shapes.TINY_LLAMA
#: Code that a model brings along, as `trust_remote_code` would run it.
REMOTE = {
    "auto_map": {
        "AutoConfig": "configuration_evil.EvilConfig",
        "AutoModel": "modeling_evil.EvilModel",
        "AutoModelForCausalLM": "modeling_evil.EvilModel",
    }
}
#: Written where the model lies, among them names that the program itself imports.
MODULES = ("modeling_evil", "configuration_evil", "__init__", "conftest", "sitecustomize", "msgspec", "rich", "torch")

WATCH = """
import json, os, sys
import verify.cli
SEEN = []
WATCHED = {"open", "os.listdir", "os.scandir", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork",
           "socket.connect", "socket.getaddrinfo", "pickle.find_class", "ctypes.dlopen", "os.remove", "os.rename",
           "os.mkdir", "shutil.rmtree", "os.symlink", "os.link", "os.truncate", "os.chmod"}
def hook(event, args):
    if event in WATCHED and not (event == "open" and isinstance(args[0], int)):  # a descriptor was opened before
        SEEN.append((event, os.path.realpath(args[0]) if args and isinstance(args[0], (str, bytes)) else str(args[:1])))
sys.addaudithook(hook)
code = verify.cli.main(sys.argv[2:])
with open(sys.argv[1], "w") as out:
    json.dump([code, SEEN[:-1] if SEEN and SEEN[-1][1] == os.path.realpath(sys.argv[1]) else SEEN], out)
"""


class Run(NamedTuple):
    """A check in a process of its own: exit code, events of the audit hook, what it wrote."""

    code: int
    seen: tuple[tuple[str, str], ...]
    out: str
    err: str

    def reached(self, below: Path) -> set[Path]:
        """The files and folders below a folder that were opened."""
        root = below.resolve()
        return {path for _, name in self.seen if (path := Path(name)).is_relative_to(root)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose config names code, and that code; a secret beside its folder."""
    model = tmp_path / "models" / "m"
    shapes.write_repository(model, {**CONFIG, **REMOTE}, shapes.llama(CONFIG), shards=2)
    for name in MODULES:
        (model / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (tmp_path / "secret").write_text("secret")
    shapes.write_safetensors(tmp_path / "secret.safetensors", [("secret", "U8", (1,))])
    (tmp_path / "secret.json").write_text('{"secret": 1}')
    return model


def check(folder: Path, *options: str, script: Path | None = None) -> Run:
    """Run `verify check` in the folder of the model, as a reader of a stranger's model might."""
    watch = (script or folder.parent.parent) / "watch.py"
    watch.write_text(WATCH)
    record = watch.with_name("record")
    environment = {**os.environ, "PYTHONPATH": str(Path(verify.__file__).parent.parent), "HOME": str(watch.parent)}
    done = subprocess.run(
        [sys.executable, watch, record, "check", folder, *(options or ("--evidence", "header"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    code, seen = json.loads(record.read_text())
    return Run(code, tuple((event, name) for event, name in seen), done.stdout, done.stderr)


def assert_stays_inside(run: Run, folder: Path, tmp_path: Path) -> None:
    """Nothing of what a check did went further than the model and the program."""
    assert {event for event, _ in run.seen} <= {"open", "os.listdir", "os.scandir"}
    own = [folder.resolve(), *(Path(path).resolve() for path in (sys.prefix, sys.base_prefix, *verify.__path__))]
    strange = {name for _, name in run.seen if not any(Path(name).is_relative_to(path) for path in own)}
    assert strange <= {"/dev/null"}
    assert not (tmp_path / "ran").exists()


def test_a_check_opens_the_config_the_index_and_the_weights(folder: Path, tmp_path: Path) -> None:
    run = check(folder)
    assert (run.code, run.err) == (0, "")
    assert_stays_inside(run, folder, tmp_path)
    names = {path.name for path in run.reached(folder)}
    assert names == {
        "m",  # the folder was listed
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }


@pytest.mark.parametrize("name", ["../secret.safetensors", "../../secret.safetensors", "/etc/passwd", "../../secret"])
def test_an_index_leads_nowhere_else(name: str, folder: Path, tmp_path: Path) -> None:
    path = folder / "model.safetensors.index.json"
    index: dict[str, Any] = json.loads(path.read_text())
    index["weight_map"]["model.norm.weight"] = name
    path.write_text(json.dumps(index))
    run = check(folder)
    assert run.code == 3
    assert "expected the plain name of a file in the same folder" in run.err
    assert_stays_inside(run, folder, tmp_path)


@pytest.mark.parametrize("link", ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"])
@pytest.mark.parametrize("target", ["../../secret.safetensors", "../../secret.json", "../../secret", "/etc/passwd"])
def test_a_link_leads_nowhere_else(link: str, target: str, folder: Path, tmp_path: Path) -> None:
    (folder / link).unlink()
    (folder / link).symlink_to(target)
    run = check(folder)
    assert run.code == 3
    assert f"{link}: a link to " in run.err
    assert_stays_inside(run, folder, tmp_path)


def test_a_link_to_a_folder_is_not_entered(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").symlink_to(tmp_path)
    (folder / "loop").symlink_to(".")
    run = check(folder)
    assert run.code == 0
    assert_stays_inside(run, folder, tmp_path)


def test_the_cache_of_the_hub_is_read_through_its_links(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(repository / "blobs" / f"{number:040}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number:040}")
    run = check(snapshot, script=tmp_path)
    assert (run.code, run.err) == (0, "")
    assert_stays_inside(run, repository, tmp_path)
    # Not into another repository of the same cache, which another user may have put there.
    other = tmp_path / "models--other--name" / "blobs"
    other.mkdir(parents=True)
    (tmp_path / "secret.safetensors").rename(other / "a")
    (snapshot / "model-00001-of-00002.safetensors").unlink()
    (snapshot / "model-00001-of-00002.safetensors").symlink_to("../../../models--other--name/blobs/a")
    run = check(snapshot, script=tmp_path)
    assert run.code == 3
    assert_stays_inside(run, repository, tmp_path)


def test_code_of_a_model_is_not_run_by_transformers_either(folder: Path, tmp_path: Path) -> None:
    run = check(folder, "--evidence", "auto", "--format", "json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["comparisons"], "the implementation was not built"
    assert not (tmp_path / "ran").exists()
    assert not {name for event, name in run.seen if event.startswith("socket.")}
    inside = {path.name for path in run.reached(folder)}
    assert not {f"{name}.py" for name in MODULES} & inside
    assert not {path for path in run.reached(tmp_path) if path.name.startswith("secret")}
