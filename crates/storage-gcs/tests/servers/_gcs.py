"""An emulator of Google Cloud Storage, as `_gcs.py PORT STRICT WORK`.

Both ports serve the same objects. On the first anybody may do anything; on the second it takes a token. In the folder
WORK are `service-account.json` and `modulus`, the modulus of its key as openssl prints it; large objects go there, too.
"""

import http.server
import json
import pathlib
import resource
import sys
import tempfile
import threading
from http import HTTPStatus

import _gcs_auth as auth
import _gcs_json
import _gcs_xml
from gcp_storage_emulator.server import Response

JSON = ["/storage/v1", "/upload/storage/v1", "/download/storage/v1", "/batch"]
PIECE = 1 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    # Connections stay open, and no small answer waits for an acknowledgement.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        try:
            body = self.body()
            response, head = self.answer_to(body), self.command == "HEAD"
            # Not kept while the answer is sent.
            del body
            self.send(response, head)
        except (ConnectionError, TimeoutError):
            # Of a request that did not arrive whole nothing is done.
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def answer_to(self, body):
        path, server = self.path.partition("?")[0], self.server
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in JSON):
            # Google's clients name Google here, wherever they connect to; addresses in answers are made of it.
            del self.headers["Host"]
            method = self.headers.get("X-HTTP-Method-Override", self.command)
            return _gcs_json.answer_to(self, method, body, server.storage)
        found = auth.answer(server.account, self.command, path, self.headers, body)
        if not found:
            return _gcs_xml.answer_to(self, self.command, body, server.storage)
        response = Response(self)
        status, response._headers, response._content = found
        response.status = HTTPStatus(status)
        return response

    def body(self):
        spool = _gcs_json.Spool()
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := self.chunk():
                self.read(size, spool)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            self.read(int(self.headers.get("Content-Length", 0)), spool)
        return spool.contents()

    def chunk(self):
        try:
            return int(self.rfile.readline().split(b";")[0], 16)
        except ValueError:
            raise ConnectionError from None

    def read(self, size, spool):
        while size:
            data = self.rfile.read(min(size, PIECE))
            if not data:
                raise ConnectionError
            spool.write(data)
            size -= len(data)

    def send(self, response, head):
        content = response._content
        if isinstance(content, str):
            content = content.encode()
        self.send_response(response.status.value, response.status.phrase)
        for name, value in response._headers.items():
            # Metadata may be any text; a header is one line of bytes.
            line = f"{name}\n{value}".replace("\r", " ").encode("utf-8", "replace").decode("latin-1")
            name, _, value = line.partition("\n")
            self.send_header(name, value.replace("\n", " "))
        if response.status.value in (204, 304):
            content = b""
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not head:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # Many connect at once.
    request_queue_size = 1024

    def __init__(self, port, storage, account, strict):
        super().__init__(("127.0.0.1", port), Handler)
        self.storage, self.account, self.strict = storage, account, strict


def main(port, strict, work):
    work = pathlib.Path(work)
    tempfile.tempdir = str(work)
    # Every large object is an open file.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    modulus = int((work / "modulus").read_text().strip().removeprefix("Modulus="), 16)
    account = auth.Account(json.loads((work / "service-account.json").read_text()), modulus)
    storage = _gcs_json.Memory()
    guarded = Server(int(strict), storage, account, strict=True)
    threading.Thread(target=guarded.serve_forever, daemon=True).start()
    Server(int(port), storage, account, strict=False).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
