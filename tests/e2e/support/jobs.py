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
