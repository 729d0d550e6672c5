"""A local server that answers what `huggingface_hub` asks of the Hub: revisions, trees, files in ranges, LFS, commits.

Data sets live in memory; every commit is a whole tree, branches point to commits. Switches do what the real Hub does
wrong or refuses. It speaks the paths of the client's version that is installed, xet switched off.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

LARGE = 1000
"""Files of more bytes go by LFS."""
Tree = dict[str, bytes]


class Hub:
    """Data sets by name, what was asked for, and what the server does wrong."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, Tree]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        self.history: list[tuple[str, list[str]]] = []
        """Branch and paths of every commit that a client made."""
        self.tokens: dict[str, str] = {}
        """What each token may do, `read` or `write`; while there is none, everybody may write."""
        self.private: set[str] = set()
        self.gated: set[str] = set()
        """Data sets whose files are for those alone whom their owner let in: nobody here."""
        self.num_listed = 1000
        """Entries that one page of a tree holds."""
        self.damaged: str | None = None
        """File of which a commit keeps other bytes than were sent."""
        self.uploaded: Callable[[], None] = lambda: None
        """Called when a large file has arrived."""
        self.status: int | None = None
        """Answer of every request."""
        self.refuse: dict[str, int] = {}
        """Answers by a part of the path."""
        self.cut_after: int | None = None
        """Uploads of large files that arrive before the connection is cut."""
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def commit(self, repo: str, branch: str, tree: Tree) -> str:
        """Put a tree on a branch and return its commit."""
        known = self.commits.setdefault(repo, {})
        told = json.dumps([branch, len(known), {path: _git(data) for path, data in sorted(tree.items())}])
        sha = hashlib.sha1(told.encode()).hexdigest()
        known[sha] = dict(tree)
        self.branches.setdefault(repo, {})[branch] = sha
        return sha

    def tree(self, repo: str, revision: str = "main") -> Tree:
        """Return the files of a branch or commit."""
        return self.commits[repo][self.branches[repo].get(revision, revision)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.hub.lock:
            self.hub.asked.append((self.command, url.path))
            refused = next((code for part, code in self.hub.refuse.items() if part in url.path), self.hub.status)
            if refused is not None:
                self._send(refused, {"error": "refused"})
                return
            if self._turned_away(url.path):
                return
            for pattern, answer in _ROUTES:
                found = re.fullmatch(pattern, f"{self.command} {url.path}")
                if found is not None:
                    answer(self, found, body, parse_qs(url.query))
                    return
            self._send(404, {"error": f"no such path {url.path}"})

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _send(self, status: int, value: Any = None, data: bytes | None = None, **headers: str) -> None:
        data = json.dumps(value).encode() if data is None else data
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("length", str(len(data))))
        self.send_header("Content-Type", "application/json")
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _turned_away(self, path: str) -> bool:
        """Answer as the Hub does whoever may not do what is asked; return whether that was so."""
        hub, repo = self.hub, re.search(r"/datasets/([^/]+/[^/.]+)", path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        may = hub.tokens.get(token, "write" if not hub.tokens else "")
        writes = self.command == "POST" and "/paths-info/" not in path  # addresses of large files are signed
        if hub.tokens and token and not may:
            self._refuse(401, "Invalid credentials in Authorization header")
        elif writes and not may:
            self._refuse(401, "Invalid username or password.")
        elif writes and may != "write":
            self._refuse(403, "Forbidden: you must use a write token to upload to a repository.")
        elif repo and repo[1] in hub.private and not may:
            self._refuse(401, "Repository not found", "RepoNotFound")
        elif repo and repo[1] in hub.gated and "/resolve/" in path:
            self._refuse(403 if token else 401, f"Access to dataset {repo[1]} is restricted.", "GatedRepo")
        else:
            return False
        return True

    def _refuse(self, status: int, said: str, code: str | None = None) -> None:
        self._send(status, {"error": said}, X_Error_Message=said, **({"X_Error_Code": code} if code else {}))

    def _sha(self, repo: str, revision: str) -> str | None:
        """Return the commit of a revision; answer that it is not there."""
        if repo not in self.hub.commits:
            self._send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        revision = unquote(revision)
        sha = self.hub.branches[repo].get(revision, revision)
        if sha not in self.hub.commits[repo]:
            self._send(404, {"error": "Revision not found"}, X_Error_Code="RevisionNotFound")
            return None
        return sha

    def info(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        repo = found["repo"]
        sha = self._sha(repo, found.groupdict().get("rev") or "main")
        if sha:
            files = [{"rfilename": path} for path in sorted(self.hub.commits[repo][sha])]
            self._send(200, {"_id": "0", "id": repo, "sha": sha, "private": False, "tags": [], "siblings": files})

    def tree(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        sha = self._sha(found["repo"], found["rev"])
        if sha is None:
            return
        held = self.hub.commits[found["repo"]][sha]
        root = unquote(found["path"] or "").strip("/")
        below = {path: data for path, data in held.items() if not root or path.startswith(f"{root}/")}
        if root and not below:
            self._send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        start = len(root) + 1 if root else 0
        folders = {path[: start + at] for path in below for at in _slashes(path[start:])}
        listed = [_file(path, data) for path, data in below.items()]
        listed += [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders]
        if query.get("recursive", ["false"])[0].lower() != "true":
            listed = [item for item in listed if "/" not in item["path"][start:]]
        ordered = sorted(listed, key=lambda item: str(item["path"]))
        first = int(query.get("cursor", ["0"])[0])
        after, more = first + self.hub.num_listed, {}
        if after < len(ordered):
            asked = {**{key: values[0] for key, values in query.items()}, "cursor": str(after)}
            more = {"Link": f'<{self.hub.url}{urlsplit(self.path).path}?{urlencode(asked)}>; rel="next"'}
        self._send(200, ordered[first:after], **more)

    def paths_info(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        sha = self._sha(found["repo"], found["rev"])
        if sha:
            held = self.hub.commits[found["repo"]][sha]
            paths = parse_qs(body.decode())["paths"]
            self._send(200, [_file(path, held[path]) for path in paths if path in held])

    def resolve(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        sha = self._sha(found["repo"], found["rev"])
        if sha is None:
            return
        data = self.hub.commits[found["repo"]][sha].get(unquote(found["path"]))
        if data is None:
            self._send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        told = {"ETag": f'"{_git(data)}"', "X_Repo_Commit": sha, "Accept_Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted and (part := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)):
            self.hub.ranges.append(wanted)
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            told["Content_Range"] = f"bytes {first}-{last}/{len(data)}"
            self._send(206, data=data[first : last + 1], **told)
        else:
            self._send(200, data=data, **told)

    def create(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        asked = json.loads(body)
        assert asked["type"] == "dataset"
        assert asked["visibility"] == "private"
        repo = f"{asked['organization']}/{asked['name']}"
        if repo not in self.hub.commits:
            self.hub.commit(repo, "main", {".gitattributes": b""})
        self._send(200, {"url": f"{self.hub.url}/datasets/{repo}", "name": repo})

    def branch(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        branches, name = self.hub.branches[found["repo"]], unquote(found["rev"])
        known = name in branches
        branches.setdefault(name, branches["main"])
        self._send(409 if known else 200, {"error": "Reference already exists"} if known else {})

    def preupload(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        files = json.loads(body)["files"]
        told = [
            {"path": file["path"], "uploadMode": "lfs" if file["size"] > LARGE else "regular", "shouldIgnore": False}
            for file in files
        ]
        self._send(200, {"files": told})

    def batch(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        objects = []
        for item in json.loads(body)["objects"]:
            place = f"{self.hub.url}/lfs/{item['oid']}"
            action = {"actions": {"upload": {"href": place}}} if item["oid"] not in self.hub.blobs else {}
            objects.append({**item, **action})
        self._send(200, {"transfer": "basic", "objects": objects})

    def upload(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        if self.hub.cut_after is not None and len(self.hub.blobs) >= self.hub.cut_after:
            with contextlib.suppress(OSError):
                self.connection.close()
            self.close_connection = True
            return
        assert hashlib.sha256(body).hexdigest() == found["oid"]
        self.hub.blobs[found["oid"]] = body
        self.hub.uploaded()
        self._send(200, {})

    def take_commit(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        repo, branch = found["repo"], unquote(found["rev"])
        tree = dict(self.hub.tree(repo, branch))
        lines = [json.loads(line) for line in body.splitlines()]
        self.hub.history.append((branch, [line["value"]["path"] for line in lines if line["key"] != "header"]))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                tree[value["path"]] = self.hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del tree[value["path"]]
        if self.hub.damaged in tree:
            tree[str(self.hub.damaged)] = tree[str(self.hub.damaged)][:-1] + b"\0"
        sha = self.hub.commit(repo, branch, tree)
        self._send(200, {"commitOid": sha, "commitUrl": f"{self.hub.url}/datasets/{repo}/commit/{sha}"})

    def valid(self, found: re.Match[str], body: bytes, query: dict[str, list[str]]) -> None:
        self._send(200, {"errors": [], "warnings": []})


_REPO = r"(?P<repo>[^/]+/[^/.]+)"
_ROUTES = (
    (rf"GET /api/datasets/{_REPO}", _Handler.info),
    (rf"GET /api/datasets/{_REPO}/revision/(?P<rev>[^/]+)", _Handler.info),
    (rf"GET /api/datasets/{_REPO}/tree/(?P<rev>[^/]+)(?P<path>/.*)?", _Handler.tree),
    (rf"POST /api/datasets/{_REPO}/paths-info/(?P<rev>[^/]+)", _Handler.paths_info),
    (rf"(?:GET|HEAD) /datasets/{_REPO}/resolve/(?P<rev>[^/]+)/(?P<path>.+)", _Handler.resolve),
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.valid),
    (rf"POST /api/datasets/{_REPO}/branch/(?P<rev>[^/]+)", _Handler.branch),
    (rf"POST /api/datasets/{_REPO}/preupload/(?P<rev>[^/]+)", _Handler.preupload),
    (rf"POST /datasets/{_REPO}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /lfs/(?P<oid>[0-9a-f]{64})", _Handler.upload),
    (rf"POST /api/datasets/{_REPO}/commit/(?P<rev>[^/]+)", _Handler.take_commit),
)


def _slashes(path: str) -> list[int]:
    return [found.start() for found in re.finditer("/", path)]


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _file(path: str, data: bytes) -> dict[str, Any]:
    told = {"type": "file", "path": path, "size": len(data), "oid": _git(data)}
    if len(data) > LARGE:
        told["lfs"] = {"size": len(data), "oid": hashlib.sha256(data).hexdigest(), "pointerSize": 130}
    return told
