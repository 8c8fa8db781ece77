"""Serves a folder or bucket of Lance tables over HTTP, as pylance's own adapter of the Lance REST Namespace does."""

import signal
import sys
import threading

import lance.namespace

server = lance.namespace.RestAdapter("dir", {"root": sys.argv[1]}, host="127.0.0.1", port=int(sys.argv[2]))
server.start()
print(f"http://127.0.0.1:{server.port}", flush=True)
stopped = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopped.set())
stopped.wait()
server.stop()
