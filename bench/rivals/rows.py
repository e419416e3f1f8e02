"""A log service of the customary kind: FastAPI, a row per line in PostgreSQL, Redis between the writers and the
followers. It answers as much of Runnel's contract as the bench uses, so that the same clients load both; and it says
`ack` only once the rows are committed, as Runnel does."""

import asyncio
import datetime
import json
import os

import asyncpg
import redis.asyncio
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()

TABLES = """
CREATE TABLE executions (execution_id text PRIMARY KEY, status text NOT NULL);
CREATE TABLE execution_logs (
    execution_id text NOT NULL REFERENCES executions, sequence_number bigint NOT NULL, timestamp timestamptz NOT NULL,
    stream text NOT NULL, message text NOT NULL, PRIMARY KEY (execution_id, sequence_number))
"""
COLUMNS = ("execution_id", "sequence_number", "timestamp", "stream", "message")


def shown(row):
    return {**dict(row), "type": "log", "timestamp": row["timestamp"].isoformat()}


def as_frame(record):
    return json.dumps({"type": "log", **record}, separators=(",", ":"))


@app.on_event("startup")
async def start():
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=16)
    app.state.bus = redis.asyncio.from_url(os.environ["REDIS_URL"], max_connections=12000)
    async with app.state.pool.acquire() as database:
        await database.execute(TABLES)


@app.post("/api/v1/executions")
async def create(body: dict):
    await app.state.pool.execute("INSERT INTO executions VALUES ($1, 'running')", body["execution_id"])
    return {"execution_id": body["execution_id"]}


@app.get("/api/v1/executions/{execution_id}/logs")
async def page(execution_id: str, cursor: int = 0, limit: int = 100):
    rows = await app.state.pool.fetch(
        "SELECT * FROM execution_logs WHERE execution_id = $1 AND sequence_number >= $2 ORDER BY sequence_number LIMIT $3",
        execution_id,
        cursor,
        limit + 1,
    )
    more = len(rows) > limit
    return {
        "execution_id": execution_id,
        "logs": [shown(row) for row in rows[:limit]],
        "next_cursor": cursor + limit if more else None,
        "has_more": more,
    }


@app.websocket("/ws/runner/executions/{execution_id}/stream")
async def runner(socket: WebSocket, execution_id: str):
    await socket.accept()
    await socket.send_text(
        json.dumps({"type": "ready", "execution_id": execution_id, "next_sequence": 0}, separators=(",", ":"))
    )
    try:
        while True:
            records = json.loads(await socket.receive_text())
            records = records if isinstance(records, list) else [records]
            now = datetime.datetime.now(datetime.timezone.utc)
            async with app.state.pool.acquire() as database:
                await database.copy_records_to_table(
                    "execution_logs",
                    columns=COLUMNS,
                    records=[
                        (execution_id, r["sequence_number"], now, r["stream"], r["message"].replace("\0", ""))
                        for r in records
                    ],
                )
            pipe = app.state.bus.pipeline(transaction=False)
            for record in records:
                record["execution_id"] = execution_id
                record.setdefault("timestamp", now.isoformat())
                pipe.publish(f"logs:{execution_id}", as_frame(record))
            await pipe.execute()
            last = records[-1]["sequence_number"]
            await socket.send_text(f'{{"type":"ack","sequence_number":{last}}}')
    except WebSocketDisconnect:
        pass


@app.websocket("/ws/executions/{execution_id}/logs")
async def follow(socket: WebSocket, execution_id: str, cursor: int = -1):
    async with app.state.bus.pubsub() as subscription:
        await subscription.subscribe(f"logs:{execution_id}")
        await socket.accept()
        rows = await app.state.pool.fetch(
            "SELECT * FROM execution_logs WHERE execution_id = $1 AND sequence_number > $2 ORDER BY sequence_number",
            execution_id,
            cursor,
        )
        for row in rows:
            await socket.send_text(json.dumps(shown(row)))
        try:
            async for message in subscription.listen():
                if message["type"] == "message":
                    await socket.send_text(message["data"].decode())
        except (WebSocketDisconnect, RuntimeError, asyncio.CancelledError):
            pass
