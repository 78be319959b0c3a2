"""What the loopback Hub stores: repositories, their commits, and what its API says about them."""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

#: Files that the Hub keeps in large-file storage, behind a redirect to another origin.
_LARGE = (".safetensors", ".bin", ".gguf")


@dataclass(slots=True)
class Repository:
    """A repository: commits, each a folder, and the branches that point to them.

    Attributes:
        model: `owner/name`, or the bare name of an old repository.
        commits: Commit sha to the folder that holds its files.
        refs: Branch or tag to commit sha.
        gated: Whether files need a token of somebody who accepted the conditions.
        private: Whether the repository does not exist for strangers.
        totals: Element count by dtype for the API's `safetensors` field, if it has one.
    """

    model: str
    commits: dict[str, Path] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False
    totals: dict[str, int] = field(default_factory=dict)

    def commit(self, folder: Path, ref: str) -> str:
        """Add a commit and point a ref to it; gives its sha."""
        sha = hashlib.sha1(f"{self.model} {len(self.commits)} {folder}".encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = folder
        self.refs[ref] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """The commit sha of a branch, tag or sha."""
        sha = self.refs.get(revision, revision)
        return sha if sha in self.commits else None

    def path(self, sha: str, file: str) -> Path | None:
        """The path of a file at a commit, if it is there."""
        path = self.commits[sha] / file
        return path if ".." not in Path(file).parts and path.is_file() else None

    def files(self, sha: str) -> Iterator[tuple[str, Path]]:
        """Names and paths of the files at a commit."""
        folder = self.commits[sha]
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path

    def info(self, sha: str, query: dict[str, list[str]]) -> dict[str, object]:
        """What `/api/models/{id}` says."""
        siblings = [
            {"rfilename": name} | (_blob(name, path) if "blobs" in query else {}) for name, path in self.files(sha)
        ]
        full: dict[str, object] = {
            "_id": "621ffdc036468d709f17434d",
            "id": self.model,
            "modelId": self.model,
            "author": self.model.partition("/")[0],
            "sha": sha,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "tags": ["transformers", "safetensors"],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2025-01-01T00:00:00.000Z",
            "createdAt": "2025-01-01T00:00:00.000Z",
            "siblings": siblings,
        }
        if self.totals:
            full["safetensors"] = {"parameters": self.totals, "total": sum(self.totals.values())}
        expanded = query.get("expand")
        return {key: full[key] for key in ("_id", "id", *expanded) if key in full} if expanded else full

    def tree(self, sha: str, folder: str, *, recursive: bool) -> list[dict[str, object]]:
        """What `/api/models/{id}/tree/{revision}` says."""
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, object]] = {}
        for name, path in self.files(sha):
            head, slash, _ = name.removeprefix(prefix).partition("/")
            if not name.startswith(prefix):
                continue
            if slash and not recursive:
                entries[prefix + head] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": prefix + head}
            else:
                entries[name] = self.entry(name, path)
        return list(entries.values())

    def entry(self, name: str, path: Path) -> dict[str, object]:
        """One file as `tree` and `paths-info` show it."""
        blob = _blob(name, path)
        return {"type": "file", "oid": blob["blobId"], "path": name} | {
            key: value for key, value in blob.items() if key != "blobId"
        }

    def headers(self, sha: str, index: str) -> dict[str, object] | None:
        """What `/api/models/{id}/safetensors-metadata/{index}` says: all headers, and the index without its map."""
        path = self.path(sha, index)
        if path is None:
            return None
        document = json.loads(path.read_bytes())
        shards = sorted(set(document["weight_map"].values()))
        return {
            "index": {"metadata": document.get("metadata", {})},
            "headers": {shard: read_header(self.commits[sha] / shard) for shard in shards},
        }


def read_header(path: Path) -> object:
    """The parsed header of a safetensors file."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        return json.loads(stream.read(length))


def is_large(name: str) -> bool:
    """Whether the Hub keeps such a file in large-file storage."""
    return name.endswith(_LARGE)


def etag(name: str, path: Path) -> str:
    """A stable tag: 64 digits for a large file, else 40, as sha256 and git ids are; no hash of terabytes."""
    stat = path.stat()
    digest = hashlib.sha256(f"{name} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
    return digest if is_large(name) else digest[:40]


def storage_path(model: str, sha: str, name: str) -> str:
    """The path of a large file at the storage origin."""
    return f"/repos/{quote(model)}/{sha}/{quote(name)}"


def _blob(name: str, path: Path) -> dict[str, object]:
    size = path.stat().st_size
    blob: dict[str, object] = {"blobId": etag(name, path)[:40], "size": size}
    if is_large(name):
        blob["lfs"] = {"oid": etag(name, path), "sha256": etag(name, path), "size": size, "pointerSize": 135}
    return blob
