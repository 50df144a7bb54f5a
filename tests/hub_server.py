"""A stand-in of the Hugging Face hub's HTTP on this machine: what downloads and uploads need of it."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote

import yaml

COMMITS = {"main": "a" * 40, "v1": "b" * 40}
NAME = "someone/tiny-bert"
USER, WRITER = "alice", "hf_writes"
# Git would keep these in large storage.
_LARGE = (".safetensors", ".onnx", ".npy", ".png")
Files = dict[str, bytes]


@dataclass
class Repository:
    """A repository that was pushed to: its branches, and the files of each commit."""

    private: bool
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Files] = field(default_factory=dict)

    def commit(self, branch: str, files: Files) -> str:
        """Put files on a branch; the new commit."""
        described = sorted((name, hashlib.sha1(content).hexdigest()) for name, content in files.items())
        sha = hashlib.sha1(json.dumps([len(self.commits), described]).encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    @property
    def files(self) -> Files:
        """Those of the main branch."""
        return self.commits[self.branches["main"]]


@dataclass
class Hub:
    """What the stand-in serves and what it was asked.

    Attributes:
        folder: Files of the one repository that is only read.
        kind: Of that repository.
        token: That reading needs, if any.
        cuts: How often a download of weights is cut.
        cut_after: After so many bytes.
        requests: Method, path and range of each.
        faults: Part of a path to the status that it is answered with, and where a connection breaks, 0.
        repositories: Those that were pushed to.
        large: Uploaded large files by their SHA-256.
        loses_answers: Whether the connection breaks once a commit is made.
    """

    folder: Path
    kind: str = "models"
    token: str | None = None
    cuts: int = 0
    cut_after: int = 12 << 20
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    loses_answers: bool = False

    def find(self, name: str, revision: str) -> tuple[str, Files] | None:
        """The commit that a branch or commit of a repository stands for, and its files."""
        if name == NAME:
            commit = COMMITS.get(revision, revision if revision in COMMITS.values() else None)
            return None if commit is None else (commit, _in(self.folder))
        repository = self.repositories.get(name)
        commit = None if repository is None else repository.branches.get(revision, revision)
        return None if repository is None or commit not in repository.commits else (commit, repository.commits[commit])


def _in(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


class Server(http.server.ThreadingHTTPServer):
    """Knows its hub."""

    hub: Hub


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """A hub that serves a folder as one repository, and takes others."""
    made = Hub(folder)
    server = Server(("127.0.0.1", 0), Handler)
    server.hub = made
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """The few answers of the hub that are needed."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.begin()
        if path is None:
            return
        if path == "/api/whoami-v2":
            self.json(200, {"name": USER, "type": "user", "orgs": []}) if self.writes() else self.json(401, {})
        elif path.startswith("/api/"):
            self.describe(path)
        elif "/resolve/" in path:
            name, _, rest = path.removeprefix("/datasets").strip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            self.file(name, unquote(revision), unquote(file))
        else:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")

    def do_POST(self) -> None:
        body = self.body()
        path = self.begin()
        if path is None:
            return
        if "/paths-info/" in path:
            self.paths_info(path, body.decode())
        elif path == "/api/validate-yaml":
            head = yaml.safe_load(json.loads(body)["content"].split("---")[1])
            wrong = [{"message": '"license" must be one of the known ones'}] if head.get("license") == "wrong" else []
            self.json(400 if wrong else 200, {"errors": wrong, "warnings": []})
        elif not self.writes():
            self.json(401, {"error": "Invalid credentials"})
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.json(200, {"transfer": "basic", "objects": [self.upload(one) for one in json.loads(body)["objects"]]})
        elif path == "/lfs-verify":
            known = self.server.hub.large.get(json.loads(body)["oid"])
            self.json(200 if known is not None and len(known) == json.loads(body)["size"] else 404, {})
        else:
            self.write(path, body)

    def do_PUT(self) -> None:
        content = self.body()
        path = self.begin()
        if path is None:
            return
        oid = path.rsplit("/", 1)[1]
        if hashlib.sha256(content).hexdigest() != oid:
            self.json(400, {})
            return
        self.server.hub.large[oid] = content
        self.answer(200)

    def begin(self) -> str | None:
        """Note a request; its path, unless it was answered already."""
        hub = self.server.hub
        hub.requests.append((self.command, self.path, self.headers.get("Range")))
        path = self.path.split("?")[0]
        for part, status in hub.faults.items():
            if part in path:
                if status:
                    self.json(status, {"error": "as the test wants it"})
                else:
                    self.close_connection = True
                return None
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self.answer(401, b"{}", X_Error_Code="GatedRepo", X_Error_Message="give a token")
            return None
        return path

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def writes(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {WRITER}"

    def sees(self, name: str) -> bool:
        repository = self.server.hub.repositories.get(name)
        return name == NAME or (repository is not None and (not repository.private or self.writes()))

    def describe(self, path: str) -> None:
        """`/api/models/NAME`, `/revision/R` behind it: the commit; `/tree/R`: the files."""
        if path.count("/") < 4:
            self.answer(404, b"{}")
            return
        kind, owner, name, *rest = path.removeprefix("/api/").split("/")
        whole, revision = f"{owner}/{name}", unquote(rest[1]) if len(rest) > 1 else "main"
        if kind != self.server.hub.kind or not self.sees(whole):
            self.answer(404 if self.writes() else 401, b"{}", X_Error_Code="RepoNotFound")
            return
        found = self.server.hub.find(whole, revision)
        if found is None:
            self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
            return
        commit, files = found
        if rest and rest[0] == "tree":
            self.json(200, [described(name, content) for name, content in files.items()])
            return
        repository = self.server.hub.repositories.get(whole)
        names = [{"rfilename": name} for name in files]
        private = repository is not None and repository.private
        self.json(200, {"id": whole, "sha": commit, "siblings": names, "private": private, "tags": []})

    def paths_info(self, path: str, asked: str) -> None:
        """`/api/models/NAME/paths-info/R`: the files that are asked for."""
        names = json.loads(asked)["paths"] if asked.startswith("{") else parse_qs(asked)["paths"]
        _, owner, name, _, revision = path.removeprefix("/api/").split("/")
        found = self.server.hub.find(f"{owner}/{name}", unquote(revision))
        files = found[1] if found else {}
        self.json(200, [described(name, files[name]) for name in names if name in files])

    def create(self, asked: dict[str, str]) -> None:
        owner, repositories = asked.get("organization") or USER, self.server.hub.repositories
        whole = f"{owner}/{asked['name']}"
        if owner != USER:
            self.json(403, {"error": "You don't have the rights to create a model under this namespace"})
        elif whole in repositories:
            self.json(409, {"error": "You already created this model repo"})
        else:
            repositories[whole] = Repository(asked.get("visibility") == "private")
            repositories[whole].commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})
            self.json(200, {"url": f"{self.server.hub.address}/{whole}"})

    def upload(self, asked: dict[str, object]) -> dict[str, object]:
        """Where a large file goes, unless it is there already."""
        oid, address = str(asked["oid"]), self.server.hub.address
        if oid in self.server.hub.large:
            return asked
        verify = {"href": f"{address}/lfs-verify"}
        return {**asked, "actions": {"upload": {"href": f"{address}/lfs/{oid}"}, "verify": verify}}

    def write(self, path: str, body: bytes) -> None:
        """`/api/models/NAME/preupload/R`, `/commit/R` and `/branch/B`."""
        _, owner, name, verb, branch = path.removeprefix("/api/").split("/")
        repository, branch = self.server.hub.repositories.get(f"{owner}/{name}"), unquote(branch)
        if repository is None:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        elif owner != USER:
            self.json(403, {"error": "Forbidden"})
        elif verb == "branch":
            repository.branches.setdefault(branch, repository.branches["main"])
            self.json(200, {})
        elif verb == "preupload":
            asked = json.loads(body)["files"]
            modes = [(one["path"], "lfs" if one["path"].endswith(_LARGE) else "regular") for one in asked]
            self.json(200, {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes]})
        else:
            self.commit(f"{owner}/{name}", branch, [json.loads(line) for line in body.splitlines()])

    def commit(self, name: str, branch: str, lines: list[dict[str, dict[str, str]]]) -> None:
        repository = self.server.hub.repositories[name]
        before = repository.branches[branch]
        files = dict(repository.commits[before])
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "header" and value.get("parentCommit", before) != before:
                self.json(412, {"error": "The branch has moved"})
                return
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.server.hub.large[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        sha = repository.commit(branch, files)
        url = f"{self.server.hub.address}/{name}/commit/{sha}"
        if self.server.hub.loses_answers:
            self.close_connection = True
        else:
            self.json(200, {"commitUrl": url, "commitOid": sha, "success": True})

    def file(self, name: str, revision: str, file: str) -> None:
        if not self.sees(name):
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")
            return
        found = self.server.hub.find(name, revision)
        if found is None:
            self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
            return
        commit, files = found
        if file not in files:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        content = files[file]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {"ETag": f'"{digest(content)}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = None
        if self.server.hub.cuts and file == "model.safetensors" and self.command == "GET":
            self.server.hub.cuts -= 1
            cut = self.server.hub.cut_after
        self.answer(206 if start else 200, content[start:], cut, **headers)

    def json(self, status: int, value: object) -> None:
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def answer(self, status: int, body: bytes = b"", cut_after: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:cut_after])
        if cut_after is not None and len(body) > cut_after:
            # A connection that breaks: fewer bytes than were promised.
            self.close_connection = True


def described(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": digest(content)[:40]}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
