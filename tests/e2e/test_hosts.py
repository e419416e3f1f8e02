"""Two PostgreSQL, of which a server takes the one that lets it in."""

import contextlib

from support.api import eventually
from support.cluster import Cluster
from support.postgres import Postgres, roomy_folder

FULL = "ALTER ROLE runnel CONNECTION LIMIT 0"  # as if all of its connections were taken: too_many_connections


@contextlib.contextmanager
def two():
    with contextlib.ExitStack() as stack:
        engines = []
        for _ in range(2):
            engines.append(Postgres(roomy_folder()))
            stack.callback(engines[-1].close)
            engines[-1].sql("CREATE ROLE runnel LOGIN")
            engines[-1].sql("CREATE DATABASE runnel OWNER runnel")
        yield engines


def test_a_host_that_has_no_connection_left_is_passed_over_and_so_after_a_loss(tmp_path):
    """libpq itself tries no other then."""
    with two() as (full, other):
        full.sql(FULL)
        cluster = Cluster(tmp_path, store=f"host={full.folder},{other.folder} user=runnel dbname=runnel")
        try:
            api = cluster.add().api()
            execution_id = api.create()
            api.append(execution_id, {"message": "one"})
            assert other.sql("SELECT count(*) FROM executions", database="runnel") == "1"
            other.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'runnel'")
            path, once = f"/api/v1/executions/{execution_id}/logs", {"Idempotency-Key": execution_id}
            eventually(
                lambda: api.post(path, {"message": "two"}, headers=once).status in (200, 201), "it is connected again"
            )
            assert api.messages(execution_id) == ["one", "two"]
        finally:
            cluster.close()
