"""Power loss at any moment of a recorded run: tests/faults/power_trace.c writes down what a program does to its
files, and this
makes of each moment what a disk may hold when the power fails just then: all that was synced, and of the rest a random part."""

import json
import os
import pathlib
import struct
import subprocess
import time

SOURCE = pathlib.Path(__file__).parents[2] / "faults" / "power_trace.c"
CREATE, WRITE, SIZE, PUNCH, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, LINK = range(1, 12)
MARK = 100
HEAD = struct.Struct("<IIIIQQQQ")
NAMES = (CREATE, RENAME, UNLINK, MKDIR, RMDIR, LINK)


class Entry:
    def __init__(self, op, inode, offset, length, time_ns, path, data):
        self.op, self.inode, self.offset, self.length = op, inode, offset, length
        self.time = time_ns / 1e9
        self.path, self.data = path, data


class Recorder:
    """Environment for the program to trace, and marks of what the outside world knows at a moment."""

    def __init__(self, folder, root):
        self.file = folder / "power.trace"
        self.file.touch()
        self.root = root
        library = folder / "power_trace.so"
        command = [
            "cc",
            "-std=gnu17",
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            library,
            SOURCE,
            "-ldl",
        ]
        subprocess.run(command, check=True)
        asan = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        self.env = {"LD_PRELOAD": library, "POWER_TRACE": self.file, "POWER_TRACE_ROOT": root, "ASAN_OPTIONS": asan}
        self.env = {name: str(value) for name, value in self.env.items()}
        self._fd = os.open(self.file, os.O_WRONLY | os.O_APPEND)

    def mark(self, **known):
        data = json.dumps(known).encode()
        os.write(self._fd, HEAD.pack(MARK, 0, len(data), 0, 0, 0, 0, time.monotonic_ns()) + data)

    def made(self, folder):
        """As if the program that is traced had made that folder, and then was killed."""
        folder.mkdir(parents=True)
        path = str(folder).encode()
        os.write(self._fd, HEAD.pack(MKDIR, len(path), 0, 0, folder.stat().st_ino, 0, 0, time.monotonic_ns()) + path)

    def trace(self):
        os.close(self._fd)
        return self.so_far()

    def so_far(self):
        """The trace of a program that still runs. Each entry is appended by one write, so none is half there."""
        return Trace(self.file.read_bytes(), self.root)


class Trace:
    def __init__(self, raw, root):
        self.root = str(root)
        self.entries = []
        at = 0
        while at < len(raw):
            op, path_len, data_len, _, inode, offset, length, time_ns = HEAD.unpack_from(raw, at)
            at += HEAD.size
            path = raw[at : at + path_len].decode()
            data = raw[at + path_len : at + path_len + data_len]
            at += path_len + data_len
            self.entries.append(
                Entry(op, inode, offset, length, time_ns, path, json.loads(data) if op == MARK else data)
            )

    def marks(self, moment):
        return [entry.data | {"time": entry.time} for entry in self.entries[:moment] if entry.op == MARK]

    def surely_synced(self, moment, name):
        """The marks made before the last sync began of a file of this name that had ended before `moment`."""
        begun = ended = 0
        for index, entry in enumerate(self.entries[:moment]):
            if entry.op == SYNC_BEGIN and entry.path.endswith("/" + name):
                begun = index
            elif entry.op == SYNC_END and entry.path.endswith("/" + name):
                ended = begun
        return self.marks(ended)

    def disk(self, moment, source, target, start=None, share=None):
        """Makes below `target` what may be on the disk when the power fails before entry `moment`. How much of what
        was not synced
        is there is `share`, or drawn: nothing, anything, all. `start`: what was durable before the trace, {name: (inode, content)}.
        """
        share = source.choice((0.0, 0.0, source.random(), 1.0)) if share is None else share
        past = self.entries[:moment]
        synced = self._synced(past)
        files, names = {}, {self.root: None}
        names_lost = set()
        for name, (inode, content) in (start or {}).items():
            names[os.path.join(self.root, name)] = inode
            files[inode] = bytearray(content)
        for index, entry in enumerate(past):
            durable = index < synced.get(self._synced_by(entry), -1)
            if entry.op in NAMES:
                # The changes of one folder reach the disk in their order.
                folder = os.path.dirname(entry.path)
                if durable or (folder not in names_lost and source.random() < share):
                    self._apply_name(entry, files, names)
                else:
                    names_lost.add(folder)
                    if entry.op == CREATE:
                        files[entry.inode] = bytearray()
            elif entry.op in (WRITE, SIZE, PUNCH):
                if durable or source.random() < share:
                    self._apply(entry, files.setdefault(entry.inode, bytearray()), None if durable else source)
        self._write(files, names, target)

    @staticmethod
    def _synced_by(entry):
        """What has to be synced for this entry to be durable: a folder's path or a file's inode."""
        return os.path.dirname(entry.path) if entry.op in NAMES else entry.inode

    def _synced(self, past):
        """{folder or inode: everything before this index is durable}"""
        begun, synced = {}, {}
        for index, entry in enumerate(past):
            if entry.op == SYNC_BEGIN:
                begun[entry.inode, entry.offset] = index  # the offset of a sync is its thread
            elif entry.op == SYNC_END:
                before = begun[entry.inode, entry.offset]
                for known in (entry.path, entry.inode):
                    synced[known] = max(synced.get(known, -1), before)
        return synced

    @staticmethod
    def _apply(entry, content, torn):
        if entry.op == SIZE:
            if entry.length < len(content):
                del content[entry.length :]
            else:
                content.extend(bytes(entry.length - len(content)))
            return
        if len(content) < entry.offset:
            content.extend(bytes(entry.offset - len(content)))
        if entry.op == PUNCH:
            end = min(entry.offset + entry.length, len(content))
            content[entry.offset : end] = bytes(max(0, end - entry.offset))
            return
        data = entry.data
        if torn and len(data) > 512 and torn.random() < 0.3:
            data = data[: torn.randrange(len(data)) // 512 * 512]  # a sector is written or not
        content[entry.offset : entry.offset + len(data)] = data

    @staticmethod
    def _apply_name(entry, files, names):
        if entry.op == CREATE:
            files[entry.inode] = bytearray()
            names[entry.path] = entry.inode
        elif entry.op == MKDIR:
            names[entry.path] = None
        elif entry.op in (UNLINK, RMDIR):
            names.pop(entry.path, None)
        elif entry.path in names and entry.op == LINK:
            names[entry.data.decode()] = names[entry.path]
        elif entry.path in names:
            names[entry.data.decode()] = names.pop(entry.path)

    def _write(self, files, names, target):
        for path in sorted(names):
            if path != self.root and names.get(os.path.dirname(path), 0) is not None:
                continue  # its folder is not there
            place = target / os.path.relpath(path, self.root)
            if not place.parent.is_dir():
                continue
            if names[path] is None:
                place.mkdir(exist_ok=True)
                place.chmod(0o700)
            else:
                place.write_bytes(files.get(names[path], b""))
                place.chmod(0o600)
