"""The rows of the table, in the order in which they run."""

from .rows_ingest import ingest_sockets, many_executions, shared_sockets, wrap_cat
from .rows_read import read_million, status_requests, tail_and_start
from .rows_jobs import jobs
from .rows_cold import read_cold
from .rows_nodes import many_servers
from .rows_store import shared_store
from .rows_growth import grow_servers
from .rows_size import grow_lines
from .rows_idle import hints, idle_servers
from .rows_live import events_fan_out, fan_out, join_old, latency, memory
from .rows_disk import disk
from .rows_fair import idle_connections, neighbours, strangers
from .rows_rival import rival_rows
from .rows_search import searches
from .rows_console import console, console_drawn
from .rows_structured import structured
from .rows_summary import summaries

ROWS = [
    wrap_cat,
    ingest_sockets,
    read_million,
    fan_out,
    events_fan_out,
    latency,
    join_old,
    many_executions,
    shared_sockets,
    disk,
    memory,
    status_requests,
    tail_and_start,
    summaries,
    structured,
    searches,
    console,
    console_drawn,
    idle_connections,
    strangers,
    neighbours,
    jobs,
    many_servers,
    read_cold,
    shared_store,
    grow_servers,
    grow_lines,
    hints,
    idle_servers,
    rival_rows,
]
