"""Jobs that tests run under `runnel wrap`, and finding what became of them."""

import itertools
import os
import uuid

_numbers = itertools.count()


def fresh_id():
    """An execution id for --id, so that a test knows it before the job starts."""
    return f"job-{os.getpid()}-{next(_numbers)}-{uuid.uuid4().hex[:8]}"


def shell(script):
    return ("--", "sh", "-c", script)


def python(script):
    return ("--", "/usr/bin/python3", "-c", script)


def output_of(api, execution_id, stream=None):
    """The stored bytes, exactly."""
    query = {"format": "raw", **({"stream": stream} if stream else {})}
    answer = api.get(f"/api/v1/executions/{execution_id}/logs", query=query)
    assert answer.status == 200, answer
    return answer.body


def signalled(name, times=1, code=7):
    """A job that says `ready`, then `signal 1` and so on at each SIG`name`, and exits with `code` after so many. It
    waits with the
    signal blocked: one that comes at any moment after `ready` is kept until it is waited for."""
    return python(
        "import os, signal, sys\n"
        f"wanted = {{signal.SIG{name}}}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n"
        "os.write(1, b'ready\\n')\n"
        f"for i in range({times}):\n"
        "    signal.sigwait(wanted)\n"
        "    os.write(1, b'signal %d\\n' % (i + 1))\n"
        f"sys.exit({code})\n"
    )
