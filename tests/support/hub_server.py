"""A Hugging Face Hub on this machine: as much of its HTTP API as huggingface_hub needs to make a repository,
upload a folder and download a snapshot. Every file is a plain one of git, none of LFS or Xet."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """Repositories, each a list of commits, and what was asked for.

    Attributes:
      repositories: {"user/name": [{path: content}, one a commit]}.
      asked: [(method, path)] of all requests.
      token: what a request that writes must show.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Request)
        self.repositories, self.asked, self.token = {}, [], "hf_test"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def files(self, repository, revision):
        """({path: content} of a revision, its commit), None if there is none."""
        commits = self.repositories.get(repository, [])
        found = {name(content): content for content in commits}
        if commits and revision == "main":
            return commits[-1], name(commits[-1])
        return (found[revision], revision) if revision in found else None

    def fetched(self):
        """The names of the files that were downloaded."""
        return {
            path.rpartition("/")[2] for method, path in self.asked if method == "GET" and "/resolve/" in path
        }


def name(content):
    """The hash of a commit of {path: content}."""
    told = sorted((path, blob(data)) for path, data in content.items())
    return hashlib.sha1(json.dumps(told).encode()).hexdigest()


def blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextlib.contextmanager
def running():
    """A hub that answers until the block ends."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for pattern, answer in _ROUTES.items():
            if found := re.fullmatch(pattern, path):
                return answer(self, body, **found.groupdict())
        self._say(404, {"error": f"this hub does not know {path}"})

    def _say(self, status, value, **headers):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for header, text in {"Content-Length": len(content), **headers}.items():
            self.send_header(header.replace("_", "-"), str(text))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _may_write(self):
        allowed = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        if not allowed:
            self._say(401, {"error": "Invalid username or password."}, X_Error_Code="RepoNotFound")
        return allowed

    def create(self, body):
        if not self._may_write():
            return
        told = json.loads(body)
        repository = f"{told.get('organization') or 'me'}/{told['name']}"
        url = f"{self.server.url}/{repository}"
        if repository in self.server.repositories:
            return self._say(409, {"error": "You already created this model repo", "url": url})
        self.server.repositories[repository] = [{".gitattributes": b""}]
        self._say(200, {"url": url, "name": repository, "id": "0"})

    def validate(self, body):
        self._say(200, {"errors": [], "warnings": []})

    def info(self, body, repository, revision="main"):
        if found := self._found(repository, revision):
            siblings = [{"rfilename": path} for path in found[0]]
            self._say(200, {"id": repository, "sha": found[1], "siblings": siblings, "private": False})

    def tree(self, body, repository, revision):
        if found := self._found(repository, revision):
            entries = [
                {"type": "file", "path": path, "size": len(data), "oid": blob(data)}
                for path, data in found[0].items()
            ]
            self._say(200, entries)

    def preupload(self, body, repository, revision):
        if self._may_write() and (found := self._found(repository, revision)):
            there = {path: blob(data) for path, data in found[0].items()}
            told = [
                {
                    "path": file["path"],
                    "uploadMode": "regular",
                    "shouldIgnore": False,
                    "oid": there.get(file["path"]),
                }
                for file in json.loads(body)["files"]
            ]
            self._say(200, {"files": told})

    def commit(self, body, repository, revision):
        if not self._may_write() or not self._found(repository, revision):
            return
        content = dict(self.server.repositories[repository][-1])
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                content[value["path"]] = base64.b64decode(value["content"])
            if operation["key"] == "deletedFile":
                del content[value["path"]]
        self.server.repositories[repository].append(content)
        url = f"{self.server.url}/{repository}/commit/{name(content)}"
        self._say(200, {"success": True, "commitOid": name(content), "commitUrl": url})

    def resolve(self, body, repository, revision, file):
        found = self._found(repository, revision)
        if not found:
            return
        if file not in found[0]:
            return self._say(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
        data = found[0][file]
        self._say(200, data, ETag=f'"{blob(data)}"', X_Repo_Commit=found[1])

    def _found(self, repository, revision):
        found = self.server.files(repository, revision)
        if not found:
            code = "RevisionNotFound" if repository in self.server.repositories else "RepoNotFound"
            self._say(404, {"error": "Repository not found"}, X_Error_Code=code)
        return found


_REPOSITORY = r"(?P<repository>[^/]+/[^/]+)"
_ROUTES = {
    "/api/repos/create": _Request.create,
    "/api/validate-yaml": _Request.validate,
    rf"/api/models/{_REPOSITORY}": _Request.info,
    rf"/api/models/{_REPOSITORY}/revision/(?P<revision>.+)": _Request.info,
    rf"/api/models/{_REPOSITORY}/tree/(?P<revision>[^/]+)/?": _Request.tree,
    rf"/api/models/{_REPOSITORY}/preupload/(?P<revision>.+)": _Request.preupload,
    rf"/api/models/{_REPOSITORY}/commit/(?P<revision>.+)": _Request.commit,
    rf"/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)": _Request.resolve,
}
