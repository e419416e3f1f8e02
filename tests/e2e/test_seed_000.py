"""The frames and answers of the first design, as its clients and runners know them, taken letter by letter."""

import asyncio
import datetime
import json
import re

import pytest
import websockets
from support.ws import Follower, background

BASE = "/api/v1/executions"


@pytest.fixture
def execution_id(api):
    return api.create(script_filename="process.py", runtime="python:3.11")


def url(server, path):
    return f"ws://127.0.0.1:{server.port}{path}"


def bearer(server):
    return {"Authorization": f"Bearer {server.operator_key}"}


async def stream_container_logs(server, execution_id, lines, exit_code):
    """The design's runner: it waits for no `ready`, reads nothing and says no final sequence."""
    sequence_number = 0
    async with websockets.connect(
        url(server, f"/ws/runner/executions/{execution_id}/stream"), extra_headers=bearer(server)
    ) as websocket:
        for stream, message in lines:
            await websocket.send(
                json.dumps(
                    {
                        "execution_id": execution_id,
                        "sequence_number": sequence_number,
                        "timestamp": datetime.datetime.utcnow().isoformat(),
                        "stream": stream,
                        "message": message,
                    }
                )
            )
            sequence_number += 1
        await websocket.send(json.dumps({"type": "complete", "execution_id": execution_id, "exit_code": exit_code}))


async def stream_logs_websocket(server, execution_id, last_sequence=-1):
    """The design's CLI: (records, the message that ended it)."""
    records = []
    async with websockets.connect(
        url(server, f"/ws/executions/{execution_id}/logs?cursor={last_sequence}"), extra_headers=bearer(server)
    ) as websocket:
        async for message in websocket:
            data = json.loads(message)
            if data["type"] == "log":
                records.append(data)
                last_sequence = data["sequence_number"]
            elif data["type"] in ("complete", "error"):
                return records, data
    raise AssertionError("the stream ended without complete")


LINES = [("stdout", f"Processing file {i}...") for i in range(120)] + [("stderr", "Traceback"), ("stdout", "")]


@pytest.mark.threads
def test_its_runner_and_its_client_understand_each_other(server, execution_id):
    async def both():
        client = asyncio.ensure_future(stream_logs_websocket(server, execution_id))
        await stream_container_logs(server, execution_id, LINES, 0)
        return await client

    records, end = background().run(both())
    assert [(record["stream"], record["message"]) for record in records] == LINES
    assert [record["sequence_number"] for record in records] == list(range(len(LINES)))
    assert {"type", "execution_id", "exit_code", "status"} <= set(end)
    assert (end["type"], end["execution_id"], end["exit_code"], end["status"]) == (
        "complete",
        execution_id,
        0,
        "completed",
    )


def test_its_log_message(server, execution_id):
    background().run(stream_container_logs(server, execution_id, LINES[:1], 0))
    records, _ = background().run(stream_logs_websocket(server, execution_id))
    message = records[0]
    assert {"type", "execution_id", "sequence_number", "timestamp", "stream", "message"} <= set(message)
    assert message["execution_id"] == execution_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message["timestamp"])


def test_its_cursor_on_the_websocket_is_the_last_number_received(server, execution_id):
    background().run(stream_container_logs(server, execution_id, LINES, 0))
    records, _ = background().run(stream_logs_websocket(server, execution_id, 42))
    assert records[0]["sequence_number"] == 43 and len(records) == len(LINES) - 43


def test_its_paging_loop_fetches_all(server, api, execution_id):
    background().run(stream_container_logs(server, execution_id, LINES, 0))
    with Follower(server, execution_id) as follower:
        follower.rest()
    cursor, seen = 0, []
    while True:
        response = api.page(execution_id, cursor=cursor, limit=50)
        assert {"execution_id", "logs", "next_cursor", "has_more"} <= set(response)
        seen += [(log["stream"], log["message"]) for log in response["logs"]]
        if not response["has_more"]:
            assert response["next_cursor"] is None
            break
        cursor = response["next_cursor"]
    assert seen == LINES


def test_its_status_response(server, api, execution_id):
    queued = api.status(execution_id)
    assert queued["status"] == "queued" and queued["started_at"] is None and queued["exit_code"] is None
    background().run(stream_container_logs(server, execution_id, LINES[:3], 2))
    with Follower(server, execution_id) as follower:
        follower.rest()
    ended = api.status(execution_id)
    assert ended["execution_id"] == execution_id and ended["status"] == "failed" and ended["exit_code"] == 2
    assert ended["script_filename"] == "process.py" and ended["runtime"] == "python:3.11"
    assert ended["created_at"] and ended["started_at"] and ended["completed_at"]
    assert isinstance(ended["duration_seconds"], int)
    assert "cost_micros" in ended and "cost_display" in ended and "artifacts_count" in ended


def test_a_disconnect_before_the_first_log_reconnects_at_once(server, api, execution_id):
    async def early():
        async with websockets.connect(
            url(server, f"/ws/executions/{execution_id}/logs?cursor=-1"), extra_headers=bearer(server)
        ):
            pass
        await stream_container_logs(server, execution_id, LINES, 0)
        return await stream_logs_websocket(server, execution_id, -1)

    assert len(background().run(early())[0]) == len(LINES)


def test_an_execution_with_no_logs(server, api, execution_id):
    background().run(stream_container_logs(server, execution_id, [], 0))
    records, end = background().run(stream_logs_websocket(server, execution_id))
    assert records == [] and end["type"] == "complete"
    assert api.page(execution_id)["logs"] == []
