"""TLS in front of an engine that does not speak it: takes connections with a certificate, and hands on what is in them."""

import asyncio
import contextlib
import ssl
import threading
import urllib.parse


class TlsFront:
    """`pem`: a key and its certificate. `url`: of the engine."""

    def __init__(self, pem, url):
        self.upstream = urllib.parse.urlsplit(url)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result()
        self.port = self.server.sockets[0].getsockname()[1]

    async def _listen(self):
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            theirs, ours = await asyncio.open_connection(self.upstream.hostname, self.upstream.port)
            await asyncio.gather(self._pass(reader, ours), self._pass(theirs, writer))

    async def _pass(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def _end(self):
        self.server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def close(self):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
