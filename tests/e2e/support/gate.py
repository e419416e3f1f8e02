"""A TCP proxy on a loop of its own thread that can be shut, be made deaf, or drop what is open: what lies between a client
and a server, or a server and its database."""

import asyncio
import contextlib
import threading

from . import DEADLINE


class _End(asyncio.Protocol):
    """One of the two ends of a connection; `other` is the one to which everything goes."""

    def __init__(self, pair):
        self.pair, self.transport, self.other, self.kept, self.tail = pair, None, None, [], b""

    def connection_made(self, transport):
        self.transport = transport
        self.pair.made(self)

    def data_received(self, data):
        gate = self.pair.gate
        if gate.trap and gate.trap in data:
            gate.fall_deaf()
        if gate.cutter and gate.cutter.cuts(self, data):
            self.pair.drop()
            return
        if self.other and not gate.deaf:
            self.other.transport.write(data)
        else:
            self.kept.append(data)

    def pass_on(self):
        """What came before there was another end, or while nothing went through."""
        kept, self.kept = self.kept, []
        for data in kept:
            self.other.transport.write(data)

    def pause_writing(self):
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if self.other and self.other.transport and not self.pair.gate.deaf:
            self.other.transport.resume_reading()

    def eof_received(self):
        self.pair.drop()

    def connection_lost(self, _):
        self.pair.drop()


class _Pair:
    def __init__(self, gate):
        self.gate, self.ends, self.dropped = gate, [], False
        gate.pairs.add(self)

    def made(self, end):
        self.ends.append(end)
        if self.gate.shut or self.dropped:
            self.drop()
        elif len(self.ends) == 1:
            asyncio.ensure_future(self.reach())

    async def reach(self):
        client, loop = self.ends[0], asyncio.get_running_loop()
        for target in self.gate.targets():
            try:
                if isinstance(target, int):
                    await loop.create_connection(lambda: _End(self), "127.0.0.1", target)
                else:
                    await loop.create_unix_connection(lambda: _End(self), str(target))
            except OSError:
                continue
            if len(self.ends) < 2 or self.dropped:
                return
            server = self.ends[1]
            client.other, server.other = server, client
            self.listen(not self.gate.deaf)
            return
        self.drop()

    def listen(self, does):
        for end in self.ends:
            if does and end.other:
                end.pass_on()
            with contextlib.suppress(RuntimeError):  # it is closing
                end.transport.resume_reading() if does else end.transport.pause_reading()

    def drop(self):
        if self.dropped:
            return
        self.dropped = True
        self.gate.pairs.discard(self)
        for end in self.ends:
            end.transport.abort() if self.gate.shut else end.transport.close()


class Cutter:
    """Ends connections at words of one side, which go no further: those of every `every`th time."""

    def __init__(self, words, answers, every):
        self.words, self.answers, self.every = words, answers, every
        self.met = self.done = 0

    def cuts(self, end, data):
        if self.answers != (end is not end.pair.ends[0]):
            return False
        seen = end.tail + data
        end.tail = seen[len(seen) - len(self.words) + 1 :]
        if self.words not in seen:
            return False
        self.met += 1
        does = self.met % self.every == 0
        self.done += does
        return does


class Gate:
    """`targets()` gives the ports of this machine, or paths of sockets, that a new connection is tried at, in order."""

    _loop = None

    def __init__(self, targets):
        if Gate._loop is None:
            Gate._loop = asyncio.new_event_loop()
            threading.Thread(target=Gate._loop.run_forever, daemon=True).start()
        self.targets, self.pairs, self.shut, self.deaf = targets, set(), False, False
        self.trap, self.fallen, self.cutter = None, threading.Event(), None
        self.listener = self._run(self._listen())
        self.port = self.listener.sockets[0].getsockname()[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def _listen(self):
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _End(_Pair(self)), "127.0.0.1", 0, backlog=500)

    @staticmethod
    def _run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, Gate._loop).result(DEADLINE)

    def _do(self, change):
        async def act():
            change()

        self._run(act())

    def _drop(self):
        for pair in list(self.pairs):
            pair.drop()

    def cut(self):
        """All that is open ends; new connections are let through."""
        self._do(self._drop)

    def close_for(self, does):
        """True: all that is open is reset, and so is each new one."""

        def change():
            self.shut = does
            if does:
                self._drop()

        self._do(change)

    def hold(self, does):
        """True: nothing goes through, and nobody is told."""

        def change():
            self.deaf = does
            for pair in list(self.pairs):
                pair.listen(not does)

        self._do(change)

    def hold_at(self, words):
        """As hold(True), from the first piece on that has these bytes in it; then `fallen` is set."""
        self.trap = words

    def cut_at(self, words, answers=False, every=1):
        """From now on: see Cutter. `answers`: those of the server's side, not those of the client's. Without words never again."""
        self.cutter = Cutter(words, answers, every) if words else None
        return self.cutter

    def fall_deaf(self):
        self.trap, self.deaf = None, True
        for pair in list(self.pairs):
            pair.listen(False)
        self.fallen.set()

    def close(self):
        def end():
            self.listener.close()
            self._drop()

        self._do(end)
